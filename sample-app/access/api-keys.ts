import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { keyIn } from 'nestjs-fast-litellm';

/** The keys of the operator, stored as hashes: the master key, and those of `PRO_API_KEYS`. */
export class ApiKeys {
  /** Whether requests need a key. */
  readonly isRequired: boolean;
  private readonly hashes: readonly Buffer[];
  private readonly header: string | null;

  constructor(known: { readonly masterKey: string | null; readonly others: readonly string[]; readonly header?: string | null }) {
    this.isRequired = known.masterKey !== null;
    this.hashes = [...(known.masterKey === null ? [] : [known.masterKey]), ...known.others].map(hashOf);
    this.header = known.header ?? null;
  }

  /** The key of a request. */
  shownBy(headers: IncomingHttpHeaders): string | undefined {
    return keyIn(headers, this.header);
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
