// In a separate file, because these errors need Nest, which code without Nest must not load.
import { HttpException, type HttpExceptionOptions } from '@nestjs/common';
import { shortened } from './visible-text.js';
import { nanoUsd, usdText, type BudgetPeriod } from './nano-usd.js';

/** Details of a `RateLimitExceededError`. */
export interface RateLimitRefusal {
  /** Name of the limits that denied the request: in `rateLimit.limits`, or of a rule. */
  readonly limitName: string;
  /** The exceeded limit: `minute`, `tokens`; absent if the store was unavailable. */
  readonly exceeded?: string;
  /** The value of the limit. */
  readonly limit?: number;
  /** Time until the request would be allowed; absent if waiting does not help. */
  readonly retryAfterMs?: number;
  /** For `tokens`: the request's estimate; absent if the request was not counted. */
  readonly estimatedTokens?: number;
  /** For `tokens`: how much of the limit is used or reserved. */
  readonly usedTokens?: number;
}

/** Details of a `BudgetExceededError`. */
export interface BudgetRefusal {
  /** Name of the limits whose budget denied the request: in `rateLimit.limits`, or of a rule. */
  readonly limitName: string;
  readonly reason: 'budget_exhausted' | 'budget_held' | 'request_exceeds_budget';
  readonly period: BudgetPeriod;
  readonly limitUsd: number;
  readonly spentUsd: number;
  readonly heldUsd: number;
  /** The highest estimated cost of the request; absent if no price is known. */
  readonly estimatedUsd?: number;
  /** When the window ends; absent for a budget that never resets. */
  readonly resetsAt?: Date;
  /** For `budget_held`: time until calls in flight can have released their holds. */
  readonly retryAfterMs?: number;
}

/** OpenAI's error in the body of a response. */
interface ErrorBody extends Readonly<Record<string, unknown>> {
  readonly message: string;
  readonly type: string;
  readonly param: string | null;
  readonly code: string;
}

/** An error whose response has OpenAI's format. */
abstract class OpenAIShapedError extends HttpException {
  constructor(status: number, body: ErrorBody, options?: HttpExceptionOptions) {
    super({ error: body }, status, options);
    this.name = new.target.name;
    this.message = body.message;
  }
}

const REFUSED_BY: Readonly<Record<string, string>> = {
  second: 'requests per second',
  minute: 'requests per minute',
  hour: 'requests per hour',
  day: 'requests per day',
  window: 'requests in its window',
  tokens: 'tokens per minute',
  concurrency: 'concurrent requests',
};

/** A rate limit denied a request: 429 in OpenAI's format, or 503 if the store was unavailable. */
export class RateLimitExceededError extends OpenAIShapedError implements RateLimitRefusal {
  /** Stable, machine-readable. */
  readonly code: 'RATE_LIMIT_EXCEEDED' | 'RATE_LIMIT_UNAVAILABLE' | 'BUDGET_EXCEEDED';
  readonly limitName: string;
  readonly exceeded?: string;
  readonly limit?: number;
  readonly retryAfterMs?: number;
  readonly estimatedTokens?: number;
  readonly usedTokens?: number;

  constructor(refusal: RateLimitRefusal, budgetBody?: ErrorBody) {
    const { limitName, exceeded, limit, retryAfterMs, estimatedTokens, usedTokens } = refusal;
    super(exceeded === undefined ? 503 : 429, budgetBody ?? rateBody(refusal));
    this.code = budgetBody !== undefined ? 'BUDGET_EXCEEDED' : exceeded !== undefined ? 'RATE_LIMIT_EXCEEDED' : 'RATE_LIMIT_UNAVAILABLE';
    this.limitName = limitName;
    this.exceeded = exceeded;
    this.limit = limit;
    this.retryAfterMs = retryAfterMs;
    if (estimatedTokens !== undefined) this.estimatedTokens = estimatedTokens;
    if (usedTokens !== undefined) this.usedTokens = usedTokens;
  }
}

/**
 * A budget denied a request: 429 in OpenAI's format, with the type `budget_exceeded` and the reason
 * as its code. SDKs retry any 429, so the response has `x-should-retry: false` if waiting does not
 * help.
 */
