import { type Fields, fieldsOf, nonEmptyString } from '../../common/objects.js';
import type { LoggingPayload } from '../logging-payload.js';
import { REDACTED } from '../omit-texts.js';
import { outputOf } from './otel-spans.js';
import { spanIdOf, traceIdOf, type AttributeValue, type Span } from './otlp-json.js';

/** Metadata fields that have an attribute of their own in Langfuse. */
const OWN: ReadonlySet<string> = new Set([
  'trace_id',
  'existing_trace_id',
  'trace_name',
  'trace_user_id',
  'session_id',
  'generation_id',
  'generation_name',
  'parent_observation_id',
  'trace_version',
  'trace_release',
  'version',
  'tags',
  'mask_input',
  'mask_output',
]);

const SPAN_ID = /^[\da-f]{16}$/;

/**
 * Converts a call to a generation with Langfuse's attributes. A request names its trace, session
 * and user in `metadata` or in headers that begin with `langfuse_`.
 */
export function langfuseSpansOf(payload: LoggingPayload, environment: string | undefined, release: string | undefined): Span[] {
  const { litellm_call_id: id, status, error_str: error, metadata } = payload;
  const own = fieldsOf(metadata.requester_metadata);
  const text = (name: string): string | undefined => nonEmptyString(own[name]);
  const existing = text('existing_trace_id');
  const trace = existing ?? text('trace_id') ?? payload.w3c_trace_id ?? id;
  const parent = text('parent_observation_id');
  const name = text('generation_name') ?? `litellm-${payload.call_type}`;
  const [input, output] = [payload.messages, outputOf(payload.response)];
  const attributes: Record<string, AttributeValue> = {
    'langfuse.observation.type': payload.call_type === 'aembedding' ? 'embedding' : 'generation',
    'langfuse.observation.model.name': payload.model,
    'langfuse.observation.model.parameters': jsonOf(payload.model_parameters),
    'langfuse.observation.input': jsonOf(isOn(own.mask_input) ? REDACTED : input),
    'langfuse.observation.output': jsonOf(isOn(own.mask_output) ? REDACTED : output),
    'langfuse.observation.usage_details': jsonOf(usageOf(payload)),
    'langfuse.observation.cost_details': jsonOf({ total: payload.response_cost }),
    'langfuse.observation.completion_start_time': payload.stream ? new Date(payload.completionStartTime * 1000).toISOString() : undefined,
    'langfuse.observation.level': status === 'success' ? 'DEFAULT' : 'ERROR',
    'langfuse.observation.status_message': error,
    'langfuse.version': text('version'),
    'langfuse.session.id': text('session_id') ?? nonEmptyString(payload.session_id),
    'langfuse.user.id': text('trace_user_id') ?? nonEmptyString(payload.end_user) ?? nonEmptyString(metadata.user_api_key_end_user_id),
    'langfuse.environment': environment,
    'langfuse.release': text('trace_release') ?? release,
    'langfuse.trace.tags': tagsOf(payload, own),
    'litellm.call_id': id,
  };
  // An existing trace keeps its name, input and output.
  if (existing === undefined) {
    attributes['langfuse.trace.name'] = text('trace_name') ?? name;
    attributes['langfuse.trace.input'] = attributes['langfuse.observation.input'];
    attributes['langfuse.trace.output'] = attributes['langfuse.observation.output'];
  }
  const rest = Object.entries(own).filter(([key]) => !OWN.has(key) && key !== 'spend_logs_metadata');
  for (const [key, value] of [...rest, ...callFacts(payload)]) attributes[`langfuse.observation.metadata.${key}`] = jsonOf(value);
  return [
    {
      traceId: traceIdOf(trace),
      spanId: spanIdOf(text('generation_id') ?? id),
      ...(parent !== undefined && { parentSpanId: SPAN_ID.test(parent) ? parent : spanIdOf(parent) }),
      name,
      kind: 'client',
      startTime: payload.startTime,
      endTime: payload.endTime,
      attributes,
      error: error ?? undefined,
    },
  ];
}

function callFacts({
  metadata,
  model_group,
  model_id,
  custom_llm_provider,
  api_base,
  cache_hit,
  attempts,
}: LoggingPayload): [string, unknown][] {
  const names = ['user_api_key_hash', 'user_api_key_alias', 'user_api_key_user_id', 'user_api_key_team_id', 'user_api_key_org_id'];
  const facts = { model_group, model_id, custom_llm_provider, api_base, cache_hit, attempts: attempts.length };
  return [...names.map((name): [string, unknown] => [name, metadata[name]]), ...Object.entries(facts)];
}

/** Langfuse adds these figures up, so none of them may include another. */
function usageOf({ prompt_tokens: input, completion_tokens: output, total_tokens: total, hidden_params }: LoggingPayload): Fields {
  const details = fieldsOf(hidden_params.usage_object);
  const of = (part: string, name: string): number => Number(fieldsOf(details[part])[name] ?? 0);
  const [read, write] = [of('prompt_tokens_details', 'cached_tokens'), of('prompt_tokens_details', 'cache_creation_tokens')];
  const reasoning = of('completion_tokens_details', 'reasoning_tokens');
  return {
    input: Math.max(0, input - read - write),
    output: Math.max(0, output - reasoning),
    total,
    ...(read > 0 && { cache_read_input_tokens: read }),
    ...(write > 0 && { cache_creation_input_tokens: write }),
    ...(reasoning > 0 && { output_reasoning_tokens: reasoning }),
  };
}

function tagsOf({ request_tags: tags }: LoggingPayload, { tags: own }: Fields): readonly string[] | undefined {
  const given: readonly unknown[] = Array.isArray(own) ? own : typeof own === 'string' ? own.split(',') : [];
  const all = new Set([...tags, ...given].filter((tag): tag is string => typeof tag === 'string' && tag.trim() !== ''));
  return all.size === 0 ? undefined : [...all];
}

function jsonOf(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function isOn(value: unknown): boolean {
  return value === true || value === 'true';
}
