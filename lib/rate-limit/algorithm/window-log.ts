/** Up to so many instants are kept one by one; with more, those within a 60th of the window are merged. So there are 64 at most. */
const EXACT_INSTANTS = 4;
const MERGES_PER_WINDOW = 60;
/** What one instant holds at most, of requests and of tokens. */
const LARGEST_COUNT = 0xffffffff;

/** What was taken at one instant, the last taking of which was at `atMs`. */
interface Instant {
  atMs: number;
  requests: number;
  tokens: number;
}

/** What was taken within one sliding window: a queue of instants, each counted until a window's length after its last taking. */
export class WindowLog {
  /** In the window since the last `prune`. */
  requests = 0;
  tokens = 0;
  private instants: Instant[] = [];
  /** When the newest instant began. */
  private startMs = 0;

  constructor(private readonly windowMs: number) {}

  /** When nothing is counted any more. */
  get emptyAtMs(): number {
    const newest = this.instants.at(-1);
    return newest === undefined ? 0 : newest.atMs + this.windowMs;
  }

  /** Forgets what is out of the window at `atMs`. */
  prune(atMs: number): void {
    while (this.instants.length > 0 && atMs - this.instants[0].atMs >= this.windowMs) {
      const { requests, tokens } = this.instants.shift() as Instant;
      this.requests -= requests;
      this.tokens -= tokens;
    }
  }

  /** Counts a taking at `atMs`, which is not before the last one. Pruned before. */
  add(atMs: number, requests: number, tokens: number): void {
    this.requests += requests;
    this.tokens += tokens;
    const newest = this.instants.at(-1);
    const mayMerge = this.instants.length >= EXACT_INSTANTS && (atMs - this.startMs) * MERGES_PER_WINDOW < this.windowMs;
    if (newest !== undefined && (newest.atMs === atMs || mayMerge) && hasRoom(newest, requests, tokens)) {
      newest.atMs = atMs;
      newest.requests += requests;
      newest.tokens += tokens;
      return;
    }
    this.startMs = atMs;
    // A literal has room for one instant, which is enough for most keys; `push` makes room for 17.
    if (newest === undefined) this.instants = [{ atMs, requests, tokens }];
    else this.instants.push({ atMs, requests, tokens });
  }

  /** Adds `tokens`, which may be negative, to the instant that counts `sinceMs`, a time within the window. */
  adjust(sinceMs: number, tokens: number): void {
    const instant = this.instants.find(({ atMs }) => atMs >= sinceMs);
    // A later instant is another taking's: the key was evicted meanwhile.
    if (instant === undefined || (instant.atMs - sinceMs) * MERGES_PER_WINDOW >= this.windowMs) return;
    const adjusted = Math.min(Math.max(instant.tokens + tokens, 0), LARGEST_COUNT);
    this.tokens += adjusted - instant.tokens;
    instant.tokens = adjusted;
  }

  /** Time from `atMs` until so many requests or tokens are out of the window: `Infinity` if there are not so many. */
  waitFor(amount: number, unit: 'requests' | 'tokens', atMs: number): number {
    let freed = 0;
    const last = this.instants.find((instant) => (freed += instant[unit]) >= amount);
    return last === undefined ? Infinity : last.atMs + this.windowMs - atMs;
  }
}

function hasRoom(instant: Instant, requests: number, tokens: number): boolean {
  return instant.requests + requests <= LARGEST_COUNT && instant.tokens + tokens <= LARGEST_COUNT;
}