export class BudgetExceededError extends RateLimitExceededError {
  readonly reason: BudgetRefusal['reason'];
  readonly limitUsd: number;
  readonly spentUsd: number;
  readonly heldUsd: number;
  readonly estimatedUsd?: number;
  readonly resetsAt?: Date;

  constructor(refusal: BudgetRefusal) {
    const { limitName, reason, limitUsd, spentUsd, heldUsd, estimatedUsd, resetsAt, retryAfterMs } = refusal;
    super({ limitName, exceeded: 'usd', limit: limitUsd, retryAfterMs }, budgetBody(refusal));
    this.reason = reason;
    this.limitUsd = limitUsd;
    this.spentUsd = spentUsd;
    this.heldUsd = heldUsd;
    if (estimatedUsd !== undefined) this.estimatedUsd = estimatedUsd;
    this.resetsAt = resetsAt;
  }
}

const PERIODS: Readonly<Record<BudgetPeriod, string>> = {
  day: 'USD a day',
  month: 'USD a month',
  window: 'USD in its window',
  total: 'USD in total',
};

function budgetBody(refusal: BudgetRefusal): ErrorBody {
  const { limitName, reason, period, limitUsd, spentUsd, heldUsd, estimatedUsd, resetsAt } = refusal;
  const [limit, spent, held, most] = [limitUsd, spentUsd, heldUsd, estimatedUsd ?? 0].map((usd) => usdText(nanoUsd(usd)));
  const estimate = estimatedUsd === undefined ? '' : `, and this request may cost up to ${most} USD`;
  const facts = `${limit} ${PERIODS[period]} (limit ${limitName}): ${spent} USD spent, ${held} USD held by requests in flight${estimate}.`;
  const message = {
    budget_exhausted: `Budget exceeded: ${facts}${resetsAt === undefined ? '' : ` It resets at ${resetsAt.toISOString()}.`}`,
    budget_held: `Budget exceeded for the moment: ${facts}`,
    request_exceeds_budget: `This request may cost more than the whole budget of ${facts} A smaller max_tokens lowers its maximum cost.`,
  }[reason];
  const figures = { limit_usd: limitUsd, spent_usd: spentUsd, held_usd: heldUsd, estimated_usd: estimatedUsd };
  const details = { scope: limitName, ...figures, resets_at: resetsAt?.toISOString() };
  return { message, type: 'budget_exceeded', param: null, code: reason, ...details };
}

function rateBody({ limitName, exceeded, limit, retryAfterMs, estimatedTokens, usedTokens }: RateLimitRefusal): ErrorBody {
  const seconds = retryAfterMs === undefined ? undefined : Math.ceil(retryAfterMs / 1000);
  const wait = seconds === undefined ? '' : ` Please try again in ${seconds} s.`;
  const known = exceeded !== undefined;
  const message = known
    ? `Rate limit reached: ${limit} ${REFUSED_BY[exceeded]} (${limitName})${tokenFacts(usedTokens, estimatedTokens)}.${wait}`
    : `The rate limit (${limitName}) cannot be checked at the moment.${wait}`;
  const type = !known ? 'server_error' : exceeded === 'tokens' ? 'tokens' : 'requests';
  const code = known ? 'rate_limit_exceeded' : 'rate_limit_unavailable';
  const figures = {
    ...(usedTokens !== undefined && { used_tokens: usedTokens }),
    ...(estimatedTokens !== undefined && { estimated_tokens: estimatedTokens }),
  };
  return { message, type, param: null, code, ...figures };
}

function tokenFacts(used: number | undefined, estimated: number | undefined): string {
  const facts = [used !== undefined && `${used} used or reserved`, estimated !== undefined && `this request may need ${estimated}`];
  const known = facts.filter((fact) => fact !== false);
  return known.length === 0 ? '' : `: ${known.join(', and ')}`;
}

/** Why the API key of a request is not accepted. */
export type ApiKeyRefusal =
  | 'missing'
  | 'unknown'
  | 'expired'
  | 'blocked'
  | 'team_blocked'
  | 'user_blocked'
  | 'customer_blocked'
  | 'route_not_allowed'
  | 'not_admin'
  | 'unavailable';

