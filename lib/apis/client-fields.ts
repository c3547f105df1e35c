import { UnsupportedRequestError } from '../common/http-errors.js';
import { dropsParams, refused } from '../providers/parameters.js';
import type { SentRequest } from '../providers/protocol.js';
import type { ModelRequest } from '../providers/model-request.js';

/**
 * What becomes of a field of a client's API at a provider that is asked by chat: it is translated,
 * dropped, or rejected by name, unless its value asks for nothing. Fields that are not in the table
 * are dropped: a client may send what is newer than the table.
 */
export type FieldRule = 'translated' | Readonly<{ dropped: string }> | RejectedField;

/** @see FieldRule */
export interface RejectedField {
  readonly rejected: string;
  /** Whether a value is the one that a request without the field has. */
  readonly isDefault?: (value: unknown) => boolean;
  /** What the client can do; with it not even `drop_params` drops the field. */
  readonly mend?: string;
}

export type FieldTable = Readonly<Record<string, FieldRule>>;

const translated = (names: string): FieldTable => Object.fromEntries(names.split(/\s+/).map((name) => [name, 'translated'] as const));

const OF_ANTHROPIC = 'it is for the account at Anthropic';
const AT_ANTHROPIC = 'ask for a model of Anthropic';
const WHOLE_INPUT = 'send the whole input instead, or ask for a model whose provider has the Responses API';

/** Anthropic's Messages, its betas among them. */
export const MESSAGES_FIELDS: FieldTable = {
  ...translated(`model messages system stream max_tokens temperature top_p top_k stop_sequences metadata tools tool_choice thinking output_config
    output_format cache_control`),
  mcp_servers: {
    rejected: 'it does not call MCP servers',
    isDefault: (value) => Array.isArray(value) && value.length === 0,
    mend: `remove it, or ${AT_ANTHROPIC}`,
  },
  inference_geo: {
    rejected: 'its region is that of the deployment',
    isDefault: (value) => value === 'global',
    mend: `remove it, or ${AT_ANTHROPIC}`,
  },
  // Refused in Anthropic's own form, by which the client recovers.
  thread: { rejected: 'it keeps no conversation' },
  betas: { dropped: 'it names features of Anthropic' },
  billing_policy: { dropped: OF_ANTHROPIC },
  compaction: { dropped: 'it shortens what Anthropic keeps' },
  container: { dropped: "only Anthropic's own tools run in one, which are rejected" },
  context_management: { dropped: 'it removes older blocks at Anthropic, without which the answer is complete, too' },
  diagnostics: { dropped: 'it compares requests at Anthropic' },
  fallback_credit_token: { dropped: OF_ANTHROPIC },
  fallbacks: { dropped: 'it names models for what Claude declines' },
  service_tier: { dropped: OF_ANTHROPIC },
  speed: { dropped: 'a wish that changes no answer' },
  user_profile_id: { dropped: OF_ANTHROPIC },
  workspace_id: { dropped: OF_ANTHROPIC },
};

/** OpenAI's Responses, and what Codex sends besides. */
export const RESPONSES_FIELDS: FieldTable = {
  ...translated(`model input instructions stream max_output_tokens temperature top_p top_logprobs tools tool_choice parallel_tool_calls reasoning text
    include metadata user safety_identifier service_tier prompt_cache_key prompt_cache_retention`),
  previous_response_id: { rejected: 'it keeps no responses', mend: WHOLE_INPUT },
  conversation: { rejected: 'it keeps no responses', mend: WHOLE_INPUT },
  prompt: { rejected: 'it keeps no responses', mend: WHOLE_INPUT },
  background: { rejected: 'it has no such parameter', isDefault: (value) => value === false },
  context_management: { rejected: 'it has no such parameter', isDefault: (value) => Array.isArray(value) && value.length === 0 },
  moderation: { rejected: 'it has no such parameter' },
  access_programs: { dropped: 'it is for the account at OpenAI' },
  background_options: { dropped: 'it says how to wait for `background`' },
  image: { dropped: 'it is for the images that OpenAI makes' },
  client_metadata: { dropped: 'it is for the log of OpenAI' },
  max_tool_calls: { dropped: 'it limits tools that OpenAI runs' },
  prompt_cache_options: { dropped: 'a wish that changes no answer' },
  store: { dropped: 'items are kept in this process' },
  stream_options: { dropped: 'it hides the length of events' },
  truncation: { dropped: 'a prompt that is too long is an error' },
};

/** OpenAI's older completions. */
export const COMPLETIONS_FIELDS: FieldTable = {
  ...translated(
    `model prompt stream stream_options max_tokens temperature top_p n seed stop user frequency_penalty presence_penalty logit_bias logprobs`,
  ),
  suffix: { rejected: 'chat continues no text before another', isDefault: (value) => value === '' },
  echo: { rejected: 'chat does not repeat the prompt', isDefault: (value) => value === false },
  best_of: { rejected: 'chat has no such parameter', isDefault: (value) => value === 1 },
};

/** @throws UnsupportedRequestError naming a field that the provider cannot take */
export function rejectFields(body: ModelRequest, table: FieldTable, sent: SentRequest): void {
  const { provider } = sent;
  for (const [param, value] of Object.entries(body)) {
    const rule = value === undefined || value === null || !Object.hasOwn(table, param) ? undefined : table[param];
    if (typeof rule !== 'object' || !('rejected' in rule) || rule.isDefault?.(value) === true) continue;
    const reason = `${provider} is asked by chat, and ${rule.rejected}`;
    if (rule.mend !== undefined) throw new UnsupportedRequestError({ param, provider, reason, mend: rule.mend });
    if (!dropsParams(sent, param)) throw refused(param, sent, reason);
  }
}
