import { Half, LARGEST_COUNT, Line, MERGES_PER_WINDOW, type KeyLines } from './rate-limit.key-lines.js';

/** Numbers of one instant in `older`: time of its last taking, requests, tokens. */
const STRIDE = 3;
const REQUESTS = 1;
const TOKENS = 2;
const NONE: number[] = [];

/**
 * What was taken within one sliding window: a queue of instants that are counted until the window's length after their last taking.
 * It never holds more than 64 of them, so a busy key costs no more memory than a moderately busy one. The newest one is in a line of `KeyLines`.
 */
export class WindowLog {
  /** A ring of the instants before the newest. */
  private older = NONE;
  private head = 0;

  constructor(
    protected readonly lines: KeyLines,
    readonly line: number,
    private readonly windowMs: number,
  ) {}

  /** Requests in the window since the last `prune`. */
  get requests(): number {
    return this.lines.requests(this.line);
  }

  /** The same for tokens. */
  get tokens(): number {
    return this.lines.tokens(this.line);
  }

  /** Forgets what is out of the window at `atMs`. */
  prune(atMs: number): void {
    if (atMs >= this.lines.get(this.line, Line.expiresMs)) this.forget(atMs);
  }

  /** Counts a taking at `atMs`, which is not before the last one. Pruned before. */
  add(atMs: number, requests: number, tokens: number): void {
    if (!this.lines.merge(this.line, this.windowMs, atMs, requests, tokens)) this.begin(atMs, atMs, requests, tokens);
  }

  /** Adds `tokens`, which may be negative, to the instant that holds `sinceMs`, a time within the window. */
  adjust(sinceMs: number, tokens: number): void {
    const { lines, line } = this;
    for (let index = 0; index < this.length; index++) {
      const at = this.place(index);
      if (this.older[at] < sinceMs) continue;
      const before = this.older[at + TOKENS];
      this.older[at + TOKENS] = this.adjusted(this.older[at], sinceMs, before, tokens);
      lines.set(line, Line.olderTokens, lines.get(line, Line.olderTokens) + this.older[at + TOKENS] - before);
      return;
    }
    const newestMs = lines.get(line, Line.newestMs);
    if (this.isEmpty || newestMs < sinceMs) return;
    lines.setHalf(line, Half.newestTokens, this.adjusted(newestMs, sinceMs, lines.half(line, Half.newestTokens), tokens));
  }

  /** Time from `atMs` until so many requests are out: `Infinity` if there are not so many. */
  waitForRequests(amount: number, atMs: number): number {
    return this.waitFor(amount, REQUESTS, this.lines.half(this.line, Half.newestRequests), atMs);
  }

  /** The same for tokens. */
  waitForTokens(amount: number, atMs: number): number {
    return this.waitFor(amount, TOKENS, this.lines.half(this.line, Half.newestTokens), atMs);
  }

  /** When nothing is counted any more. */
  emptyAtMs(): number {
    return this.isEmpty ? 0 : this.lines.get(this.line, Line.newestMs) + this.windowMs;
  }

  /** Writes the log from `at` on: how many instants, when the newest began, and time, requests and tokens of each. Returns where it ends. */
  write(numbers: Float64Array, at: number, originMs: number): number {
    const { lines, line, length } = this;
    const count = this.isEmpty ? 0 : length + 1;
    numbers[at++] = count;
    numbers[at++] = lines.get(line, Line.startMs) + originMs;
    if (count === 0) return at;
    for (let index = 0; index < length; index++) {
      const from = this.place(index);
      numbers[at++] = this.older[from] + originMs;
      numbers[at++] = this.older[from + REQUESTS];
      numbers[at++] = this.older[from + TOKENS];
    }
    numbers[at++] = lines.get(line, Line.newestMs) + originMs;
    numbers[at++] = lines.half(line, Half.newestRequests);
    numbers[at++] = lines.half(line, Half.newestTokens);
    return at;
  }