/** Status, `code` of the error, `code` of the body, message. */
const API_KEY_ANSWERS = {
  missing: [401, 'API_KEY_MISSING', 'invalid_api_key', 'No API key provided: send it as Authorization: Bearer <key>.'],
  unknown: [401, 'API_KEY_UNKNOWN', 'invalid_api_key', 'Incorrect API key provided.'],
  expired: [401, 'API_KEY_EXPIRED', 'api_key_expired', 'The API key has expired.'],
  blocked: [403, 'API_KEY_BLOCKED', 'api_key_blocked', 'The API key is blocked.'],
  team_blocked: [403, 'API_KEY_BLOCKED', 'team_blocked', 'The team of the API key is blocked.'],
  user_blocked: [403, 'API_KEY_BLOCKED', 'user_blocked', 'The user of the API key is blocked.'],
  customer_blocked: [403, 'API_KEY_BLOCKED', 'customer_blocked', 'The end user of the request is blocked.'],
  route_not_allowed: [403, 'API_KEY_ROUTE_NOT_ALLOWED', 'route_not_allowed', 'The API key cannot be used for this route.'],
  not_admin: [403, 'API_KEY_NOT_ADMIN', 'master_key_required', 'This operation requires the master key.'],
  unavailable: [503, 'API_KEY_STORE_UNAVAILABLE', 'api_key_store_unavailable', 'API keys cannot be checked at the moment.'],
} as const satisfies Readonly<Record<ApiKeyRefusal, readonly [number, string, string, string]>>;
/** When clients should retry while the key store is unavailable. */
const API_KEY_RETRY_MS = 1_000;

/** An API key is not accepted: 401, 403 or, if the store is unavailable, 503 in OpenAI's format. */
export class ApiKeyError extends OpenAIShapedError {
  /** Stable, machine-readable. */
  readonly code: (typeof API_KEY_ANSWERS)[ApiKeyRefusal][1];
  /** For `unavailable`. */
  readonly retryAfterMs?: number;

  /**
   * @param options `header`: the only header that keys are read from. Default: LiteLLM's headers.
   */
  constructor(
    readonly reason: ApiKeyRefusal,
    options: { readonly cause?: unknown; readonly header?: string } = {},
  ) {
    const [status, code, bodyCode, usual] = API_KEY_ANSWERS[reason];
    const isInOwnHeader = reason === 'missing' && options.header !== undefined;
    const message = isInOwnHeader ? `No API key provided: send it in the header ${options.header}.` : usual;
    const type = status === 503 ? 'server_error' : 'invalid_request_error';
    super(status, { message, type, param: null, code: bodyCode }, options);
    this.code = code;
    if (reason === 'unavailable') this.retryAfterMs = API_KEY_RETRY_MS;
  }
}

/** The caller is not allowed to call this model: 403 in OpenAI's format. */
export class ModelNotAllowedError extends OpenAIShapedError {
  /** Stable, machine-readable. */
  readonly code = 'MODEL_NOT_ALLOWED';

  /** @param param the field of the body that names the model */
  constructor(
    readonly model: string,
    param = 'model',
  ) {
    const message = `This API key may not call the model ${shortened(model)}${param === 'model' ? '' : ` (${shortened(param)})`}.`;
    super(403, { message, type: 'invalid_request_error', param, code: 'model_not_allowed' });
  }
}

/** Reasons of a `NoDeploymentError`. */
export type NoDeploymentReason = 'unknown_model' | 'tags' | 'blocked' | 'excluded' | 'refused_by_strategy';

const NO_DEPLOYMENT: Readonly<Record<NoDeploymentReason, string>> = {
  unknown_model: 'it is not in the model list',
  tags: 'not allowed to access the model due to tags configuration',
  blocked: 'all of its deployments are blocked',
  excluded: 'all of its deployments have been tried',
  refused_by_strategy: "the app's strategy selected none of its deployments",
};

/** No deployment can answer this request: 404 in OpenAI's format. */
export class NoDeploymentError extends OpenAIShapedError {
  /** Stable, machine-readable. */
  readonly code = 'NO_DEPLOYMENT';

  constructor(
    readonly model: string,
    /** Why no deployment fits. */
    readonly reason: NoDeploymentReason,
  ) {
    const message = `No deployment available for the model ${shortened(model)}: ${NO_DEPLOYMENT[reason]}.`;
    super(404, { message, type: 'invalid_request_error', param: 'model', code: 'model_not_found' });
  }
}

