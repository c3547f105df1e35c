import type { Dialect, MessageRules } from '../openai/dialect.js';

const words = (text: string): ReadonlySet<string> => new Set(text.split(/\s+/));

/** The older name of the limit; most compatible servers support only this one. */
const OLD_LIMIT = { max_completion_tokens: 'max_tokens' };
const NEW_LIMIT = { max_tokens: 'max_completion_tokens' };
const COMMON: MessageRules = { roles: { developer: 'system' }, dropsNulls: true };
const ALL_ROLES = ['system', 'user', 'assistant', 'tool'];
const REASONING_FIELD = { reasoning: true } as const;
const STRICT_FINISH = { eos: 'stop', eos_token: 'stop', stop_sequence: 'stop' } as const;

/** Any other server with OpenAI's protocol. */
export const COMPATIBLE: Dialect = { lacks: words('thinking'), messages: COMMON };
/** Servers of vLLM, Ollama and others: their text of thinking is in `reasoning`. */
export const LOCAL: Dialect = { lacks: words('thinking'), messages: COMMON, answers: REASONING_FIELD };
/** LiteLLM's proxy, which supports everything that its models support. */
export const PROXY: Dialect = { messages: COMMON, answers: REASONING_FIELD };
/** The same, and the older name of the limit. */
export const OLDER: Dialect = { renamed: OLD_LIMIT, lacks: words('thinking'), messages: COMMON };

const NEVER_OPENAI = words('thinking');
const WITHOUT_REASONING = words('thinking reasoning_effort verbosity');
const OPENAI_MESSAGES: MessageRules = { lacks: ['reasoning_content'] };
const O_SERIES: Dialect = {
  renamed: NEW_LIMIT,
  lacks: words('top_p presence_penalty frequency_penalty logprobs top_logprobs thinking'),
  accepts: { temperature: [1] },
  messages: OPENAI_MESSAGES,
};
const O3_MINI: Dialect = {
  ...O_SERIES,
  lacks: words('top_p presence_penalty frequency_penalty logprobs top_logprobs thinking parallel_tool_calls'),
};
const FIRST_O1: Dialect = {
  ...O_SERIES,
  lacks: words(
    'top_p presence_penalty frequency_penalty logprobs top_logprobs thinking tools tool_choice functions function_call parallel_tool_calls response_format',
  ),
  messages: { ...OPENAI_MESSAGES, roles: { system: 'user', developer: 'user' } },
};
const GPT_5: Dialect = {
  renamed: NEW_LIMIT,
  lacks: words('presence_penalty frequency_penalty stop logit_bias modalities prediction audio web_search_options thinking'),
  whileReasoning: { lacks: words('top_p logprobs top_logprobs'), accepts: { temperature: [1] } },
  messages: OPENAI_MESSAGES,
};
const GPT_5_SEARCH: Dialect = {
  renamed: NEW_LIMIT,
  only: words(
    `max_tokens max_completion_tokens stream stream_options web_search_options service_tier safety_identifier response_format user store
    verbosity`,
  ),
  messages: OPENAI_MESSAGES,
};
const NOT_REASONING_BY_DEFAULT: Dialect = { ...GPT_5, defaultEffort: 'none' };

/** OpenAI itself: parameters that its reasoning models lack. */
export const OPENAI_DIALECT: Dialect = {
  lacks: NEVER_OPENAI,
  messages: OPENAI_MESSAGES,
  models: [
    { matches: /(?:^|\/)o1-(?:mini|preview)/, dialect: FIRST_O1 },
    { matches: /(?:^|\/)o3-mini/, dialect: O3_MINI },
    { matches: /(?:^|\/)o\d(?:-|$)/, dialect: O_SERIES },
    { matches: /(?:^|\/)(?:gpt-[34]|chatgpt-|gpt-5-chat)/, dialect: { lacks: WITHOUT_REASONING, messages: OPENAI_MESSAGES } },
    { matches: /(?:^|\/)gpt-5-search/, dialect: GPT_5_SEARCH },
    { matches: /(?:^|\/)gpt-5\.[124](?:-mini|-nano)?(?:-\d{4}-\d\d-\d\d)?$/, dialect: NOT_REASONING_BY_DEFAULT },
    { matches: /(?:^|\/)gpt-(?!5-chat)[5-9](?:\.\d+)?(?:-|$)/, dialect: GPT_5 },
  ],
};

/** An operator's own server with the prefix `openai/`: possibly a proxy for OpenAI's models. */
export const OPENAI_ELSEWHERE: Dialect = {
  lacks: NEVER_OPENAI,
  messages: { ...COMMON, cacheMarks: true },
  models: [
    {
      matches: /(?:^|\/)(?:o\d(?:-|$)|gpt-(?!5-chat)[5-9](?:\.\d+)?(?:-|$))/,
      dialect: { renamed: NEW_LIMIT, lacks: NEVER_OPENAI, messages: { cacheMarks: true } },
    },
  ],
};

