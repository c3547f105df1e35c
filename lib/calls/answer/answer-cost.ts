import { nanoUsd } from '../../common/nano-usd.js';
import { fieldsOf, isObject, type Fields } from '../../common/objects.js';
import { COST_PARTS, sumOf, type CostPart, type CostParts, type PricedUsage } from '../../common/token-cost.js';
import type { StatedCost } from '../../http/answer-usage.js';
import { requestedTier, dearerTier, type PremiumTier } from '../../http/token-estimate/requested-tier.js';
import { addedFields } from '../../providers/own-fields.js';
import type { CallRequest } from '../call-request.js';

/** The cost of one answer, in nano-USD (billionths of a USD). */
export interface AnswerCost {
  /** The total, rounded up: exactly the sum of `parts`. */
  readonly nanoUsd: number;
  /** Whole nano-USD by part. Parts that cost 0 are omitted. */
  readonly parts: CostParts;
  /**
   * Source of the price: `deployment` (set in the model list), `provider` (reported with the
   * answer), `overrides`, the path of the price file, `source` for prices given as an object,
   * `@pydantic/genai-prices`, or `hook` for an answer from a hook.
   */
  readonly source: string;
  /** The cost by the price list, if the provider reported a cost and the list has a price. */
  readonly listNanoUsd?: number;
}

/** The cost of an answer that a hook gave instead of a provider. */
export const NO_COST: AnswerCost = { nanoUsd: 0, parts: {}, source: 'hook' };

/**
 * The cost of an answer: prices that the operator set in the model list come first, then what the
 * provider reported, then the price list. `undefined`: none is known.
 */
export function answerCost(priced: PricedUsage | undefined, reported: ReportedCost | undefined): AnswerCost | undefined {
  if (reported !== undefined && priced?.source !== 'deployment') {
    const whole = nanoUsd(reported.usd);
    const listed = priced === undefined ? {} : { listNanoUsd: nanoUsd(priced.usd) };
    return { nanoUsd: whole, parts: partsOf(whole, reported.parts ?? priced?.parts ?? {}), source: 'provider', ...listed };
  }
  if (priced === undefined) return undefined;
  const whole = nanoUsd(priced.usd);
  return { nanoUsd: whole, parts: partsOf(whole, priced.parts), source: priced.source };
}

/**
 * Divides a whole by the weights of its parts, so that the parts add up to it: the units that
 * rounding leaves go to the largest remainders. Without weights all of it is `other`.
 */
export function partsOf(whole: number, weights: CostParts): CostParts {
  if (whole === 0) return {};
  const total = sumOf(weights);
  if (!(total > 0)) return { other: whole };
  const parts: Partial<Record<CostPart, number>> = {};
  const remainders: { readonly part: CostPart; readonly remainder: number }[] = [];
  let left = whole;
  for (const part of COST_PARTS) {
    const weight = weights[part] ?? 0;
    if (weight <= 0) continue;
    const exact = (weight / total) * whole;
    const floor = Math.min(Math.floor(exact), left);
    parts[part] = floor;
    left -= floor;
    remainders.push({ part, remainder: exact - floor });
  }
  if (left > 0) remainders.sort((a, b) => b.remainder - a.remainder);
  for (let at = 0; left > 0; at = (at + 1) % remainders.length, left--) parts[remainders[at].part] = (parts[remainders[at].part] ?? 0) + 1;
  for (const { part } of remainders) if (parts[part] === 0) delete parts[part];
  return parts;
}

/** The cost of an answer as its provider reports it. */
export interface ReportedCost {
  readonly usd: number;
  /** By its parts in USD, if the provider reports them. */
  readonly parts?: CostParts;
}

/**
 * The highest cost of one answer that is accepted: the most expensive models charge some hundreds
 * for a full context and a full reply.
 */
const HIGHEST_USD = 1_000;
/** xAI's unit: https://docs.x.ai/developers/cost-tracking */
const TICKS_PER_USD = 1e10;

