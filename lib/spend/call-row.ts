import type { AttemptRecord, CallRecord, RecordedUsage } from '../common/call-record.js';
import type { CostParts } from '../common/token-cost.js';

/** The largest `integer` of PostgreSQL: 24 days in ms. */
const LARGEST_INTEGER = 2_147_483_647;
/** Clients choose names of up to 4,096 characters; an entry of an index has at most 2,700 bytes. */
const LONGEST_NAME = 256;
/** JSON texts to keep: there are few names of models and keys. */
const REMEMBERED = 2_000;
const LONGEST_REMEMBERED = 128;
/** Deployments, and keys. */
const REMEMBERED_COLUMNS = 500;
const PLAIN_ID = /^[\w-]+$/;

/** Settings for storing bodies. */
export interface BodySettings {
  readonly maxBodyBytes: number;
}

/** The beginning of the rows of a process, up to the id. */
export function rowHead(processId: string): string {
  return `{"process_id":${JSON.stringify(processId)},"id":`;
}

/**
 * Serializes a call to one line of JSON, by the columns of `calls`. Columns get their default if a
 * field is absent. Concatenated, because `JSON.stringify` takes four times as long for so many
 * fields.
 * @param head `rowHead` of this process
 * @param bodies `undefined`: bodies are not stored
 */
export function callRow(call: CallRecord, head: string, bodies: BodySettings | undefined): string {
  const { usage, nanoUsd, attempts } = call;
  let row = `${head}${quotedId(call.id)},"started_at":${call.startedAtMs},"duration_ms":${integer(call.durationMs)}`;
  row += routeOf(call) + callerOf(call);
  if (call.stream) row += ',"stream":true';
  if (call.timeToFirstTokenMs !== undefined) row += `,"ttft_ms":${integer(call.timeToFirstTokenMs)}`;
  if (call.endUser !== undefined) row += `,"end_user":${JSON.stringify(call.endUser)}`;
  if (call.tags.length > 0) row += `,"tags":[${call.tags.map(quoted).join(',')}]`;
  if (call.sessionId !== undefined) row += `,"session_id":${JSON.stringify(call.sessionId)}`;
  if (call.requestId !== undefined) row += `,"request_id":${quotedId(call.requestId)}`;
  row += known(',"ip":', call.ip) + known(',"error_kind":', call.errorKind) + known(',"error_code":', call.errorCode);
  if (usage !== undefined) row += tokensOf(usage);
  if (nanoUsd !== undefined) row += costsOf(nanoUsd, call.costParts);
  if (call.savedNanoUsd !== undefined) row += figure(',"saved_nano_usd":', call.savedNanoUsd);
  if (call.cacheStatus !== undefined && call.cacheStatus !== 'off') row += known(',"cache_status":', call.cacheStatus);
  if (call.isEstimated === true) row += ',"is_estimated":true';
  row += `,"metadata":{${metadataOf(call)}}`;
  if (isAnsweredAtOnce(call)) {
    const [{ startedAtMs, durationMs }] = attempts;
    row += `,"attempt_after_ms":${integer(startedAtMs - call.startedAtMs)},"attempt_ms":${integer(durationMs)}`;
  } else if (attempts.length > 0) row += `,"attempts":[${attempts.map(attemptRow).join(',')}]`;
  if (bodies !== undefined) row += bodyOf('request', call.request?.(), bodies) + bodyOf('answer', call.answer?.(), bodies);
  return `${row}}`;
}

/** The columns that most calls of a deployment share, from a cache. */
function routeOf(call: CallRecord): string {
  const { operation, model, status, httpStatus, group, deploymentId = '', provider, upstreamModel } = call;
  const last = routes.get(deploymentId);
  if (
    last !== undefined &&
    last.model === model &&
    last.upstreamModel === upstreamModel &&
    last.group === group &&
    last.operation === operation &&
    last.status === status &&
    last.httpStatus === httpStatus &&
    last.provider === provider
  )
    return last.text;
  let text = `,"operation":${quoted(operation)},"model":${quoted(model.slice(0, LONGEST_NAME))},"status":${quoted(status)}`;
  if (httpStatus !== undefined) text += `,"http_status":${integer(httpStatus)}`;
  text += known(',"model_group":', named(group)) + known(',"deployment_id":', call.deploymentId) + known(',"provider":', provider);
  text = flat(text + known(',"upstream_model":', named(upstreamModel)));
  routes.set(deploymentId, { operation, model, status, httpStatus, group, provider, upstreamModel, text });
  return text;
}

/** The columns that the calls of a key share, from a cache. */
function callerOf({ keyId, keyAlias, user, team, organization }: CallRecord): string {
  const last = callers.get(keyId ?? '');
  if (last !== undefined && last.user === user && last.team === team && last.keyAlias === keyAlias && last.organization === organization)
    return last.text;
  const ofKey = known(',"key_id":', keyId) + known(',"key_alias":', keyAlias);
  const text = flat(ofKey + known(',"user_id":', user) + known(',"team_id":', team) + known(',"organization_id":', organization));
  callers.set(keyId ?? '', { keyAlias, user, team, organization, text });
  return text;
}

/** Whether the only attempt has the figures of the call, so that the database can copy them. */
function isAnsweredAtOnce({ status, httpStatus, attempts }: CallRecord): boolean {
  return attempts.length === 1 && status === 'success' && attempts[0].status === 'success' && attempts[0].httpStatus === httpStatus;
}

