import { steadyNow } from '../common/clock.js';
import { makeRoom } from '../common/collections.js';

/** How long a record is used before the store is asked again. */
const HIT_MS = 10_000;
const MISS_MS = 5_000;
/** Delay before an unavailable store is queried again. */
const RETRY_MS = 1_000;
const MOST_RECORDS = 10_000;
const MOST_MISSES = 10_000;
const MOST_LOOKUPS = 10_000;
/** While a store reports every change, a record is read again after this time. */
const FOLLOWED_MS = 600_000;

interface Cached<V> {
  readonly value: V;
  loadedMs: number;
  freshUntilMs: number;
  /** The store has reported every change since it was loaded. */
  isFollowed: boolean;
}

/** The part of a store that the cache uses. */
export interface CachedStore {
  /** Whether it reports every change at the moment. */
  isFollowing?(): boolean;
  /** Why it cannot be used at the moment. */
  fault?(): string | undefined;
}

/** Statistics of a cache since its creation. */
export interface RecordCacheCounts {
  lookups: number;
  failures: number;
  /** Records used beyond their time because the store was unavailable. */
  stale: number;
}

/**
 * Caches requested records, so that one request in 10 seconds queries the store. Unknown ones have
 * their own table: a client that invents keys cannot evict valid ones.
 */
export class RecordCache<V extends object> {
  readonly counts: RecordCacheCounts = { lookups: 0, failures: 0, stale: 0 };
  /** Reloaded records are last, so the first one is the least recently used. */
  private readonly known = new Map<string, Cached<V>>();
  private readonly misses = new Map<string, number>();
  /** Requests for one record share its look-up. */
  private readonly lookups = new Map<string, Promise<V | undefined>>();
  private inFlight = 0;

  constructor(
    private readonly find: (id: string) => Promise<V | undefined>,
    /** How long a record is used while the store is unavailable, in ms. */
    private readonly maxStaleMs: number,
    private readonly now: () => number = steadyNow,
    private readonly store: CachedStore = {},
  ) {}

  /** A record for which the store need not be asked. */
  fresh(id: string): V | undefined {
    const cached = this.known.get(id);
    return cached !== undefined && this.now() < cached.freshUntilMs ? cached.value : undefined;
  }

  /** @throws the store's error, or one of too many look-ups at a time. */
  async get(id: string): Promise<V | undefined> {
    const fresh = this.fresh(id);
    if (fresh !== undefined || this.now() < (this.misses.get(id) ?? 0)) return fresh;
    const cached = this.known.get(id);
    const lookup = this.lookups.get(id) ?? this.lookUp(id, cached);
    if (cached === undefined || !this.needNotWait(cached)) return lookup;
    lookup.catch(() => {});
    return cached.value;
  }

  /** Makes the next request query the store. @param id `null`: of all keys. */
  changed(id: string | null): void {
    if (id === null) {
      // Keep them: the store may become unavailable again.
      const nowMs = this.now();
      for (const cached of this.known.values()) {
        // A record that the store reports on was current until now.
        if (cached.isFollowed) cached.loadedMs = nowMs;
        cached.isFollowed = false;
        cached.freshUntilMs = 0;
      }
      this.misses.clear();
      this.lookups.clear();
      return;
    }
    this.known.delete(id);
    this.misses.delete(id);
    // A look-up that began before the change is not cached.
    this.lookups.delete(id);
  }

  get size(): number {
    return this.known.size;
  }

  private lookUp(id: string, cached: Cached<V> | undefined): Promise<V | undefined> {
    if (this.inFlight >= MOST_LOOKUPS) return Promise.reject(new Error(`more than ${MOST_LOOKUPS} concurrent lookups`));
    this.counts.lookups++;
    this.inFlight++;
    const isCurrent = (): boolean => this.lookups.get(id) === lookup;
    const lookup: Promise<V | undefined> = this.find(id)
      .then(
        (value) => {
          if (isCurrent()) this.remember(id, value);
          return value;
        },
        (error: unknown) => this.staleOr(error, isCurrent() ? cached : undefined),
      )
      .finally(() => {
        this.inFlight--;
        if (isCurrent()) this.lookups.delete(id);
      });
    this.lookups.set(id, lookup);
    return lookup;
  }

  /**
   * The look-up of a followed record only verifies it; an unavailable store would delay requests.
   */
  private needNotWait(cached: Cached<V>): boolean {
    const { store } = this;
    if (cached.isFollowed) return true;
    const nowMs = this.now();
    const isAway = store.isFollowing?.() === false && store.fault?.() !== undefined;
    if (!isAway || nowMs >= cached.loadedMs + this.maxStaleMs) return false;
    this.counts.stale++;
    cached.freshUntilMs = nowMs + RETRY_MS;
    return true;
  }

  private remember(id: string, value: V | undefined): void {
    const nowMs = this.now();
    const isFollowed = this.store.isFollowing?.() === true;
    this.known.delete(id);
    this.misses.delete(id);
    if (value === undefined) {
      makeRoom(this.misses, MOST_MISSES);
      this.misses.set(id, nowMs + (isFollowed ? FOLLOWED_MS : MISS_MS));
    } else {
      makeRoom(this.known, MOST_RECORDS);
      this.known.set(id, { value, loadedMs: nowMs, freshUntilMs: nowMs + (isFollowed ? FOLLOWED_MS : HIT_MS), isFollowed });
    }
  }

  private staleOr(error: unknown, cached: Cached<V> | undefined): V {
    this.counts.failures++;
    const nowMs = this.now();
    if (cached === undefined || nowMs >= cached.loadedMs + this.maxStaleMs) throw error;
    this.counts.stale++;
    cached.freshUntilMs = nowMs + RETRY_MS;
    return cached.value;
  }
}