const AZURE_MESSAGES: MessageRules = { ...COMMON, lacks: ['reasoning_content'] };
/** Azure's deployments by `base_model`, else by their own name, which often has the model's. */
export const AZURE_DIALECT: Dialect = {
  lacks: NEVER_OPENAI,
  messages: AZURE_MESSAGES,
  models: [
    { matches: /(?:^|[^a-z\d])o1-(?:mini|preview)/, dialect: FIRST_O1 },
    { matches: /(?:^|[^a-z\d])o[134](?:[^a-z\d]|$)|o_series\//, dialect: O_SERIES },
    { matches: /gpt-?(?:4|35)/, dialect: { lacks: WITHOUT_REASONING, messages: AZURE_MESSAGES } },
    { matches: /gpt-5-chat/, dialect: { renamed: NEW_LIMIT, lacks: WITHOUT_REASONING, messages: AZURE_MESSAGES } },
    { matches: /gpt-5\.[124](?:-mini|-nano)?(?:-\d{4}-\d\d-\d\d)?$/, dialect: { ...NOT_REASONING_BY_DEFAULT, messages: AZURE_MESSAGES } },
    { matches: /gpt-?[5-9](?:[^\d]|$)|gpt5_series\//, dialect: { ...GPT_5, messages: AZURE_MESSAGES } },
  ],
};
export const AZURE_AI: Dialect = {
  ...AZURE_DIALECT,
  messages: { ...AZURE_MESSAGES, strings: ALL_ROLES },
};

const NINE_LETTERS = { matches: /^[a-zA-Z0-9]{9}$/, length: 9 };
const MISTRAL_MESSAGES: MessageRules = {
  callIds: NINE_LETTERS,
  answersTools: true,
  ...COMMON,
  named: ['tool'],
  strings: ALL_ROLES,
  dropsEmpty: true,
  lacks: ['reasoning_content'],
};
const MISTRAL_ONLY =
  'stream temperature top_p max_tokens max_completion_tokens tools tool_choice seed stop response_format parallel_tool_calls prompt_cache_key reasoning_effort';
const MISTRAL_REST: Dialect = {
  renamed: { ...OLD_LIMIT, seed: 'random_seed' },
  only: words(MISTRAL_ONLY),
  values: { tool_choice: { required: 'any' } },
  messages: MISTRAL_MESSAGES,
  tools: { schemaLacks: ['$id', '$schema'] },
  answers: { parts: true, usageInContent: true, finish: { model_length: 'length' } },
};
export const MISTRAL: Dialect = {
  ...MISTRAL_REST,
  models: [{ matches: /magistral/, dialect: { ...MISTRAL_REST, messages: { ...MISTRAL_MESSAGES, replaysThinking: true } } }],
};
export const GROQ: Dialect = {
  lacks: words('web_search_options thinking'),
  messages: { ...COMMON, lacks: ['reasoning_content'] },
  answers: REASONING_FIELD,
};
export const DEEPSEEK: Dialect = {
  switchesThinking: true,
  messages: { ...COMMON, strings: ['system', 'user', 'assistant', 'tool'], needsReasoning: 'when thinking' },
  tools: { functionsOnly: true },
  answers: { finish: { insufficient_system_resource: 'length' } },
};
const XAI_HAS = `logit_bias logprobs max_completion_tokens max_tokens n parallel_tool_calls presence_penalty response_format seed stream stream_options
  temperature tool_choice tools top_logprobs top_p user reasoning_effort`;
const XAI_REST: Dialect = {
  renamed: OLD_LIMIT,
  messages: { ...COMMON, named: ['user'] },
  tools: { lacksStrict: true },
  answers: { finish: { '': 'stop' }, reasoningApart: true },
};
export const XAI: Dialect = {
  ...XAI_REST,
  only: words(`${XAI_HAS} stop frequency_penalty`),
  models: [
    { matches: /grok-(?:4|code-fast)/, dialect: { ...XAI_REST, only: words(XAI_HAS) } },
    { matches: /grok-3-mini/, dialect: { ...XAI_REST, only: words(`${XAI_HAS} frequency_penalty`) } },
  ],
};
export const PERPLEXITY: Dialect = {
  only: words(
    'frequency_penalty max_tokens max_completion_tokens presence_penalty response_format stream temperature top_p reasoning_effort web_search_options',
  ),
  messages: COMMON,
  answers: { usageInContent: true },
};
export const FIREWORKS: Dialect = {
  renamed: OLD_LIMIT,
  lacks: words(
    'audio modalities store safety_identifier prompt_cache_retention web_search_options functions function_call metadata verbosity',
  ),
  values: { tool_choice: { required: 'any' } },
  messages: COMMON,
  tools: { lacksStrict: true },
};
export const TOGETHER: Dialect = { lacks: words('thinking'), messages: COMMON, answers: { reasoning: true, finish: STRICT_FINISH } };
export const CEREBRAS: Dialect = {
  renamed: OLD_LIMIT,
  only: words(
    'max_tokens max_completion_tokens response_format seed stop stream stream_options temperature top_p tool_choice tools user reasoning_effort',
  ),
  messages: COMMON,
  answers: REASONING_FIELD,
};
export const DEEPINFRA: Dialect = {
  renamed: OLD_LIMIT,
  only: words(
    `stream stream_options frequency_penalty function_call functions logit_bias max_tokens max_completion_tokens n presence_penalty stop temperature top_p
    response_format tools tool_choice reasoning_effort`,
  ),
  accepts: { tool_choice: ['auto', 'none'] },
  messages: { ...COMMON, strings: ['tool'] },
};
export const OPENROUTER: Dialect = {
  values: { reasoning_effort: { max: 'xhigh' } },
  messages: { ...COMMON, cacheMarks: /claude|gemini|minimax|glm|z-ai/i },
  answers: REASONING_FIELD,
};
const NIM_ALL =
  'stream stream_options temperature top_p frequency_penalty presence_penalty max_tokens max_completion_tokens stop seed tools tool_choice parallel_tool_calls response_format';
export const NVIDIA_NIM: Dialect = { renamed: OLD_LIMIT, only: words(NIM_ALL), messages: COMMON };
export const SAMBANOVA: Dialect = {
  renamed: OLD_LIMIT,
  only: words(
    'max_completion_tokens max_tokens response_format stop stream stream_options temperature top_p tools tool_choice parallel_tool_calls',
  ),
  messages: { ...COMMON, strings: ALL_ROLES },
};
const MOONSHOT_REST: Dialect = {
  renamed: OLD_LIMIT,
  lacks: words('functions'),
  requiredTool: 'Call one of the tools to answer.',
  answers: {},
};
export const MOONSHOT: Dialect = {
  ...MOONSHOT_REST,
  bounds: { temperature: [0, 1] },
  messages: { ...COMMON, strings: ALL_ROLES },
  models: [
    {
      matches: /thinking|k2\.[5-9]|k[3-9]/,
      dialect: { ...MOONSHOT_REST, ignores: words('temperature'), messages: { ...COMMON, needsReasoning: 'with tool calls' } },
    },
  ],
};
/** Providers that read the marks of Anthropic's prompt cache. */
export const CACHING: Dialect = { messages: { ...COMMON, cacheMarks: true } };
export const ZAI: Dialect = {
  renamed: OLD_LIMIT,
  only: words('max_tokens max_completion_tokens response_format stream stream_options temperature top_p stop tools tool_choice thinking'),
  messages: { ...COMMON, cacheMarks: true },
  answers: { finish: { sensitive: 'content_filter', network_error: 'stop' } },
};
export const HUGGINGFACE: Dialect = { messages: COMMON, answers: { finish: STRICT_FINISH } };
export const DATABRICKS: Dialect = {
  renamed: OLD_LIMIT,
  only: words(
    'stream stream_options stop temperature top_p max_tokens max_completion_tokens n response_format tools tool_choice reasoning_effort thinking service_tier user',
  ),
  messages: { ...COMMON, named: ['user'], strings: ['tool'], dropsEmpty: true, lacks: ['reasoning_content'], cacheMarks: true },
  answers: { parts: true },
};
export const COHERE_DIALECT: Dialect = {
  messages: COMMON,
  answers: {
    finish: { COMPLETE: 'stop', STOP_SEQUENCE: 'stop', MAX_TOKENS: 'length', TOOL_CALL: 'tool_calls', ERROR_TOXIC: 'content_filter' },
  },
};
export const HYPERBOLIC: Dialect = {
  renamed: OLD_LIMIT,
  only: words(
    'stream stream_options temperature top_p max_tokens max_completion_tokens frequency_penalty presence_penalty stop n tools tool_choice response_format seed user reasoning_effort',
  ),
  messages: COMMON,
};
export const BASETEN: Dialect = {
  renamed: OLD_LIMIT,
  only: words(
    'max_tokens max_completion_tokens reasoning_effort response_format seed stop stream stream_options temperature top_p tool_choice tools user presence_penalty frequency_penalty',
  ),
  messages: COMMON,
};
export const VOLCENGINE: Dialect = {
  renamed: OLD_LIMIT,
  lacks: words('modalities audio prediction web_search_options parallel_tool_calls store safety_identifier'),
  messages: COMMON,
};
/** GitHub's models: OpenAI's newer ones support only the newer name of the limit. */
export const GITHUB: Dialect = {
  ...OLDER,
  models: [{ matches: /(?:^|\/)(?:o\d(?:-|$)|gpt-[5-9])/, dialect: { renamed: NEW_LIMIT, lacks: words('thinking'), messages: COMMON } }],
};
