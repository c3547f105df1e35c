import type { SentRequest } from '../protocol.js';

/** Models that think before they answer, by the names that hosts give them. */
const REASONING =
  /gpt-oss|gpt-?[5-9]|(?:^|[^a-z\d])o[1-9](?:[^a-z\d]|$)|qwen-?3|qwq|deepseek-?(?:r\d|reasoner|v3\.[1-9]|v[4-9])|magistral|grok-(?:3-mini|[4-9])|gemini-(?:2\.5|[3-9])|claude|kimi-k(?:2\.[5-9]|[3-9])|glm-(?:4\.[5-9]|[5-9])|minimax-m|nemotron|seed-oss|hunyuan|exaone-deep|ernie-x|thinking|reason|(?:^|[^a-z\d])r1(?:[^a-z\d]|$)/i;

/** They have `verbosity`. */
const VERBOSE = /gpt-?[5-9]/i;

/**
 * Whether a model supports thinking, which some clients request from every model: others refuse an
 * effort. An operator's own name for a model needs `base_model` or `supports_reasoning`.
 */
export function takesHint(name: string, { model, baseModel = model, supportsReasoning }: SentRequest): boolean {
  if (name === 'verbosity') return VERBOSE.test(baseModel);
  if (name !== 'reasoning_effort') return true;
  return typeof supportsReasoning === 'boolean' ? supportsReasoning : REASONING.test(baseModel);
}
