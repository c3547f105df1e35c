import type { StatedCost } from '../../http/answer-usage.js';
import type { CostParts } from '../../common/token-cost.js';

type Fields = Readonly<Record<string, unknown>>;

/** What a provider says that an answer costs. */
export interface ToldCost {
  readonly usd: number;
  /** By its parts in USD, where the provider tells them. */
  readonly parts?: CostParts;
}

/**
 * The most USD that is believed of one answer: the dearest models take some hundreds for a full
 * context and a full reply.
 */
const MOST_TOLD_USD = 1_000;
/** xAI's unit: https://docs.x.ai/developers/cost-tracking */
const TICKS_PER_USD = 1e10;

/** How providers state a cost in the usage, in USD, by LiteLLM's names of them. */
const STATED: Readonly<Record<string, (stated: StatedCost) => unknown>> = {
  // With the operator's own key at the upstream (`is_byok`), `cost` is OpenRouter's fee alone.
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
 * Reads the cost that a provider tells. `invalid`: what it tells is no amount from 0 to
 * `MOST_TOLD_USD`; `undefined`: it tells none.
 * @param header `x-litellm-response-cost` of a whole answer: only LiteLLM's proxies send it
 */
export function toldCost(provider: string, stated: StatedCost | undefined, header: string | undefined): ToldCost | 'invalid' | undefined {
  const read = stated === undefined || !Object.hasOwn(STATED, provider) ? undefined : STATED[provider](stated);
  const usd = read ?? amountIn(header);
  if (usd === undefined) return undefined;
  if (typeof usd !== 'number' || !(usd >= 0 && usd <= MOST_TOLD_USD)) return 'invalid';
  const parts = provider === 'perplexity' ? perplexityParts(fieldsOf(stated?.cost), usd) : undefined;
  return parts === undefined ? { usd } : { usd, parts };
}

/** Proxies without a price send `None`, or nothing. */
function amountIn(header: string | undefined): number | undefined {
  return header === undefined || header === '' || header === 'None' ? undefined : Number(header);
}

/** `undefined` where they are no amounts, or more than the whole. */
function perplexityParts(cost: Fields, usd: number): CostParts | undefined {
  const names = ['input_tokens_cost', 'output_tokens_cost', 'reasoning_tokens_cost', 'request_cost', 'search_queries_cost'] as const;
  const [input, output, reasoning, request, toolUsage] = names.map((name) => cost[name] ?? 0);
  const parts = { input, output, reasoning, request, toolUsage };
  const amounts = Object.values(parts);
  if (!amounts.every((amount): amount is number => typeof amount === 'number' && amount >= 0)) return undefined;
  const rest = usd - amounts.reduce((total, amount) => total + amount, 0);
  // Its figures are rounded, each by itself.
  return rest < -usd / 10 ? undefined : ({ ...parts, other: Math.max(0, rest) } as CostParts);
}

/** `null`: neither is told. */
function sum(...amounts: readonly unknown[]): unknown {
  const told = amounts.filter((amount) => amount !== undefined && amount !== null);
  if (told.length === 0) return undefined;
  return told.every((amount) => typeof amount === 'number') ? told.reduce((total, amount) => total + amount, 0) : NaN;
}

function fieldsOf(value: unknown): Fields {
  return isObject(value) ? value : {};
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null;
}
