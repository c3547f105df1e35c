import { CONNECTION_CODES } from '../../common/connection-codes.js';
import { errorMessage, InvalidConfigurationError } from '../../common/errors.js';
import type { CallUsage } from '../state/call-success.js';

/**
 * A failed call to a deployment. Its tokens count if the prompt was sent and no error status was
 * returned; otherwise none were used.
 */
export interface CallFailure extends CallUsage {
  /** HTTP status of the answer. Default: `status` or `statusCode` of `error`. */
  readonly status?: number;
  /** The error that was thrown. */
  readonly error?: unknown;
  /** The delay in the answer's `Retry-After` header, in milliseconds. */
  readonly retryAfterMs?: number;
  /** Whether the call timed out. */
  readonly timeout?: boolean;
  /** Whether the deployment is misconfigured, so that other requests would also fail. */
  readonly misconfigured?: boolean;
  /** Whether a content filter rejected the request. */
  readonly contentPolicy?: boolean;
}

/** For the router, a connection that timed out has failed. */
const CONNECT_TIMEOUT_CODES: ReadonlySet<unknown> = new Set(['ETIMEDOUT', 'UND_ERR_CONNECT_TIMEOUT']);
const CONNECTION_WORDS = /connection (refused|reset|error|closed)|socket hang up|fetch failed|other side closed/i;
const RATE_LIMIT_WORDS = /\b429\b|rate[ _]limit/i;
const DEEPEST_CAUSE = 5;

/** Status of a connection that failed. */
export const CONNECTION_FAILED = 0;

/**
 * Returns the status of a failure: 408 for a timeout, 500 for an error without status,
 * `CONNECTION_FAILED` without an answer.
 */
export function statusOf({ status, error, timeout }: CallFailure): number {
  if (status !== undefined) return status;
  const ofError = statusIn(error);
  if (ofError !== undefined) return ofError;
  if (timeout === true) return 408;
  if (error === undefined) return 500;
  const text = errorMessage(error);
  if (RATE_LIMIT_WORDS.test(text)) return 429;
  return isConnectionError(error) ? CONNECTION_FAILED : 500;
}

/**
 * Describes a failure for logs and the dashboard. A timeout has the status 408 here, which no
 * provider has answered.
 * @param id of the deployment, which an error of its configuration names
 */
export function causeOf(failure: CallFailure, status: number, id: string): string {
  const { misconfigured, error, timeout } = failure;
  const cause = misconfigured === true ? (error as Partial<Error> | null | undefined)?.cause : undefined;
  if (cause instanceof InvalidConfigurationError) return errorMessage(cause).replace(`deployment ${id}: `, '');
  if (status === CONNECTION_FAILED) return 'connection failed';
  return timeout === true && status === 408 ? 'no answer in time' : `status ${status}`;
}

/**
 * Whether a status says something about the deployment: 429, 401, 404, 408 and 5xx do, other 4xx
 * are about the request.
 */
export function countsAgainst(status: number): boolean {
  return status === 429 || status === 401 || status === 404 || status === 408 || status >= 500;
}

/**
 * Whether the provider has rejected the request because of its content, which is not a failure of
 * the deployment. A misconfiguration can look the same.
 */
export function isRefused({ misconfigured, contentPolicy }: CallFailure, status: number): boolean {
  if (misconfigured === true) return false;
  return contentPolicy === true || status === 400 || status === 413 || status === 422;
}

/** The error classes of LiteLLM's policies. */
export const ERROR_CLASSES = [
  'BadRequestError',
  'AuthenticationError',
  'NotFoundError',
  'TimeoutError',
  'RateLimitError',
  'ContentPolicyViolationError',
  'BadGatewayError',
  'ServiceUnavailableError',
  'InternalServerError',
] as const;

/** Returns the error class of a status in LiteLLM's policies: `RateLimitError`. */
export function errorClassOf(status: number, contentPolicy = false): (typeof ERROR_CLASSES)[number] | undefined {
  if (contentPolicy) return 'ContentPolicyViolationError';
  switch (status) {
    case 400:
      return 'BadRequestError';
    case 401:
      return 'AuthenticationError';
    case 404:
      return 'NotFoundError';
    case 408:
      return 'TimeoutError';
    case 429:
      return 'RateLimitError';
    case 502:
      return 'BadGatewayError';
    case 503:
      return 'ServiceUnavailableError';
    default:
      return status >= 500 ? 'InternalServerError' : undefined;
  }
}

function statusIn(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const { status, statusCode, status_code: snake } = error as Record<string, unknown>;
  const found = [status, statusCode, snake].find((value) => typeof value === 'number' && value >= 100 && value < 600);
  return found as number | undefined;
}

function isConnectionError(error: unknown): boolean {
  let current = error;
  for (let depth = 0; depth < DEEPEST_CAUSE && typeof current === 'object' && current !== null; depth++) {
    const { code, name, cause } = current as { code?: unknown; name?: unknown; cause?: unknown };
    if (CONNECTION_CODES.has(code) || CONNECT_TIMEOUT_CODES.has(code)) return true;
    if (name === 'APIConnectionError') return true;
    current = cause;
  }
  return CONNECTION_WORDS.test(errorMessage(error));
}
