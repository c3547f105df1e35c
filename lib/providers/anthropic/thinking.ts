import { fieldsOf, isObject, type Fields } from '../../common/objects.js';
import { InvalidArgumentError } from '../../common/errors.js';
import { dropsParams, refused } from '../parameters.js';
import type { SentRequest } from '../protocol.js';
import type { ModelTraits } from './models.js';

/** Budgets of the efforts, in tokens, as LiteLLM has them. */
const BUDGETS: Readonly<Record<string, number>> = { minimal: 1024, low: 1024, medium: 2048, high: 4096, xhigh: 8192, max: 16_384 };
/** Anthropic refuses a smaller budget. */
const LEAST_BUDGET = 1024;

/** How the model is to think. */
export interface SentThinking {
  readonly thinking?: Fields;
  /** `output_config.effort` */
  readonly effort?: string;
}

/** Inputs for translating the thinking parameters. */
export interface ThinkingContext {
  readonly sent: SentRequest;
  readonly traits: ModelTraits;
  readonly maxTokens: unknown;
  /** Whether a tool has to be called: then thinking that was only wished for is omitted. */
  readonly isForced: boolean;
}

/**
 * Thinking by `thinking`, in the way that the model takes it, else by `reasoning_effort`.
 * @throws InvalidArgumentError, UnsupportedRequestError naming the parameter
 */
export function thinkingFor(chat: Fields, context: ThinkingContext): SentThinking {
  if (isObject(chat.thinking)) return explicit(chat.thinking, context);
  const { reasoning_effort: given } = chat;
  const effort = isObject(given) ? given.effort : given;
  if (effort === undefined || effort === null) return {};
  if (effort !== 'none' && (typeof effort !== 'string' || !Object.hasOwn(BUDGETS, effort))) {
    throw new InvalidArgumentError('reasoning_effort', effort, `must be one of none, ${Object.keys(BUDGETS).join(', ')}`);
  }
  return byEffort(effort, context);
}

/** Whether the model will think. */
export function thinks({ thinking }: SentThinking, { unasked }: ModelTraits): boolean {
  if (unasked === 'always') return true;
  return thinking === undefined ? unasked === 'yes' : thinking.type !== 'disabled';
}

function explicit(thinking: Fields, { sent, traits, maxTokens }: ThinkingContext): SentThinking {
  const { type, budget_tokens: budget, ...others } = thinking;
  if (type === 'disabled') return traits.unasked === 'always' ? {} : { thinking };
  if (type === 'enabled' && traits.adaptive && !traits.budget) {
    return { thinking: { ...others, type: 'adaptive' }, effort: effortOf(budget, traits) };
  }
  if (type !== 'adaptive' || traits.adaptive) return { thinking };
  if (!traits.budget && !dropsParams(sent)) throw refused('thinking', sent);
  return traits.budget ? withBudget(BUDGETS.medium, maxTokens) : {};
}

function byEffort(effort: string, { sent, traits, maxTokens, isForced }: ThinkingContext): SentThinking {
  if (effort === 'none') return traits.unasked === 'yes' ? { thinking: { type: 'disabled' } } : {};
  if (traits.adaptive) {
    const known = effort === 'minimal' ? 'low' : effort === 'xhigh' && !traits.xhigh ? 'high' : effort;
    // Without `display`, some models answer with empty blocks of thinking.
    return isForced ? { effort: known } : { thinking: { type: 'adaptive', display: 'summarized' }, effort: known };
  }
  if (traits.budget) return isForced ? {} : withBudget(BUDGETS[effort], maxTokens);
  if (dropsParams(sent, 'reasoning_effort')) return {};
  throw refused('reasoning_effort', sent, `${sent.model} does not support thinking`);
}

/** A budget has to be below the limit of the whole answer. */
function withBudget(budget: number, maxTokens: unknown): SentThinking {
  const fits = typeof maxTokens === 'number' ? Math.min(budget, maxTokens - 1) : budget;
  return fits < LEAST_BUDGET ? {} : { thinking: { type: 'enabled', budget_tokens: fits } };
}

function effortOf(budget: unknown, { xhigh }: ModelTraits): string {
  const tokens = typeof budget === 'number' ? budget : 0;
  if (tokens >= BUDGETS.xhigh && xhigh) return 'xhigh';
  return tokens >= BUDGETS.high ? 'high' : tokens >= BUDGETS.medium ? 'medium' : 'low';
}

/** Adds the effort to the client's `output_config`. */
export function outputConfig({ effort }: SentThinking, format: Fields | undefined, own: unknown): Fields | undefined {
  const config = { ...(effort !== undefined && { effort }), ...(format !== undefined && { format }), ...fieldsOf(own) };
  return Object.keys(config).length === 0 ? undefined : config;
}
