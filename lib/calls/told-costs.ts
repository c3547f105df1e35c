import type { MetricSample } from '../common/capability.js';
import { addNanoUsd, usdOf } from '../common/nano-usd.js';
import type { AnswerCost } from './answer/answer-cost.js';

/** What one provider has told, in nano-USD. */
interface ToldByProvider {
  told: number;
  /** Beside the price list, for models that it knows. */
  above: number;
  below: number;
  /** Costs that cannot be one. */
  ignored: number;
}

/** Clients cannot name providers, configurations can: further ones count as `other`. */
const MOST_PROVIDERS = 200;

/** Costs that providers tell with their answers, beside those of the price list. */
export class ToldCosts {
  private readonly providers = new Map<string, ToldByProvider>();

  add(provider: string, { nanoUsd, source, listNanoUsd }: AnswerCost): void {
    if (source !== 'provider') return;
    const sums = this.sumsOf(provider);
    sums.told = addNanoUsd(sums.told, nanoUsd);
    if (listNanoUsd === undefined) return;
    sums.above = addNanoUsd(sums.above, Math.max(0, nanoUsd - listNanoUsd));
    sums.below = addNanoUsd(sums.below, Math.max(0, listNanoUsd - nanoUsd));
  }

  /** The provider told something that is no cost. */
  ignore(provider: string): void {
    this.sumsOf(provider).ignored++;
  }

  samples(): readonly MetricSample[] {
    return [...this.providers].flatMap(([provider, { told, above, below, ignored }]): MetricSample[] => {
      const difference = (direction: 'above' | 'below', nano: number): MetricSample => ({
        name: 'llm_client_cost_difference_usd_total',
        help: 'USD by which costs told by providers are above or below those of the price list',
        type: 'counter',
        value: usdOf(nano),
        labels: { provider, direction },
      });
      return [
        {
          name: 'llm_client_provider_cost_usd_total',
          help: 'The part of llm_client_cost_usd_total that providers told with their answers',
          type: 'counter',
          value: usdOf(told),
          labels: { provider },
        },
        difference('above', above),
        difference('below', below),
        {
          name: 'llm_client_provider_costs_ignored_total',
          help: 'Answers whose provider told a cost that is no amount, negative or too high',
          type: 'counter',
          value: ignored,
          labels: { provider },
        },
      ];
    });
  }

  private sumsOf(provider: string): ToldByProvider {
    const name = this.providers.has(provider) || this.providers.size < MOST_PROVIDERS ? provider : 'other';
    let sums = this.providers.get(name);
    if (sums === undefined) this.providers.set(name, (sums = { told: 0, above: 0, below: 0, ignored: 0 }));
    return sums;
  }
}
