import type { MetricSample } from '../common/capability.js';
import { steadyNow } from '../common/clock.js';
import { addNanoUsd, usdOf } from '../common/nano-usd.js';
import { SpendingBins, type CostLabels, type SpendingHistory } from './spending-history.js';

/** Groups of wildcard deployments and teams may be many: further ones count as `other`. */
const MOST_SERIES = 500;
const OTHER = 'other';

/** How costs are told apart. */
export interface GroupCostsSettings {
  /** Whether teams are told apart. Default false. */
  readonly hasTeams?: boolean;
  /** Milliseconds, of a clock that never steps. Default `steadyNow`. */
  readonly now?: () => number;
}

interface GroupCost {
  readonly labels: CostLabels;
  nanoUsd: number;
  readonly bins: SpendingBins;
}

/** Cost of attempts by model group and provider, and by team where it is asked for. */
export class GroupCosts {
  private readonly sums = new Map<string, GroupCost>();
  private readonly hasTeams: boolean;
  private readonly now: () => number;

  constructor({ hasTeams = false, now = steadyNow }: GroupCostsSettings = {}) {
    this.hasTeams = hasTeams;
    this.now = now;
  }

  add({ group, provider, team = '' }: CostLabels, nanoUsd: number): void {
    const sum = this.sumOf(this.hasTeams ? { group, provider, team } : { group, provider });
    sum.nanoUsd = addNanoUsd(sum.nanoUsd, nanoUsd);
    sum.bins.add(nanoUsd, this.now());
  }

  samples(): readonly MetricSample[] {
    const help = 'Cost in USD by model group and provider, for calls with a known price';
    return [...this.sums.values()].map(({ labels, nanoUsd }) => ({
      name: 'llm_client_group_cost_usd_total',
      help,
      type: 'counter',
      value: usdOf(nanoUsd),
      labels,
    }));
  }

  /** The last hours, in this process. */
  history(): SpendingHistory {
    const nowMs = this.now();
    return {
      binMs: SpendingBins.WIDTH_MS,
      series: [...this.sums.values()].map(({ labels, bins }) => ({ labels, nanoUsd: bins.values(nowMs) })),
    };
  }

  private sumOf(labels: CostLabels): GroupCost {
    const name = nameOf(labels);
    const known = this.sums.get(name);
    if (known !== undefined) return known;
    if (this.sums.size >= MOST_SERIES && labels.group !== OTHER) {
      return this.sumOf(this.hasTeams ? { group: OTHER, provider: OTHER, team: OTHER } : { group: OTHER, provider: OTHER });
    }
    const sum = { labels, nanoUsd: 0, bins: new SpendingBins() };
    this.sums.set(name, sum);
    return sum;
  }
}

function nameOf({ group, provider, team = '' }: CostLabels): string {
  return JSON.stringify([group, provider, team]);
}
