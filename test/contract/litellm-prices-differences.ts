import type { PriceRow, PriceUse } from './litellm-prices.test.js';

/** A cost that differs from LiteLLM's for a reason. */
export interface PriceDifference {
  readonly reason: string;
  /** @param theirs `null`: LiteLLM raises an error */
  applies(row: PriceRow, use: PriceUse, ours: number | null, theirs: number | null): boolean;
}

const TOKENS = /token_cost|cost_per_(?:\w+_)?token/;

/** What else than tokens models are priced by, and how their fields name it. The first that a model has counts. */
const UNITS: readonly (readonly [string, RegExp])[] = [
  ['pictures', /_per_(?:image|pixel)/],
  ['seconds', /_per_(?:\w+_)?second/],
  ['characters', /_per_character/],
  ['pages', /_per_page/],
  ['requests, sessions or credits', /_per_(?:request|query|session|unit|credit|text_message)/],
];
const unitOf = ({ prices }: PriceRow): string | undefined =>
  UNITS.find(([, field]) => Object.keys(prices).some((name) => field.test(name)))?.[0];

const isDearer = (ours: number | null, theirs: number | null): boolean => ours !== null && theirs !== null && ours > theirs;
const from = (provider: string, { prices }: PriceRow): boolean => prices.litellm_provider === provider;
const lacks = ({ prices }: PriceRow, field: string): boolean => prices[field] === undefined;
const wroteToCache = ({ details }: PriceUse): boolean => details.cacheWrite !== undefined;

function hasFee({ prices }: PriceRow, { tier }: PriceUse, ours: number | null, theirs: number | null): boolean {
  const fee = Number(prices.input_cost_per_request ?? prices.input_cost_per_query ?? 0);
  return fee > 0 && tier !== 'rerank' && ours !== null && theirs !== null && Math.abs(ours - fee - theirs) < 1e-9;
}

/** Costs that differ from LiteLLM's, with the reasons. The first that applies counts. */
export const PRICE_DIFFERENCES: readonly PriceDifference[] = [
  ...UNITS.map(([unit]): PriceDifference => ({
    reason: `a model priced by ${unit} costs an unknown amount, not 0`,
    applies: (row, _use, ours, theirs) => ours === null && theirs === 0 && unitOf(row) === unit,
  })),
  {
    reason: 'a model without any price costs an unknown amount, not 0',
    applies: ({ prices }, _use, ours, theirs) => ours === null && theirs === 0 && !Object.keys(prices).some((field) => TOKENS.test(field)),
  },
  {
    reason: 'text that has no price, on one side or on both, costs an unknown amount, not 0',
    applies: (row, _use, ours) =>
      ours === null && lacks(row, 'tiered_pricing') && (lacks(row, 'input_cost_per_token') || lacks(row, 'output_cost_per_token')),
  },
  {
    reason: 'LiteLLM omits the fee per request or query, unless the call is a rerank',
    applies: hasFee,
  },
  {
    reason: 'LiteLLM prices Perplexity without cache writes and without the prices of long inputs, which the file has',
    applies: (row, use, ours, theirs) => from('perplexity', row) && isDearer(ours, theirs) && (use.input > 1000 || wroteToCache(use)),
  },
  {
    reason: 'LiteLLM ignores the service tier for Fireworks, although the file has its priority prices',
    applies: (row, use, ours, theirs) => from('fireworks_ai', row) && use.tier === 'priority' && isDearer(ours, theirs),
  },
  {
    reason: 'LiteLLM prices one of the names by the entry of another',
    applies: ({ models }) =>
      ['deepseek-chat', 'perplexity/perplexity/sonar', 'moonshotai.kimi-k2.5', 'gemini-exp-1206'].includes(models[0]),
  },
  {
    reason: 'without a batch price, the standard one applies: LiteLLM halves it, or omits long inputs and cache writes',
    applies: (_row, use, ours, theirs) => use.tier === 'batch' && isDearer(ours, theirs),
  },
];
