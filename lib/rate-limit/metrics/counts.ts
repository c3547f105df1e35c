import type { MetricSample } from '../../common/capability.js';
import { samplesOf } from '../../common/metric-samples.js';
import { EXCEEDED } from '../engine/engine.js';
import type { ExceededLimit } from '../limits.js';

/** How many were let pass, and how many were refused by which limit. */
export class DecisionCounts {
  allowed = 0;
  denied = 0;
  private readonly deniedBy = new Map((Object.values(EXCEEDED) as ExceededLimit[]).map((exceeded) => [exceeded, 0]));

  add(allowed: boolean, exceeded: ExceededLimit | undefined): void {
    if (allowed) this.allowed++;
    else this.refuse(exceeded);
  }

  samples(): MetricSample[] {
    const sample = samplesOf('rate_limit');
    return [
      sample('allowed_total', 'Requests that were let pass.', 'counter', this.allowed),
      ...Array.from(this.deniedBy, ([exceeded, count]) =>
        sample('denied_total', 'Requests refused, by the limit that did it.', 'counter', count, { exceeded }),
      ),
    ];
  }

  /** Without a limit: by a store that could not be asked. */
  private refuse(exceeded: ExceededLimit | undefined): void {
    this.denied++;
    if (exceeded !== undefined) this.deniedBy.set(exceeded, (this.deniedBy.get(exceeded) ?? 0) + 1);
  }
}
