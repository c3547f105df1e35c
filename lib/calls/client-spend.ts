import { sampleOf, type MetricSample } from '../common/capability.js';
import { addNanoUsd, usdOf } from '../common/nano-usd.js';
import type { AnswerCost } from './answer/answer-cost.js';
import { steadyNow } from '../common/clock.js';
import type { AnswerUsage } from '../http/answer-usage.js';
import type { AppCost } from '../http/app-costs.js';

/** Models of the app's costs that are counted separately, and their longest name. */
const MOST_MODELS = 50;
const LONGEST_MODEL = 256;

/** Sums of tokens and money. */
class SpendSums {
  inputTokens = 0;
  outputTokens = 0;
  private nanoUsd = 0;

  get costUsd(): number {
    return usdOf(this.nanoUsd);
  }

  add(inputTokens: number, outputTokens: number, nanoUsd: number): void {
    this.inputTokens += inputTokens;
    this.outputTokens += outputTokens;
    this.nanoUsd = addNanoUsd(this.nanoUsd, nanoUsd);
  }
}

/** An attempt whose tokens are charged. */
export interface ChargedAttempt {
  readonly labels: CostLabels;
  /** The provider that answered, by LiteLLM's name. */
  readonly provider: string;
  /** Whether its provider reported no usage. */
  readonly isEstimated: boolean;
}

/** Spend of a client: tokens and cost of all calls, as reported by providers or estimated. */
export class ClientSpend extends SpendSums {
  /** Calls without a known price: `costUsd` does not include them. */
  unpricedCalls = 0;
  /** The estimated part of these figures: prompts without an answer, and broken streams. */
  readonly estimated = new SpendSums();
  readonly byGroup: GroupCosts;
  /** Costs that providers report. */
  readonly reportedCosts = new ReportedCosts();
  /** Cost of calls made elsewhere, which the app reports (`reportUsage`). */
  private appNanoUsd = 0;
  private readonly appModels = new Set<string>();
  /** Whether the price list is loaded, or will be soon. */
  isPrepared = false;

  /** @param openPrices Loads the price list. */
  constructor(
    private readonly openPrices: (model: string) => unknown,
    settings: GroupCostsSettings = {},
  ) {
    super();
    this.byGroup = new GroupCosts(settings);
  }

  /** Loads the price list once, while the first provider works on its answer. */
  prepare(model: string): void {
    if (this.isPrepared) return;
    this.isPrepared = true;
    setImmediate(() => this.openPrices(model)).unref();
  }

  /** The part of `costUsd` that the app has reported. */
  get appUsd(): number {
    return usdOf(this.appNanoUsd);
  }

  /** Adds a cost that the app reports for calls made elsewhere. */
  addAppCost({ model = '', team, nanoUsd }: AppCost): void {
    this.add(0, 0, nanoUsd);
    this.appNanoUsd = addNanoUsd(this.appNanoUsd, nanoUsd);
    // Clients choose these names, so they must not displace model groups.
    const isShown = model.length <= LONGEST_MODEL && (this.appModels.has(model) || this.appModels.size < MOST_MODELS);
    if (isShown) this.appModels.add(model);
    this.byGroup.add({ group: isShown ? model : 'other', provider: 'reported', team }, nanoUsd);
  }

  /** Adds the tokens of an attempt and their cost; `undefined`: without a known price. */
  charge({ promptTokens, completionTokens }: AnswerUsage, cost: AnswerCost | undefined, of: ChargedAttempt): void {
    const input = Math.round(promptTokens);
    const output = Math.round(completionTokens);
    this.add(input, output, cost?.nanoUsd ?? 0);
    if (of.isEstimated) this.estimated.add(input, output, cost?.nanoUsd ?? 0);
    if (cost === undefined) {
      this.unpricedCalls++;
      return;
    }
    if (cost.source === 'provider') this.reportedCosts.add(of.provider, cost);
    this.byGroup.add(of.labels, cost.nanoUsd);
  }
}

/** Labels of a cost. `team`: present if the operator enables it and the key has one. */
export type CostLabels = Readonly<Record<'group' | 'provider', string> & { team?: string }>;

/** Spend over time: each series has one figure per interval, the oldest first. */
export interface SpendingHistory {
  /** Length of an interval in milliseconds; the last interval is still running. */
  readonly binMs: number;
  /** Each has 72 figures, for six hours. */
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
    if (nowMs >= (this.last + 1) * SpendBins.WIDTH_MS) this.moveTo(nowMs);
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
    const labels = this.hasTeams ? { group, provider, team } : { group, provider };
    const name = JSON.stringify(labels);
    const sum = this.sums.get(name) ?? this.newSum(name, labels);
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

  private newSum(name: string, labels: CostLabels): GroupCost {
    if (this.sums.size >= MOST_SERIES) {
      const others = this.hasTeams ? { group: OTHER, provider: OTHER, team: OTHER } : { group: OTHER, provider: OTHER };
      const other = JSON.stringify(others);
      const known = this.sums.get(other);
      if (known !== undefined) return known;
      [name, labels] = [other, others];
    }
    const sum = { labels, nanoUsd: 0, bins: new SpendBins() };
    this.sums.set(name, sum);
    return sum;
  }
}

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

  add(provider: string, { nanoUsd, listNanoUsd }: AnswerCost): void {
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
    const counter = (name: string, help: string, value: number, labels: MetricSample['labels']): MetricSample =>
      sampleOf(`llm_client_${name}`, help, 'counter', value, labels);
    const costs = 'The part of llm_client_cost_usd_total that providers reported with their answers';
    const differences = 'Difference in USD between costs reported by providers and costs from the price list';
    const invalid = 'Answers whose reported cost was negative, too high or not a number';
    return [...this.providers].flatMap(([provider, { reported, above, below, ignored }]) => [
      counter('provider_cost_usd_total', costs, usdOf(reported), { provider }),
      counter('cost_difference_usd_total', differences, usdOf(above), { provider, direction: 'above' }),
      counter('cost_difference_usd_total', differences, usdOf(below), { provider, direction: 'below' }),
      counter('provider_costs_ignored_total', invalid, ignored, { provider }),
    ]);
  }

  private sumsOf(provider: string): ProviderSums {
    const name = this.providers.has(provider) || this.providers.size < MOST_PROVIDERS ? provider : 'other';
    let sums = this.providers.get(name);
    if (sums === undefined) this.providers.set(name, (sums = { reported: 0, above: 0, below: 0, ignored: 0 }));
    return sums;
  }
}
