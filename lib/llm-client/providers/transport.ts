/** A request to a provider, as undici's dispatchers take it. */
export interface ProviderRequest {
  readonly origin: string;
  readonly path: string;
  readonly method: 'POST';
  /** Names and values by turns. */
  readonly headers: string[];
  readonly body: string | Buffer;
  /** In milliseconds, until the head of the answer and between two pieces of it; 0: no limit. Default: the connection's. */
  readonly headersTimeout?: number;
  readonly bodyTimeout?: number;
}

/** What comes back, step by step: undici's handler without wrappers, which copies nothing and parses no header that nobody reads. */
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

/** Who takes the chunks of a stream as they come. */
export interface ChunkSink {
  /** `false`: no more until `ProviderExchange.resume`. */
  chunk(bytes: Buffer): boolean;
  /** `undefined`: the stream is whole. */
  end(error: Error | undefined): void;
}

/** Sends requests: the connection pool's dispatcher. */
export interface ProviderTransport {
  dispatch(request: ProviderRequest, handler: ProviderHandler): boolean;
}

/** What letters differ by from their capitals; digits and hyphens have it anyway. */
const LOWER_CASE = 0x20;

/** A header of undici's flat list, or `undefined`. @param name in lower case */
export function rawHeader(rawHeaders: readonly (Buffer | string)[], name: string): string | undefined {
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    if (isNamed(rawHeaders[i], name)) return rawHeaders[i + 1].toString('latin1');
  }
  return undefined;
}

/** Byte by byte: most names differ in their length or their first letter, and a string of each would cost more than all the rest. */
function isNamed(key: Buffer | string, name: string): boolean {
  if (key.length !== name.length) return false;
  if (typeof key === 'string') return key.toLowerCase() === name;
  for (let i = 0; i < name.length; i++) if ((key[i] | LOWER_CASE) !== name.charCodeAt(i)) return false;
  return true;
}

/** Of OpenAI and most others, of Anthropic, of Azure. */
const REQUEST_IDS = ['x-request-id', 'request-id', 'apim-request-id'];
/** What may stand in a header of ours without a second thought. */
const PLAIN = /^[\x21-\x7e]{1,256}$/;

/** What a provider calls a request, from undici's flat list. `undefined` where it does not say, or nothing that one could repeat. */
export function requestIdIn(rawHeaders: readonly (Buffer | string)[]): string | undefined {
  for (const name of REQUEST_IDS) {
    const id = rawHeader(rawHeaders, name);
    if (id !== undefined && PLAIN.test(id)) return id;
  }
  return undefined;
}
