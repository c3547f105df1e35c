import type { MetricSample } from '../../common/capability.js';
import type { Selection } from './call-router.js';

/** Groups of wildcard deployments and teams may be many: further ones count as `other`. */
const MOST_SERIES = 500;
const OTHER = 'other';

/** Whose money it is. `team`: where the operator asks for it, and the request's key has one. */
type CostLabels = Readonly<Record<'group' | 'provider', string> & { team?: string }>;

interface GroupCost {
  readonly labels: CostLabels;
  usd: number;
}

/** Cost of attempts in USD by model group and provider, and by team where it is asked for. */
export class GroupCosts {
  private readonly sums = new Map<string, GroupCost>();

  /** @param hasTeams Whether teams are told apart. */
  constructor(private readonly hasTeams: boolean) {}

  add({ group, deployment: { provider } }: Selection, team: string | undefined, costUsd: number): void {
    const labels: CostLabels = this.hasTeams ? { group, provider, team: team ?? '' } : { group, provider };
    const known = this.sums.get(nameOf(labels));
    if (known !== undefined) known.usd += costUsd;
    else if (this.sums.size < MOST_SERIES) this.sums.set(nameOf(labels), { labels, usd: costUsd });
    else this.addToOthers(costUsd);
  }

  samples(): readonly MetricSample[] {
    const help = 'Cost in USD by model group and provider, for calls with a known price';
    return [...this.sums.values()].map(({ labels, usd }) => ({
      name: 'llm_client_group_cost_usd_total',
      help,
      type: 'counter',
      value: usd,
      labels,
    }));
  }

  private addToOthers(costUsd: number): void {
    const labels: CostLabels = this.hasTeams ? { group: OTHER, provider: OTHER, team: OTHER } : { group: OTHER, provider: OTHER };
    const others = this.sums.get(nameOf(labels));
    if (others === undefined) this.sums.set(nameOf(labels), { labels, usd: costUsd });
    else others.usd += costUsd;
  }
}

function nameOf({ group, provider, team = '' }: CostLabels): string {
  return JSON.stringify([group, provider, team]);
}
