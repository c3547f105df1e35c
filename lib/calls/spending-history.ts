/** Whose money it is. `team`: where the operator asks for it, and the request's key has one. */
export type CostLabels = Readonly<Record<'group' | 'provider', string> & { team?: string }>;

/** Spending over time: for each series a figure for each interval, the oldest first. */
export interface SpendingHistory {
  /** Length of an interval in milliseconds; the last one is not over yet. */
  readonly binMs: number;
  /** Each with 72 figures: six hours. */
  readonly series: readonly { readonly labels: CostLabels; readonly nanoUsd: readonly number[] }[];
}

const BINS = 72;

/** What one series has spent in the last six hours, in intervals of five minutes: 576 bytes. */
export class SpendingBins {
  static readonly WIDTH_MS = 5 * 60_000;
  private readonly bins = new Float64Array(BINS);
  /** The interval that was written last, counted from the clock's start. */
  private last = -Infinity;

  add(nanoUsd: number, nowMs: number): void {
    this.moveTo(nowMs);
    this.bins[this.last % BINS] += nanoUsd;
  }

  values(nowMs: number): number[] {
    this.moveTo(nowMs);
    return Array.from({ length: BINS }, (_, at) => this.bins[(this.last + 1 + at) % BINS]);
  }

  /** Clears the intervals since the last one. */
  private moveTo(nowMs: number): void {
    const current = Math.floor(nowMs / SpendingBins.WIDTH_MS);
    for (let bin = Math.max(this.last + 1, current - BINS + 1); bin <= current; bin++) this.bins[bin % BINS] = 0;
    this.last = Math.max(this.last, current);
  }
}
