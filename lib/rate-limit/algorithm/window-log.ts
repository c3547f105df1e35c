/**
 * Up to so many instants are kept one by one; with more, those within a 60th of the window are
 * merged. So there are 64 at most.
 */
const EXACT_INSTANTS = 4;
const MERGES_PER_WINDOW = 60;
/** Maximum requests and tokens of one instant. */
const LARGEST_COUNT = 0xffffffff;

/** Amounts taken at one instant, the last one at `atMs`. */
interface Instant {
  atMs: number;
  requests: number;
  tokens: number;
}

/**
 * The charges within one sliding window: a queue of instants, each counted until a window's length
 * after its last charge. Most decisions read and write only the fields of the log, because with
 * many keys each further object would be a wait for memory.
 */
export class WindowLog {
  /** In the window since the last `prune`. */
  requests = 0;
  tokens = 0;
  /** When the oldest instant is out of the window; 0 if there is none. */
  private expiresMs = 0;
  private newestMs = 0;
  /** When the newest instant began. */
  private startMs = 0;
  private newestRequests = 0;
  private newestTokens = 0;
  /** Instants before the newest, the oldest first; `null` if there are none. */
  private older: Instant[] | null = null;

  constructor(private readonly windowMs: number) {}

  /** Time at which the last entry leaves the window. */
  get emptyAtMs(): number {
    return this.expiresMs === 0 ? 0 : this.newestMs + this.windowMs;
  }

  /** Drops the entries that have left the window at `atMs`. */
  prune(atMs: number): void {
    while (this.expiresMs > 0 && atMs >= this.expiresMs) this.forgetOldest();
  }

  /** Counts a taking at `atMs`, which is not before the last one. Pruned before. */
  add(atMs: number, requests: number, tokens: number): void {
    if (!this.joins(atMs, requests, tokens)) this.begin(atMs);
    this.newestMs = atMs;
    this.newestRequests += requests;
    this.newestTokens += tokens;
    this.requests += requests;
    this.tokens += tokens;
  }

  /**
   * Adds `tokens`, which may be negative, to the instant that counts `sinceMs`, a time within the
   * window.
   */
  adjust(sinceMs: number, tokens: number): void {
    const older = this.older?.find(({ atMs }) => atMs >= sinceMs);
    const instant = older ?? this.newest();
    // A later instant belongs to another charge: the key was evicted in the meantime.
    if (instant === undefined || instant.atMs < sinceMs || (instant.atMs - sinceMs) * MERGES_PER_WINDOW >= this.windowMs) return;
    const adjusted = Math.min(Math.max(instant.tokens + tokens, 0), LARGEST_COUNT);
    this.tokens += adjusted - instant.tokens;
    if (older === undefined) this.newestTokens = adjusted;
    else older.tokens = adjusted;
  }

  /**
   * Time from `atMs` until so many requests or tokens are out of the window: `Infinity` if there
   * are not so many.
   */
  waitFor(amount: number, unit: 'requests' | 'tokens', atMs: number): number {
    let freed = 0;
    const last = [...(this.older ?? []), this.newest()].find((instant) => (freed += instant?.[unit] ?? 0) >= amount);
    return last === undefined ? Infinity : last.atMs + this.windowMs - atMs;
  }

  /** Whether a taking is counted with the newest instant. */
  private joins(atMs: number, requests: number, tokens: number): boolean {
    if (this.expiresMs === 0) return false;
    if (this.newestRequests + requests > LARGEST_COUNT || this.newestTokens + tokens > LARGEST_COUNT) return false;
    if (atMs === this.newestMs) return true;
    return (this.older?.length ?? 0) + 1 >= EXACT_INSTANTS && (atMs - this.startMs) * MERGES_PER_WINDOW < this.windowMs;
  }

  private begin(atMs: number): void {
    const before = this.newest();
    if (before === undefined) this.expiresMs = atMs + this.windowMs;
    else if (this.older === null) this.older = [before];
    else this.older.push(before);
    this.startMs = atMs;
    this.newestRequests = this.newestTokens = 0;
  }

  private newest(): Instant | undefined {
    if (this.expiresMs === 0) return undefined;
    return { atMs: this.newestMs, requests: this.newestRequests, tokens: this.newestTokens };
  }

  private forgetOldest(): void {
    const oldest = this.older?.shift();
    this.requests -= oldest?.requests ?? this.newestRequests;
    this.tokens -= oldest?.tokens ?? this.newestTokens;
    if (this.older?.length === 0) this.older = null;
    // If there was no older one, it was the newest.
    this.expiresMs = oldest === undefined ? 0 : (this.older?.[0].atMs ?? this.newestMs) + this.windowMs;
  }
}
