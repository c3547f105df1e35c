import { seeded } from '../harness/random.js';

/** How many durations come round. */
export const DURATIONS = 8192;

/** Milliseconds, log-normal around 0.5 ms with a long tail: what calls of a service look like. */
export const durationsMs: Float64Array = (() => {
  const random = seeded(5);
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return Float64Array.from({ length: DURATIONS }, () => 0.5 * Math.exp(normal() * 1.2));
})();

/** The same in nanoseconds, whole: what most histograms want. */
export const durationsNs: readonly number[] = [...durationsMs].map((ms) => Math.round(ms * 1e6));

/** The largest relative error of p50, p95 and p99, in per cent. */
export function errorPercent(percentileMs: (share: number) => number): number {
  const sorted = [...durationsMs].sort((a, b) => a - b);
  const errors = [0.5, 0.95, 0.99].map((share) => Math.abs(percentileMs(share) / sorted[Math.ceil(share * sorted.length) - 1] - 1));
  return Math.max(...errors) * 100;
}