function attemptRow(attempt: AttemptRecord): string {
  const { usage, nanoUsd } = attempt;
  let row = `{"number":${attempt.number},"started_at":${attempt.startedAtMs},"duration_ms":${integer(attempt.durationMs)}`;
  row +=
    known(',"model_group":', named(attempt.group)) +
    known(',"deployment_id":', attempt.deploymentId) +
    known(',"provider":', attempt.provider);
  row +=
    known(',"upstream_model":', named(attempt.upstreamModel)) +
    known(',"api_base_host":', attempt.apiBaseHost) +
    known(',"status":', attempt.status);
  if (attempt.timeToFirstTokenMs !== undefined) row += `,"ttft_ms":${integer(attempt.timeToFirstTokenMs)}`;
  row += known(',"error_kind":', attempt.errorKind) + known(',"error_code":', attempt.errorCode);
  if (attempt.httpStatus !== undefined) row += `,"http_status":${integer(attempt.httpStatus)}`;
  if (usage !== undefined) row += tokensOf(usage);
  if (nanoUsd !== undefined) row += costsOf(nanoUsd, attempt.costParts);
  if (attempt.isEstimated === true) row += ',"is_estimated":true';
  return `${row}}`;
}

function metadataOf(call: CallRecord): string {
  const { usage, traceId, responseId, finishReasons } = call;
  let fields = known(',"api_base_host":', call.apiBaseHost) + known(',"user_agent":', call.userAgent);
  if (traceId !== undefined) fields += `,"trace_id":${JSON.stringify(traceId)}`;
  if (responseId !== undefined) fields += `,"response_id":${JSON.stringify(responseId)}`;
  if (finishReasons !== undefined) fields += `,"finish_reasons":${JSON.stringify(finishReasons)}`;
  if (call.guardrails !== undefined) fields += `,"guardrails":${JSON.stringify(call.guardrails)}`;
  fields += figure(',"retries":', call.retries) + figure(',"fallbacks":', call.fallbacks);
  if (usage !== undefined) {
    fields += figure(',"audio_input_tokens":', usage.audioIn) + figure(',"audio_output_tokens":', usage.audioOut);
    fields += figure(',"image_tokens":', usage.images) + figure(',"web_searches":', usage.webSearches);
  }
  return fields.slice(1);
}

/** Omits zeros, which are the default. */
function tokensOf({ prompt, completion, cacheRead, cacheWrite, reasoning }: RecordedUsage): string {
  return (
    figure(',"prompt_tokens":', prompt) +
    figure(',"completion_tokens":', completion) +
    figure(',"cache_read_tokens":', cacheRead) +
    figure(',"cache_write_tokens":', cacheWrite) +
    figure(',"reasoning_tokens":', reasoning)
  );
}

/** Splits a cost by kind; the parts add up to the total. */
function costsOf(nanoUsd: number, parts: CostParts = {}): string {
  const input = parts.input ?? 0;
  const output = (parts.output ?? 0) + (parts.reasoning ?? 0);
  const read = parts.cacheRead ?? 0;
  const write = parts.cacheCreation ?? 0;
  return (
    `,"nano_usd":${nanoUsd}` +
    figure(',"cost_input":', input) +
    figure(',"cost_output":', output) +
    figure(',"cost_cache_read":', read) +
    figure(',"cost_cache_write":', write) +
    figure(',"cost_other":', nanoUsd - input - output - read - write)
  );
}

/** @param label `,"name":`, because each part of a text costs an allocation */
function figure(label: string, value: number): string {
  return value === 0 ? '' : label + value;
}

function known(label: string, text: string | undefined): string {
  return text === undefined ? '' : label + quoted(text);
}

function named(text: string | undefined): string | undefined {
  return text?.slice(0, LONGEST_NAME);
}

/** The last values by name, in two generations. */
class Recent<V> {
  private recent = new Map<string, V>();
  private older = new Map<string, V>();

  constructor(private readonly most: number) {}

  get(name: string): V | undefined {
    const value = this.recent.get(name);
    if (value !== undefined) return value;
    const old = this.older.get(name);
    if (old !== undefined) this.set(name, old);
    return old;
  }

  set(name: string, value: V): void {
    if (name.length > LONGEST_REMEMBERED) return;
    if (this.recent.size >= this.most) {
      this.older = this.recent;
      this.recent = new Map();
    }
    this.recent.set(name, value);
  }
}

type Fragment<F extends keyof CallRecord> = Pick<CallRecord, F> & { readonly text: string };

const texts = new Recent<string>(REMEMBERED);
const routes = new Recent<Fragment<'operation' | 'model' | 'status' | 'httpStatus' | 'group' | 'provider' | 'upstreamModel'>>(
  REMEMBERED_COLUMNS,
);
const callers = new Recent<Fragment<'keyAlias' | 'user' | 'team' | 'organization'>>(REMEMBERED_COLUMNS);

/** Returns the JSON text of a string, from a cache. */
function quoted(text: string): string {
  let json = texts.get(text);
  if (json === undefined) texts.set(text, (json = JSON.stringify(text)));
  return json;
}

/** Returns the JSON text of a string that hardly ever occurs twice. */
function quotedId(id: string): string {
  return PLAIN_ID.test(id) ? `"${id}"` : JSON.stringify(id);
}

/** Flattens a string: V8 represents a concatenation as a tree of its parts. */
function flat(text: string): string {
  text.charCodeAt(0);
  return text;
}

function integer(value: number): number {
  return Math.min(Math.round(value), LARGEST_INTEGER);
}

/** Returns a body, or the beginning of its JSON text if it is too large. */
function bodyOf(name: string, body: unknown, { maxBodyBytes }: BodySettings): string {
  const json = body === undefined ? undefined : (JSON.stringify(body) as string | undefined);
  if (json === undefined) return '';
  if (json.length <= maxBodyBytes) return `,"${name}":${json}`;
  return `,"${name}":${JSON.stringify({ truncated: json.slice(0, maxBodyBytes), length: json.length })}`;
}
