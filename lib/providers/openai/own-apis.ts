import type { SentRequest } from '../protocol.js';
import { isPinnedToResponses } from './responses/needs-responses.js';

/**
 * Providers with `/responses`, as in LiteLLM 1.110.2; all others are served by chat. Where a server
 * returns 404 all the same, the sender falls back to chat, too.
 */
const WITH_RESPONSES: ReadonlySet<string> = new Set(
  `openai azure xai openrouter hosted_vllm fireworks_ai litellm_proxy volcengine bigmodel edenai sail meta aiand coralbricks cortecs
  empiriolabs inferenceapis neosantara openinfer parasail pinstripes prism refuseless tensormesh zerogpu`.split(/\s+/),
);
/** Providers with `/completions`: LiteLLM's, and servers that continue any prompt. */
const WITH_COMPLETIONS: ReadonlySet<string> = new Set(
  `text-completion-openai azure_text hosted_vllm custom_openai openai_like litellm_proxy lm_studio llamafile lemonade ollama together_ai
  fireworks_ai meta_llama featherless_ai nebius dashscope qwencloud qwen_ai_platform modelscope moonshot publicai synthetic tensormesh
  apertis nano-gpt poe chutes v0 lambda_ai hyperbolic wandb deepseek openrouter`.split(/\s+/),
);
/** OpenAI's models that continue a prompt. */
const COMPLETES = /(?:^|:)(?:babbage|davinci)-002|-instruct\b/;
const V1_ADDRESS = /\/openai\/v1\/?$/;

/** Whether the provider answers `/responses` for the model. */
export function hasResponses(sent: SentRequest): boolean {
  const { provider, model, params } = sent;
  if (isPinnedToResponses(sent)) return true;
  if (params.use_chat_completions_api === true) return false;
  if (provider === 'azure_ai') return V1_ADDRESS.test(baseIn(params));
  // Databricks has it for OpenAI's models only.
  if (provider === 'databricks') return /gpt/i.test(model);
  return WITH_RESPONSES.has(provider);
}

/** Whether the provider answers `/responses/input_tokens`. Azure's answer to it is a 404 (2026). */
export function countsTokens({ provider, params }: SentRequest): boolean {
  return params.use_chat_completions_api !== true && (provider === 'openai' || provider === 'litellm_proxy');
}

/** Whether the provider answers `/completions` for the model. */
export function hasCompletions({ provider, model, isAtHome }: SentRequest): boolean {
  if (WITH_COMPLETIONS.has(provider)) return true;
  if (provider !== 'openai' && provider !== 'azure') return false;
  // A server of another vendor with OpenAI's protocol continues prompts.
  return COMPLETES.test(model) || (provider === 'openai' && isAtHome === false);
}

function baseIn({ api_base: base, base_url: url }: SentRequest['params']): string {
  return [base, url].find((given): given is string => typeof given === 'string' && given !== '') ?? '';
}
