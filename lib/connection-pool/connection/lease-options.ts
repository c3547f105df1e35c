import type { Dispatcher } from 'undici';
import { checkObject, refuseArgument } from '../../common/options.js';

/** A request on a leased connection. Times are in milliseconds. */
export interface PoolRequestOptions {
  /** Path with its query: `/v1/models?limit=2`. */
  readonly path: string;
  /** Default `GET`. */
  readonly method?: Dispatcher.HttpMethod;
  /** Default: none. */
  readonly headers?: Dispatcher.DispatchOptions['headers'];
  /** A string, bytes, a `Readable` or `FormData`. Default: none. */
  readonly body?: Dispatcher.DispatchOptions['body'];
  /**
   * Aborts the request and closes the connection, because the rest of the answer would block it.
   */
  readonly signal?: AbortSignal;
  /** Default: the pool's. 0: no limit. */
  readonly headersTimeoutMs?: number;
  /** Default: the pool's. 0: no limit. */
  readonly bodyTimeoutMs?: number;
}

/** How long to wait for a connection. */
export interface AcquireOptions {
  /** Ends the wait; `acquire` rejects with its reason. */
  readonly signal?: AbortSignal;
  /** Default: `acquireTimeoutMs` of the pool. 0: no limit. */
  readonly timeoutMs?: number;
}

/** A connection leased by `use`. */
export interface LeasedConnection {
  readonly id: number;
  /** Its origin: `https://api.openai.com`. */
  readonly origin: string;
  /** Sends a request on it; several requests are sent one after the other. */
  request(options: PoolRequestOptions): Promise<Dispatcher.ResponseData>;
}

/** The signal of the options. Throws its reason if it is aborted. */
export function openSignal({ signal }: AcquireOptions): AbortSignal | undefined {
  if (signal === undefined || signal === null) return undefined;
  if (typeof signal.throwIfAborted !== 'function') throw refuseArgument('signal', signal, 'must be an AbortSignal');
  signal.throwIfAborted();
  return signal;
}

/** The request as undici takes it. */
export function requestOptions(options: PoolRequestOptions): Dispatcher.RequestOptions {
  checkObject('options', options, refuseArgument);
  const { path, method = 'GET', headers, body, signal, headersTimeoutMs, bodyTimeoutMs } = options;
  return { path, method, headers, body, signal, headersTimeout: headersTimeoutMs, bodyTimeout: bodyTimeoutMs };
}
