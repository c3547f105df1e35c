import type { AttemptRecord, CallRecord, RecordedUsage } from '../common/call-record.js';
import type { CostParts } from '../common/token-cost.js';

/** The largest `integer` of PostgreSQL: 24 days in ms. */
const LARGEST_INTEGER = 2_147_483_647;
/** Clients choose names of up to 4,096 characters; an entry of an index has at most 2,700 bytes. */
const LONGEST_NAME = 256;

/** Settings for storing bodies. */
export interface BodySettings {
  readonly maxBodyBytes: number;
}

/**
 * Serializes a call to one line of JSON, by the columns of `calls`. Columns get their default if a
 * field is absent.
 * @param bodies `undefined`: bodies are not stored
 */
export function callRow(call: CallRecord, processId: string, bodies: BodySettings | undefined): string {
  const { usage, attempts } = call;
  const [only] = attempts;
  return JSON.stringify({
    id: call.id,
    started_at: call.startedAtMs,
    duration_ms: integer(call.durationMs),
    ttft_ms: integer(call.timeToFirstTokenMs),
    operation: call.operation,
    stream: call.stream || undefined,
    model: named(call.model),
    model_group: named(call.group),
    deployment_id: call.deploymentId,
    provider: call.provider,
    upstream_model: named(call.upstreamModel),
    key_id: call.keyId,
    key_alias: call.keyAlias,
    user_id: call.user,
    team_id: call.team,
    organization_id: call.organization,
    end_user: call.endUser,
    tags: call.tags.length === 0 ? undefined : call.tags,
    session_id: call.sessionId,
    request_id: call.requestId,
    ip: call.ip,
    status: call.status,
    error_kind: call.errorKind,
    error_code: call.errorCode,
    http_status: call.httpStatus,
    ...tokensOf(usage),
    nano_usd: call.nanoUsd,
    ...costsOf(call.nanoUsd, call.costParts),
    saved_nano_usd: call.savedNanoUsd,
    cache_status: call.cacheStatus === 'off' ? undefined : call.cacheStatus,
    is_estimated: call.isEstimated === true || undefined,
    metadata: {
      trace_id: call.traceId,
      user_agent: call.userAgent,
      api_base_host: call.apiBaseHost,
      response_id: call.responseId,
      finish_reasons: call.finishReasons,
      retries: call.retries || undefined,
      fallbacks: call.fallbacks || undefined,
      audio_input_tokens: usage?.audioIn || undefined,
      audio_output_tokens: usage?.audioOut || undefined,
      image_tokens: usage?.images || undefined,
      web_searches: usage?.webSearches || undefined,
    },
    process_id: processId,
    attempts: attempts.length === 0 ? undefined : attempts.length === 1 ? [attemptRow(only)] : attempts.map(attemptRow),
    request: bodies && bodyOf(call.request?.(), bodies),
    answer: bodies && bodyOf(call.answer?.(), bodies),
  });
}

function attemptRow(attempt: AttemptRecord): object {
  return {
    number: attempt.number,
    started_at: attempt.startedAtMs,
    duration_ms: integer(attempt.durationMs),
    ttft_ms: integer(attempt.timeToFirstTokenMs),
    model_group: named(attempt.group),
    deployment_id: attempt.deploymentId,
    provider: attempt.provider,
    upstream_model: named(attempt.upstreamModel),
    api_base_host: attempt.apiBaseHost,
    status: attempt.status,
    error_kind: attempt.errorKind,
    error_code: attempt.errorCode,
    http_status: attempt.httpStatus,
    ...tokensOf(attempt.usage),
    nano_usd: attempt.nanoUsd,
    ...costsOf(attempt.nanoUsd, attempt.costParts),
    is_estimated: attempt.isEstimated === true || undefined,
  };
}

/** Omits zeros, which are the default. */
function tokensOf(usage: RecordedUsage | undefined) {
  return (
    usage && {
      prompt_tokens: usage.prompt || undefined,
      completion_tokens: usage.completion || undefined,
      cache_read_tokens: usage.cacheRead || undefined,
      cache_write_tokens: usage.cacheWrite || undefined,
      reasoning_tokens: usage.reasoning || undefined,
    }
  );
}

/** Splits a cost by kind; the parts add up to the total. */
function costsOf(nanoUsd: number | undefined, parts: CostParts | undefined) {
  if (nanoUsd === undefined || nanoUsd === 0) return undefined;
  const input = parts?.input ?? 0;
  const output = (parts?.output ?? 0) + (parts?.reasoning ?? 0);
  const read = parts?.cacheRead ?? 0;
  const write = parts?.cacheCreation ?? 0;
  return {
    cost_input: input || undefined,
    cost_output: output || undefined,
    cost_cache_read: read || undefined,
    cost_cache_write: write || undefined,
    cost_other: nanoUsd - input - output - read - write || undefined,
  };
}

function named(text: string | undefined): string | undefined {
  return text?.slice(0, LONGEST_NAME);
}

function integer(value: number | undefined): number | undefined {
  return value === undefined ? undefined : Math.min(Math.round(value), LARGEST_INTEGER);
}

/** Returns a body, or the beginning of its JSON text if it is too large. */
function bodyOf(body: unknown, { maxBodyBytes }: BodySettings): unknown {
  if (body === undefined) return undefined;
  const json = JSON.stringify(body) as string | undefined;
  if (json === undefined || json.length <= maxBodyBytes) return body;
  return { truncated: json.slice(0, maxBodyBytes), length: json.length };
}
