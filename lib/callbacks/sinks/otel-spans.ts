import { type Fields, asString, fieldsOf, listOf } from '../../common/objects.js';
import type { LoggingPayload } from '../logging-payload.js';
import { REDACTED } from '../omit-texts.js';
import { spanIdOf, traceIdOf, type Attributes, type AttributeValue, type Span } from './otlp-json.js';

const PROXY_SPAN = 'Received Proxy Server Request';
const REQUEST_SPAN = 'litellm_request';
const PROVIDER_SPAN = 'raw_gen_ai_request';

/**
 * Converts a call to spans with LiteLLM's names: a span for the request with the call's attributes,
 * and a child span for each attempt.
 *
 * @param ownRequestSpan Whether the call gets its own child span of the request span, as with
 * LiteLLM's `USE_OTEL_LITELLM_REQUEST_SPAN`
 */
export function otelSpansOf(payload: LoggingPayload, ownRequestSpan: boolean): Span[] {
  const { litellm_call_id: id, startTime, endTime, error_str: error } = payload;
  const traceId = traceIdOf(payload.w3c_trace_id ?? id);
  const root = { traceId, spanId: spanIdOf(id), startTime, endTime, error: error ?? undefined };
  const attributes = callAttributes(payload);
  const below = { ...root, spanId: spanIdOf(id, REQUEST_SPAN), parentSpanId: root.spanId };
  const spans: Span[] = [{ ...root, name: PROXY_SPAN, kind: 'server', attributes }];
  if (ownRequestSpan) spans.push({ ...below, name: REQUEST_SPAN, kind: 'client', attributes });
  for (const attempt of payload.attempts) {
    const start = Number(attempt.startTime);
    spans.push({
      traceId,
      spanId: spanIdOf(id, 'attempt', String(attempt.number)),
      parentSpanId: ownRequestSpan ? below.spanId : root.spanId,
      name: PROVIDER_SPAN,
      kind: 'client',
      startTime: start,
      endTime: start + Number(attempt.response_time),
      error: attempt.status === 'success' ? undefined : String(attempt.error_code ?? attempt.status),
      attributes: {
        'gen_ai.provider.name': asString(attempt.custom_llm_provider),
        'gen_ai.request.model': asString(attempt.model),
        'litellm.model_id': asString(attempt.model_id),
        'litellm.attempt': Number(attempt.number),
      },
    });
  }
  return spans;
}

function callAttributes(payload: LoggingPayload): Attributes {
  const { metadata, cost_breakdown: costs, model_parameters: parameters } = payload;
  const attributes: Record<string, AttributeValue> = {
    'litellm.call_id': payload.litellm_call_id,
    'gen_ai.operation.name': payload.call_type,
    'gen_ai.system': payload.custom_llm_provider,
    'gen_ai.provider.name': payload.custom_llm_provider,
    'gen_ai.framework': 'litellm',
    'gen_ai.request.model': payload.model,
    'gen_ai.response.model': payload.status === 'success' ? payload.model : undefined,
    'gen_ai.response.id': payload.status === 'success' ? payload.id : undefined,
    'gen_ai.request.temperature': numberOf(parameters.temperature),
    'gen_ai.request.top_p': numberOf(parameters.top_p),
    'gen_ai.request.max_tokens': numberOf(parameters.max_tokens ?? parameters.max_completion_tokens),
    'llm.is_streaming': String(payload.stream),
    'llm.user': payload.end_user === '' ? undefined : payload.end_user,
    'gen_ai.usage.input_tokens': payload.prompt_tokens,
    'gen_ai.usage.output_tokens': payload.completion_tokens,
    'gen_ai.usage.total_tokens': payload.total_tokens,
    'gen_ai.client.response.duration': payload.endTime - payload.startTime,
    'gen_ai.client.time_to_first_token': payload.stream ? payload.response_time : undefined,
    'session.id': payload.session_id === '' ? undefined : payload.session_id,
    'error.type': payload.error_str,
    'http.response.status_code': numberOf(Number(payload.error_information?.error_code ?? NaN)),
    hidden_params: JSON.stringify(payload.hidden_params),
    'gen_ai.input.messages': textAttribute(payload.messages),
    'gen_ai.output.messages': textAttribute(outputOf(payload.response)),
  };
  for (const [name, cost] of Object.entries(costs ?? {})) attributes[`gen_ai.cost.${name}`] = cost as number;
  for (const [name, value] of Object.entries(metadata)) attributes[`metadata.${name}`] = metadataAttribute(value);
  if (payload.request_tags.length > 0) attributes['metadata.request_tags'] = payload.request_tags;
  return attributes;
}

function metadataAttribute(value: unknown): AttributeValue {
  if (value === null || value === undefined) return undefined;
  return typeof value === 'object' ? JSON.stringify(value) : (value as string | number | boolean);
}

function textAttribute(value: unknown): string | undefined {
  if (value === null || value === undefined || value === REDACTED) return undefined;
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** Returns the messages of a chat answer; other answers unchanged. */
export function outputOf(response: unknown): unknown {
  const choices = listOf(fieldsOf(response).choices);
  return choices.length === 0 ? response : choices.map((choice) => (choice as Fields | null)?.message ?? choice);
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}
