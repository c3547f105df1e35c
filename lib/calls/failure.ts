import { isObject } from '../common/objects.js';
import { FastLiteLLMError, InvalidConfigurationError } from '../common/errors.js';
import {
  BudgetExceededError,
  CallDeniedError,
  CallHookFailedError,
  DeploymentMisconfiguredError,
  RateLimitExceededError,
  UnsupportedRequestError,
} from '../common/http-errors.js';
import { ProviderError, type ProviderFailureKind } from '../common/provider-error.js';
import type { FailureReport, Selection } from './call-router.js';
import { kindOfCode, kindOfStatus } from '../providers/failure-kind.js';
import { retryAfterOf, type AnyHeaders } from '../providers/retry-after.js';

/** Whose fault a failure is. The provider's and the operator's count against the deployment. */
export type Fault = 'provider' | 'operator' | 'caller' | 'pool' | 'cancelled';

/** A provider failure, as the retry rules and the router classify it. */
export interface FailureReason {
  readonly kind: ProviderFailureKind;
  readonly status?: number;
  readonly retryAfterMs?: number;
}

const CALLERS_KINDS: ReadonlySet<ProviderFailureKind> = new Set(['bad_request', 'context_window', 'content_policy']);

/** A failed attempt, or a selection without a result. */
export class Failure {
  /** The deployment of the attempt; `undefined`: none could be selected. */
  selection: Selection | undefined = undefined;
  /** The `order` of the priority tier whose retries ended with it. */
  tierOrder: number | undefined = undefined;

  /** @param reason Without one the call ends: no other deployment would help. */
  constructor(
    readonly error: unknown,
    readonly fault: Fault,
    readonly reason?: FailureReason,
  ) {}

  /** Whether the deployment is unfit for this request: another one may be fit. */
  get isUnfit(): boolean {
    return this.fault === 'operator' || this.error instanceof UnsupportedRequestError || this.error instanceof BudgetExceededError;
  }

  /** Whether a budget denied the attempt before anything was sent. */
  get isUnsent(): boolean {
    return this.error instanceof BudgetExceededError;
  }

  /** Whether the request is at fault: a 400 of the provider, or what no provider can answer. */
  get isCallers(): boolean {
    const { fault, reason } = this;
    return reason !== undefined && (fault === 'caller' || (fault === 'provider' && CALLERS_KINDS.has(reason.kind)));
  }

  get countsAgainstDeployment(): boolean {
    return this.fault === 'provider' || this.fault === 'operator';
  }
}

/** A function of the caller (`usageOf`, `onAnswer`) threw; not a failure of the attempt. */
export class CallbackError extends Error {
  constructor(override readonly cause: unknown) {
    super("the caller's callback threw");
  }
}

/** Facts of an attempt that decide how its failure counts. */
export interface JudgedAttempt {
  readonly selection: Selection;
  /** Set once the caller cancelled the call. */
  readonly cancelled: Error | undefined;
  /** Whether it ran out of a time that the request's body had set. */
  readonly isOverCallersTime: boolean;
  /** Whether the provider has no such path or object; it may answer chat all the same. */
  readonly isNotThere: boolean;
  /** Whether the provider does not have an object that the request names. */
  readonly isLost?: boolean;
  /** Whether it fails because of a test field in its body. */
  readonly isMocked?: boolean;
}

/** The only place that decides whose fault a failed attempt is, and whether its call continues. */
export function judge(thrown: unknown, attempt: JudgedAttempt): Failure {
  const { selection, cancelled, isOverCallersTime, isNotThere, isLost, isMocked } = attempt;
  if (cancelled !== undefined) return new Failure(cancelled, 'cancelled');
  if (thrown instanceof CallbackError) return new Failure(thrown.cause, 'caller');
  // The same hook would also guard another deployment.
  if (thrown instanceof CallDeniedError || thrown instanceof CallHookFailedError) return new Failure(thrown, 'caller');
  if (thrown instanceof UnsupportedRequestError) return new Failure(thrown, 'caller', { kind: 'bad_request', status: 400 });
  // A cheaper deployment or fallback may be within the budget.
  if (thrown instanceof BudgetExceededError) return new Failure(thrown, 'caller', { kind: 'bad_request', status: 429 });
  const { deployment, group } = selection;
  // Details are for the operator, not for the client.
  const error = thrown instanceof InvalidConfigurationError ? new DeploymentMisconfiguredError(group, [deployment.id], thrown) : thrown;
  const reason = reasonOf(error);
  if (reason === undefined) return new Failure(error, 'caller');
  if (error instanceof DeploymentMisconfiguredError) return new Failure(error, 'operator', reason);
  // For a `*`, the caller chose the model.
  const isUnknownModel = reason.kind === 'not_found' && deployment.model.includes('*');
  // The client must use another object, or send the conversation again.
  if (isLost === true || (reason.kind === 'bad_request' && reason.status === NOT_FOUND))
    return new Failure(error, 'caller', { ...reason, kind: 'bad_request' });
  if (isOverCallersTime || isUnknownModel || isNotThere || isMocked === true) return new Failure(error, 'caller', reason);
  const isPoolFull = error instanceof FastLiteLLMError && reason.kind === 'timeout';
  return new Failure(error, isPoolFull ? 'pool' : 'provider', reason);
}

