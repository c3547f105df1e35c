import { timingSafeEqual } from 'node:crypto';
import { steadyNow } from '../common/clock.js';
import { makeRoom } from '../common/collections.js';
import { MAY_CALL_ANY, type Principal } from '../http/principal.js';
import { Wildcard } from '../router/selection/wildcard.js';
import type { ApiKeyRecord } from './api-key-record.js';
import type { ApiKeyStore } from './api-key-store.js';

/** How long a record is used before the store is asked again. */
const HIT_MS = 10_000;
const MISS_MS = 5_000;
/** While the store is away it is asked again after this time. */
const RETRY_MS = 1_000;
const MOST_KEYS = 10_000;
const MOST_MISSES = 10_000;
const MOST_LOOKUPS = 10_000;
/** While a store reports every change, a record is read again after this time. */
const FOLLOWED_MS = 600_000;

/** Why a key is not accepted. */
export type KeyFault = 'unknown' | 'expired' | 'blocked';

/** LiteLLM's names for any model; teams have no model list here. */
const ALL_MODELS = ['all-proxy-models', 'all-team-models'];

/** A record, ready to be compared with the keys of requests. */
export class KnownKey {
  readonly principal: Principal;
  private readonly hashes: readonly { readonly bytes: Buffer; readonly validUntilMs: number }[];
  private readonly expiresAtMs: number;

  constructor(readonly record: ApiKeyRecord) {
    this.hashes = record.hashes.map(({ sha256, validUntil }) => ({ bytes: Buffer.from(sha256, 'hex'), validUntilMs: msOf(validUntil) }));
    this.expiresAtMs = msOf(record.expiresAt);
    this.principal = principalOf(record);
  }

  /**
   * What is wrong with a request that sends a key of this hash. Only a valid secret learns that a
   * key is blocked or expired. Takes the same time for every wrong one.
   */
  faultOf(hash: Buffer, nowMs: number): KeyFault | undefined {
    let validUntilMs = -1;
    for (const known of this.hashes) if (timingSafeEqual(known.bytes, hash)) validUntilMs = Math.max(validUntilMs, known.validUntilMs);
    if (validUntilMs < 0) return 'unknown';
    if (nowMs >= Math.min(validUntilMs, this.expiresAtMs)) return 'expired';
    return this.record.blocked === true ? 'blocked' : undefined;
  }
}

interface CachedKey {
  readonly key: KnownKey;
  loadedMs: number;
  freshUntilMs: number;
  /** The store has reported every change since it was loaded. */
  isFollowed: boolean;
}

/** What the cache asks of a store. */
export type CachedStore = Pick<ApiKeyStore, 'isFollowing' | 'fault'>;

/** What a cache has done since it was made. */
export interface KeyCacheCounts {
  lookups: number;
  failures: number;
  /** Keys used beyond their time because the store was away. */
  stale: number;
}

/**
 * Caches requested records, so that one request in 10 seconds queries the store. Unknown keys have
 * their own table: a client that invents keys cannot evict valid ones.
 */
export class KeyCache {
  readonly counts: KeyCacheCounts = { lookups: 0, failures: 0, stale: 0 };
  /** Reloaded keys are last, so the first one is the least recently used. */
  private readonly keys = new Map<string, CachedKey>();
  private readonly misses = new Map<string, number>();
  /** Requests for one key share its look-up. */
  private readonly lookups = new Map<string, Promise<KnownKey | undefined>>();
  private inFlight = 0;

  constructor(
    private readonly find: (publicId: string) => Promise<ApiKeyRecord | undefined>,
    /** How long a key is used while the store is away, in ms. */
    private readonly maxStaleMs: number,
    private readonly now: () => number = steadyNow,
    private readonly store: CachedStore = {},
  ) {}

  /** A key for which the store need not be asked. */
  fresh(publicId: string): KnownKey | undefined {
    const cached = this.keys.get(publicId);
    return cached !== undefined && this.now() < cached.freshUntilMs ? cached.key : undefined;
  }

  /** @throws the store's error, or one of too many look-ups at a time. */
  async get(publicId: string): Promise<KnownKey | undefined> {
    const fresh = this.fresh(publicId);
    if (fresh !== undefined || this.now() < (this.misses.get(publicId) ?? 0)) return fresh;
    const cached = this.keys.get(publicId);
    const lookup = this.lookups.get(publicId) ?? this.lookUp(publicId, cached);
    if (cached === undefined || !this.needNotWait(cached)) return lookup;
    lookup.catch(() => {});
    return cached.key;
  }

