import type { EventEmitter } from 'node:events';
import { Dispatcher, errors } from 'undici';
import { InvalidArgumentError } from '../../common/errors.js';
import type { LogSink } from '../../common/log-sink.js';
import type { PoolConnection, PoolEndpoint } from './endpoint.js';
import type { SocketPool } from './socket-pool.js';
import { Waiter } from './wait-queue.js';

type Options = Dispatcher.DispatchOptions;
type Handler = Dispatcher.DispatchHandler;

/**
 * undici's `Dispatcher` and the one that the global `fetch` declares: to TypeScript, the class of
 * the undici in Node 20 and 22 is another one than ours, and `fetch(url, { dispatcher })` would not
 * compile.
 */
export type FetchDispatcher = Dispatcher & (RequestInit extends { dispatcher?: infer BuiltIn } ? NonNullable<BuiltIn> : unknown);

/**
 * Aborts a request that undici has not started yet. Handlers accept several starts of one request,
 * each with its own controller: undici's later one replaces this one.
 */
class EarlyController implements Dispatcher.DispatchController {
  aborted = false;
  reason: Error | null = null;
  paused = false;
  rawHeaders = null;
  rawTrailers = null;

  constructor(private readonly end: (error: Error | undefined, controller: EarlyController) => void) {}

  abort(reason?: Error): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason ?? null;
    this.end(reason, this);
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }
}

/** A request in the wait queue. */
class WaitingRequest extends Waiter {
  constructor(
    endpoint: PoolEndpoint,
    private readonly pool: SocketPool,
    private readonly options: Options,
    private readonly handler: Handler,
  ) {
    super(endpoint, pool.options.acquireTimeoutMs);
  }

  /** Joins the queue. The handler can abort the request from here on. */
  join(): void {
    this.pool.wait(this);
    startEarly(this.handler, new EarlyController((error, controller) => this.leave(error, controller)));
  }

  grant(id: number): void {
    this.isolate(() => send(this.pool, id, this.options, this.handler));
  }

  fail(error: unknown, controller: EarlyController | null = null): void {
    this.isolate(() => refuse(this.handler, error as Error, controller));
  }

  private leave(error: Error = new errors.RequestAbortedError(), controller: EarlyController): void {
    if (this.pool.waiters.remove(this)) this.fail(error, controller);
  }

  /** A handler that throws must not keep the next waiters from their turn. */
  private isolate(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.pool.handlerFailed(error);
    }
  }
}

/**
 * The pool as undici's `Dispatcher`: each request has its own connection until its answer is
 * complete.
 *
 * An error that a handler throws while it handles a failure becomes an `error` event, as in
 * undici's `Client`; without a listener it is logged.
 */
export class PoolDispatcher extends Dispatcher {
  constructor(
    private readonly pool: SocketPool,
    private readonly drain: (deadlineMs?: number) => Promise<void>,
    logger: LogSink,
  ) {
    super();
    pool.onHandlerFailed = (error) => {
      if (this.listenerCount('error') > 0) (this as EventEmitter).emit('error', error);
      else logger.error(`Connection pool: a request's error handler threw (${(error as Error | undefined)?.stack ?? String(error)})`);
    };
  }

  /** As in undici. A request without a connection waits for at most `acquireTimeoutMs`. */
  override dispatch(options: Options, handler: Handler): boolean {
    try {
      const { origin } = options;
      if (origin === undefined) throw new InvalidArgumentError('origin', origin, 'must be set');
      const endpoint = this.pool.endpoints.find(typeof origin === 'string' ? origin : origin.origin);
      const id = this.pool.take(endpoint);
      if (id > 0) {
        send(this.pool, id, options, handler);
        return true;
      }
      new WaitingRequest(endpoint, this.pool, options, handler).join();
      return false;
    } catch (error) {
      refuse(handler, error as Error);
      return false;
    }
  }

  /** Drains the pool, without a time limit. */
  override close(callback?: () => void): Promise<void> & void {
    return answer(this.drain(Infinity), callback);
  }

  /** Drains the pool and closes leased connections at once. */
  override destroy(error?: Error | null | (() => void), callback?: () => void): Promise<void> & void {
    return answer(this.drain(0), typeof error === 'function' ? error : callback);
  }
}

/** A handler of this package, which is passed its connection. */
interface LeaseHandler {
  onLease?(connection: { readonly hasWrittenAll: boolean }): void;
}

function send(pool: SocketPool, id: number, options: Options, handler: Handler): void {
  const connection = pool.table.find(id) as PoolConnection;
  pool.returnLater(connection);
  try {
    (handler as LeaseHandler).onLease?.(connection);
    connection.dispatch(options, handler);
    if (connection.connecting && connection.isBusy) startEarly(handler, new EarlyController((error) => connection.giveUp(id, error)));
  } catch (error) {
    refuse(handler, error as Error);
  } finally {
    // A request that undici refuses gets no answer.
    if (!connection.isBusy) pool.free(connection);
  }
}

/**
 * Starts a request for its handler before undici does, so that it can be aborted while it waits or
 * its connection opens. undici has handlers with `onRequestStart` (from version 7) and with
 * `onConnect`.
 */
function startEarly(handler: Handler, controller: EarlyController): void {
  const { onRequestStart, onConnect } = handler as Partial<Record<'onRequestStart' | 'onConnect', (...args: unknown[]) => void>>;
  try {
    if (onRequestStart !== undefined) onRequestStart.call(handler, controller, null);
    else onConnect?.call(handler, (reason?: Error) => controller.abort(reason), null);
  } catch (error) {
    controller.abort(error as Error);
  }
}

function refuse(handler: Handler, error: Error, controller: EarlyController | null = null): void {
  const { onResponseError, onError } = handler as Partial<Record<'onResponseError' | 'onError', (...args: unknown[]) => void>>;
  if (onResponseError !== undefined) onResponseError.call(handler, controller, error);
  else if (onError !== undefined) onError.call(handler, error);
  else throw error;
}

function answer(done: Promise<void>, callback: (() => void) | undefined): Promise<void> & void {
  if (callback === undefined) return done as Promise<void> & void;
  void done.then(() => callback());
  return undefined as unknown as Promise<void> & void;
}
