import { UnsupportedRequestError } from '../common/http-errors.js';
import { dropsParams, refused } from '../providers/parameters.js';
import type { SentRequest } from '../providers/protocol.js';
import type { ModelRequest } from '../providers/model-request.js';

/**
 * How a field of a client's API is handled if the provider is called through chat: translated,
 * dropped, or rejected by name unless it has its default value. Fields that are not in the table
 * are dropped, because clients can be newer than the table.
 */
export type FieldRule = 'translated' | Readonly<{ dropped: string }> | RejectedField;

/** @see FieldRule */
export interface RejectedField {
  readonly rejected: string;
  /** Whether a value is the default, so that a request without the field means the same. */
  readonly isDefault?: (value: unknown) => boolean;
  /** Advice for the client. A field with advice is rejected even with `drop_params`. */
  readonly remedy?: string;
}

export type FieldTable = Readonly<Record<string, FieldRule>>;

const translated = (names: string): FieldTable => Object.fromEntries(names.split(/\s+/).map((name) => [name, 'translated'] as const));

const OF_ANTHROPIC = 'it concerns the account at Anthropic';
const AT_ANTHROPIC = 'use an Anthropic model';
const WHOLE_INPUT = 'send the whole input instead, or use a model whose provider has the Responses API';

/** Anthropic's Messages API, including its betas. */
export const MESSAGES_FIELDS: FieldTable = {
  ...translated(`model messages system stream max_tokens temperature top_p top_k stop_sequences metadata tools tool_choice thinking output_config
    output_format cache_control`),
  mcp_servers: {
    rejected: 'which cannot call MCP servers',
    isDefault: (value) => Array.isArray(value) && value.length === 0,
    remedy: `remove it, or ${AT_ANTHROPIC}`,
  },
  inference_geo: {
    rejected: 'where the deployment determines the region',
    isDefault: (value) => value === 'global',
    remedy: `remove it, or ${AT_ANTHROPIC}`,
  },
  // Normally rejected before, with Anthropic's own error, from which the client recovers.
  thread: { rejected: 'which does not store conversations' },
  betas: { dropped: 'it selects features of Anthropic' },
  billing_policy: { dropped: OF_ANTHROPIC },
  compaction: { dropped: 'it shortens conversations stored at Anthropic' },
  container: { dropped: "only Anthropic's own tools use it, which are rejected" },
  context_management: { dropped: 'it removes older blocks at Anthropic; the answer is complete without it' },
  diagnostics: { dropped: 'it compares requests at Anthropic' },
  fallback_credit_token: { dropped: OF_ANTHROPIC },
  fallbacks: { dropped: 'it names models for prompts that Claude declines' },
  service_tier: { dropped: OF_ANTHROPIC },
  speed: { dropped: 'it does not change the answer' },
  user_profile_id: { dropped: OF_ANTHROPIC },
  workspace_id: { dropped: OF_ANTHROPIC },
};

/** OpenAI's Responses API, and additional fields of Codex. */
export const RESPONSES_FIELDS: FieldTable = {
  ...translated(`model input instructions stream max_output_tokens temperature top_p top_logprobs tools tool_choice parallel_tool_calls reasoning text
    include metadata user safety_identifier service_tier prompt_cache_key prompt_cache_retention`),
  previous_response_id: { rejected: 'which does not store responses', remedy: WHOLE_INPUT },
  conversation: { rejected: 'which does not store responses', remedy: WHOLE_INPUT },
  prompt: { rejected: 'which does not store responses', remedy: WHOLE_INPUT },
  background: { rejected: 'which does not support this parameter', isDefault: (value) => value === false },
  context_management: {
    rejected: 'which does not support this parameter',
    isDefault: (value) => Array.isArray(value) && value.length === 0,
  },
  moderation: { rejected: 'which does not support this parameter' },
  access_programs: { dropped: 'it concerns the account at OpenAI' },
  background_options: { dropped: 'it controls how `background` responses are awaited' },
  image: { dropped: 'it concerns images that OpenAI generates' },
  client_metadata: { dropped: 'it is only logged by OpenAI' },
  max_tool_calls: { dropped: 'it limits tools that OpenAI runs' },
  prompt_cache_options: { dropped: 'it does not change the answer' },
  store: { dropped: 'items are kept in this process' },
  stream_options: { dropped: 'it hides the length of events' },
  truncation: { dropped: 'prompts that are too long are rejected' },
};

const WHOLE_CONTENTS = 'send the whole contents instead, or use a Gemini model';

/** Google's `:generateContent`, in both spellings of its fields. */
export const GENERATE_CONTENT_FIELDS: FieldTable = {
  ...translated(
    `model stream contents systemInstruction system_instruction tools toolConfig tool_config generationConfig generation_config`,
  ),
  cachedContent: { rejected: 'which does not store contents', remedy: WHOLE_CONTENTS },
  cached_content: { rejected: 'which does not store contents', remedy: WHOLE_CONTENTS },
  labels: { dropped: 'they only label the Google Cloud bill' },
  safetySettings: { dropped: 'the provider has its own filter' },
  safety_settings: { dropped: 'the provider has its own filter' },
  store: { dropped: 'it concerns the account at Google' },
  serviceTier: { dropped: 'it does not change the answer' },
};

/** OpenAI's older completions API. */
export const COMPLETIONS_FIELDS: FieldTable = {
  ...translated(
    `model prompt stream stream_options max_tokens temperature top_p n seed stop user frequency_penalty presence_penalty logit_bias logprobs`,
  ),
  suffix: { rejected: 'which cannot insert text before a suffix', isDefault: (value) => value === '' },
  echo: { rejected: 'which does not repeat the prompt', isDefault: (value) => value === false },
  best_of: { rejected: 'which does not support this parameter', isDefault: (value) => value === 1 },
};

/** @throws UnsupportedRequestError naming a field that the provider does not support */
export function rejectFields(body: ModelRequest, table: FieldTable, sent: SentRequest): void {
  const { provider } = sent;
  for (const [param, value] of Object.entries(body)) {
    const rule = value === undefined || value === null || !Object.hasOwn(table, param) ? undefined : table[param];
    if (typeof rule !== 'object' || !('rejected' in rule) || rule.isDefault?.(value) === true) continue;
    const reason = `${provider} is called through the chat API, ${rule.rejected}`;
    if (rule.remedy !== undefined) throw new UnsupportedRequestError({ param, provider, reason, remedy: rule.remedy });
    if (!dropsParams(sent, param)) throw refused(param, sent, reason);
  }
}