/**
 * The configuration of a model's deployments is invalid: 503 in OpenAI's format. `cause` has the
 * details, which the client does not receive.
 */
export class DeploymentMisconfiguredError extends OpenAIShapedError {
  /** Stable, machine-readable. */
  readonly code = 'DEPLOYMENT_MISCONFIGURED';

  constructor(
    readonly model: string,
    /** The ids of the deployments. */
    readonly deploymentIds: readonly string[],
    cause?: Error,
  ) {
    const message = `The model ${shortened(model)} cannot be called at the moment; the operator must correct its configuration.`;
    super(503, { message, type: 'server_error', param: null, code: 'deployment_misconfigured' }, { cause });
  }
}

/** A limit of a deployment: `max_parallel_requests`, rpm, tpm, or one reported by its provider. */
export type ReachedLimit = 'concurrency' | 'requests' | 'tokens' | 'quota';

/** All deployments of a model are in cooldown or at their own limit: 429 in OpenAI's format. */
export class RouterRateLimitError extends OpenAIShapedError {
  /** Stable, machine-readable. */
  readonly code = 'ROUTER_RATE_LIMITED';
  /** Time until the first of them is eligible again; absent if unknown. */
  readonly retryAfterMs?: number;
  /** The limits that deployments have reached; empty if all of them are in cooldown. */
  readonly reached: readonly ReachedLimit[];

  constructor(
    readonly model: string,
    retryAfterMs: number | undefined,
    /** Ids of the deployments in cooldown. */
    readonly cooldownList: readonly string[],
    why?: string,
    reached: readonly ReachedLimit[] = [],
  ) {
    const wait = retryAfterMs === undefined ? '' : `, Try again in ${Math.ceil(retryAfterMs / 1000)} seconds`;
    const named = cooldownList.length > 20 ? [...cooldownList.slice(0, 20), '…'] : cooldownList;
    const cause = why ?? 'No deployments available for selected model';
    const message = `${cause}${wait}. Passed model=${shortened(model)}. cooldown_list=[${named.join(', ')}]`;
    super(429, { message, type: 'requests', param: null, code: 'rate_limit_exceeded' });
    this.retryAfterMs = retryAfterMs;
    this.reached = reached;
  }
}

/** Why a call did not get a place in the queue of `LlmClient`, or left it. */
export type QueueRefusal = 'queue_full' | 'queue_timeout';

const QUEUE_REFUSALS: Readonly<Record<QueueRefusal, { readonly code: 'QUEUE_FULL' | 'QUEUE_TIMEOUT'; readonly words: string }>> = {
  queue_full: { code: 'QUEUE_FULL', words: 'too many requests are already waiting' },
  queue_timeout: { code: 'QUEUE_TIMEOUT', words: 'no deployment became available in time' },
};

/** A call could not wait any longer for a deployment: 429 in OpenAI's format. Nothing was sent. */
export class CallQueueError extends OpenAIShapedError {
  /** Stable, machine-readable. */
  readonly code: 'QUEUE_FULL' | 'QUEUE_TIMEOUT';

  constructor(
    refusal: QueueRefusal,
    readonly model: string,
    /** Estimated time until the calls that are waiting now have left the queue: 1 to 60 s. */
    readonly retryAfterMs: number,
  ) {
    const { code, words } = QUEUE_REFUSALS[refusal];
    const message = `The model ${shortened(model)} is busy: ${words}. Please try again in ${Math.ceil(retryAfterMs / 1000)} s.`;
    super(429, { message, type: 'requests', param: null, code: refusal });
    this.code = code;
  }
}

/** The input exceeds the context window of every deployment: 400 in OpenAI's format. */
export class ContextWindowExceededError extends OpenAIShapedError {
  /** Stable, machine-readable. */
  readonly code = 'CONTEXT_WINDOW_EXCEEDED';

  constructor(
    readonly model: string,
    /** The largest window. */
    readonly maxInputTokens: number,
    readonly inputTokens: number,
  ) {
    const message = `Context window exceeded. Model=${shortened(model)}, Max Input Tokens=${maxInputTokens}, Got=${inputTokens}`;
    super(400, { message, type: 'invalid_request_error', param: 'messages', code: 'context_length_exceeded' });
  }
}

/** Maximum length of a field or a reason, because both can repeat parts of a body. */
const LONGEST_PART = 1000;

