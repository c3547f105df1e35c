import type { MetricSample } from '../common/capability.js';
import { addNanoUsd, usdOf } from '../common/nano-usd.js';
import type { AnswerCost } from './answer/answer-cost.js';

/** Sums of one provider, in nano-USD. */
interface ProviderSums {
  reported: number;
  /** Differences from the price list, for models that it has. */
  above: number;
  below: number;
  /** Invalid costs. */
  ignored: number;
}

/** Clients cannot name providers, configurations can: further ones count as `other`. */
const MOST_PROVIDERS = 200;

/** Costs that providers report with their answers, compared with the price list. */
export class ReportedCosts {
  private readonly providers = new Map<string, ProviderSums>();

  add(provider: string, { nanoUsd, source, listNanoUsd }: AnswerCost): void {
    if (source !== 'provider') return;
    const sums = this.sumsOf(provider);
    sums.reported = addNanoUsd(sums.reported, nanoUsd);
    if (listNanoUsd === undefined) return;
    sums.above = addNanoUsd(sums.above, Math.max(0, nanoUsd - listNanoUsd));
    sums.below = addNanoUsd(sums.below, Math.max(0, listNanoUsd - nanoUsd));
  }

  /** The provider reported an invalid cost. */
  ignore(provider: string): void {
    this.sumsOf(provider).ignored++;
  }

  samples(): readonly MetricSample[] {
    return [...this.providers].flatMap(([provider, { reported, above, below, ignored }]): MetricSample[] => {
      const difference = (direction: 'above' | 'below', nano: number): MetricSample => ({
        name: 'llm_client_cost_difference_usd_total',
        help: 'Difference in USD between costs reported by providers and those of the price list',
        type: 'counter',
        value: usdOf(nano),
        labels: { provider, direction },
      });
      return [
        {
          name: 'llm_client_provider_cost_usd_total',
          help: 'The part of llm_client_cost_usd_total that providers reported with their answers',
          type: 'counter',
          value: usdOf(reported),
          labels: { provider },
        },
        difference('above', above),
        difference('below', below),
        {
          name: 'llm_client_provider_costs_ignored_total',
          help: 'Answers whose reported cost was not a number, negative or too high',
          type: 'counter',
          value: ignored,
          labels: { provider },
        },
      ];
    });
  }

  private sumsOf(provider: string): ProviderSums {
    const name = this.providers.has(provider) || this.providers.size < MOST_PROVIDERS ? provider : 'other';
    let sums = this.providers.get(name);
    if (sums === undefined) this.providers.set(name, (sums = { reported: 0, above: 0, below: 0, ignored: 0 }));
    return sums;
  }
}
