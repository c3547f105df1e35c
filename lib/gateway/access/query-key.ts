import type { IncomingHttpHeaders } from 'node:http';
import { keyIn } from '../../keys/api-key.js';

/** The parts of a request that can have a key. */
interface QueriedRequest {
  readonly url?: string;
  readonly headers: IncomingHttpHeaders;
}

/** Longer values are not keys. */
const LONGEST_KEY = 1024;
const HAS_KEY = /[?&]key=/;

/**
 * Reads the key that older clients of Google's API send as `?key=`, unless a header has one. The
 * query never reaches a provider.
 */
export function takeQueryKey({ url = '', headers }: QueriedRequest): void {
  if (!HAS_KEY.test(url) || keyIn(headers) !== undefined) return;
  const key = new URLSearchParams(url.slice(url.indexOf('?'))).get('key') ?? '';
  if (key !== '' && key.length <= LONGEST_KEY) headers['x-goog-api-key'] = key;
}
