/** A request to a provider, as undici's dispatchers take it. */
export interface ProviderRequest {
  readonly origin: string;
  readonly path: string;
  readonly method: 'POST';
  /** Names and values by turns. */
  readonly headers: string[];
  readonly body: string | Buffer;
}

/** What comes back, step by step: undici's handler without wrappers, which copies nothing and parses no header that nobody reads. */
export interface ProviderHandler {
  onConnect(abort: (error?: Error) => void): void;
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

/** A header of undici's flat list, or `undefined`. @param name in lower case */
export function rawHeader(rawHeaders: readonly (Buffer | string)[], name: string): string | undefined {
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const key = rawHeaders[i];
    if (key.length === name.length && key.toString('latin1').toLowerCase() === name) return rawHeaders[i + 1].toString('latin1');
  }
  return undefined;
}
