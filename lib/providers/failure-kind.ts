import { isObject } from '../common/objects.js';
import { CONNECTION_CODES } from '../common/connection-codes.js';
import type { ProviderFailureKind } from '../common/provider-error.js';

/** Codes of Node and of undici. */
const TIMEOUT_CODES = new Set([
  'ETIMEDOUT',
  'ESOCKETTIMEDOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'UND_ERR_CONNECT_TIMEOUT',
]);
const TIMEOUT_NAMES = new Set(['TimeoutError', 'APIConnectionTimeoutError']);
const CONTEXT_WINDOW =
  /context_length_exceeded|maximum context length|context window|prompt is too long|input is too long|too many tokens/i;
const CONTENT_POLICY =
  /content_policy|content_filter|content management policy|content filtering policy|content policy|response was blocked|responsible ai|input was flagged/i;

/** The meaning of a status. `words`: code and message, which distinguish kinds of 400. */
export function kindOfStatus(status: number, words: string): ProviderFailureKind {
  if (status === 400 || status === 413 || status === 422) {
    if (CONTEXT_WINDOW.test(words)) return 'context_window';
    if (CONTENT_POLICY.test(words)) return 'content_policy';
    return 'bad_request';
  }
  // For example, OpenRouter's moderation.
  if (status === 403 && CONTENT_POLICY.test(words)) return 'content_policy';
  // 402: this account has no credit left, but another may have.
  if (status === 401 || status === 402 || status === 403) return 'authentication';
  if (status === 404) return words.startsWith('thread_') ? 'bad_request' : 'not_found';
  if (status === 408) return 'timeout';
  if (status === 429) return 'rate_limit';
  // A conflict is temporary, not a fault of the request; 424 is a failure of Bedrock's model.
  return status >= 500 || status === 409 || status === 424 ? 'server' : 'bad_request';
}

/** The meaning of an error without an answer, by its codes and those of its causes. */
export function kindOfCode(error: unknown): 'timeout' | 'connection' | 'malformed' | undefined {
  for (let cause = error, depth = 0; isObject(cause) && depth < 5; cause = cause.cause, depth++) {
    const { code, name } = cause as { readonly code?: unknown; readonly name?: unknown };
    const className = (cause.constructor as { readonly name?: string } | undefined)?.name ?? '';
    if (TIMEOUT_CODES.has(String(code)) || TIMEOUT_NAMES.has(String(name)) || TIMEOUT_NAMES.has(className)) return 'timeout';
    if (CONNECTION_CODES.has(String(code)) || className === 'APIConnectionError') return 'connection';
    // undici 7 sets no code.
    if (name === 'HTTPParserError') return 'malformed';
    if (typeof code === 'string' && /^HPE_|CONTENT_LENGTH_MISMATCH$/.test(code)) return 'malformed';
  }
  return undefined;
}
