import type { Identifiable } from '../guard/client-key.js';

/** Bytes, or UTF-16 units and values, up to which a body is cheap to read and to count at once. */
const LARGE_BODY = 16 * 1024;
/** A structure that is nested deeper counts as large: the walk ends before the stack does. */
const DEEP = 128;

type Headers = NonNullable<Identifiable['headers']>;

/** Whether the body of an HTTP request may be large, by its headers: its length is over 16 KiB, compressed or not told. */
export function mayBeLarge(headers: Headers): boolean {
  return isDeclaredLarge(headers) ?? headers['transfer-encoding'] !== undefined;
}

/** The same for a body that has been read: by its headers, or where they do not tell, by what it holds. */
export function isLarge({ headers, body }: { readonly headers?: Headers; readonly body?: unknown }): boolean {
  if (typeof body !== 'object' || body === null) return typeof body === 'string' && body.length > LARGE_BODY;
  return (headers === undefined ? undefined : isDeclaredLarge(headers)) ?? weightLeft(body, LARGE_BODY, 0) < 0;
}

/** Whether bytes that have been read are many. */
export function isLargeBody(body: Buffer): boolean {
  return body.length > LARGE_BODY;
}

/** By its declared length; `undefined` where that is not the length of the text. */
function isDeclaredLarge(headers: Headers): boolean | undefined {
  const length = headers['content-length'];
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') return true;
  // What is no number is no length.
  return length === undefined ? undefined : !(Number(length) <= LARGE_BODY);
}

/** What is left of `budget` behind the value's texts, keys and values; below 0 as soon as it is spent. */
function weightLeft(value: unknown, budget: number, depth: number): number {
  if (typeof value === 'string') return budget - value.length - 1;
  if (typeof value !== 'object' || value === null) return budget - 1;
  if (depth > DEEP) return -1;
  let left = budget - 1;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length && left >= 0; i++) left = weightLeft(value[i], left, depth + 1);
    return left;
  }
  for (const key in value) {
    left = weightLeft((value as Record<string, unknown>)[key], left - key.length, depth + 1);
    if (left < 0) break;
  }
  return left;
}
