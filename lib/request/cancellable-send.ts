import { ProviderError } from '../common/provider-error.js';
import { AttemptTimer, type AttemptTimes } from './attempt-timer.js';
import type { CallCancellation } from './call-cancellation.js';
import type { Deployment } from './call-router.js';

/** One attempt by a caller's own `send`: its signal, and an end that comes whether the `send` heeds the signal or not. */
export class CancellableSend {
  readonly controller = new AbortController();
  private readonly timer: AttemptTimer;
  private refuse: ((error: Error) => void) | undefined;
  private ended: Error | undefined;

  constructor(
    private readonly deployment: Deployment,
    times: AttemptTimes,
    private readonly cancellation: CallCancellation,
  ) {
    this.timer = new AttemptTimer(times, (what) => this.end(this.timedOut(what)));
    cancellation.onCancel = (error) => this.end(error);
    if (cancellation.error !== undefined) this.end(cancellation.error);
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

  firstChunk(): void {
    this.timer.firstChunk();
  }

  /** Everything is there, or given up. */
  stop(): void {
    this.timer.stop();
    this.cancellation.onCancel = undefined;
  }

  private end(error: Error): void {
    this.ended ??= error;
    this.controller.abort(error);
    this.refuse?.(error);
  }

  private timedOut(what: string): ProviderError {
    const { provider, id: deploymentId } = this.deployment;
    return new ProviderError({
      kind: 'timeout',
      message: `The provider gave no ${what} in the time it was given.`,
      provider,
      deploymentId,
    });
  }
}
