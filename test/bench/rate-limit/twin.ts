import { randomInt } from 'node:crypto';

const WINDOW_MS = 60_000;
/** Instants of a window, each of a 60th. */
const SLOTS = 4;

/**
 * The speed of typed arrays in JavaScript: open addressing, a keyed hash over the characters,
 * requests and tokens of a minute in four intervals. It has fewer features and a coarser window
 * than the engines: a bound for their speed, not a limiter.
 */
export class OpenAddressingTwin {
  private readonly seed = randomInt(2 ** 31);
  private mask: number;
  private size = 0;
  private low: Int32Array;
  private high: Int32Array;
  private portions: Float64Array;
  private sums: Float64Array;

  constructor(
    private readonly requestsPerMinute: number,
    private readonly tokensPerMinute: number,
    capacity = 1 << 12,
  ) {
    this.mask = capacity - 1;
    this.low = new Int32Array(capacity);
    this.high = new Int32Array(capacity);
    this.sums = new Float64Array(capacity * 2);
    this.portions = new Float64Array(capacity * SLOTS);
  }

  check(key: string, tokens: number, nowMs: number): boolean {
    let low = this.seed;
    let high = ~this.seed;
    for (let i = 0; i < key.length; i++) {
      const unit = key.charCodeAt(i);
      low = Math.imul(low ^ unit, 0x01000193);
      high = Math.imul(high ^ unit, 0x5bd1e995) ^ (high >>> 15);
    }
    low = Math.imul(low ^ (low >>> 16), 0x85ebca6b);
    low = (low ^ (low >>> 13)) | 1;
    const at = this.find(low, high);
    const portion = at * SLOTS + (Math.floor(nowMs / (WINDOW_MS / SLOTS)) & (SLOTS - 1));
    const requests = this.sums[at * 2] + 1;
    const used = this.sums[at * 2 + 1] + tokens;
    if (requests > this.requestsPerMinute || used > this.tokensPerMinute) return false;
    this.sums[at * 2] = requests;
    this.sums[at * 2 + 1] = used;
    this.portions[portion] += 1;
    return true;
  }

  private find(low: number, high: number): number {
    let at = low & this.mask;
    while (this.low[at] !== 0) {
      if (this.low[at] === low && this.high[at] === high) return at;
      at = (at + 1) & this.mask;
    }
    if (this.size * 8 > this.mask * 6) {
      this.grow();
      return this.find(low, high);
    }
    this.size++;
    this.low[at] = low;
    this.high[at] = high;
    return at;
  }

  private grow(): void {
    const bigger = new OpenAddressingTwin(this.requestsPerMinute, this.tokensPerMinute, (this.mask + 1) * 2);
    for (let from = 0; from <= this.mask; from++) {
      if (this.low[from] === 0) continue;
      const to = bigger.find(this.low[from], this.high[from]);
      bigger.sums.set(this.sums.subarray(from * 2, from * 2 + 2), to * 2);
      bigger.portions.set(this.portions.subarray(from * SLOTS, (from + 1) * SLOTS), to * SLOTS);
    }
    ({ mask: this.mask, low: this.low, high: this.high, sums: this.sums, portions: this.portions } = bigger);
  }
}
