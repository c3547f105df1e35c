import { randomBytes, randomInt, createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** `sk-`, 12 characters that identify the key and may be shown, and 256 secret bits. */
const OWN_FORM = /^sk-([A-Za-z0-9]{12})-[\w-]{43}$/;
/**
 * Format of new keys. Authentication also accepts other formats, because clients already have such
 * keys.
 */
const NEW_FORM = /^sk-[\w.-]{13,125}$/;
/** The rule for a key that the app or an administrator chooses. */
export const NEW_KEY_RULE = 'must be sk- followed by 13 to 125 letters, digits or _ . -';
const PREFIX = 'sk-';
const PUBLIC_ID = /^[A-Za-z0-9]{12}$/;
const PUBLIC_CHARACTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const PUBLIC_LENGTH = 12;
const SECRET_BYTES = 32;

/** Headers from which LiteLLM's proxy reads a key; the first one present decides. */
const KEY_HEADERS = ['x-litellm-api-key', 'authorization', 'api-key', 'x-api-key', 'x-goog-api-key', 'ocp-apim-subscription-key'] as const;
const BEARER = /^bearer\s+/i;

/**
 * Returns the API key that a request sends, without the scheme `Bearer`; `undefined` if it sends
 * none. Does not verify the key.
 * @param only The only header to read, in lower case. Default: those of LiteLLM's proxy.
 */
export function keyIn(headers: IncomingHttpHeaders, only?: string | null): string | undefined {
  for (const name of only ? [only] : KEY_HEADERS) {
    const value = headers[name];
    if (typeof value === 'string' && value !== '') return withoutScheme(value);
  }
  return undefined;
}

/** LiteLLM's keys can contain spaces. */
function withoutScheme(value: string): string {
  const scheme = BEARER.exec(value)?.[0];
  return scheme === undefined ? value : value.slice(scheme.length).trimEnd() || value;
}

/** Makes a key `sk-<public id>-<secret>`. @param publicId Default: a new one */
export function newApiKey(publicId: string = newPublicId()): string {
  return `sk-${publicId}-${randomBytes(SECRET_BYTES).toString('base64url')}`;
}

function newPublicId(): string {
  return Array.from({ length: PUBLIC_LENGTH }, () => PUBLIC_CHARACTERS[randomInt(PUBLIC_CHARACTERS.length)]).join('');
}

/**
 * Returns the public id of a key: the part between its dashes or, for any other text after `sk-`,
 * the beginning of its hash. `undefined` for a text without `sk-`: a hash is never a key.
 */
export function publicIdOf(key: string): string | undefined {
  return ownPublicIdOf(key) ?? (isApiKey(key) ? publicIdOfHash(hashApiKey(key)) : undefined);
}

/** The public id in a key of this package's form, which LiteLLM's keys can have by chance. */
export function ownPublicIdOf(key: string): string | undefined {
  return OWN_FORM.exec(key)?.[1];
}

/** Returns the public id of a key that another program made, from its hash in hexadecimal. */
export function publicIdOfHash(sha256: string): string {
  return sha256.slice(0, PUBLIC_LENGTH);
}

/** Whether a text can be a key. LiteLLM accepts any text after `sk-`, of any length. */
export function isApiKey(text: string): boolean {
  return text.length > PREFIX.length && text.startsWith(PREFIX);
}

/** Whether a key is long enough to be created or configured: existing ones can be shorter. */
export function isNewApiKey(text: string): boolean {
  return NEW_FORM.test(text);
}

export function isPublicId(value: unknown): value is string {
  return typeof value === 'string' && PUBLIC_ID.test(value);
}

/** The hash of one valid secret of a key. */
export interface ApiKeyHash {
  /** SHA-256 of the whole key, in lower-case hexadecimal. */
  readonly sha256: string;
  /** ISO 8601: end of the validity of an older secret after a rotation. Default: no end. */
  readonly validUntil?: string;
}

/** SHA-256 of a key. Keys are kept and compared in this form only. */
export function keyHashOf(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}

/** The same in lower-case hexadecimal, as `sha256sum` and LiteLLM's database have it. */
export function hashApiKey(key: string): string {
  return keyHashOf(key).toString('hex');
}

/** Whether two keys are the same, by their hashes. Takes the same time for every wrong one. */
export function isSameKey(sent: Buffer, expected: Buffer): boolean {
  return timingSafeEqual(sent, expected);
}

/** A hash of a record, ready to be compared. */
export interface SecretHash {
  readonly bytes: Buffer;
  /** `Infinity` without an end. */
  readonly validUntilMs: number;
}

/** The hashes of a record's current and former secrets. */
export function secretHashesOf(hashes: readonly ApiKeyHash[]): readonly SecretHash[] {
  return hashes.map(({ sha256, validUntil }) => ({
    bytes: Buffer.from(sha256, 'hex'),
    validUntilMs: validUntil === undefined ? Infinity : Date.parse(validUntil),
  }));
}

/**
 * Compares the key of a request with the secrets of a record. Takes the same time for every wrong
 * one.
 * @returns when the secret expires; -1 if the key is wrong
 */
export function validUntil(sent: Buffer, secrets: readonly SecretHash[]): number {
  let untilMs = -1;
  for (const { bytes, validUntilMs } of secrets) if (isSameKey(sent, bytes)) untilMs = Math.max(untilMs, validUntilMs);
  return untilMs;
}
