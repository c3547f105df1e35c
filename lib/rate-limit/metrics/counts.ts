import { samplesOf, type MetricSample } from '../../common/capability.js';
import { EXCEEDED } from '../engine/engine.js';
import type { ExceededLimit } from '../limits.js';

/** Counts allowed requests, and denied ones by the limit that denied them. */
export class DecisionCounts {
  allowed = 0;
  denied = 0;
  private readonly deniedBy = new Map((Object.values(EXCEEDED) as ExceededLimit[]).map((exceeded) => [exceeded, 0]));

  /** `exceeded` is missing when the store was unavailable. */
  deny(exceeded: ExceededLimit | undefined): void {
    this.denied++;
    if (exceeded !== undefined) this.deniedBy.set(exceeded, (this.deniedBy.get(exceeded) ?? 0) + 1);
  }

  /** A part of an allowed request was denied: it counts as allowed, and as a denial. */
  deniedLater(exceeded: string): void {
    const limit = exceeded as ExceededLimit;
    const count = this.deniedBy.get(limit);
    if (count !== undefined) this.deniedBy.set(limit, count + 1);
  }

  samples(): MetricSample[] {
    const sample = samplesOf('rate_limit');
    return [
      sample('allowed_total', 'Allowed requests.', 'counter', this.allowed),
      ...Array.from(this.deniedBy, ([exceeded, count]) =>
        sample('denied_total', 'Denied requests, by the limit that denied them.', 'counter', count, { exceeded }),
      ),
    ];
  }
}