  /** Fills a new log with one that was written. Returns where it ends. */
  read(numbers: Float64Array, at: number, originMs: number): number {
    const count = numbers[at++];
    const startMs = numbers[at++] - originMs;
    for (let index = 0; index < count; index++, at += STRIDE) {
      this.begin(numbers[at] - originMs, startMs, numbers[at + REQUESTS], numbers[at + TOKENS]);
    }
    return at;
  }

  /** How many numbers `write` needs. */
  get numbers(): number {
    return 2 + STRIDE * (this.length + 1);
  }

  /** Instants before the newest. */
  private get length(): number {
    return this.lines.half(this.line, Half.length);
  }

  private get isEmpty(): boolean {
    return this.lines.get(this.line, Line.expiresMs) === Infinity;
  }

  private waitFor(amount: number, field: number, newest: number, atMs: number): number {
    let freed = 0;
    for (let index = 0; index < this.length; index++) {
      const at = this.place(index);
      freed += this.older[at + field];
      if (freed >= amount) return this.older[at] + this.windowMs - atMs;
    }
    return !this.isEmpty && freed + newest >= amount ? this.emptyAtMs() - atMs : Infinity;
  }

  /** The instant of a key that was forgotten meanwhile is not among those kept. */
  private adjusted(instantMs: number, sinceMs: number, before: number, tokens: number): number {
    if ((instantMs - sinceMs) * MERGES_PER_WINDOW >= this.windowMs) return before;
    return Math.min(Math.max(before + tokens, 0), LARGEST_COUNT);
  }

  private begin(atMs: number, startMs: number, requests: number, tokens: number): void {
    const { lines, line } = this;
    if (this.isEmpty) lines.set(line, Line.expiresMs, atMs + this.windowMs);
    else this.keepNewest();
    lines.set(line, Line.newestMs, atMs);
    lines.set(line, Line.startMs, startMs);
    lines.setHalf(line, Half.newestRequests, requests);
    lines.setHalf(line, Half.newestTokens, tokens);
  }

  private forget(atMs: number): void {
    const { lines, line, older } = this;
    let [length, requests, tokens] = [this.length, lines.get(line, Line.olderRequests), lines.get(line, Line.olderTokens)];
    let expiresMs = 0;
    for (; length > 0; length -= 1) {
      expiresMs = older[this.head] + this.windowMs;
      if (atMs < expiresMs) break;
      requests -= older[this.head + REQUESTS];
      tokens -= older[this.head + TOKENS];
      this.head = this.place(1);
    }
    if (length === 0) expiresMs = this.emptyAtMs();
    if (atMs >= expiresMs) {
      expiresMs = Infinity;
      lines.setHalf(line, Half.newestRequests, 0);
      lines.setHalf(line, Half.newestTokens, 0);
    }
    lines.setHalf(line, Half.length, length);
    lines.set(line, Line.olderRequests, requests);
    lines.set(line, Line.olderTokens, tokens);
    lines.set(line, Line.expiresMs, expiresMs);
  }

  private keepNewest(): void {
    const { lines, line, length } = this;
    if (length * STRIDE === this.older.length) this.grow();
    const requests = lines.half(line, Half.newestRequests);
    const tokens = lines.half(line, Half.newestTokens);
    const at = this.place(length);
    this.older[at] = lines.get(line, Line.newestMs);
    this.older[at + REQUESTS] = requests;
    this.older[at + TOKENS] = tokens;
    lines.setHalf(line, Half.length, length + 1);
    lines.set(line, Line.olderRequests, lines.get(line, Line.olderRequests) + requests);
    lines.set(line, Line.olderTokens, lines.get(line, Line.olderTokens) + tokens);
  }

  private grow(): void {
    const { older, head } = this;
    // For those that are kept one by one. A literal is made several times as fast as any other array.
    this.older = older.length === 0 ? [0, 0, 0, 0, 0, 0, 0, 0, 0] : [...older.slice(head), ...older.slice(0, head), ...older.map(() => 0)];
    this.head = 0;
  }

  private place(index: number): number {
    const at = this.head + index * STRIDE;
    return at >= this.older.length ? at - this.older.length : at;
  }
}
