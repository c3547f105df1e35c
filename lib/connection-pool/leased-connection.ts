import type { Dispatcher } from 'undici';

/** A request on a leased connection. Times in milliseconds. */
export interface PoolRequestOptions {
  /** With the query: `/v1/models?limit=2`. */
  readonly path: string;
  /** Default `GET`. */
  readonly method?: Dispatcher.HttpMethod;
  readonly headers?: Dispatcher.DispatchOptions['headers'];
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

/** The request in undici's terms. */
export function requestOptions(options: PoolRequestOptions): Dispatcher.RequestOptions {
  const { path, method = 'GET', headers, body, signal, headersTimeoutMs, bodyTimeoutMs } = options;
  return { path, method, headers, body, signal, headersTimeout: headersTimeoutMs, bodyTimeout: bodyTimeoutMs };
}