/** Details of an `UnsupportedRequestError`. */
export interface UnsupportedRequest {
  /** Path of the field in the body: `n`, `messages[2].content[0]`. Absent: the whole operation. */
  readonly param?: string;
  /** The deployment's provider: `anthropic`, `gemini`. */
  readonly provider: string;
  /** The unsupported feature, as a clause: `claude-3 does not support thinking`. */
  readonly reason: string;
  /** Advice for the client or operator. */
  readonly remedy: string;
  /** `details` of the error, which tell a client how to resend the request. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/**
 * The deployment's provider does not support the request: 400 in OpenAI's format. Nothing was sent
 * and no failure is recorded against a deployment; other deployments and fallbacks are tried.
 */
export class UnsupportedRequestError extends OpenAIShapedError implements UnsupportedRequest {
  /** Stable, machine-readable. */
  readonly code: 'UNSUPPORTED_PARAMETER' | 'UNSUPPORTED_OPERATION';
  readonly param?: string;
  readonly provider: string;
  readonly reason: string;
  readonly remedy: string;
  readonly details?: Readonly<Record<string, unknown>>;

  constructor(unsupported: UnsupportedRequest) {
    const { provider, remedy: remedy, details } = unsupported;
    const param = unsupported.param === undefined ? undefined : shortened(unsupported.param, LONGEST_PART);
    const reason = shortened(unsupported.reason, LONGEST_PART);
    const code = param === undefined ? 'UNSUPPORTED_OPERATION' : 'UNSUPPORTED_PARAMETER';
    const message = `${param === undefined ? '' : `${param} is not supported: `}${reason}; ${remedy}.`;
    const error = { message, type: 'invalid_request_error', param: param ?? null, code: code.toLowerCase() };
    super(400, details === undefined ? error : { ...error, details });
    this.code = code;
    this.param = param;
    this.provider = provider;
    this.reason = reason;
    this.remedy = remedy;
    this.details = details;
  }
}

/** A call hook denied a request or an answer: 400 in OpenAI's format. */
export class CallDeniedError extends OpenAIShapedError {
  /** Stable, machine-readable. The code in the body is the one that the hook set. */
  readonly code = 'CALL_DENIED';
  /** The error for a client, as in the response's body. */
  readonly error: HookErrorBody;

  /**
   * @param code the code in the body. Default `request_denied`.
   * @param details `provider_specific_fields` of the body
   */
  constructor(message: string, code = 'request_denied', details?: HookErrorBody['provider_specific_fields']) {
    const error = { message, type: 'invalid_request_error', param: null, code, ...(details && { provider_specific_fields: details }) };
    super(400, error);
    this.error = error;
  }
}

/** A guardrail denied a request or an answer: 400 in the shape of LiteLLM. */
export class GuardrailDeniedError extends CallDeniedError {
  /** @param details details of its type; never the text */
  constructor(
    message: string,
    /** `guardrail_name` */
    readonly guardrail: string,
    readonly mode: string,
    details: Readonly<Record<string, unknown>> = {},
  ) {
    super(message, '400', { ...details, guardrail_name: guardrail, guardrail_mode: mode });
  }
}

/**
 * A guarding call hook failed, so the unchecked content was rejected: 503 in OpenAI's format.
 * `cause` has the hook's own error, which the client does not receive.
 */
export class CallHookFailedError extends OpenAIShapedError {
  /** Stable, machine-readable. */
  readonly code = 'CALL_HOOK_FAILED';
  /** The error for a client, as in the response's body. */
  readonly error: HookErrorBody;

  constructor(
    /** The class of the hook, or the name of the guardrail. */
    readonly hook: string,
    cause: unknown,
    details?: HookErrorBody['provider_specific_fields'],
  ) {
    const message = 'The request could not be checked at the moment.';
    const error = {
      message,
      type: 'server_error',
      param: null,
      code: 'call_hook_failed',
      ...(details && { provider_specific_fields: details }),
    };
    super(503, error, { cause });
    this.error = error;
  }
}

interface HookErrorBody {
  readonly message: string;
  readonly type: string;
  readonly param: null;
  readonly code: string;
  /** LiteLLM's field for the name and the mode of a guardrail. */
  readonly provider_specific_fields?: Readonly<Record<string, unknown>>;
}
