import { ProviderError } from '../../common/provider-error.js';
import { AttemptTimer, type AttemptTimes } from './attempt-timer.js';
import type { CallCancellation, Stoppable } from './cancellation.js';
import type { Deployment } from './call-router.js';

/** One attempt by a caller's own `send`: its signal, and an end that comes whether the `send` heeds the signal or not. */
export class CancellableSend implements Stoppable {
  readonly controller = new AbortController();
  /** Whether the `send` was called: what it sends may have left. */
  hasBegun = false;
  private readonly timer: AttemptTimer;
  private refuse: ((error: Error) => void) | undefined = undefined;
  private ended: Error | undefined = undefined;
  private onEnd: ((error: Error) => void) | undefined = undefined;

  constructor(
    private readonly deployment: Deployment,
    times: AttemptTimes,
    private readonly cancellation: CallCancellation,
  ) {
    this.timer = new AttemptTimer(times, this);
    cancellation.active = this;
    if (cancellation.error !== undefined) this.abort(cancellation.error);
  }

  /** @throws what ended it, if it is over before it has begun. */
  check(): void {
    if (this.ended !== undefined) throw this.ended;
  }

  /** What `work` gives, unless the attempt ends before. */
  async until<T>(work: Promise<T>): Promise<T> {
    // Nobody may be left to hear of its failure.
    work.catch(() => {});
    if (this.ended !== undefined) throw this.ended;
    try {
      return await Promise.race([work, new Promise<never>((_, reject) => (this.refuse = reject))]);
    } finally {
      this.refuse = undefined;
    }
  }

  /** `told` hears at once when it ends before its time: nobody may be waiting for the next chunk then, or ever again. */
  whenEnded(told: (error: Error) => void): void {
    this.onEnd = told;
  }

  /** Ends it now. */
  abort(error: Error): void {
    this.ended ??= error;
    this.controller.abort(error);
    this.refuse?.(error);
    this.onEnd?.(error);
  }

  firstChunk(): void {
    this.timer.firstChunk();
  }

  /** Everything is there, or given up. */
  stop(): void {
    this.timer.stop();
    this.cancellation.active = undefined;
  }

  timeOut(what: string): void {
    const { provider, id: deploymentId } = this.deployment;
    const message = `The provider gave no ${what} in the time it was given.`;
    this.abort(new ProviderError({ kind: 'timeout', message, provider, deploymentId }));
  }
}
