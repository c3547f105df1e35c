import { outlineOf } from '../../../http/body/raw-field.js';
import type { SentRequest } from '../../protocol.js';

const PREFIX = 'responses/';
/** Models that OpenAI serves by Responses only. */
const RESPONSES_ONLY = /(?:^|\/)(?:o\d-pro|o\d(?:-mini)?-deep-research|gpt-5(?:\.\d+)?-(?:pro|codex)|codex-mini)/;
/** From 5.4 on OpenAI's chat refuses function tools while the model reasons. */
const REFUSES_TOOLS = /(?:^|\/)gpt-(?:5\.(?:[4-9]|\d\d)|[6-9]|\d\d)(?!.*-(?:chat|search))/;

/** The model without LiteLLM's prefix for Responses: `gpt-5` of `responses/gpt-5`. */
export function responsesModel(model: string): string {
  return model.startsWith(PREFIX) ? model.slice(PREFIX.length) : model;
}

/** Whether the operator says that the model answers by Responses. */
export function isPinnedToResponses({ model, mode }: SentRequest): boolean {
  return model.startsWith(PREFIX) || mode === 'responses';
}

/** Whether a chat request has to go to the provider's Responses, as LiteLLM decides it. */
export function chatNeedsResponses(sent: SentRequest): boolean {
  if (isPinnedToResponses(sent)) return true;
  const { provider, isAtHome, model, baseModel, mode } = sent;
  if (mode === 'chat' || !(provider === 'azure' || (provider === 'openai' && isAtHome === true))) return false;
  const name = baseModel ?? model;
  if (RESPONSES_ONLY.test(name)) return true;
  return REFUSES_TOOLS.test(name) && valueOf(sent, 'reasoning_effort') !== 'none' && hasFunctionTool(valueOf(sent, 'tools'));
}

function valueOf({ body, overrides, defaults, fixed }: SentRequest, name: string): unknown {
  return fixed?.[name] ?? overrides?.[name] ?? outlineOf(body[name]) ?? defaults?.[name];
}

function hasFunctionTool(tools: unknown): boolean {
  return Array.isArray(tools) && tools.some((tool) => (tool as { readonly type?: unknown } | null)?.type === 'function');
}
