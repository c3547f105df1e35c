import { maskSecrets } from '../common/audit-log.js';
import type { AttemptRecord, CallRecord, GuardrailRecord } from '../common/call-record.js';
import { usdOf } from '../common/nano-usd.js';
import { type Fields, fieldsOf, nonEmptyString } from '../common/objects.js';
import type { CostPart } from '../common/token-cost.js';
import { loggableTexts } from './loggable-texts.js';
import { REDACTED } from './omit-texts.js';
import { wholeAnswer } from './assemble-stream.js';

/** LiteLLM's StandardLoggingPayload: one finished call, for callbacks. Costs are in USD. */
export interface LoggingPayload {
  /** Id of the provider's answer, or of the call if the answer has none. */
  readonly id: string;
  readonly trace_id: string;
  readonly session_id: string;
  readonly litellm_call_id: string;
  /** LiteLLM's function: `acompletion`, `aembedding`, … */
  readonly call_type: string;
  readonly stream: boolean;
  readonly status: 'success' | 'failure';
  readonly status_fields: { readonly llm_api_status: string };
  readonly response_cost: number;
  readonly cost_breakdown: CostBreakdown | null;
  readonly saved_cache_cost: number;
  readonly cache_hit: boolean | null;
  readonly cache_key: string | null;
  readonly custom_llm_provider: string | null;
  readonly model: string;
  readonly model_id: string | null;
  readonly model_group: string | null;
  readonly api_base: string;
  readonly total_tokens: number;
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  /** Unix time in seconds. */
  readonly startTime: number;
  readonly endTime: number;
  /** Unix time in seconds of the first chunk of a stream. */
  readonly completionStartTime: number;
  /** In seconds; for a stream, until its first chunk. */
  readonly response_time: number;
  readonly request_tags: readonly string[];
  readonly end_user: string;
  readonly requester_ip_address: string | null;
  readonly user_agent: string | null;
  readonly messages: unknown;
  readonly response: unknown;
  readonly model_parameters: Fields;
  readonly error_str: string | null;
  readonly error_information: ErrorInformation | null;
  readonly hidden_params: Fields;
  readonly guardrail_information: readonly Fields[];
  readonly metadata: Fields;
  /** From `traceparent`; not in LiteLLM. */
  readonly w3c_trace_id: string | null;
  /** Each attempt, in order; not in LiteLLM. */
  readonly attempts: readonly Fields[];
}

/** Cost by kind. `input_cost` includes cached input, as in LiteLLM. */
export interface CostBreakdown {
  readonly input_cost: number;
  readonly output_cost: number;
  readonly cache_read_cost: number;
  readonly cache_creation_cost: number;
  readonly tool_usage_cost: number;
  readonly total_cost: number;
  readonly original_cost: number;
}

/** The error without its message, which can quote a prompt. */
export interface ErrorInformation {
  readonly error_code: string;
  readonly error_class: string;
  readonly llm_provider: string;
  readonly traceback: string;
  readonly error_message: string;
}

const CALL_TYPES: Readonly<Record<string, string>> = {
  chat: 'acompletion',
  completions: 'atext_completion',
  embeddings: 'aembedding',
  responses: 'aresponses',
  messages: 'anthropic_messages',
  images: 'aimage_generation',
  audio: 'atranscription',
  moderations: 'amoderation',
  rerank: 'arerank',
  files: 'afile_operation',
  batches: 'abatch_operation',
};

/** Body fields that contain text or are not meant for the model. */
const NOT_PARAMETERS: ReadonlySet<string> = new Set([
  'messages',
  'input',
  'prompt',
  'query',
  'documents',
  'system',
  'instructions',
  'model',
  'metadata',
  'litellm_metadata',
  'user',
  'no-log',
  'turn_off_message_logging',
]);
/** Components of `input_cost`. */
const INPUT_PARTS: readonly CostPart[] = ['input', 'cacheRead', 'cacheCreation'];
const SECOND_MS = 1_000;
/** Clients choose it. */
const MOST_METADATA_CHARS = 16_384;

/**
 * Builds the payload of a call.
 * @param maxTextChars Maximum length of the messages, and of the answer; 0 omits both
 */
