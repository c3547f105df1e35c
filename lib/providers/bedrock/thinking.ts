import type { Fields } from '../../common/objects.js';
import { InvalidArgumentError } from '../../common/errors.js';
import type { ModelTraits } from '../anthropic/models.js';
import { thinkingFor, thinks } from '../anthropic/thinking.js';
import { dropsParams, refused } from '../parameters.js';
import type { SentRequest } from '../protocol.js';
import type { BedrockModel } from './models.js';

/** Fields of `additionalModelRequestFields` that enable thinking. */
export interface Thinking {
  readonly fields: Fields;
  /** Whether Claude thinks: then no tool can be forced, and sampling is fixed. */
  readonly isOn: boolean;
  /** Claude's budget, which is a part of `maxTokens`. */
  readonly budget?: number;
}

/** Inputs for translating the thinking parameters. */
export interface ThinkingContext {
  readonly sent: SentRequest;
  readonly model: BedrockModel;
  /** Of the request: the budget must not reach it. */
  readonly maxTokens: number | undefined;
}

const OFF: Thinking = { fields: {}, isOn: false };
const LEAST_BUDGET = 1024;
const EFFORTS = ['minimal', 'low', 'medium', 'high', 'xhigh', 'max'];
/** Nova's levels. */
const NOVA_EFFORTS: Readonly<Record<string, string>> = {
  minimal: 'low',
  low: 'low',
  medium: 'medium',
  high: 'high',
  xhigh: 'high',
  max: 'high',
};

/**
 * @param chat `thinking`, as Anthropic has it, or `reasoning_effort`
 * @throws InvalidArgumentError, UnsupportedRequestError naming the parameter
 */
export function thinkingOf(chat: Fields, context: ThinkingContext): Thinking {
  const { thinking, reasoning_effort: effort } = chat;
  const { sent, model } = context;
  const type = thinking === undefined ? undefined : typeOf(thinking as Fields);
  if (model.traits !== undefined) return ofClaude(chat, context, model.traits);
  if (type === 'disabled') return OFF;
  if (type !== undefined) {
    // An ARN can refer to Claude.
    if (model.family === 'unknown') return { fields: { thinking }, isOn: true };
    if (dropsParams(sent, 'thinking')) return OFF;
    throw refused('thinking', sent);
  }
  if (effort === undefined || effort === 'none') return OFF;
  if (typeof effort !== 'string' || !EFFORTS.includes(effort))
    throw new InvalidArgumentError('reasoning_effort', effort, `must be one of none, ${EFFORTS.join(', ')}`);
  const fields = effortOf(effort, model);
  if (fields !== undefined) return { fields, isOn: false };
  if (dropsParams(sent, 'reasoning_effort')) return OFF;
  const isHidden = model.family === 'unknown';
  throw refused('reasoning_effort', sent, isHidden ? 'the model of this ARN is unknown unless base_model is set' : undefined);
}

function typeOf({ type, budget_tokens: budget }: Fields): string {
  if (type === 'enabled' && !Number.isInteger(budget))
    throw new InvalidArgumentError('thinking.budget_tokens', budget, 'must be an integer');
  if (type === 'enabled' || type === 'adaptive' || type === 'disabled') return type;
  throw new InvalidArgumentError('thinking.type', type, 'must be enabled, adaptive or disabled');
}

/** As on Anthropic's own host; the service refuses smaller budgets. */
function ofClaude(chat: Fields, { sent, maxTokens }: ThinkingContext, traits: ModelTraits): Thinking {
  const isForced = chat.tool_choice === 'required' || typeof chat.tool_choice === 'object';
  const asked = thinkingFor(chat, { sent, traits, maxTokens, isForced });
  const { thinking, effort } = asked;
  const budget = thinking?.type === 'enabled' ? Math.max(thinking.budget_tokens as number, LEAST_BUDGET) : undefined;
  const own = budget === undefined ? thinking : { ...thinking, budget_tokens: budget };
  const fields = { ...(own !== undefined && { thinking: own }), ...(effort !== undefined && { output_config: { effort } }) };
  return { fields, isOn: thinks(asked, traits), budget };
}

/** The effort as models of other families take it; `undefined`: not at all. */
function effortOf(effort: string, { family, name }: BedrockModel): Fields | undefined {
  if (family === 'nova-2') return { reasoningConfig: { type: 'enabled', maxReasoningEffort: NOVA_EFFORTS[effort] } };
  if (family === 'gpt') return { reasoning: { effort } };
  if (family === 'gpt-oss' || (family === 'deepseek' && !name.includes('deepseek.r1'))) return { reasoning_effort: effort };
  return undefined;
}
