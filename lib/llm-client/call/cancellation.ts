import { EventEmitter, getMaxListeners, setMaxListeners } from 'node:events';
import { RequestCancelledError } from '../../common/errors.js';
import { refuseArgument } from '../../common/options.js';
import { whenOver, type NodeResponse } from '../../common/response-over.js';

/** A response whose `close` says that its client has gone: Node's own, which Express's is and Fastify's `reply.raw`. */
export type ClosableResponse = NodeResponse & { readonly writableFinished: boolean; readonly writableNeedDrain?: boolean };

/** What can be stopped in the middle: an attempt, or the wait before the next. */
export interface Stoppable {
  abort(error: Error): void;
}

/** Whether a call is still wanted: ends with the caller's signal, or when the client of `response` leaves before its answer is whole. */
export class CallCancellation {
  /** What is under way; one thing at a time. Not a function: V8 allocates those that are assigned to a property as old, and with them all they refer to. */
  active: Stoppable | undefined = undefined;
  error: RequestCancelledError | undefined = undefined;

  private signal: AbortSignal | undefined = undefined;
  private onAbort: (() => void) | undefined = undefined;
  private letGo: (() => void) | undefined = undefined;

  constructor(
    signal?: AbortSignal | null,
    readonly response?: ClosableResponse,
  ) {
    if (response !== undefined && typeof (response as ClosableResponse | null)?.on !== 'function')
      throw refuseArgument('response', response, "must be Node's response, or a reply of Fastify's");
    if (signal !== undefined && signal !== null) this.heed(signal);
    if (response !== undefined) this.watch(response);
  }

  private heed(signal: AbortSignal): void {
    if (typeof signal.addEventListener !== 'function') throw refuseArgument('signal', signal, 'must be an AbortSignal');
    if (signal.aborted) return this.cancel(signal.reason);
    // One signal may be for all the calls of a process: Node would warn of a leak at the eleventh, unless its owner has said how many are right.
    if (hasDefaultLimit(signal)) setMaxListeners(Infinity, signal);
    const onAbort = (): void => this.cancel(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    this.signal = signal;
    this.onAbort = onAbort;
  }

  private watch(response: ClosableResponse): void {
    this.letGo = whenOver(response, () => {
      if (!response.writableFinished) this.cancel(new Error('the client has closed its connection'));
    });
  }

  cancel(reason: unknown): void {
    if (this.error !== undefined) return;
    this.error = new RequestCancelledError(reason);
    this.active?.abort(this.error);
  }

  /** To be called when the call is over: a signal may live as long as the process. */
  dispose(): void {
    this.active = undefined;
    if (this.onAbort !== undefined) this.signal?.removeEventListener('abort', this.onAbort);
    this.letGo?.();
    this.signal = undefined;
    this.onAbort = undefined;
    this.letGo = undefined;
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
