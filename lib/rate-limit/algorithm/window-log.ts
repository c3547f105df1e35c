import { LARGEST_COUNT, Line, type KeyLines } from './key-table.js';

/** As long as so many instants are remembered, each is kept by itself. */
const EXACT_INSTANTS = 4;
/** A window is this many times as long as the span whose takings may be counted together. */
const MERGES_PER_WINDOW = 60;

/** Numbers of one instant in `older`: time of its last taking, requests, tokens. */
const STRIDE = 3;
const REQUESTS = 1;
const TOKENS = 2;
const NONE: number[] = [];

/**
 * What was taken within one sliding window: a queue of instants that are counted until the window's length after their last taking.
 * It never holds more than 64 of them, so a busy key costs no more memory than a moderately busy one. What is asked with each decision is in a line of `KeyLines`.
 */
export class WindowLog {
  /** A ring of the instants before the newest. */
  private older = NONE;
  private head = 0;
  /** How many they are, and the sums over them. */
  private length = 0;
  private olderRequests = 0;
  private olderTokens = 0;
  /** When the newest instant began. */
  private startMs = 0;

  constructor(
    protected readonly lines: KeyLines,
    readonly line: number,
    private readonly windowMs: number,
  ) {}

  /** Requests in the window since the last `prune`. */
  get requests(): number {
    return this.lines.get(this.line, Line.requests);
  }

  /** The same for tokens. */
  get tokens(): number {
    return this.lines.get(this.line, Line.tokens);
  }

  /** Forgets what is out of the window at `atMs`. */
  prune(atMs: number): void {
    if (atMs >= this.lines.get(this.line, Line.expiresMs)) this.forget(atMs);
  }

  /** Counts a taking at `atMs`, which is not before the last one. Pruned before. */
  add(atMs: number, requests: number, tokens: number): void {
    const { lines, line } = this;
    const hasRoom = this.newestRequests + requests <= LARGEST_COUNT && this.newestTokens + tokens <= LARGEST_COUNT;
    if (!hasRoom || atMs >= lines.get(line, Line.mergesUntilMs)) return this.begin(atMs, atMs, requests, tokens);
    lines.set(line, Line.newestMs, atMs);
    this.count(requests, tokens);
  }

  /** Adds `tokens`, which may be negative, to the instant that holds `sinceMs`, a time within the window. */
  adjust(sinceMs: number, tokens: number): void {
    const { lines, line } = this;
    for (let index = 0; index < this.length; index++) {
      const at = this.place(index);
      if (this.older[at] < sinceMs) continue;
      const difference = this.adjustment(this.older[at], sinceMs, this.older[at + TOKENS], tokens);
      this.older[at + TOKENS] += difference;
      this.olderTokens += difference;
      return this.count(0, difference);
    }
    const newestMs = lines.get(line, Line.newestMs);
    if (!this.isEmpty && newestMs >= sinceMs) this.count(0, this.adjustment(newestMs, sinceMs, this.newestTokens, tokens));
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
    return this.isEmpty ? 0 : this.lines.get(this.line, Line.newestMs) + this.windowMs;
  }

  /** Writes the log from `at` on: how many instants, when the newest began, and time, requests and tokens of each. Returns where it ends. */
  write(numbers: Float64Array, at: number, originMs: number): number {
    const { lines, line, length } = this;
    const count = this.isEmpty ? 0 : length + 1;
    numbers[at++] = count;
    numbers[at++] = this.startMs + originMs;
    if (count === 0) return at;
    for (let index = 0; index < length; index++) {
      const from = this.place(index);
      numbers[at++] = this.older[from] + originMs;
      numbers[at++] = this.older[from + REQUESTS];
      numbers[at++] = this.older[from + TOKENS];
    }
    numbers[at++] = lines.get(line, Line.newestMs) + originMs;
    numbers[at++] = this.newestRequests;
    numbers[at++] = this.newestTokens;
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

  private get newestRequests(): number {
    return this.requests - this.olderRequests;
  }

  private get newestTokens(): number {
    return this.tokens - this.olderTokens;
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

  /** By how much an instant's tokens change. That of a key that was forgotten meanwhile is not among those kept. */
  private adjustment(instantMs: number, sinceMs: number, before: number, tokens: number): number {
    if ((instantMs - sinceMs) * MERGES_PER_WINDOW >= this.windowMs) return 0;
    return Math.min(Math.max(before + tokens, 0), LARGEST_COUNT) - before;
  }

  private count(requests: number, tokens: number): void {
    const { lines, line } = this;
    lines.set(line, Line.requests, lines.get(line, Line.requests) + requests);
    lines.set(line, Line.tokens, lines.get(line, Line.tokens) + tokens);
  }

  private begin(atMs: number, startMs: number, requests: number, tokens: number): void {
    const { lines, line } = this;
    if (this.isEmpty) lines.set(line, Line.expiresMs, atMs + this.windowMs);
    else this.keepNewest();
    this.startMs = startMs;
    lines.set(line, Line.newestMs, atMs);
    this.count(requests, tokens);
    this.foresee();
  }

  /** Until when a taking may be counted with the newest instant: that of the same time always may, another one where instants are many. */
  private foresee(): void {
    const { lines, line } = this;
    const newestMs = lines.get(line, Line.newestMs);
    const untilMs = this.length + 1 < EXACT_INSTANTS ? 0 : this.startMs + Math.ceil(this.windowMs / MERGES_PER_WINDOW);
    lines.set(line, Line.mergesUntilMs, Math.min(Math.max(newestMs + 1, untilMs), lines.get(line, Line.expiresMs)));
  }

  private forget(atMs: number): void {
    const { lines, line, older } = this;
    for (; this.length > 0; this.length -= 1) {
      const expiresMs = older[this.head] + this.windowMs;
      if (atMs < expiresMs) return this.expireAt(expiresMs);
      const [requests, tokens] = [older[this.head + REQUESTS], older[this.head + TOKENS]];
      this.olderRequests -= requests;
      this.olderTokens -= tokens;
      this.count(-requests, -tokens);
      this.head = this.place(1);
    }
    const expiresMs = this.emptyAtMs();
    if (atMs < expiresMs) return this.expireAt(expiresMs);
    lines.set(line, Line.requests, 0);
    lines.set(line, Line.tokens, 0);
    lines.set(line, Line.expiresMs, Infinity);
    lines.set(line, Line.mergesUntilMs, 0);
  }

  private expireAt(expiresMs: number): void {
    this.lines.set(this.line, Line.expiresMs, expiresMs);
    this.foresee();
  }

  private keepNewest(): void {
    if (this.length * STRIDE === this.older.length) this.grow();
    const at = this.place(this.length);
    this.older[at] = this.lines.get(this.line, Line.newestMs);
    this.older[at + REQUESTS] = this.newestRequests;
    this.older[at + TOKENS] = this.newestTokens;
    this.olderRequests += this.older[at + REQUESTS];
    this.olderTokens += this.older[at + TOKENS];
    this.length += 1;
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
