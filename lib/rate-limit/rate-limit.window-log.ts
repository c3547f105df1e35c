/** As long as so many instants are remembered, each is kept by itself. */
const EXACT_INSTANTS = 4;
/** A window is this many times as long as the span whose takings may be counted together. */
const MERGES_PER_WINDOW = 60;
/** What one instant holds at most, of requests and of tokens. */
const LARGEST_COUNT = 0xffffffff;

/** Numbers of one instant in `older`: time of its last taking, requests, tokens. */
const STRIDE = 3;
const REQUESTS = 1;
const TOKENS = 2;
const NONE: number[] = [];

/**
 * What was taken within one sliding window: a queue of instants that are counted until the window's length after their last taking.
 * It never holds more than 64 of them, so a busy key costs no more memory than a moderately busy one.
 */
export class WindowLog {
  /** Sums over the instants that are left since the last `prune`. */
  requests = 0;
  tokens = 0;
  /** When the oldest instant is out of the window; `Infinity` without one. */
  private expiresAtMs = Infinity;
  /** The newest instant: its last taking, its first one and what it holds. */
  private newestMs = 0;
  private startMs = 0;
  private newestRequests = 0;
  private newestTokens = 0;
  /** A ring of those before it. */
  private older = NONE;
  private head = 0;
  private length = 0;

  constructor(private readonly windowMs: number) {}

  /** Forgets what is out of the window at `atMs`. */
  prune(atMs: number): void {
    if (atMs >= this.expiresAtMs) this.forget(atMs);
  }

  /** Counts a taking at `atMs`, which is not before the last one. Pruned before. */
  add(atMs: number, requests: number, tokens: number): void {
    this.requests += requests;
    this.tokens += tokens;
    const together = this.expiresAtMs !== Infinity && (this.newestMs === atMs || this.mayMerge(atMs));
    if (together && this.newestRequests + requests <= LARGEST_COUNT && this.newestTokens + tokens <= LARGEST_COUNT) {
      this.newestMs = atMs;
      this.newestRequests += requests;
      this.newestTokens += tokens;
      return;
    }
    if (this.expiresAtMs === Infinity) this.expiresAtMs = atMs + this.windowMs;
    else this.keepNewest();
    this.newestMs = this.startMs = atMs;
    this.newestRequests = requests;
    this.newestTokens = tokens;
  }

  /** Adds `tokens`, which may be negative, to the instant that holds `sinceMs`, a time within the window. */
  adjust(sinceMs: number, tokens: number): void {
    for (let index = 0; index < this.length; index++) {
      const at = this.place(index);
      if (this.older[at] < sinceMs) continue;
      this.older[at + TOKENS] = this.adjusted(this.older[at], sinceMs, this.older[at + TOKENS], tokens);
      return;
    }
    if (this.expiresAtMs === Infinity || this.newestMs < sinceMs) return;
    this.newestTokens = this.adjusted(this.newestMs, sinceMs, this.newestTokens, tokens);
  }

  /** Time from `atMs` until so many requests are out: `Infinity` if there are not so many. */
  waitForRequests(amount: number, atMs: number): number {
    return this.waitFor(amount, REQUESTS, this.newestRequests, atMs);
  }

  /** The same for tokens. */
  waitForTokens(amount: number, atMs: number): number {
    return this.waitFor(amount, TOKENS, this.newestTokens, atMs);
  }

  /** When nothing is counted any more. */
  emptyAtMs(): number {
    return this.expiresAtMs === Infinity ? 0 : this.newestMs + this.windowMs;
  }

  private waitFor(amount: number, field: number, newest: number, atMs: number): number {
    let freed = 0;
    for (let index = 0; index < this.length; index++) {
      const at = this.place(index);
      freed += this.older[at + field];
      if (freed >= amount) return this.older[at] + this.windowMs - atMs;
    }
    return this.expiresAtMs !== Infinity && freed + newest >= amount ? this.newestMs + this.windowMs - atMs : Infinity;
  }

  private mayMerge(atMs: number): boolean {
    return this.length + 1 >= EXACT_INSTANTS && (atMs - this.startMs) * MERGES_PER_WINDOW < this.windowMs;
  }

  /** The instant of a key that was forgotten meanwhile is not among those kept. */
  private adjusted(instantMs: number, sinceMs: number, before: number, tokens: number): number {
    if ((instantMs - sinceMs) * MERGES_PER_WINDOW >= this.windowMs) return before;
    const after = Math.min(Math.max(before + tokens, 0), LARGEST_COUNT);
    this.tokens += after - before;
    return after;
  }

  private forget(atMs: number): void {
    const { older } = this;
    for (; this.length > 0; this.length -= 1) {
      const at = this.head;
      this.expiresAtMs = older[at] + this.windowMs;
      if (atMs < this.expiresAtMs) return;
      this.requests -= older[at + REQUESTS];
      this.tokens -= older[at + TOKENS];
      this.head = this.place(1);
    }
    this.expiresAtMs = this.newestMs + this.windowMs;
    if (atMs < this.expiresAtMs) return;
    this.requests = this.tokens = 0;
    this.expiresAtMs = Infinity;
  }

  private keepNewest(): void {
    if (this.length * STRIDE === this.older.length) {
      const { older, head } = this;
      const room = new Array<number>(Math.max(older.length, EXACT_INSTANTS * STRIDE)).fill(0);
      this.older = [...older.slice(head), ...older.slice(0, head), ...room];
      this.head = 0;
    }
    const at = this.place(this.length);
    this.older[at] = this.newestMs;
    this.older[at + REQUESTS] = this.newestRequests;
    this.older[at + TOKENS] = this.newestTokens;
    this.length += 1;
  }

  private place(index: number): number {
    const at = this.head + index * STRIDE;
    return at >= this.older.length ? at - this.older.length : at;
  }
}
