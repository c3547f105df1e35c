import { type Fields, fieldsOf, isObject, listOf, numberIn, stringIn } from '../../../common/objects.js';
import type { ChatUsage, FinishReason } from '../chat-chunks.js';

/** Text between two summaries of the model's thinking. */
export const BETWEEN_THOUGHTS = '\n\n';

/** A whole response as a chat completion, or as its error. @throws Error for no response */
export function completionOf(response: Fields): object {
  if (response.status === 'failed' || isObject(response.error)) return { error: errorOf(response) };
  if (!Array.isArray(response.output)) throw new TypeError('the response has no output');
  const items = response.output.map((item) => fieldsOf(item));
  const parts = items.filter(({ type }) => type === 'message').flatMap(({ content }) => listOf(content).map((part) => fieldsOf(part)));
  const texts = parts.filter(({ type }) => type === 'output_text');
  const text = texts.map((part) => stringIn(part.text)).join('');
  const refusal = parts.map((part) => stringIn(part.refusal)).join('');
  const annotations = texts.flatMap((part) => listOf(part.annotations).map(annotationOf));
  const logprobs = texts.flatMap((part) => listOf(part.logprobs));
  const calls = items.filter(({ type }) => type === 'function_call').map(callOf);
  const thought = items
    .filter(({ type }) => type === 'reasoning')
    .flatMap(thoughtsOf)
    .filter((text) => text !== '')
    .join(BETWEEN_THOUGHTS);
  const message = {
    role: 'assistant',
    content: text === '' && (calls.length > 0 || refusal !== '') ? null : text,
    refusal: refusal === '' ? null : refusal,
    ...(thought !== '' && { reasoning_content: thought }),
    ...(annotations.length > 0 && { annotations }),
    ...(calls.length > 0 && { tool_calls: calls }),
  };
  return {
    id: response.id,
    object: 'chat.completion',
    created: response.created_at,
    model: response.model,
    choices: [
      {
        index: 0,
        message,
        logprobs: logprobs.length === 0 ? null : { content: logprobs, refusal: null },
        finish_reason: finishOf(response, calls.length > 0),
      },
    ],
    ...(typeof response.service_tier === 'string' && { service_tier: response.service_tier }),
    usage: chatUsageOf(response.usage),
  };
}

export function callOf({ call_id: id, name, arguments: input }: Fields): object {
  return { id, type: 'function', function: { name, arguments: stringIn(input) } };
}

/** Responses has flat what chat nests. */
export function annotationOf(annotation: unknown): object {
  const { type, ...rest } = fieldsOf(annotation);
  return { type, [String(type)]: rest };
}

/** The summaries, or the text itself of models that show it. */
function thoughtsOf({ summary, content }: Fields): readonly string[] {
  const texts = (list: unknown): readonly string[] => listOf(list).map((part) => stringIn(fieldsOf(part).text));
  const own = texts(content);
  return own.length > 0 ? own : texts(summary);
}

export function finishOf({ incomplete_details: details }: Fields, hasCalls: boolean): FinishReason {
  const { reason } = fieldsOf(details);
  if (reason === 'content_filter') return 'content_filter';
  if (reason !== undefined && reason !== null) return 'length';
  return hasCalls ? 'tool_calls' : 'stop';
}

export function chatUsageOf(usage: unknown): ChatUsage | undefined {
  // Without figures, the usage is estimated.
  if (!isObject(usage) || (typeof usage.input_tokens !== 'number' && typeof usage.output_tokens !== 'number')) return undefined;
  const { input_tokens_details: input, output_tokens_details: output } = usage;
  const [prompt, completion] = [numberIn(usage.input_tokens), numberIn(usage.output_tokens)];
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: typeof usage.total_tokens === 'number' ? usage.total_tokens : prompt + completion,
    prompt_tokens_details: { cached_tokens: numberIn(fieldsOf(input).cached_tokens) },
    completion_tokens_details: { reasoning_tokens: numberIn(fieldsOf(output).reasoning_tokens) },
  };
}

/** The error of a failed response, or of an error event. */
export function errorOf({ error, ...event }: Fields): { message: string; type: string | null; code: string | null } {
  const { message, type, code } = isObject(error) ? error : event;
  const named = typeof type === 'string' && type !== 'error' && !type.startsWith('response.') ? type : null;
  return { message: stringIn(message) || 'The response failed.', type: named, code: stringIn(code) || null };
}
