import type { MetricSample } from '../common/capability.js';
import { steadyNow } from '../common/clock.js';
import { addNanoUsd, usdOf } from '../common/nano-usd.js';

/** What a cost is counted under. `team`: if the operator asks for it and the key has one. */
export type CostLabels = Readonly<Record<'group' | 'provider', string> & { team?: string }>;

/** Spend over time: for each series a figure for each interval, the oldest first. */
export interface SpendingHistory {
  /** Length of an interval in milliseconds; the last one is not over yet. */
  readonly binMs: number;
  /** Each with 72 figures: six hours. */
  readonly series: readonly { readonly labels: CostLabels; readonly nanoUsd: readonly number[] }[];
}

/** Groups of wildcard deployments and teams may be many: further ones count as `other`. */
const MOST_SERIES = 500;
const OTHER = 'other';

/** How costs are grouped. */
export interface GroupCostsSettings {
  /** Whether teams are counted separately. Default false. */
  readonly hasTeams?: boolean;
  /** Milliseconds, of a clock that never steps. Default `steadyNow`. */
  readonly now?: () => number;
}

const BINS = 72;

/** Spend of one series in the last six hours, in intervals of five minutes: 576 bytes. */
class SpendBins {
  static readonly WIDTH_MS = 5 * 60_000;
  private readonly bins = new Float64Array(BINS);
  /** The latest interval, counted from the clock's start. */
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
    const current = Math.floor(nowMs / SpendBins.WIDTH_MS);
    for (let bin = Math.max(this.last + 1, current - BINS + 1); bin <= current; bin++) this.bins[bin % BINS] = 0;
    this.last = Math.max(this.last, current);
  }
}

interface GroupCost {
  readonly labels: CostLabels;
  nanoUsd: number;
  readonly bins: SpendBins;
}

/** Cost of attempts by model group and provider, and by team if `hasTeams`. */
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
      binMs: SpendBins.WIDTH_MS,
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
    const sum = { labels, nanoUsd: 0, bins: new SpendBins() };
    this.sums.set(name, sum);
    return sum;
  }
}

function nameOf({ group, provider, team = '' }: CostLabels): string {
  return JSON.stringify([group, provider, team]);
}
