/** The body of a request: a text, bytes, or bytes in parts. */
export type RequestBytes = string | Buffer | readonly Buffer[];

/** A request to a provider, as undici's dispatchers take it. */
export interface ProviderRequest {
  readonly origin: string;
  readonly path: string;
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Names and values in turns. */
  headers: string[];
  /** In parts only over the connection pool, for a body of more than 32 KiB. */
  readonly body: RequestBytes;
  /** In milliseconds, until the headers and between chunks. 0: none. Default: the connection's. */
  readonly headersTimeout?: number;
  readonly bodyTimeout?: number;
}

/** The connection of a request. */
export interface SendingConnection {
  /** Whether the socket has passed all bytes on: none of them is read any more. */
  readonly hasWrittenAll: boolean;
}

/** Receives an answer step by step: undici's handler without wrappers. */
export interface ProviderHandler {
  /** @internal Which connection takes the request, where that is one of the pool. */
  onLease?(connection: SendingConnection): void;
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

/** A body as the parts that are sent one after the other. */
export function partsOf(body: RequestBytes): readonly (string | Buffer)[] {
  return typeof body === 'string' || Buffer.isBuffer(body) ? [body] : body;
}

/** Bytes of all parts together. */
export function lengthOf(parts: readonly Buffer[]): number {
  return parts.reduce((length, part) => length + part.length, 0);
}
