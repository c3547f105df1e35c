import { InvalidArgumentError } from '../../../common/errors.js';
import { dropsParams, refused } from '../parameters.js';
import type { SentRequest } from '../protocol.js';
import { isThinkingClaude, takesBudget, thinksAdaptively, type BedrockModel } from './models.js';

type Fields = Readonly<Record<string, unknown>>;

/** What asks a model to think, as fields of `additionalModelRequestFields`. */
export interface Thinking {
  readonly fields: Fields;
  /** Whether Claude thinks: then no tool can be forced, and sampling is fixed. */
  readonly isOn: boolean;
  /** Claude's budget, which is a part of `maxTokens`. */
  readonly budget?: number;
}

const OFF: Thinking = { fields: {}, isOn: false };
const LEAST_BUDGET = 1024;
const BUDGETS: Readonly<Record<string, number>> = { minimal: 1024, low: 1024, medium: 2048, high: 4096, xhigh: 8192, max: 16384 };
const EFFORTS: Readonly<Record<string, string>> = {
  minimal: 'low',
  low: 'low',
  medium: 'medium',
  high: 'high',
  xhigh: 'xhigh',
  max: 'max',
};
/** Nova's levels end at `high`. */
const NOVA_EFFORTS: Readonly<Record<string, string>> = { ...EFFORTS, xhigh: 'high', max: 'high' };

/**
 * @param chat `thinking`, as Anthropic has it, or `reasoning_effort`
 * @param maxTokens of the request, which the budget must not reach
 */
export function thinkingOf(chat: Fields, maxTokens: number | undefined, sent: SentRequest, model: BedrockModel): Thinking {
  const { thinking, reasoning_effort: effort } = chat;
  if (thinking !== undefined) return stated(thinking, maxTokens, sent, model);
  if (effort === undefined || effort === 'none') return OFF;
  if (typeof effort !== 'string' || !Object.hasOwn(EFFORTS, effort))
    throw new InvalidArgumentError('reasoning_effort', effort, `must be one of none, ${Object.keys(EFFORTS).join(', ')}`);
  if (isThinkingClaude(model)) return thinksAdaptively(model) ? adaptive(EFFORTS[effort]) : budgeted(BUDGETS[effort], maxTokens);
  const fields = effortOf(effort, model);
  if (fields !== undefined) return { fields, isOn: false };
  if (dropsParams(sent, 'reasoning_effort')) return OFF;
  const isHidden = model.family === 'unknown';
  throw refused(
    'reasoning_effort',
    sent,
    isHidden ? 'the model behind this ARN is not known without base_model in litellm_params' : undefined,
  );
}

/** The effort as models of other families take it; `undefined`: not at all. */
function effortOf(effort: string, { family, name }: BedrockModel): Fields | undefined {
  if (family === 'nova-2') return { reasoningConfig: { type: 'enabled', maxReasoningEffort: NOVA_EFFORTS[effort] } };
  if (family === 'gpt') return { reasoning: { effort } };
  if (family === 'gpt-oss' || (family === 'deepseek' && !name.includes('deepseek.r1'))) return { reasoning_effort: effort };
  return undefined;
}

/** Anthropic's own parameter. */
function stated(thinking: unknown, maxTokens: number | undefined, sent: SentRequest, model: BedrockModel): Thinking {
  const { type, budget_tokens: budget } = thinking as { readonly type?: unknown; readonly budget_tokens?: unknown };
  if (type !== 'enabled' && type !== 'adaptive' && type !== 'disabled')
    throw new InvalidArgumentError('thinking.type', type, 'must be enabled, adaptive or disabled');
  const { family } = model;
  if (!isThinkingClaude(model) && family !== 'unknown') {
    if (type === 'disabled' || dropsParams(sent, 'thinking')) return OFF;
    throw refused('thinking', sent);
  }
  if (type === 'disabled') return { fields: { thinking }, isOn: false };
  if (type === 'adaptive')
    return thinksAdaptively(model) || family === 'unknown' ? { fields: { thinking }, isOn: true } : budgeted(BUDGETS.medium, maxTokens);
  if (typeof budget !== 'number' || !Number.isInteger(budget))
    throw new InvalidArgumentError('thinking.budget_tokens', budget, 'must be an integer');
  if (!takesBudget(model)) return adaptive(effortFor(budget));
  return {
    fields: { thinking: { ...(thinking as object), budget_tokens: Math.max(budget, LEAST_BUDGET) } },
    isOn: true,
    budget: Math.max(budget, LEAST_BUDGET),
  };
}

function adaptive(effort: string): Thinking {
  return { fields: { thinking: { type: 'adaptive', display: 'summarized' }, output_config: { effort } }, isOn: true };
}

/** Without room for the least budget there is no thinking. */
function budgeted(budget: number, maxTokens: number | undefined): Thinking {
  const fitting = maxTokens === undefined ? budget : Math.min(budget, maxTokens - 1);
  if (fitting < LEAST_BUDGET) return OFF;
  return { fields: { thinking: { type: 'enabled', budget_tokens: fitting } }, isOn: true, budget: fitting };
}

function effortFor(budget: number): string {
  return budget < 2048 ? 'low' : budget < 4096 ? 'medium' : 'high';
}
