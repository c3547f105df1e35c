import type { MetricSample } from '../common/capability.js';

const NAME = 'spend_log_flush_seconds';
const HELP = 'Duration of the statements that write calls';
/** Upper bounds of the buckets, in seconds. */
const BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5];

/** Histogram of statement durations. */
export class FlushDurations {
  private readonly counts = new Array<number>(BOUNDS.length + 1).fill(0);
  private sum = 0;

  add(seconds: number): void {
    this.sum += seconds;
    const at = BOUNDS.findIndex((bound) => seconds <= bound);
    this.counts[at < 0 ? BOUNDS.length : at]++;
  }

  samples(): readonly MetricSample[] {
    let below = 0;
    const buckets = this.counts.map((count, at): MetricSample => {
      below += count;
      const le = at < BOUNDS.length ? String(BOUNDS[at]) : '+Inf';
      return { name: NAME, help: HELP, type: 'histogram', suffix: '_bucket', value: below, labels: { le } };
    });
    return [
      ...buckets,
      { name: NAME, help: HELP, type: 'histogram', suffix: '_sum', value: this.sum },
      { name: NAME, help: HELP, type: 'histogram', suffix: '_count', value: below },
    ];
  }
}
