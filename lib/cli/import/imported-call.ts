import { jsonIn, nonEmptyString } from '../../common/objects.js';
import { NANO_PER_USD } from '../../common/nano-usd.js';
import { publicIdOfHash } from '../../keys/api-key.js';
import type { LiteLLMRow } from '../../postgres/litellm-source.js';
import { numberOf, objectOf, textsOf, timeOf } from './litellm-values.js';

const SHA256 = /^[0-9a-f]{64}$/;
/** `process_id` of imported calls. */
const PROCESS = 'litellm';
/** Operations by LiteLLM's names, without the `a` of asynchronous ones. */
const OPERATIONS: Readonly<Record<string, string>> = {
  completion: 'chat',
  text_completion: 'completions',
  embedding: 'embeddings',
  responses: 'responses',
  anthropic_messages: 'messages',
  image_generation: 'images',
  moderation: 'moderations',
  rerank: 'rerank',
  arerank: 'rerank',
};
const LARGEST_INTEGER = 2_147_483_647;

/** Columns of `LiteLLM_SpendLogs` that are read: all but the bodies. */
export const CALL_COLUMNS =
  `request_id call_type api_key spend prompt_tokens completion_tokens startTime endTime request_duration_ms completionStartTime model
  model_id model_group custom_llm_provider user metadata cache_hit request_tags team_id organization_id end_user
  requester_ip_address session_id status litellm_call_id`.split(/\s+/);

/**
 * A row of `LiteLLM_SpendLogs` as a call of the spend log, in JSON.
 * @throws Error for a row without a time.
 */
export function importedCall(row: LiteLLMRow): string {
  const startedMs = timeOf(row.startTime);
  if (startedMs === undefined) throw new Error('startTime: must be a timestamp');
  const endedMs = timeOf(row.endTime) ?? startedMs;
  const firstMs = timeOf(row.completionStartTime);
  // Answers that are not streamed begin when they end.
  const stream = firstMs !== undefined && firstMs > startedMs && firstMs < endedMs;
  const metadata = objectOf(row.metadata);
  const isFailure = row.status === 'failure';
  const { api_key: key } = row;
  const model = nonEmptyString(row.model) ?? '';
  const group = nonEmptyString(row.model_group);
  return JSON.stringify({
    id: row.request_id,
    started_at: startedMs,
    duration_ms: integerOf(numberOf(row.request_duration_ms) ?? endedMs - startedMs),
    ttft_ms: stream ? integerOf(firstMs - startedMs) : undefined,
    operation: operationOf(row.call_type),
    stream: stream || undefined,
    model: group ?? model,
    model_group: group,
    deployment_id: nonEmptyString(row.model_id),
    provider: nonEmptyString(row.custom_llm_provider),
    upstream_model: nonEmptyString(model),
    key_id: typeof key === 'string' && SHA256.test(key) ? publicIdOfHash(key) : undefined,
    key_alias: nonEmptyString(metadata.user_api_key_alias),
    user_id: nonEmptyString(row.user),
    team_id: nonEmptyString(row.team_id),
    organization_id: nonEmptyString(row.organization_id),
    end_user: nonEmptyString(row.end_user),
    tags: tagsOf(row.request_tags),
    session_id: nonEmptyString(row.session_id),
    request_id: nonEmptyString(row.litellm_call_id),
    ip: nonEmptyString(row.requester_ip_address),
    status: isFailure ? 'failure' : 'success',
    ...(isFailure && errorOf(metadata)),
    ...tokensOf(row, metadata),
    ...costsOf(row, metadata),
    cache_status: String(row.cache_hit).toLowerCase() === 'true' ? 'hit' : undefined,
    process_id: PROCESS,
  });
}

function operationOf(callType: unknown): string {
  const name = nonEmptyString(callType) ?? 'chat';
  for (const each of [name, name.replace(/^a/, '')]) if (Object.hasOwn(OPERATIONS, each)) return OPERATIONS[each];
  return name;
}

function errorOf(metadata: LiteLLMRow): object {
  const { error_class, error_code } = objectOf(metadata.error_information);
  const status = numberOf(error_code);
  const isStatus = status !== undefined && status >= 100 && status <= 599;
  return { error_code: nonEmptyString(error_class), http_status: isStatus ? Math.trunc(status) : undefined };
}

function tokensOf(row: LiteLLMRow, metadata: LiteLLMRow): object {
  const usage = { ...objectOf(metadata.usage_object), ...objectOf(metadata.additional_usage_values) };
  const cached = numberOf(objectOf(usage.prompt_tokens_details).cached_tokens);
  return {
    prompt_tokens: countOf(row.prompt_tokens),
    completion_tokens: countOf(row.completion_tokens),
    cache_read_tokens: countOf(usage.cache_read_input_tokens ?? cached),
    cache_write_tokens: countOf(usage.cache_creation_input_tokens),
    reasoning_tokens: countOf(objectOf(usage.completion_tokens_details).reasoning_tokens),
  };
}

/**
 * The cost and its parts, which add up to it; `other` contains parts that LiteLLM did not record.
 */
function costsOf(row: LiteLLMRow, metadata: LiteLLMRow): object {
  const nanoUsd = nanoOf(row.spend);
  const parts = objectOf(metadata.cost_breakdown);
  const [input, output, read, write] = ['input_cost', 'output_cost', 'cache_read_cost', 'cache_creation_cost'].map((name) =>
    nanoOf(parts[name]),
  );
  const isBelow = input + output + read + write <= nanoUsd;
  const [known, other] = isBelow ? [{ input, output, read, write }, nanoUsd - input - output - read - write] : [undefined, nanoUsd];
  return {
    nano_usd: nanoUsd,
    cost_input: known?.input,
    cost_output: known?.output,
    cost_cache_read: known?.read,
    cost_cache_write: known?.write,
    cost_other: other,
  };
}

function nanoOf(usd: unknown): number {
  return Math.max(0, Math.round((numberOf(usd) ?? 0) * NANO_PER_USD));
}

function countOf(value: unknown): number | undefined {
  const count = Math.trunc(numberOf(value) ?? 0);
  return count > 0 ? count : undefined;
}

function integerOf(ms: number): number {
  return Math.max(0, Math.min(Math.round(ms), LARGEST_INTEGER));
}

/** A list, or JSON in a string. */
function tagsOf(value: unknown): readonly string[] | undefined {
  const tags = textsOf(typeof value === 'string' ? jsonIn(value) : value);
  return tags.length === 0 ? undefined : [...new Set(tags)];
}
