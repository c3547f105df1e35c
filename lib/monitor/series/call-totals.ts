/** Sums over the calls of one span of time. */
export class CallTotals {
  measured = 0;
  /** Calls that were not measured. */
  skipped = 0;
  errors = 0;
  durationMs = 0;
  minMs = Infinity;
  maxMs = 0;
  inputSize = 0;
  outputSize = 0;

  get calls(): number {
    return this.measured + this.skipped;
  }

  add(other: CallTotals): this {
    this.measured += other.measured;
    this.skipped += other.skipped;
    this.errors += other.errors;
    this.durationMs += other.durationMs;
    this.minMs = Math.min(this.minMs, other.minMs);
    this.maxMs = Math.max(this.maxMs, other.maxMs);
    this.inputSize += other.inputSize;
    this.outputSize += other.outputSize;
    return this;
  }
}
