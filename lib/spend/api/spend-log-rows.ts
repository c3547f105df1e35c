import type { SpendCall, SpendCallDetails } from '../spend-queries.js';

/** LiteLLM's names of operations. */
const CALL_TYPES: Readonly<Record<string, string>> = {
  chat: 'acompletion',
  completions: 'atext_completion',
  embeddings: 'aembedding',
  responses: 'aresponses',
  messages: 'anthropic_messages',
  images: 'aimage_generation',
  moderations: 'amoderation',
  rerank: 'arerank',
};

/** LiteLLM's name of an operation, or our own if LiteLLM has none. */
export function callTypeOf(operation: string): string {
  return Object.hasOwn(CALL_TYPES, operation) ? CALL_TYPES[operation] : operation;
}

/** Builds a row of `LiteLLM_SpendLogs`, without bodies. */
export function spendLogRow(call: SpendCall): Record<string, unknown> {
  const { startedAt, durationMs, timeToFirstTokenMs: ttftMs, promptTokens, completionTokens, status, cacheStatus } = call;
  return {
    request_id: call.id,
    call_type: callTypeOf(call.operation),
    api_key: call.key ?? '',
    spend: call.usd ?? 0,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    startTime: startedAt.toISOString(),
    endTime: new Date(startedAt.getTime() + durationMs).toISOString(),
    completionStartTime: ttftMs === null ? null : new Date(startedAt.getTime() + ttftMs).toISOString(),
    request_duration_ms: durationMs,
    model: call.model ?? call.requestedModel,
    model_id: call.deploymentId ?? '',
    model_group: call.modelGroup ?? '',
    custom_llm_provider: call.provider ?? '',
    user: call.user ?? '',
    team_id: call.team ?? null,
    organization_id: call.organization ?? null,
    end_user: call.endUser ?? '',
    requester_ip_address: call.ip ?? '',
    session_id: call.sessionId ?? null,
    request_tags: call.tags,
    cache_hit: cacheStatus === 'hit' ? 'True' : 'False',
    status: status === 'success' ? 'success' : 'failure',
    metadata: metadataOf(call),
  };
}

/** Builds a row with the bodies, if stored. */
export function spendLogDetails(call: SpendCallDetails): Record<string, unknown> {
  const { request, answer, attemptList } = call;
  const { messages } = (request ?? {}) as { readonly messages?: unknown };
  return {
    ...spendLogRow(call),
    messages: messages ?? [],
    response: answer ?? {},
    proxy_server_request: request ?? {},
    attempts: attemptList.map((attempt) => ({
      number: attempt.number,
      start_time: attempt.startedAt.toISOString(),
      duration_ms: attempt.durationMs,
      model_group: attempt.modelGroup,
      model_id: attempt.deploymentId,
      model: attempt.model,
      custom_llm_provider: attempt.provider,
      status: attempt.status,
      error_code: attempt.errorCode,
      http_status: attempt.httpStatus,
      prompt_tokens: attempt.promptTokens,
      completion_tokens: attempt.completionTokens,
      spend: (attempt.nanoUsd ?? 0) / 1e9,
    })),
  };
}

function metadataOf(call: SpendCall): Record<string, unknown> {
  const { status, errorCode, errorKind, httpStatus } = call;
  return {
    ...call.metadata,
    user_api_key: call.key,
    user_api_key_alias: call.keyAlias,
    user_api_key_team_id: call.team,
    user_api_key_user_id: call.user,
    status,
    ...(status !== 'success' && { error_information: { error_code: httpStatus, error_class: errorCode, error_kind: errorKind } }),
    usage_object: {
      prompt_tokens: call.promptTokens,
      completion_tokens: call.completionTokens,
      total_tokens: call.promptTokens + call.completionTokens,
      cache_read_input_tokens: call.cacheReadTokens,
      cache_creation_input_tokens: call.cacheWriteTokens,
      completion_tokens_details: { reasoning_tokens: call.reasoningTokens },
    },
    cost_breakdown: {
      input_cost: call.costInput / 1e9,
      output_cost: call.costOutput / 1e9,
      cache_read_cost: call.costCacheRead / 1e9,
      cache_creation_cost: call.costCacheWrite / 1e9,
      other_cost: call.costOther / 1e9,
      total_cost: call.usd,
    },
    requested_model: call.requestedModel,
    is_estimated: call.isEstimated,
    attempts: call.attempts,
  };
}