export function loggingPayload(record: CallRecord, maxTextChars: number): LoggingPayload {
  const { startedAtMs, endedAtMs, durationMs, timeToFirstTokenMs, usage, nanoUsd = 0, status } = record;
  const logging = record.logging?.();
  const own = logging?.metadata;
  const withTexts = maxTextChars > 0;
  const textsOf = (texts: unknown): unknown => (withTexts ? (loggableTexts(texts, maxTextChars) ?? null) : REDACTED);
  const body = withTexts ? record.request?.() : undefined;
  const firstMs = timeToFirstTokenMs ?? durationMs;
  const isSuccess = status === 'success';
  return {
    id: record.responseId ?? record.id,
    trace_id: record.sessionId ?? nonEmptyString(own?.trace_id) ?? record.id,
    session_id: record.sessionId ?? '',
    litellm_call_id: record.id,
    call_type: CALL_TYPES[record.operation] ?? record.operation,
    stream: record.stream,
    status: isSuccess ? 'success' : 'failure',
    status_fields: { llm_api_status: isSuccess ? 'success' : status === 'denied' ? 'guardrail_intervened' : 'failure' },
    response_cost: usdOf(nanoUsd),
    cost_breakdown: breakdownOf(record),
    saved_cache_cost: usdOf(record.savedNanoUsd ?? 0),
    cache_hit: record.cacheStatus === undefined || record.cacheStatus === 'off' ? null : record.cacheStatus === 'hit',
    cache_key: null,
    custom_llm_provider: record.provider ?? null,
    model: record.upstreamModel ?? record.model,
    model_id: record.deploymentId ?? null,
    model_group: record.group ?? record.model,
    api_base: record.apiBaseHost ?? '',
    total_tokens: usage?.total ?? 0,
    prompt_tokens: usage?.prompt ?? 0,
    completion_tokens: usage?.completion ?? 0,
    startTime: startedAtMs / SECOND_MS,
    endTime: endedAtMs / SECOND_MS,
    completionStartTime: (startedAtMs + firstMs) / SECOND_MS,
    response_time: (record.stream ? firstMs : durationMs) / SECOND_MS,
    request_tags: record.tags,
    end_user: record.endUser ?? '',
    requester_ip_address: record.ip ?? null,
    user_agent: record.userAgent ?? null,
    messages: textsOf(body && messagesOf(body)),
    response: textsOf(isSuccess && withTexts ? wholeAnswer(record.answer?.()) : undefined),
    model_parameters: body === undefined ? (logging?.parameters ?? {}) : parametersOf(body, maxTextChars),
    error_str: isSuccess ? null : (record.errorCode ?? record.errorKind ?? status),
    error_information: isSuccess ? null : errorOf(record),
    hidden_params: {
      model_id: record.deploymentId ?? null,
      cache_key: null,
      api_base: record.apiBaseHost ?? null,
      response_cost: nanoUsd === 0 ? null : String(usdOf(nanoUsd)),
      litellm_model_name: record.upstreamModel ?? null,
      usage_object: usage === undefined ? null : usageOf(usage),
      batch_models: null,
      additional_headers: null,
      litellm_overhead_time_ms: null,
    },
    guardrail_information: (record.guardrails ?? []).map(guardrailOf),
    metadata: metadataOf(record, own, logging?.langfuse),
    w3c_trace_id: record.traceId ?? null,
    attempts: record.attempts.map(attemptOf),
  };
}

/** Whether callbacks receive the call. */
export function isLogged(record: CallRecord): boolean {
  return record.logging?.().isOff !== true;
}

function breakdownOf({ nanoUsd, costParts: parts }: CallRecord): CostBreakdown | null {
  if (nanoUsd === undefined || parts === undefined) return null;
  const nanoOf = (names: readonly CostPart[]): number => names.reduce((sum, name) => sum + (parts[name] ?? 0), 0);
  const [input, tools] = [nanoOf(INPUT_PARTS), nanoOf(['toolUsage'])];
  return {
    input_cost: usdOf(input),
    // The remainder, so that the three add up.
    output_cost: usdOf(nanoUsd - input - tools),
    cache_read_cost: usdOf(nanoOf(['cacheRead'])),
    cache_creation_cost: usdOf(nanoOf(['cacheCreation'])),
    tool_usage_cost: usdOf(tools),
    total_cost: usdOf(nanoUsd),
    original_cost: usdOf(nanoUsd),
  };
}

