import type { LoggingFields } from '../../common/call-record.js';
import { isObject, type Fields } from '../../common/objects.js';
import type { CallRequest } from '../call-request.js';

const NO_LOG = 'no-log';
const REDACTING = 'turn_off_message_logging';
/** LiteLLM's headers; any value except `false` enables them. */
const ENABLE_REDACTION = ['litellm-enable-message-redaction', 'x-litellm-enable-message-redaction'];
const DISABLE_REDACTION = 'litellm-disable-message-redaction';
const OF_LANGFUSE = 'langfuse_';
const LONGEST_HEADER = 1000;
const MOST_HEADERS = 30;
const NO_FIELDS: Fields = {};

/** Reads the logging settings of a request in LiteLLM's order: body, then headers. */
export function loggingFieldsOf({ options, body }: Pick<CallRequest, 'options' | 'body'>): LoggingFields {
  const { headers: given } = (options.request ?? {}) as { readonly headers?: unknown };
  const headers = isObject(given) ? given : NO_FIELDS;
  const ofBody: Fields = body ?? NO_FIELDS;
  return {
    isOff: ofBody[NO_LOG] === true,
    isRedacted: typeof ofBody[REDACTING] === 'boolean' ? ofBody[REDACTING] : redactionIn(headers),
    metadata: [ofBody.litellm_metadata, ofBody.metadata].find(isObject),
    parameters: Object.fromEntries(Object.entries(ofBody).filter(([name, value]) => isParameter(name, value))),
    langfuse: langfuseIn(headers),
  };
}

/** A text or a list may repeat the prompt. */
function isParameter(name: string, value: unknown): boolean {
  return (typeof value === 'number' || typeof value === 'boolean') && name !== NO_LOG && name !== REDACTING;
}

function redactionIn(headers: Fields): boolean | undefined {
  if (ENABLE_REDACTION.some((name) => isOn(headers[name]))) return true;
  return isOn(headers[DISABLE_REDACTION]) ? false : undefined;
}

function isOn(value: unknown): boolean {
  return typeof value === 'string' && value.trim().toLowerCase() !== 'false';
}

/** Converts `langfuse_trace_name: x` to `trace_name: x`. */
function langfuseIn(headers: Fields): Readonly<Record<string, string>> | undefined {
  let found: Record<string, string> | undefined;
  let count = 0;
  for (const name in headers) {
    const value = headers[name];
    if (!name.startsWith(OF_LANGFUSE) || typeof value !== 'string' || ++count > MOST_HEADERS) continue;
    (found ??= {})[name.slice(OF_LANGFUSE.length)] = value.slice(0, LONGEST_HEADER);
  }
  return found;
}
