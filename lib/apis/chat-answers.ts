import { type Fields, fieldsOf, listOf, stringIn } from '../common/objects.js';
import type { OpenAIErrorBody } from '../common/provider-error.js';

/** For an event of a stream that is not a JSON object. */
export const UNREADABLE_EVENT: OpenAIErrorBody = {
  message: 'The provider sent an event that is not a JSON object.',
  type: 'server_error',
  param: null,
  code: null,
};

/** For a stream of chat that was cut. */
export const UNFINISHED_STREAM: OpenAIErrorBody = {
  ...UNREADABLE_EVENT,
  message: 'The provider ended its stream without a finish reason.',
};

/** A whole chat completion. @throws Error for anything else */
export function completionIn(bytes: Buffer): Fields {
  const completion = fieldsOf(JSON.parse(bytes.toString('utf8')));
  if (!Array.isArray(completion.choices)) throw new TypeError('the response has no choices');
  return completion;
}

/** Some providers answer with content parts. */
export function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  return listOf(content)
    .map((part) => fieldsOf(part))
    .map(({ type, text }) => (type === 'text' ? stringIn(text) : ''))
    .join('');
}

/** The `error` of a stream's event. */
export function errorIn(error: unknown): OpenAIErrorBody {
  const text = (value: unknown): string | null => (typeof value === 'string' || typeof value === 'number' ? String(value) : null);
  if (typeof error === 'string') return { ...UNREADABLE_EVENT, message: error };
  const { message, type, param, code } = fieldsOf(error);
  return { message: text(message) ?? 'The provider sent an error.', type: text(type), param: text(param), code: text(code) };
}
