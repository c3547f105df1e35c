import { objectIn } from '../common/objects.js';

/** LiteLLM's words for texts that are not logged. */
export const REDACTED = 'redacted-by-litellm';
/** For texts that the sink does not accept. */
const OMITTED = 'omitted: too large for the sink';

/** A payload without its texts, in JSON; `undefined` if it has none. */
export function textless(payload: string): string | undefined {
  const fields = objectIn(payload);
  if (fields === undefined) return undefined;
  const hasTexts = [fields.messages, fields.response].some((text) => text !== null && text !== REDACTED && text !== OMITTED);
  return hasTexts ? JSON.stringify({ ...fields, messages: OMITTED, response: OMITTED }) : undefined;
}
