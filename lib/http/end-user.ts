import { isObject, type Fields } from '../common/objects.js';
import { copiedStart, visibleText } from '../common/visible-text.js';

type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

/** Longer values are cut: clients choose them. */
const LONGEST = 256;
const END_USER_HEADERS = ['x-litellm-end-user-id', 'x-litellm-customer-id'];

/** For whom a client sends a request, as LiteLLM reads it. Not authenticated. */
export function endUserOf(headers: Headers, body: unknown): string | undefined {
  return firstTextOf(END_USER_HEADERS, headers) ?? (isObject(body) ? endUserIn(body) : undefined);
}

function endUserIn(body: Fields): string | undefined {
  return (
    clientText(body.user) ??
    clientText(fieldsIn(body.litellm_metadata)?.user) ??
    clientText(fieldsIn(body.metadata)?.user_id) ??
    clientText(body.safety_identifier)
  );
}

/** The first of these headers with a text. */
export function firstTextOf(names: readonly string[], headers: Headers): string | undefined {
  for (const name of names) {
    const text = clientText(headers[name]);
    if (text !== undefined) return text;
  }
  return undefined;
}

/** A text to show and to store; `undefined` if it is empty or not a text. */
export function clientText(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? visibleText(copiedStart(value, LONGEST)) : undefined;
}

function fieldsIn(value: unknown): Fields | undefined {
  return isObject(value) ? value : undefined;
}
