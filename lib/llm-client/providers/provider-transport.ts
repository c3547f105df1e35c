/** A request to a provider, as undici's dispatchers take it. */
export interface ProviderRequest {
  readonly origin: string;
  readonly path: string;
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Names and values in turns. */
  headers: string[];
  readonly body: string | Buffer;
  /** In milliseconds, until the headers and between chunks. 0: none. Default: the connection's. */
  readonly headersTimeout?: number;
  readonly bodyTimeout?: number;
}

/** Receives an answer step by step: undici's handler without wrappers. */
export interface ProviderHandler {
  /** Before anything is sent. `abort` ends the request from this side. */
  onConnect(abort: (error?: Error) => void): void;
  /** The whole request was handed to the socket. */
  onRequestSent(): void;
  /** `false`: no data for the moment. */
  onHeaders(status: number, rawHeaders: readonly Buffer[], resume: () => void): boolean;
  /** A part of the body. `false`: no more until `resume`. */
  onData(chunk: Buffer): boolean;
  /** The answer is whole. */
  onComplete(): void;
  /** There will be no answer, or no more of it. */
  onError(error: Error): void;
}

/** Sends requests: the connection pool's dispatcher. */
export interface ProviderTransport {
  /** Sends a request; its answer goes to `handler`. `false`: the next one had better wait. */
  dispatch(request: ProviderRequest, handler: ProviderHandler): boolean;
}
