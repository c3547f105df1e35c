import { objectIn } from '../common/objects.js';

/** LiteLLM's placeholder for redacted text. */
export const REDACTED = 'redacted-by-litellm';
/** Placeholder for text that is too large for the sink. */
const OMITTED = 'omitted: too large for the sink';

/** Returns the payload without its text, in JSON; `undefined` if it contains none. */
export function omitTexts(payload: string): string | undefined {
  const fields = objectIn(payload);
  if (fields === undefined) return undefined;
  const hasTexts = [fields.messages, fields.response].some((text) => text !== null && text !== REDACTED && text !== OMITTED);
  return hasTexts ? JSON.stringify({ ...fields, messages: OMITTED, response: OMITTED }) : undefined;
}