const NOT_FOUND = 404;

/** Whether a limit, a budget or a hook forbade the call: no deployment has failed. */
export function isDenial(error: unknown): boolean {
  // Without `exceeded`, the store of the limits was unavailable.
  return error instanceof CallDeniedError || (error instanceof RateLimitExceededError && error.exceeded !== undefined);
}

/** The code of an error, else its name; not its message, which may quote a prompt. */
export function errorCodeOf(error: unknown): string {
  const { code, name } = (error ?? {}) as { readonly code?: unknown; readonly name?: unknown };
  return [code, name].find((each) => typeof each === 'string') ?? 'unknown';
}

const SELECTION_FAILURES: Readonly<Record<string, FailureReason & { readonly fault: Fault }>> = {
  ROUTER_RATE_LIMITED: { fault: 'provider', kind: 'rate_limit', status: 429 },
  CONTEXT_WINDOW_EXCEEDED: { fault: 'caller', kind: 'context_window', status: 400 },
  DEPLOYMENT_MISCONFIGURED: { fault: 'operator', kind: 'authentication', status: 503 },
  NO_DEPLOYMENT: { fault: 'caller', kind: 'not_found', status: 404 },
};

/** Judges why nothing was selected. @throws `error` if no fallback would help. */
export function judgeSelection(error: unknown): Failure {
  const { code = '', retryAfterMs } = error as { readonly code?: string; readonly retryAfterMs?: number };
  const known = Object.hasOwn(SELECTION_FAILURES, code) ? SELECTION_FAILURES[code] : undefined;
  if (known === undefined) throw error;
  const { fault, kind, status } = known;
  return new Failure(error, fault, { kind, status, retryAfterMs });
}

/** Anything but an answer counts as a gateway without an answer. */
const MALFORMED_STATUS = 502;

/** The failure as reported to the router. */
export function routerReport({ error, fault, reason }: Failure): FailureReport {
  // A `ProviderError` without an answer has the status for the client; its cause has the reason.
  const thrown = error instanceof ProviderError && error.providerStatus === undefined ? error.cause : error;
  return {
    status: reason?.kind === 'malformed' ? MALFORMED_STATUS : reason?.status,
    error: thrown,
    retryAfterMs: reason?.retryAfterMs,
    timeout: reason?.kind === 'timeout',
    misconfigured: fault === 'operator',
    contentPolicy: reason?.kind === 'content_policy',
  };
}

/**
 * Classifies an error: this package's `ProviderError`, errors of the OpenAI and Anthropic SDKs, of
 * the AI SDK, of axios, undici and Node. `undefined`: a mistake in the program, which no other
 * provider would correct.
 */
export function reasonOf(error: unknown): FailureReason | undefined {
  if (error instanceof ProviderError) return { kind: error.kind, status: error.providerStatus, retryAfterMs: error.retryAfterMs };
  if (error instanceof DeploymentMisconfiguredError || error instanceof InvalidConfigurationError) return { kind: 'authentication' };
  if (error instanceof FastLiteLLMError || !isObject(error)) {
    const kind = kindOfCode(error) ?? (isObject(error) && /TIMEOUT/.test(String(error.code)) ? 'timeout' : undefined);
    return kind === undefined ? undefined : { kind };
  }
  const response = isObject(error.response) ? error.response : undefined;
  const status = [error.status, error.statusCode, response?.status].find((value): value is number => typeof value === 'number');
  if (status !== undefined) {
    const headers = (error.headers ?? error.responseHeaders ?? response?.headers) as AnyHeaders;
    const words = [error.code, error.message, error.responseBody].filter((value) => typeof value === 'string').join(' ');
    return { kind: kindOfStatus(status, words), status, retryAfterMs: retryAfterOf(headers, Date.now()) };
  }
  const kind = kindOfCode(error);
  if (kind !== undefined) return { kind };
  return isMistake(error) ? undefined : { kind: 'server' };
}

/** `fetch failed` is a `TypeError` too, but has a cause. */
function isMistake(error: Readonly<Record<string, unknown>>): boolean {
  return (
    error.cause === undefined &&
    (error instanceof TypeError || error instanceof ReferenceError || error instanceof RangeError || error instanceof SyntaxError)
  );
}
