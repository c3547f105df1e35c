import { types } from 'node:util';
import type { AttemptStart, CallOutcome, CallStart } from '../common/call-observer.js';

/** Attributes of a span. */
export type SpanAttributes = Record<string, string | number | boolean | string[]>;

/** OpenTelemetry's names of providers, by LiteLLM's prefix, where they differ. */
const PROVIDERS: Readonly<Record<string, string>> = {
  azure: 'azure.ai.openai',
  azure_ai: 'azure.ai.inference',
  bedrock: 'aws.bedrock',
  gemini: 'gcp.gemini',
  mistral: 'mistral_ai',
  moonshot: 'moonshot_ai',
  vertex_ai: 'gcp.vertex_ai',
  watsonx: 'ibm.watsonx.ai',
  xai: 'x_ai',
};
const DEFAULT_PORTS: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 };

export function callAttributes({ operation, model, stream, maxTokens, temperature, topP, choices }: CallStart): SpanAttributes {
  return known({
    'gen_ai.operation.name': operation,
    'gen_ai.request.model': model,
    'gen_ai.request.stream': stream || undefined,
    'gen_ai.request.max_tokens': maxTokens,
    'gen_ai.request.temperature': temperature,
    'gen_ai.request.top_p': topP,
    'gen_ai.request.choice.count': choices === 1 ? undefined : choices,
  });
}

/**
 * The target of an attempt: on its span, and on that of the call while it is the latest attempt.
 * Without a provider, OpenAI's protocol.
 */
export function targetAttributes({ provider = 'openai', endpoint }: AttemptStart): SpanAttributes {
  return known({ 'gen_ai.provider.name': PROVIDERS[provider] ?? provider, ...serverAttributes(endpoint) });
}

export function attemptAttributes({ number, deploymentId, model, fallbackGroup }: AttemptStart): SpanAttributes {
  return known({
    'gen_ai.request.model': model,
    'http.request.resend_count': number > 1 ? number - 1 : undefined,
    'fast_litellm.attempt': number,
    'fast_litellm.deployment.id': deploymentId,
    'fast_litellm.fallback.group': fallbackGroup,
  });
}

/** Answer and usage of a call. */
export function answerAttributes(outcome: CallOutcome): SpanAttributes {
  return known({
    'gen_ai.response.id': outcome.responseId,
    'gen_ai.response.model': outcome.responseModel,
    'gen_ai.response.finish_reasons': outcome.finishReasons && [...outcome.finishReasons],
    'gen_ai.usage.input_tokens': outcome.inputTokens,
    'gen_ai.usage.output_tokens': outcome.outputTokens,
    'gen_ai.usage.cache_read.input_tokens': outcome.cacheReadTokens,
    'gen_ai.usage.reasoning.output_tokens': outcome.reasoningTokens,
  });
}

/** The end of a call or an attempt. Never an error message: it may quote the prompt or a key. */
export function endAttributes({ error, status, cancelled, guardrails }: CallOutcome): SpanAttributes {
  return known({
    'http.response.status_code': status,
    'error.type': error === undefined || cancelled === true ? undefined : errorType(error, status),
    'fast_litellm.cancelled': cancelled === true ? true : undefined,
    'fast_litellm.guardrails': guardrails?.map(({ name, mode, status: result }) => `${name} ${mode} ${result}`),
    'fast_litellm.guardrail.findings': guardrails?.flatMap(({ name, findings }) =>
      findings.map(({ kind, action, count }) => `${name} ${kind} ${action} ${count}`),
    ),
  });
}

/** From a bounded set: the error's code, the provider's status, or the class of the error. */
export function errorType(error: unknown, status?: number): string {
  const { code, name } = (typeof error === 'object' && error !== null ? error : {}) as { readonly code?: unknown; readonly name?: unknown };
  if (isLabel(code)) return code;
  if (status !== undefined) return String(status);
  return (types.isNativeError(error) || error instanceof Error) && isLabel(name) ? name : '_OTHER';
}

function isLabel(value: unknown): value is string {
  return typeof value === 'string' && /^[A-Za-z][\w.-]{0,63}$/.test(value);
}

function serverAttributes(endpoint: string | undefined): { 'server.address'?: string; 'server.port'?: number } {
  if (endpoint === undefined || !URL.canParse(endpoint)) return {};
  const { hostname, port, protocol } = new URL(endpoint);
  if (hostname === '') return {};
  return { 'server.address': hostname, 'server.port': port === '' ? DEFAULT_PORTS[protocol] : Number(port) };
}

function known(attributes: Readonly<Record<string, SpanAttributes[string] | undefined>>): SpanAttributes {
  return Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== undefined)) as SpanAttributes;
}