/** How providers state a cost in the usage, in USD, by LiteLLM's names of them. */
const STATED: Readonly<Record<string, (stated: StatedCost) => unknown>> = {
  // `cost` is only OpenRouter's fee if the operator brings an upstream key (`is_byok`).
  openrouter: ({ cost, is_byok: isOwnKey, cost_details: details }) =>
    isOwnKey === true ? sum(cost, fieldsOf(details).upstream_inference_cost) : cost,
  perplexity: ({ cost }) => (isObject(cost) ? cost.total_cost : cost),
  xai: ({ cost_in_usd_ticks: ticks }) => (typeof ticks === 'number' ? ticks / TICKS_PER_USD : ticks),
  deepinfra: ({ estimated_cost: cost }) => cost,
  edenai: ({ cost }) => cost,
  // With `include_cost_in_streaming_usage`.
  litellm_proxy: ({ cost }) => cost,
};

/**
 * Reads the cost that a provider reports; `undefined` if it reports none, `invalid` if it is not an
 * amount from 0 to `HIGHEST_USD`.
 * @param header `x-litellm-response-cost` of a whole answer: only LiteLLM's proxies send it
 */
export function reportedCost(
  provider: string,
  stated: StatedCost | undefined,
  header: string | undefined,
): ReportedCost | 'invalid' | undefined {
  const read = stated === undefined || !Object.hasOwn(STATED, provider) ? undefined : STATED[provider](stated);
  // Proxies without a price send `None`, or nothing.
  const usd = read ?? (header === undefined || header === '' || header === 'None' ? undefined : Number(header));
  if (usd === undefined) return undefined;
  if (typeof usd !== 'number' || !(usd >= 0 && usd <= HIGHEST_USD)) return 'invalid';
  const parts = provider === 'perplexity' ? perplexityParts(fieldsOf(stated?.cost), usd) : undefined;
  return parts === undefined ? { usd } : { usd, parts };
}

/** `undefined` if they are not amounts, or more than the whole. */
function perplexityParts(cost: Fields, usd: number): CostParts | undefined {
  const names = ['input_tokens_cost', 'output_tokens_cost', 'reasoning_tokens_cost', 'request_cost', 'search_queries_cost'] as const;
  const [input, output, reasoning, request, toolUsage] = names.map((name) => cost[name] ?? 0);
  const parts = { input, output, reasoning, request, toolUsage };
  const amounts = Object.values(parts);
  if (!amounts.every((amount): amount is number => typeof amount === 'number' && amount >= 0)) return undefined;
  const rest = usd - amounts.reduce((total, amount) => total + amount, 0);
  // Providers round each part, so the parts can exceed the total a little.
  return rest < -usd / 10 ? undefined : ({ ...parts, other: Math.max(0, rest) } as CostParts);
}

/** The sum of the reported amounts; `undefined` if there are none, `NaN` if one is not a number. */
function sum(...amounts: readonly unknown[]): unknown {
  const reported = amounts.filter((amount) => amount !== undefined && amount !== null);
  if (reported.length === 0) return undefined;
  return reported.every((amount) => typeof amount === 'number') ? reported.reduce((total, amount) => total + amount, 0) : NaN;
}

/** The parts of an attempt that can set a service tier. */
interface AskedAttempt {
  readonly call: { readonly asked: Pick<CallRequest, 'facts'> };
  readonly target: { readonly overrides?: Fields };
  readonly selection: { readonly deployment: { readonly params: Fields } };
}

/** By the parameters of a deployment: the tier that they set. */
const tiers = new WeakMap<Fields, PremiumTier | null>();

/** The most expensive tier that the request, the fallback or the deployment sets. */
export function tierOfAttempt({ call, target, selection }: AskedAttempt): PremiumTier | undefined {
  const { params } = selection.deployment;
  let own = tiers.get(params);
  if (own === undefined) tiers.set(params, (own = dearerTier(requestedTier(params), requestedTier(addedFields(params))) ?? null));
  const asked = own === null ? call.asked.facts.tier : dearerTier(call.asked.facts.tier, own);
  return target.overrides === undefined ? asked : dearerTier(asked, requestedTier(target.overrides));
}
