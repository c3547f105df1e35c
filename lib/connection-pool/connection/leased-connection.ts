import type { Dispatcher } from 'undici';
import { checkObject, refuseArgument } from '../../common/options.js';

/** A request on a leased connection. Times in milliseconds. */
export interface PoolRequestOptions {
  /** With the query: `/v1/models?limit=2`. */
  readonly path: string;
  /** Default `GET`. */
  readonly method?: Dispatcher.HttpMethod;
  /** Default: none. */
  readonly headers?: Dispatcher.DispatchOptions['headers'];
  /** A string, bytes, a `Readable` or `FormData`. Default: none. */
  readonly body?: Dispatcher.DispatchOptions['body'];
  /** Ends the request; the connection is closed then, as its answer would be in the way. */
  readonly signal?: AbortSignal;
  /** Default: the pool's. 0: without end. */
  readonly headersTimeoutMs?: number;
  /** Default: the pool's. 0: without end. */
  readonly bodyTimeoutMs?: number;
}

/** How long to wait for a connection. */
export interface AcquireOptions {
  /** Ends the waiting; `acquire` then rejects with its reason. */
  readonly signal?: AbortSignal;
  /** Default: `acquireTimeoutMs` of the pool. 0: without end. */
  readonly timeoutMs?: number;
}

/** A connection as `use` lends it. */
export interface LeasedConnection {
  readonly id: number;
  /** Where it leads: `https://api.openai.com`. */
  readonly origin: string;
  /** Sends a request on it; several go one after the other. */
  request(options: PoolRequestOptions): Promise<Dispatcher.ResponseData>;
}

/** The signal that ends the waiting, unless it has been aborted already: then its reason is thrown. */
export function openSignal({ signal }: AcquireOptions): AbortSignal | undefined {
  if (signal === undefined || signal === null) return undefined;
  if (typeof signal.throwIfAborted !== 'function') throw refuseArgument('signal', signal, 'must be an AbortSignal');
  signal.throwIfAborted();
  return signal;
}

/** The request in undici's terms. */
export function requestOptions(options: PoolRequestOptions): Dispatcher.RequestOptions {
  checkObject('options', options, refuseArgument);
  const { path, method = 'GET', headers, body, signal, headersTimeoutMs, bodyTimeoutMs } = options;
  return { path, method, headers, body, signal, headersTimeout: headersTimeoutMs, bodyTimeout: bodyTimeoutMs };
}
