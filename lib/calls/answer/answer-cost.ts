import { nanoUsd } from '../../common/nano-usd.js';
import { COST_PARTS, sumOf, type CostPart, type CostParts, type PricedUsage } from '../../common/token-cost.js';
import type { ReportedCost } from './reported-cost.js';

/** What one answer costs, in nano-USD (billionths of a USD). */
export interface AnswerCost {
  /** The whole, rounded up: exactly the sum of `parts`. */
  readonly nanoUsd: number;
  /** Whole nano-USD by part. Parts of 0 are left out. */
  readonly parts: CostParts;
  /**
   * Who knows the price: `deployment` (the model list sets it), `provider` (reported with the
   * answer), `overrides`, the path of the price file, `source` for prices given as an object,
   * `@pydantic/genai-prices`, or `hook` for an answer that a hook gave.
   */
  readonly source: string;
  /** By the price list, if the provider reported the cost and the list has a price. */
  readonly listNanoUsd?: number;
}

/** The cost of an answer that a hook gave in the place of a provider. */
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
  remainders.sort((a, b) => b.remainder - a.remainder);
  for (let at = 0; left > 0; at = (at + 1) % remainders.length, left--) parts[remainders[at].part] = (parts[remainders[at].part] ?? 0) + 1;
  for (const { part } of remainders) if (parts[part] === 0) delete parts[part];
  return parts;
}
