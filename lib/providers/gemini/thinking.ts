import { type Fields, fieldsOf, nonEmptyString } from '../../common/objects.js';
import { dropsParams, refused } from '../parameters.js';
import type { MediaTarget } from './media.js';
import type { GeminiModel } from './models.js';

/** LiteLLM's budgets in tokens; the higher degrees of OpenAI count as `high`. */
const BUDGETS: ReadonlyMap<string, number> = new Map([
  ['low', 1024],
  ['medium', 2048],
  ['high', 4096],
  ['xhigh', 4096],
  ['max', 4096],
]);
const LEVELS: ReadonlyMap<string, string> = new Map([
  ['low', 'low'],
  ['medium', 'medium'],
  ['high', 'high'],
  ['xhigh', 'high'],
  ['max', 'high'],
]);

/**
 * Translates `reasoning_effort`, else `thinking` (Anthropic's). From Gemini 3 on there are levels,
 * before budgets in tokens, never both.
 * @throws UnsupportedRequestError for a model without thinking, or an unknown effort
 */
export function thinkingOf({ reasoning_effort: effort, thinking }: Fields, { sent, model }: MediaTarget): Fields | undefined {
  const param = effort === undefined ? 'thinking' : 'reasoning_effort';
  if (effort === undefined && thinking === undefined) return undefined;
  const asked = typeof effort === 'string' ? effort : fieldsOf(effort).effort;
  if (model.thinking === 'none') {
    const isNone = asked === 'none' || fieldsOf(thinking).type === 'disabled';
    if (isNone || dropsParams(sent, param)) return undefined;
    throw refused(param, sent);
  }
  if (effort === undefined) return ofBudget(fieldsOf(thinking), model);
  const config = ofEffort(nonEmptyString(asked) ?? '', model);
  if (config !== undefined || dropsParams(sent, param)) return config;
  throw refused(param, sent, 'Gemini supports the efforts none, minimal, low, medium, high, xhigh and max');
}

function ofEffort(effort: string, { thinking, leastBudget, hasMinimal }: GeminiModel): Fields | undefined {
  const isNone = effort === 'none' || effort === 'disable';
  const includeThoughts = !isNone;
  if (thinking === 'budget') {
    const thinkingBudget = isNone ? 0 : effort === 'minimal' ? leastBudget : BUDGETS.get(effort);
    return thinkingBudget === undefined ? undefined : { thinkingBudget, includeThoughts };
  }
  // The model always thinks; this is its lowest level.
  const lowest = hasMinimal ? 'minimal' : 'low';
  const thinkingLevel = isNone || effort === 'minimal' ? lowest : LEVELS.get(effort);
  return thinkingLevel === undefined ? undefined : { thinkingLevel, includeThoughts };
}

/** A budget means nothing to models with levels. */
function ofBudget({ type, budget_tokens: budget }: Fields, { thinking }: GeminiModel): Fields | undefined {
  const includeThoughts = type !== 'disabled' && budget !== 0;
  if (thinking === 'level') return { includeThoughts };
  if (typeof budget === 'number' && Number.isInteger(budget)) return { thinkingBudget: budget, includeThoughts };
  return includeThoughts ? { includeThoughts } : undefined;
}
