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

/** When an empty log is asked to forget for the first time: any number would do, and this one V8 keeps in the object itself. */
const LATE = 2 ** 31 - 1;

/**
 * What was taken within one sliding window: a queue of instants that are counted until the window's length after their last taking.
 * It never holds more than 64 of them, so a busy key costs no more memory than a moderately busy one.
 *
 * Times are the space's own. They and all counts stay small integers in ordinary use: V8 keeps those in the object, and others each in one of its own.
 */
export class WindowLog {
  /** When the oldest instant is out of the window. */
  private expiresAtMs = LATE;
  /** The newest instant: its last taking, and what it holds. */
  private newestMs = 0;
  private newestRequests = 0;
  private newestTokens = 0;
  /** Sums over those before it. */
  private olderRequests = 0;
  private olderTokens = 0;
  /** When the newest one began. */
  private startMs = 0;
  /** How many are before it, in a ring that begins at `head`. */
  private length = 0;
  private head = 0;
  private older = NONE;
  private isEmpty = true;

  constructor(private readonly windowMs: number) {}

  /** Requests in the window since the last `prune`. */
  get requests(): number {
    return this.olderRequests + this.newestRequests;
  }

  /** The same for tokens. */
  get tokens(): number {
    return this.olderTokens + this.newestTokens;
  }

  /** Forgets what is out of the window at `atMs`. */
  prune(atMs: number): void {
    if (atMs >= this.expiresAtMs) this.forget(atMs);
  }

  /** Counts a taking at `atMs`, which is not before the last one. Pruned before. */
  add(atMs: number, requests: number, tokens: number): void {
    const together = !this.isEmpty && (this.newestMs === atMs || this.mayMerge(atMs));
    if (together && this.newestRequests + requests <= LARGEST_COUNT && this.newestTokens + tokens <= LARGEST_COUNT) {
      if (this.newestMs !== atMs) this.newestMs = atMs;
      this.newestRequests += requests;
      this.newestTokens += tokens;
      return;
    }
    if (this.isEmpty) {
      this.isEmpty = false;
      this.expiresAtMs = atMs + this.windowMs;
    } else this.keepNewest();
    this.newestMs = this.startMs = atMs;
    this.newestRequests = requests;
    this.newestTokens = tokens;
  }

  /** Adds `tokens`, which may be negative, to the instant that holds `sinceMs`, a time within the window. */
  adjust(sinceMs: number, tokens: number): void {
    for (let index = 0; index < this.length; index++) {
      const at = this.place(index);
      if (this.older[at] < sinceMs) continue;
      const before = this.older[at + TOKENS];
      this.older[at + TOKENS] = this.adjusted(this.older[at], sinceMs, before, tokens);
      this.olderTokens += this.older[at + TOKENS] - before;
      return;
    }
    if (this.isEmpty || this.newestMs < sinceMs) return;
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
    return this.isEmpty ? 0 : this.newestMs + this.windowMs;
  }

  /** Writes the log from `at` on: how many instants, when the newest began, and time, requests and tokens of each. Returns where it ends. */
  write(numbers: Float64Array, at: number, originMs: number): number {
    const count = this.isEmpty ? 0 : this.length + 1;
    numbers[at++] = count;
    numbers[at++] = this.startMs + originMs;
    for (let index = 0; index < this.length; index++) {
      const from = this.place(index);
      numbers[at++] = this.older[from] + originMs;
      numbers[at++] = this.older[from + REQUESTS];
      numbers[at++] = this.older[from + TOKENS];
    }
    if (count === 0) return at;
    numbers[at++] = this.newestMs + originMs;
    numbers[at++] = this.newestRequests;
    numbers[at++] = this.newestTokens;
    return at;
  }

  /** Fills a new log with one that was written. Returns where it ends. */
  read(numbers: Float64Array, at: number, originMs: number): number {
    const count = numbers[at++];
    const startMs = numbers[at++] - originMs;
    for (let index = 0; index < count; index++) {
      const atMs = numbers[at++] - originMs;
      if (this.isEmpty) {
        this.isEmpty = false;
        this.expiresAtMs = atMs + this.windowMs;
      } else this.keepNewest();
      this.newestMs = atMs;
      this.newestRequests = numbers[at++];
      this.newestTokens = numbers[at++];
    }
    this.startMs = startMs;
    return at;
  }

  /** How many numbers `write` needs. */
  get numbers(): number {
    return 2 + STRIDE * (this.length + 1);
  }

  private waitFor(amount: number, field: number, newest: number, atMs: number): number {
    let freed = 0;
    for (let index = 0; index < this.length; index++) {
      const at = this.place(index);
      freed += this.older[at + field];
      if (freed >= amount) return this.older[at] + this.windowMs - atMs;
    }
    return !this.isEmpty && freed + newest >= amount ? this.newestMs + this.windowMs - atMs : Infinity;
  }

  private mayMerge(atMs: number): boolean {
    return this.length + 1 >= EXACT_INSTANTS && (atMs - this.startMs) * MERGES_PER_WINDOW < this.windowMs;
  }

  /** The instant of a key that was forgotten meanwhile is not among those kept. */
  private adjusted(instantMs: number, sinceMs: number, before: number, tokens: number): number {
    if ((instantMs - sinceMs) * MERGES_PER_WINDOW >= this.windowMs) return before;
    return Math.min(Math.max(before + tokens, 0), LARGEST_COUNT);
  }

  private forget(atMs: number): void {
    if (this.isEmpty) return;
    const { older } = this;
    for (; this.length > 0; this.length -= 1) {
      const at = this.head;
      this.expiresAtMs = older[at] + this.windowMs;
      if (atMs < this.expiresAtMs) return;
      this.olderRequests -= older[at + REQUESTS];
      this.olderTokens -= older[at + TOKENS];
      this.head = this.place(1);
    }
    this.expiresAtMs = this.newestMs + this.windowMs;
    if (atMs < this.expiresAtMs) return;
    this.newestRequests = this.newestTokens = 0;
    this.isEmpty = true;
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
    this.olderRequests += this.newestRequests;
    this.olderTokens += this.newestTokens;
    this.length += 1;
  }

  private place(index: number): number {
    const at = this.head + index * STRIDE;
    return at >= this.older.length ? at - this.older.length : at;
  }
}
