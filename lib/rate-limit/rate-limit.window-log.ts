/** As long as so many instants are remembered, each is kept by itself. */
export const EXACT_INSTANTS = 4;
/** A window is this many times as long as the span whose takings may be counted together. */
export const MERGES_PER_WINDOW = 60;
/** What one instant holds at most, of requests and of tokens. */
export const LARGEST_COUNT = 0xffffffff;

/** Numbers of one instant in `ring`: time of its last taking, requests, tokens. */
const STRIDE = 3;

/**
 * What was taken within one sliding window: a queue of instants that are counted until the window's length after their last taking.
 * It never holds more than 64 of them, so a busy key costs no more memory than a moderately busy one.
 */
export class WindowLog {
  /** Sums over the instants that are left since the last `prune`. */
  requests = 0;
  tokens = 0;
  private length = 0;
  private head = 0;
  /** When the newest instant began. */
  private startMs = 0;
  private ring: number[] = [0, 0, 0];

  constructor(private readonly windowMs: number) {}

  /** Forgets what is out of the window at `atMs`. */
  prune(atMs: number): void {
    const { ring } = this;
    while (this.length > 0 && atMs - ring[this.head] >= this.windowMs) {
      this.requests -= ring[this.head + 1];
      this.tokens -= ring[this.head + 2];
      this.head = this.head + STRIDE === ring.length ? 0 : this.head + STRIDE;
      this.length -= 1;
    }
  }

  /** Counts a taking at `atMs`, which is not before the last one. Pruned before. */
  add(atMs: number, requests: number, tokens: number): void {
    this.requests += requests;
    this.tokens += tokens;
    if (this.length > 0) {
      const newest = this.place(this.length - 1);
      const { ring } = this;
      const together =
        ring[newest] === atMs || (this.length >= EXACT_INSTANTS && (atMs - this.startMs) * MERGES_PER_WINDOW < this.windowMs);
      if (together && ring[newest + 1] + requests <= LARGEST_COUNT && ring[newest + 2] + tokens <= LARGEST_COUNT) {
        ring[newest] = atMs;
        ring[newest + 1] += requests;
        ring[newest + 2] += tokens;
        return;
      }
    }
    this.push(atMs, requests, tokens);
  }

  /** Adds `tokens`, which may be negative, to the instant that holds `sinceMs`, a time within the window. */
  adjust(sinceMs: number, tokens: number): void {
    for (let index = 0; index < this.length; index++) {
      const at = this.place(index);
      if (this.ring[at] < sinceMs) continue;
      // The instant of a key that was forgotten meanwhile is not among these.
      if ((this.ring[at] - sinceMs) * MERGES_PER_WINDOW >= this.windowMs) return;
      const before = this.ring[at + 2];
      this.ring[at + 2] = Math.min(Math.max(before + tokens, 0), LARGEST_COUNT);
      this.tokens += this.ring[at + 2] - before;
      return;
    }
  }

  /** Time from `atMs` until `requests` (or, with `field` 2, tokens) of those counted are out: `Infinity` if there are not so many. */
  waitFor(amount: number, field: 1 | 2, atMs: number): number {
    let freed = 0;
    for (let index = 0; index < this.length; index++) {
      const at = this.place(index);
      freed += this.ring[at + field];
      if (freed >= amount) return this.ring[at] + this.windowMs - atMs;
    }
    return Infinity;
  }

  /** When nothing is counted any more. */
  emptyAtMs(): number {
    return this.length === 0 ? 0 : this.ring[this.place(this.length - 1)] + this.windowMs;
  }

  private push(atMs: number, requests: number, tokens: number): void {
    if (this.length * STRIDE === this.ring.length) this.grow();
    const at = this.place(this.length);
    this.ring[at] = atMs;
    this.ring[at + 1] = requests;
    this.ring[at + 2] = tokens;
    this.length += 1;
    this.startMs = atMs;
  }

  private grow(): void {
    const { ring, head } = this;
    this.ring = [...ring.slice(head), ...ring.slice(0, head), ...new Array<number>(ring.length).fill(0)];
    this.head = 0;
  }

  private place(index: number): number {
    const at = this.head + index * STRIDE;
    return at >= this.ring.length ? at - this.ring.length : at;
  }
}