  /** Has the next request ask the store. @param publicId `null`: of all keys. */
  changed(publicId: string | null): void {
    if (publicId === null) {
      // They stay for a store that goes away again.
      const nowMs = this.now();
      for (const cached of this.keys.values()) {
        // A followed record was current until now.
        if (cached.isFollowed) cached.loadedMs = nowMs;
        cached.isFollowed = false;
        cached.freshUntilMs = 0;
      }
      this.misses.clear();
      this.lookups.clear();
      return;
    }
    this.keys.delete(publicId);
    this.misses.delete(publicId);
    // A look-up that began before the change is not remembered.
    this.lookups.delete(publicId);
  }

  get size(): number {
    return this.keys.size;
  }

  private lookUp(publicId: string, cached: CachedKey | undefined): Promise<KnownKey | undefined> {
    if (this.inFlight >= MOST_LOOKUPS) return Promise.reject(new Error(`more than ${MOST_LOOKUPS} concurrent lookups`));
    this.counts.lookups++;
    this.inFlight++;
    const isCurrent = (): boolean => this.lookups.get(publicId) === lookup;
    const lookup: Promise<KnownKey | undefined> = this.load(publicId)
      .then(
        (key) => {
          if (isCurrent()) this.remember(publicId, key);
          return key;
        },
        (error: unknown) => this.staleOr(error, isCurrent() ? cached : undefined),
      )
      .finally(() => {
        this.inFlight--;
        if (isCurrent()) this.lookups.delete(publicId);
      });
    this.lookups.set(publicId, lookup);
    return lookup;
  }

  /** The look-up of a followed record only verifies it; a store that is away would take time. */
  private needNotWait(cached: CachedKey): boolean {
    const { store } = this;
    if (cached.isFollowed) return true;
    const nowMs = this.now();
    const isAway = store.isFollowing?.() === false && store.fault?.() !== undefined;
    if (!isAway || nowMs >= cached.loadedMs + this.maxStaleMs) return false;
    this.counts.stale++;
    cached.freshUntilMs = nowMs + RETRY_MS;
    return true;
  }

  private async load(publicId: string): Promise<KnownKey | undefined> {
    const record = await this.find(publicId);
    return record === undefined ? undefined : new KnownKey(record);
  }

  private remember(publicId: string, key: KnownKey | undefined): void {
    const nowMs = this.now();
    this.keys.delete(publicId);
    this.misses.delete(publicId);
    if (key === undefined) {
      makeRoom(this.misses, MOST_MISSES);
      this.misses.set(publicId, nowMs + MISS_MS);
    } else {
      makeRoom(this.keys, MOST_KEYS);
      const isFollowed = this.store.isFollowing?.() === true;
      this.keys.set(publicId, { key, loadedMs: nowMs, freshUntilMs: nowMs + (isFollowed ? FOLLOWED_MS : HIT_MS), isFollowed });
    }
  }

  private staleOr(error: unknown, cached: CachedKey | undefined): KnownKey {
    this.counts.failures++;
    const nowMs = this.now();
    if (cached === undefined || nowMs >= cached.loadedMs + this.maxStaleMs) throw error;
    this.counts.stale++;
    cached.freshUntilMs = nowMs + RETRY_MS;
    return cached.key;
  }
}

function msOf(date: string | undefined): number {
  return date === undefined ? Infinity : Date.parse(date);
}

function principalOf({ publicId, alias, user, team, models, limits, tags = [], priority, metadata = {} }: ApiKeyRecord): Principal {
  const mayCall = models === undefined ? MAY_CALL_ANY : matcherOf(models);
  return { limitKey: `key:${publicId}`, keyId: publicId, alias, user, team, limits, tags, priority, metadata, mayCall, isAdmin: false };
}

/** Whether a name is among names and patterns. */
function matcherOf(models: readonly string[]): (model: string) => boolean {
  const names = new Set(models.filter((model) => !model.includes('*')));
  const patterns = models.filter((model) => model.includes('*')).map((pattern) => new Wildcard(pattern));
  if (ALL_MODELS.some((name) => names.has(name))) return MAY_CALL_ANY;
  return (model) => names.has(model) || patterns.some((pattern) => pattern.capturesOf(model) !== null);
}
