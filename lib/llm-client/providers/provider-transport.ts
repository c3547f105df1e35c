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
  onConnect(abort: (error?: Error) => void): void;
  /** The whole request was handed to the socket. */
  onRequestSent(): void;
  /** `false`: no data for the moment. */
  onHeaders(status: number, rawHeaders: readonly Buffer[], resume: () => void): boolean;
  onData(chunk: Buffer): boolean;
  onComplete(): void;
  onError(error: Error): void;
}

/** Sends requests: the connection pool's dispatcher. */
export interface ProviderTransport {
  dispatch(request: ProviderRequest, handler: ProviderHandler): boolean;
}
