import { EventEmitter, getMaxListeners, setMaxListeners } from 'node:events';
import { RequestCancelledError } from '../common/errors.js';

/** A response whose `close` says that its client has gone: Node's own, which Express's is and Fastify's `reply.raw`. */
export type ClosableResponse = EventEmitter & { readonly writableFinished: boolean; readonly destroyed: boolean };

/** What can be stopped in the middle: an attempt, or the wait before the next. */
export interface Stoppable {
  abort(error: Error): void;
}

/** Whether a call is still wanted: ends with the caller's signal, or when the client of `response` leaves before its answer is whole. */
export class CallCancellation {
  /** What is under way; one thing at a time. Not a function: V8 allocates those that are assigned to a property as old, and with them all they refer to. */
  active: Stoppable | undefined;
  error: RequestCancelledError | undefined;

  private readonly aborted = (): void => this.cancel(this.signal?.reason);
  private readonly closed = (): void => {
    if (!this.response?.writableFinished) this.cancel(new Error('the client has closed its connection'));
  };

  constructor(
    private signal?: AbortSignal,
    private response?: ClosableResponse,
  ) {
    if (signal !== undefined) {
      if (signal.aborted) this.aborted();
      else this.listen(signal);
    }
    if (response !== undefined) {
      if (response.destroyed) this.closed();
      else response.once('close', this.closed);
    }
  }

  /** One signal may be for all the calls of a process: Node would warn of a leak at the eleventh, unless its owner has said how many are right. */
  private listen(signal: AbortSignal): void {
    if (hasDefaultLimit(signal)) setMaxListeners(Infinity, signal);
    signal.addEventListener('abort', this.aborted, { once: true });
  }

  cancel(reason: unknown): void {
    if (this.error !== undefined) return;
    this.error = new RequestCancelledError(reason);
    this.active?.abort(this.error);
  }

  /** To be called when the call is over: a signal may live as long as the process. */
  dispose(): void {
    this.active = undefined;
    this.signal?.removeEventListener('abort', this.aborted);
    this.response?.removeListener('close', this.closed);
    this.signal = undefined;
    this.response = undefined;
  }

  /** Waits, unless the call is cancelled before or meanwhile. */
  async wait(ms: number): Promise<void> {
    if (this.error !== undefined) throw this.error;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.active = undefined;
        resolve();
      }, ms);
      const abort = (error: Error): void => {
        clearTimeout(timer);
        reject(error);
      };
      this.active = { abort };
    });
  }
}

function hasDefaultLimit(signal: AbortSignal): boolean {
  try {
    return getMaxListeners(signal) === EventEmitter.defaultMaxListeners;
  } catch {
    // Node 20 refuses to tell a limit of 0, which means none.
    return false;
  }
}
