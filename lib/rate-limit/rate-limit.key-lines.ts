/** Numbers of a line: eight of 64 bits, one cache line. */
const STRIDE = 8;
const HALVES = 2 * STRIDE;
/** Where a line holds what: times, sums and order as numbers of 64 bits… */
export const Line = { expiresMs: 0, newestMs: 1, startMs: 2, olderRequests: 4, olderTokens: 5, touched: 6 } as const;
/** …and counts as numbers of 32. */
export const Half = { newestRequests: 6, newestTokens: 7, length: 14, inFlight: 15 } as const;
/** As long as so many instants are remembered, each is kept by itself. */
export const EXACT_INSTANTS = 4;
/** A window is this many times as long as the span whose takings may be counted together. */
export const MERGES_PER_WINDOW = 60;
/** What one instant holds at most, of requests and of tokens. */
export const LARGEST_COUNT = 0xffffffff;
const SMALLEST = 16;

/**
 * What most decisions read and write of their keys: one cache line for each, in one typed array, where objects would be spread over the heap and walked
 * by the garbage collector. Of a window's log it holds the newest instant and the sums over those before it.
 */
export class KeyLines {
  numbers = new Float64Array(SMALLEST * STRIDE);
  halves = new Uint32Array(this.numbers.buffer);
  /** Lines that were ever in use. */
  length = 0;
  private readonly free: number[] = [];

  /** An empty line. */
  take(): number {
    const line = this.free.pop() ?? this.length++;
    if (this.length * STRIDE > this.numbers.length) this.grow();
    this.numbers.fill(0, line * STRIDE, (line + 1) * STRIDE);
    this.numbers[line * STRIDE + Line.expiresMs] = Infinity;
    return line;
  }

  give(line: number): void {
    this.free.push(line);
    if (this.free.length < this.length) return;
    this.free.length = this.length = 0;
    this.numbers = new Float64Array(SMALLEST * STRIDE);
    this.halves = new Uint32Array(this.numbers.buffer);
  }

  get(line: number, field: number): number {
    return this.numbers[line * STRIDE + field];
  }

  set(line: number, field: number, value: number): void {
    this.numbers[line * STRIDE + field] = value;
  }

  half(line: number, field: number): number {
    return this.halves[line * HALVES + field];
  }

  setHalf(line: number, field: number, value: number): void {
    this.halves[line * HALVES + field] = value;
  }

  requests(line: number): number {
    return this.numbers[line * STRIDE + Line.olderRequests] + this.halves[line * HALVES + Half.newestRequests];
  }

  tokens(line: number): number {
    return this.numbers[line * STRIDE + Line.olderTokens] + this.halves[line * HALVES + Half.newestTokens];
  }

  /** Counts a taking with the newest instant, if it may be. Pruned before. */
  merge(line: number, windowMs: number, atMs: number, requests: number, tokens: number): boolean {
    const { numbers, halves } = this;
    const at = line * STRIDE;
    const half = line * HALVES;
    if (numbers[at + Line.newestMs] !== atMs || numbers[at + Line.expiresMs] === Infinity) {
      if (halves[half + Half.length] + 1 < EXACT_INSTANTS) return false;
      if (numbers[at + Line.expiresMs] === Infinity || (atMs - numbers[at + Line.startMs]) * MERGES_PER_WINDOW >= windowMs) return false;
    }
    const newestRequests = halves[half + Half.newestRequests] + requests;
    const newestTokens = halves[half + Half.newestTokens] + tokens;
    if (newestRequests > LARGEST_COUNT || newestTokens > LARGEST_COUNT) return false;
    numbers[at + Line.newestMs] = atMs;
    halves[half + Half.newestRequests] = newestRequests;
    halves[half + Half.newestTokens] = newestTokens;
    return true;
  }

  private grow(): void {
    const grown = new Float64Array(this.numbers.length * 2);
    grown.set(this.numbers);
    this.numbers = grown;
    this.halves = new Uint32Array(grown.buffer);
  }
}