function errorOf({ errorCode, errorKind, httpStatus, provider, status }: CallRecord): ErrorInformation {
  return {
    error_code: httpStatus === undefined ? '' : String(httpStatus),
    error_class: errorCode ?? status,
    llm_provider: provider ?? '',
    traceback: '',
    error_message: errorKind ?? errorCode ?? status,
  };
}

function usageOf({
  prompt,
  completion,
  total,
  cacheRead,
  cacheWrite,
  reasoning,
  audioIn,
  audioOut,
}: NonNullable<CallRecord['usage']>): Fields {
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: total,
    prompt_tokens_details: { cached_tokens: cacheRead, cache_creation_tokens: cacheWrite, audio_tokens: audioIn },
    completion_tokens_details: { reasoning_tokens: reasoning, audio_tokens: audioOut },
  };
}

function metadataOf(record: CallRecord, own: Fields | undefined, langfuse: Fields | undefined): Fields {
  const metadata = fieldsOf(maskSecrets(loggableTexts(own ?? {}, MOST_METADATA_CHARS)));
  return {
    user_api_key_hash: record.keyId ?? null,
    user_api_key_alias: record.keyAlias ?? null,
    user_api_key_user_id: record.user ?? null,
    user_api_key_user_email: null,
    user_api_key_team_id: record.team ?? null,
    user_api_key_team_alias: null,
    user_api_key_org_id: record.organization ?? null,
    user_api_key_end_user_id: record.endUser ?? null,
    user_api_key_request_route: null,
    spend_logs_metadata: metadata.spend_logs_metadata ?? null,
    requester_ip_address: record.ip ?? null,
    // Headers override the body, as in LiteLLM.
    requester_metadata: langfuse === undefined ? metadata : { ...metadata, ...fieldsOf(maskSecrets(langfuse)) },
    applied_guardrails: [...new Set((record.guardrails ?? []).map(({ name }) => name))],
    mcp_tool_call_metadata: null,
    usage_object: record.usage === undefined ? null : usageOf(record.usage),
    attempted_retries: record.retries,
    attempted_fallbacks: record.fallbacks,
    is_estimated: record.isEstimated ?? false,
    cancelled: record.status === 'cancelled',
  };
}

function attemptOf(attempt: AttemptRecord): Fields {
  return {
    number: attempt.number,
    model_id: attempt.deploymentId,
    custom_llm_provider: attempt.provider,
    model: attempt.upstreamModel,
    model_group: attempt.group,
    status: attempt.status,
    error_code: attempt.errorCode ?? null,
    startTime: attempt.startedAtMs / SECOND_MS,
    response_time: attempt.durationMs / SECOND_MS,
    response_cost: usdOf(attempt.nanoUsd ?? 0),
  };
}

function guardrailOf({ name, guardrail, mode, status, startedAtMs, durationMs, findings }: GuardrailRecord): Fields {
  const counts: Record<string, number> = {};
  for (const { kind, count } of findings) counts[kind] = (counts[kind] ?? 0) + count;
  return {
    guardrail_name: name,
    guardrail_provider: guardrail,
    guardrail_mode: mode,
    guardrail_status: status,
    guardrail_response: findings,
    masked_entity_count: counts,
    start_time: startedAtMs / SECOND_MS,
    end_time: (startedAtMs + durationMs) / SECOND_MS,
    duration: durationMs / SECOND_MS,
  };
}

function messagesOf(body: Fields): unknown {
  return body.messages ?? body.input ?? body.prompt ?? body.query;
}

function parametersOf(body: Fields, maxChars: number): Fields {
  const parameters = Object.fromEntries(Object.entries(body).filter(([name]) => !NOT_PARAMETERS.has(name)));
  return fieldsOf(maskSecrets(loggableTexts(parameters, maxChars)));
}
