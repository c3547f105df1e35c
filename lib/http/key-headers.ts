import type { IncomingHttpHeaders } from 'node:http';

/** Headers from which LiteLLM's proxy reads a key; the first one present decides. */
const KEY_HEADERS = ['x-litellm-api-key', 'authorization', 'api-key', 'x-api-key', 'x-goog-api-key', 'ocp-apim-subscription-key'] as const;
const BEARER = /^bearer\s+(\S+)\s*$/i;

/**
 * Returns the API key that a request sends, without the scheme `Bearer`; `undefined` if it sends
 * none. Does not verify the key.
 * @param only The only header to read, in lower case. Default: those of LiteLLM's proxy.
 */
export function keyIn(headers: IncomingHttpHeaders, only?: string | null): string | undefined {
  for (const name of only ? [only] : KEY_HEADERS) {
    const value = headers[name];
    if (typeof value === 'string' && value !== '') return BEARER.exec(value)?.[1] ?? value;
  }
  return undefined;
}
