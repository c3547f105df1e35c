import { CONNECTION_CODES } from '../../common/connection-codes.js';
import { FastLiteLLMError, InvalidConfigurationError } from '../../common/errors.js';
import { DeploymentMisconfiguredError } from '../../common/http-errors.js';
import { ProviderError, type ProviderFailureKind } from '../../common/provider-error.js';
import type { FailureReport } from './call-router.js';
import { retryAfterOf, type AnyHeaders } from './retry-after.js';

/** A failed attempt, as the router and the rules of retrying see it. */
export class CallFailure {
  /** @param error What was thrown, to be thrown on as it is. */
  constructor(
    readonly kind: ProviderFailureKind,
    readonly error: unknown,
    readonly status?: number,
    readonly retryAfterMs?: number,
  ) {}
}

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
const CONTENT_POLICY = /content_policy|content_filter|content management policy|content policy|responsible ai/i;

/** What is no answer counts as one of a gateway that has none. */
const MALFORMED_STATUS = 502;

/** What an answer with this status means. `words`: its code and message, where kinds of 400 are told apart. */
export function kindOfStatus(status: number, words: string): ProviderFailureKind {
  if (status === 400 || status === 413 || status === 422) {
    if (CONTEXT_WINDOW.test(words)) return 'context_window';
    if (CONTENT_POLICY.test(words)) return 'content_policy';
    return 'bad_request';
  }
  // 402: the account has nothing left, where another may have.
  if (status === 401 || status === 402 || status === 403) return 'authentication';
  if (status === 404) return 'not_found';
  if (status === 408) return 'timeout';
  if (status === 429) return 'rate_limit';
  // A conflict is about the moment, not about the request.
  return status >= 500 || status === 409 ? 'server' : 'bad_request';
}

/** What an error without an answer means, by its own code and those of its causes; `undefined` where these say nothing. */
export function kindOfCode(error: unknown): 'timeout' | 'connection' | 'malformed' | undefined {
  for (let cause = error, depth = 0; isObject(cause) && depth < 5; cause = cause.cause, depth++) {
    const { code, name } = cause as { readonly code?: unknown; readonly name?: unknown };
    const className = (cause.constructor as { readonly name?: string } | undefined)?.name ?? '';
    if (TIMEOUT_CODES.has(String(code)) || TIMEOUT_NAMES.has(String(name)) || TIMEOUT_NAMES.has(className)) return 'timeout';
    if (CONNECTION_CODES.has(String(code)) || className === 'APIConnectionError') return 'connection';
    if (typeof code === 'string' && /^HPE_|CONTENT_LENGTH_MISMATCH$/.test(code)) return 'malformed';
  }
  return undefined;
}

/**
 * What a failed `send` means: this package's own `ProviderError`, an error of the OpenAI or Anthropic SDK (`status`, `headers`), of the AI SDK
 * (`statusCode`, `responseHeaders`), of axios (`response`), of undici or Node (`code`). `undefined`: a mistake in the program, which no other
 * provider would mend.
 * @param nowMs The wall clock: a provider may say until when it is not to be asked as a date.
 */
export function failureOf(error: unknown, nowMs: number): CallFailure | undefined {
  if (error instanceof ProviderError) return new CallFailure(error.kind, error, error.providerStatus, error.retryAfterMs);
  if (error instanceof DeploymentMisconfiguredError) return new CallFailure('authentication', error);
  // A deployment that nobody can ask: others are, and it is not asked again.
  if (error instanceof InvalidConfigurationError) return new CallFailure('authentication', error);
  if (error instanceof FastLiteLLMError || !isObject(error)) {
    const kind = kindOfCode(error) ?? (isObject(error) && /TIMEOUT/.test(String(error.code)) ? 'timeout' : undefined);
    return kind === undefined ? undefined : new CallFailure(kind, error);
  }
  const response = isObject(error.response) ? error.response : undefined;
  const status = [error.status, error.statusCode, response?.status].find((value): value is number => typeof value === 'number');
  if (status !== undefined) {
    const headers = (error.headers ?? error.responseHeaders ?? response?.headers) as AnyHeaders;
    const words = [error.code, error.message, error.responseBody].filter((value) => typeof value === 'string').join(' ');
    return new CallFailure(kindOfStatus(status, words), error, status, retryAfterOf(headers, nowMs));
  }
  const kind = kindOfCode(error);
  if (kind !== undefined) return new CallFailure(kind, error);
  return isMistake(error) ? undefined : new CallFailure('server', error);
}

/** `fetch failed` is a `TypeError` too, but has a cause. */
function isMistake(error: Readonly<Record<string, unknown>>): boolean {
  return (
    error.cause === undefined &&
    (error instanceof TypeError || error instanceof ReferenceError || error instanceof RangeError || error instanceof SyntaxError)
  );
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

/** What it means that the router has nobody to choose; `undefined`: a mistake of the caller. */
export function failureOfSelection(error: unknown): CallFailure | undefined {
  const { code, retryAfterMs } = error as { readonly code?: string; readonly retryAfterMs?: number };
  if (code === 'ROUTER_RATE_LIMITED') return new CallFailure('rate_limit', error, 429, retryAfterMs);
  if (code === 'CONTEXT_WINDOW_EXCEEDED') return new CallFailure('context_window', error, 400);
  if (code === 'DEPLOYMENT_MISCONFIGURED') return new CallFailure('authentication', error, 503);
  if (code === 'NO_DEPLOYMENT') return new CallFailure('not_found', error, 404);
  return undefined;
}

/** What the router is told of a failure. */
export function reportOf({ kind, error, status, retryAfterMs }: CallFailure): FailureReport {
  // Of a `ProviderError` without an answer the status is what a client is told; what has happened is its cause.
  const thrown = error instanceof ProviderError && error.providerStatus === undefined ? error.cause : error;
  return {
    status: kind === 'malformed' ? MALFORMED_STATUS : status,
    error: thrown,
    retryAfterMs,
    timeout: kind === 'timeout',
    misconfigured: error instanceof DeploymentMisconfiguredError,
    contentPolicy: kind === 'content_policy',
  };
}
