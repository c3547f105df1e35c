import { receivedBody } from './body-object.js';
import type { Identifiable } from '../guard/client-key.js';

/** Bytes, or UTF-16 units and values, of a body that is cheap to parse and count in one turn. */
export const LARGE_BODY = 16 * 1024;
/** A deeper structure counts as large: the walk is recursive. */
const DEEP = 128;

type Headers = NonNullable<Identifiable['headers']>;

/** Whether the headers allow a body over 16 KiB: by its length, compressed or chunked. */
export function mayBeLarge(headers: Headers): boolean {
  return isDeclaredLarge(headers) ?? headers['transfer-encoding'] !== undefined;
}

/** Whether a parsed body is over 16 KiB: by its headers, otherwise by its content. */
export function isLarge({ headers, body }: { readonly headers?: Headers; readonly body?: unknown }): boolean {
  if (typeof body !== 'object' || body === null) return typeof body === 'string' && body.length > LARGE_BODY;
  const received = receivedBody(body);
  if (received !== undefined) return isLargeBody(received.bytes);
  return (headers === undefined ? undefined : isDeclaredLarge(headers)) ?? weightLeft(body, LARGE_BODY, 0) < 0;
}

/** Whether a body that was read is over 16 KiB. */
export function isLargeBody(body: Buffer): boolean {
  return body.length > LARGE_BODY;
}

/** By the declared length; `undefined` without one. */
function isDeclaredLarge(headers: Headers): boolean | undefined {
  const length = headers['content-length'];
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') return true;
  // A length that is not a number counts as large.
  return length === undefined ? undefined : !(Number(length) <= LARGE_BODY);
}

/** `budget` less the texts, keys and values of `value`; negative as soon as it is spent. */
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
