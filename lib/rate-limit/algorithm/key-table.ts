/** Numbers of a line: eight of 64 bits, one cache line. */
export const LINE_NUMBERS = 8;
const STRIDE = LINE_NUMBERS;
const HALVES = 2 * STRIDE;
/**
 * Where a line holds what: until when a taking may be counted with the newest instant, when the oldest instant is out of the window (`Infinity`: there is none),
 * time of the newest taking, sums over all instants, and order of use, as numbers of 64 bits…
 */
export const Line = { mergesUntilMs: 0, expiresMs: 1, newestMs: 2, requests: 3, tokens: 4, touched: 5 } as const;
/** …and requests under way as a number of 32. */
export const Half = { inFlight: 12 } as const;
/** What one instant holds at most, of requests and of tokens. */
export const LARGEST_COUNT = 0xffffffff;
const SMALLEST = 16;
/** Where a line holds whose it is: both halves of the key's hash, and its family. */
const LOW = 13;
const HIGH = 14;
const FAMILY = 15;
/** No family's number. */
const NOBODY = -1;

/**
 * What most decisions read and write of their keys: one cache line for each, in one typed array, where objects would be spread over the heap and walked
 * by the garbage collector.
 */
export class KeyLines {
  numbers = new Float64Array(SMALLEST * STRIDE);
  private halves = new Int32Array(this.numbers.buffer);
  /** Lines that were ever in use. */
  length = 0;
  private readonly free: number[] = [];

  /** An empty line. */
  take(): number {
    const line = this.free.pop() ?? this.length++;
    if (this.length * STRIDE > this.numbers.length) this.grow();
    this.numbers.fill(0, line * STRIDE, (line + 1) * STRIDE);
    this.numbers[line * STRIDE + Line.expiresMs] = Infinity;
    this.halves[line * HALVES + FAMILY] = NOBODY;
    return line;
  }

  give(line: number): void {
    this.halves[line * HALVES + FAMILY] = NOBODY;
    this.free.push(line);
    if (this.free.length < this.length) return;
    this.free.length = this.length = 0;
    this.numbers = new Float64Array(SMALLEST * STRIDE);
    this.halves = new Int32Array(this.numbers.buffer);
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

  /** Says whose a line is. */
  own(line: number, low: number, high: number, family: number): void {
    const at = line * HALVES;
    this.halves[at + LOW] = low;
    this.halves[at + HIGH] = high;
    this.halves[at + FAMILY] = family;
  }

  isOf(line: number, low: number, high: number, family: number): boolean {
    const { halves } = this;
    const at = line * HALVES;
    return halves[at + LOW] === low && halves[at + HIGH] === high && halves[at + FAMILY] === family;
  }

  private grow(): void {
    const grown = new Float64Array(this.numbers.length * 2);
    grown.set(this.numbers);
    this.numbers = grown;
    this.halves = new Int32Array(grown.buffer);
  }
}
