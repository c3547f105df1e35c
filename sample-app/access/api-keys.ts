import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** Headers from which LiteLLM's proxy reads a key; the first one present decides. */
const KEY_HEADERS = ['x-litellm-api-key', 'authorization', 'api-key', 'x-api-key', 'x-goog-api-key', 'ocp-apim-subscription-key'];

/** Known keys, stored as hashes. */
export class ApiKeys {
  /** Whether requests need a key. */
  readonly isRequired: boolean;
  private readonly hashes: readonly Buffer[];
  private readonly headers: readonly string[];

  constructor(known: { readonly masterKey: string | null; readonly others: readonly string[]; readonly header?: string | null }) {
    this.isRequired = known.masterKey !== null;
    this.hashes = [...(known.masterKey === null ? [] : [known.masterKey]), ...known.others].map(hashOf);
    this.headers = known.header ? [known.header] : KEY_HEADERS;
  }

  /** The key of a request. */
  shownBy(headers: IncomingHttpHeaders): string | undefined {
    for (const name of this.headers) {
      const value = headers[name];
      if (typeof value === 'string' && value !== '') return /^bearer\s+(\S+)\s*$/i.exec(value)?.[1] ?? value;
    }
    return undefined;
  }

  /** The hash of the request's key if it is known. Compares in constant time. */
  knownIn(headers: IncomingHttpHeaders): string | undefined {
    const key = this.shownBy(headers);
    if (key === undefined) return undefined;
    const hash = hashOf(key);
    let isKnown = false;
    for (const known of this.hashes) isKnown = timingSafeEqual(known, hash) || isKnown;
    return isKnown ? `key:${hash.toString('base64url')}` : undefined;
  }
}

function hashOf(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}
