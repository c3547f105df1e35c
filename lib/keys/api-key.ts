import { createHash, randomBytes, randomInt } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** `sk-`, 12 characters that identify the key and may be shown, and 256 secret bits. */
const OWN_FORM = /^sk-([A-Za-z0-9]{12})-[\w-]{43}$/;
/** Keys that another program made, such as LiteLLM. */
const OTHER_FORM = /^sk-[\w.-]{13,125}$/;
const PUBLIC_ID = /^[A-Za-z0-9]{12}$/;
const PUBLIC_CHARACTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const PUBLIC_LENGTH = 12;
const SECRET_BYTES = 32;

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

/** Makes a key `sk-<public id>-<secret>`. @param publicId Default: a new one */
export function newApiKey(publicId: string = newPublicId()): string {
  return `sk-${publicId}-${randomBytes(SECRET_BYTES).toString('base64url')}`;
}

function newPublicId(): string {
  return Array.from({ length: PUBLIC_LENGTH }, () => PUBLIC_CHARACTERS[randomInt(PUBLIC_CHARACTERS.length)]).join('');
}

/**
 * Returns the public id of a key: the part between its dashes or, for `sk-` and 13 to 125 other
 * letters, digits and `_ . -`, the beginning of its hash. `undefined` for any other text.
 */
export function publicIdOf(key: string): string | undefined {
  const own = OWN_FORM.exec(key)?.[1];
  if (own !== undefined) return own;
  return OTHER_FORM.test(key) ? hashApiKey(key).slice(0, PUBLIC_LENGTH) : undefined;
}

export function isPublicId(value: unknown): value is string {
  return typeof value === 'string' && PUBLIC_ID.test(value);
}

/** SHA-256 in lower-case hexadecimal, as `sha256sum` and LiteLLM's database have it. */
export function hashApiKey(key: string): string {
  return createHash('sha256').update(key).digest('hex');
}
