import type { Principal } from '../http/principal.js';
import type { ApiKeyRecord } from './api-key-record.js';
import { principalOf } from './key-principal.js';
import { secretHashesOf, validUntil, type SecretHash } from './api-key.js';
import { RecordCache, type CachedStore } from './record-cache.js';

/** Why a key is not accepted. */
export type KeyFault = 'unknown' | 'expired' | 'blocked';

/** A record, ready to be compared with the keys of requests. */
export class KnownKey {
  readonly principal: Principal;
  /** The same with a higher budget, until `raisedUntilMs`. */
  readonly raised: Principal;
  readonly raisedUntilMs: number;
  private readonly secrets: readonly SecretHash[];
  private readonly expiresAtMs: number;

  constructor(readonly record: ApiKeyRecord) {
    this.secrets = secretHashesOf(record.hashes);
    this.expiresAtMs = msOf(record.expiresAt);
    this.principal = principalOf(record);
    const isRaised = (record.raisedUsd ?? 0) > 0 && record.raisedUntil !== undefined;
    this.raised = isRaised ? principalOf(record, true) : this.principal;
    this.raisedUntilMs = isRaised ? msOf(record.raisedUntil) : -Infinity;
  }

  /**
   * Checks the request of a key with this hash. Only a valid secret reveals that a key is blocked
   * or expired.
   */
  faultOf(hash: Buffer, nowMs: number): KeyFault | undefined {
    const validUntilMs = validUntil(hash, this.secrets);
    if (validUntilMs < 0) return 'unknown';
    if (nowMs >= Math.min(validUntilMs, this.expiresAtMs)) return 'expired';
    return this.record.blocked === true ? 'blocked' : undefined;
  }
}

/** The cache of keys. */
export class KeyCache extends RecordCache<KnownKey> {
  /** @param maxStaleMs how long a key is used while the store is unavailable */
  constructor(find: (publicId: string) => Promise<ApiKeyRecord | undefined>, maxStaleMs: number, now?: () => number, store?: CachedStore) {
    const known = async (publicId: string): Promise<KnownKey | undefined> => {
      const record = await find(publicId);
      return record === undefined ? undefined : new KnownKey(record);
    };
    super(known, maxStaleMs, now, store);
  }
}

function msOf(date: string | undefined): number {
  return date === undefined ? Infinity : Date.parse(date);
}
