import type { Policy } from './policy.js';

/**
 * A bucket counts in thousandths of a request: milliseconds times requests per second, without a
 * division.
 */
const PARTS = 1000;

/** A token bucket. Figures are the policy's: policies of one family share a bucket. */
export class TokenBucket {
  /** When it is full again. */
  fullAtMs = 0;
  private levelAtMs = 0;

  private constructor(private level: number) {}

  static full({ burst }: Policy): TokenBucket {
    return new TokenBucket(burst * PARTS);
  }

  /** Requests that it holds at `atMs` beyond `cost`, in fractions; below 0 it holds less. */
  left(policy: Policy, cost: number, atMs: number): number {
    return this.levelAfter(policy, cost, atMs) / PARTS;
  }

  /**
   * Whole milliseconds from `atMs` until it holds `cost`, 0 if it does; `Infinity` if it never
   * will.
   */
  waitFor(policy: Policy, cost: number, atMs: number): number {
    if (cost > policy.burst) return Infinity;
    return waitForLevel(this.levelAfter(policy, 0, atMs), cost * PARTS, policy.rate ?? 0);
  }

  /** Time until it is full once `cost` is taken at `atMs`. */
  resetMs(policy: Policy, cost: number, atMs: number): number {
    return waitForLevel(this.levelAfter(policy, cost, atMs), policy.burst * PARTS, policy.rate ?? 0);
  }

  take(policy: Policy, cost: number, atMs: number): void {
    this.fullAtMs = Math.max(this.fullAtMs, atMs + this.resetMs(policy, cost, atMs));
    this.level = this.levelAfter(policy, cost, atMs);
    this.levelAtMs = atMs;
  }

  private levelAfter({ burst, rate }: Policy, cost: number, atMs: number): number {
    return Math.min(burst * PARTS, this.level + (atMs - this.levelAtMs) * (rate ?? 0)) - cost * PARTS;
  }
}

function waitForLevel(level: number, wanted: number, rate: number): number {
  if (level >= wanted) return 0;
  let ms = Math.ceil((wanted - level) / rate);
  // The division was rounded, the flow is not, so one more millisecond suffices. If the rate is
  // tiny relative to the level, steps of 1 would take years, so they double.
  for (let step = 1; ms <= Number.MAX_SAFE_INTEGER && level + ms * rate < wanted; step *= 2) ms += step;
  return ms <= Number.MAX_SAFE_INTEGER ? ms : Infinity;
}
