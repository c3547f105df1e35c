import { EventEmitter, getMaxListeners, setMaxListeners } from 'node:events';
import { LONGEST_TIMER_MS } from '../common/clock.js';
import { RequestCancelledError } from '../common/errors.js';
import { refuseArgument } from '../common/options.js';
import { whenOver, type NodeResponse } from '../common/response-end.js';

/** A response that reports a disconnected client: Node's own, Express's, Fastify's `reply.raw`. */
export type ClosableResponse = NodeResponse & {
  readonly writableFinished: boolean;
  readonly writableNeedDrain?: boolean;
  destroy?(): unknown;
};

/** Operation that a cancellation stops: the attempt in flight, or the wait before a retry. */
export interface Abortable {
  abort(error: Error): void;
}

/** Sources that can cancel a call. */
interface Cancelling {
  readonly signal?: AbortSignal | null;
  readonly response?: ClosableResponse | { readonly raw: ClosableResponse } | null;
}

/** A cancellation, or a denial. */
type EndingError = Error & { readonly code: string };

const NONE: readonly never[] = [];

/** Cancels a call when its signal aborts, or its client leaves before the answer is complete. */
export class CallCancellation {
  /** The one operation in flight. */
  active: Abortable | undefined = undefined;
  error: EndingError | undefined = undefined;

  private signal: AbortSignal | undefined = undefined;
  private onAbort: (() => void) | undefined = undefined;
  private unwatch: (() => void) | undefined = undefined;
  private children: readonly CallCancellation[] = NONE;

  readonly response: ClosableResponse | undefined;

  /** @throws InvalidArgumentError for a signal or a response of the wrong type. */
  constructor({ signal, response }: Cancelling = {}) {
    const raw = response && 'raw' in response ? response.raw : (response ?? undefined);
    this.response = raw;
    if (raw !== undefined && typeof (raw as ClosableResponse | null)?.on !== 'function')
      throw refuseArgument('response', raw, 'must be a Node.js response or a Fastify reply');
    if (signal !== undefined && signal !== null) this.follow(signal);
    if (raw === undefined) return;
    this.unwatch = whenOver(raw, () => {
      if (!raw.writableFinished) this.cancel(new Error('the client closed the connection'));
    });
  }

  private follow(signal: AbortSignal): void {
    if (typeof signal.addEventListener !== 'function') throw refuseArgument('signal', signal, 'must be an AbortSignal');
    if (signal.aborted) return this.cancel(signal.reason);
    // All calls of a process can share one signal. Node would warn of a leak at the eleventh.
    if (hasDefaultLimit(signal)) setMaxListeners(Infinity, signal);
    const onAbort = (): void => this.cancel(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    this.signal = signal;
    this.onAbort = onAbort;
  }

  cancel(reason: unknown): void {
    if (this.error === undefined) this.abort(new RequestCancelledError(reason));
  }

  /** That of one view of the call. It ends with the call. */
  child(): CallCancellation {
    const child = new CallCancellation();
    child.error = this.error;
    this.children = [...this.children, child];
    return child;
  }

  /** Ends the call as a denial, and not as its client's cancellation. */
  deny(error: EndingError): void {
    if (this.error === undefined) this.abort(error);
  }

  /** Whether its client, or the program, has cancelled the call. */
  get isByCaller(): boolean {
    return this.error instanceof RequestCancelledError;
  }

  private abort(error: EndingError): void {
    this.error = error;
    this.active?.abort(error);
    for (const child of this.children) if (child.error === undefined) child.abort(error);
  }

  /** Removes the listeners when the call ends: a signal may live as long as the process. */
  dispose(): void {
    this.active = undefined;
    this.children = NONE;
    if (this.onAbort !== undefined) this.signal?.removeEventListener('abort', this.onAbort);
    this.unwatch?.();
    this.signal = undefined;
    this.onAbort = undefined;
    this.unwatch = undefined;
  }

  /** The result of `work`. @throws RequestCancelledError as soon as the call is cancelled */
  async until<T>(work: Promise<T>): Promise<T> {
    // It can reject after nothing awaits it any longer.
    work.catch(() => {});
    if (this.error !== undefined) throw this.error;
    try {
      return await Promise.race([work, new Promise<never>((_, reject) => (this.active = { abort: reject }))]);
    } finally {
      this.active = undefined;
    }
  }

  /** Waits. @throws RequestCancelledError if the call is cancelled before or during the wait. */
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

/** How long an attempt may take, in milliseconds. `Infinity`: no limit. */
export interface AttemptTimes {
  /** Until its end. */
  readonly wholeMs: number;
  /** Whether the time of its call ends then, too. */
  readonly endsCall: boolean;
  /** Until the first chunk of a stream. */
  readonly firstChunkMs: number;
  /** For the headers and between two chunks, instead of the connection's own; 0: none. */
  readonly headTimeoutMs: number | undefined;
  readonly bodyTimeoutMs: number | undefined;
  /** Limits that the request's body set below the operator's: the deployment is not to blame. */
  readonly byCaller: { readonly whole: boolean; readonly firstChunk: boolean; readonly silence?: boolean };
}

/** Phase in which an attempt timed out. */
export type AwaitedPart = 'answer' | 'first chunk';

/** The two time limits of one attempt. */
export class AttemptTimer {
  /** Whether a limit ran out that the request's body had set. */
  isCallersLimit = false;
  private whole: NodeJS.Timeout | undefined = undefined;
  private first: NodeJS.Timeout | undefined = undefined;

  constructor(
    private readonly times: AttemptTimes,
    private readonly attempt: { timeOut(awaited: AwaitedPart): void },
  ) {
    const { wholeMs, firstChunkMs } = times;
    if (wholeMs < LONGEST_TIMER_MS) this.whole = setTimeout(timeOut, roundedUp(wholeMs), this, 'answer');
    if (firstChunkMs < wholeMs && firstChunkMs < LONGEST_TIMER_MS) {
      this.first = setTimeout(timeOut, roundedUp(firstChunkMs), this, 'first chunk');
    }
  }

  firstChunk(): void {
    clearTimeout(this.first);
  }

  stop(): void {
    clearTimeout(this.first);
    clearTimeout(this.whole);
  }

  timeOut(awaited: AwaitedPart): void {
    const { byCaller } = this.times;
    this.isCallersLimit = awaited === 'answer' ? byCaller.whole : byCaller.firstChunk;
    this.attempt.timeOut(awaited);
  }
}

function timeOut(timer: AttemptTimer, awaited: AwaitedPart): void {
  timer.timeOut(awaited);
}

/** Node truncates fractions of a millisecond. Rounding errors do not count. */
function roundedUp(ms: number): number {
  return Math.max(0, Math.ceil(ms - 0.001));
}

function hasDefaultLimit(signal: AbortSignal): boolean {
  try {
    return getMaxListeners(signal) === EventEmitter.defaultMaxListeners;
  } catch {
    // Node 20 throws for a limit of 0, which means none.
    return false;
  }
}
