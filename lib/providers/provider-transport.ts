import { nextTurn } from '../common/next-turn.js';

/** The body of a request: a string, bytes, or bytes in parts. */
export type RequestBytes = string | Buffer | readonly Buffer[];

/** A request to a provider, in the format of undici's dispatchers. */
export interface ProviderRequest {
  readonly origin: string;
  readonly path: string;
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Names and values alternate. */
  headers: string[];
  /** In parts only over the connection pool, if the body exceeds 32 KiB. */
  readonly body: RequestBytes;
  /**
   * In milliseconds, until the headers and between chunks. 0: no limit. Default: the connection's.
   */
  readonly headersTimeout?: number;
  readonly bodyTimeout?: number;
}

/** The connection of a request. */
export interface SendingConnection {
  /** Whether the socket has passed all bytes on: none of them is read any longer. */
  readonly hasWrittenAll: boolean;
}

/** Receives an answer step by step. The same interface as undici's handlers, without wrappers. */
export interface ProviderHandler {
  /** @internal Called with the connection that sends the request, if it is one of the pool's. */
  onLease?(connection: SendingConnection): void;
  /** Called before anything is sent. `abort` cancels the request. */
  onConnect(abort: (error?: Error) => void): void;
  /** Called when the whole request was passed to the socket. */
  onRequestSent(): void;
  /** Called with the headers. Return `false` to pause the data. */
  onHeaders(status: number, rawHeaders: readonly Buffer[], resume: () => void): boolean;
  /** Called with a part of the body. Return `false` to pause until `resume`. */
  onData(chunk: Buffer): boolean;
  /** Called when the answer is complete. */
  onComplete(): void;
  /** Called when the answer fails, before or after its first bytes. */
  onError(error: Error): void;
}

/** Sends requests: the connection pool's dispatcher. */
export interface ProviderTransport {
  /**
   * Sends a request; `handler` receives its answer. Returns `false` if the next request should
   * wait.
   */
  dispatch(request: ProviderRequest, handler: ProviderHandler): boolean;
}

/** A body as the parts that are sent one after the other. */
export function partsOf(body: RequestBytes): readonly (string | Buffer)[] {
  return typeof body === 'string' || Buffer.isBuffer(body) ? [body] : body;
}

/** Number of bytes written in one turn of the event loop, during which the system copies them. */
const PORTION = 256 * 1024;

/** Length of a body that is sent in parts, which undici needs; `undefined` for other bodies. */
export function sentParts(body: RequestBytes): readonly Buffer[] | undefined {
  if (typeof body === 'string') return undefined;
  if (!Buffer.isBuffer(body)) return body;
  return body.length > PORTION ? [body] : undefined;
}

/** The parts for undici, which writes them at once; long bodies are yielded in several turns. */
export function portionsOf(parts: readonly Buffer[]): Iterable<Buffer> | AsyncIterable<Buffer> {
  return lengthOf(parts) > PORTION ? inPortions(parts) : parts;
}

async function* inPortions(parts: readonly Buffer[]): AsyncGenerator<Buffer, void> {
  let left = PORTION;
  for (const part of parts) {
    for (let at = 0; at < part.length; at += PORTION) {
      const portion = part.subarray(at, at + PORTION);
      if (portion.length > left) {
        await nextTurn();
        left = PORTION;
      }
      left -= portion.length;
      yield portion;
    }
  }
}

/** Bytes of all parts together. */
export function lengthOf(parts: readonly Buffer[]): number {
  return parts.reduce((length, part) => length + part.length, 0);
}
