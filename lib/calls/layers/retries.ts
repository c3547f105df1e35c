import type { ProviderFailureKind } from '../../common/provider-error.js';
import type { CallSettings, CallTarget } from '../call.js';
import type { Deployment } from '../call-router.js';
import type { CallView } from '../attempt.js';
import type { CallLayer } from './layer.js';
import { Failure } from '../failure.js';

/** Dependencies of retries. */
export interface RetrySettings extends CallSettings {
  readonly retryBudget: RetryBudget;
  /** From 0 to 1. */
  readonly random: () => number;
  /** Whether calls wait in a queue. */
  readonly waiting: object | undefined;
}

/**
 * Repeats a failed attempt within its priority tier: at once while another deployment of the tier
 * is healthy, otherwise after a wait. A deployment that is unfit for the request is left for
 * another one, which does not count as a retry. Ends with the last failure once the retries, the
 * attempts or the time of the call, or the retries of all calls together are used up.
 */
export function retries(client: RetrySettings): CallLayer {
  return (next) => async (view) => {
    const { call, after } = view;
    if (after === undefined && call.fallbacks === 0) client.retryBudget.deposit();
    const doneOrder = after?.tried.doneOrder;
    const failedIds: string[] = [];
    let last: Failure | undefined;
    let order: number | undefined;
    let at = view;
    for (let retry = 0; ; retry++) {
      const outcome = await next(at);
      if (!(outcome instanceof Failure)) return outcome;
      if (outcome.selection === undefined) return last ?? outcome;
      const { deployment } = outcome.selection;
      last = outcome;
      last.tierOrder = order ??= deployment.order;
      failedIds.push(deployment.id);
      if (call.isSpent) return last;
      const waitMs = waitMsBefore(retry, view, { client, last, deployment });
      if (waitMs === undefined) return last;
      if (waitMs > 0) {
        const beforeMs = performance.now();
        await view.cancellation.wait(waitMs);
        call.waitedMs += performance.now() - beforeMs;
        // On a busy event loop, the wait ends late.
        if (call.isSpent) return last;
      }
      if (!last.isUnsent) call.retries++;
      // An unsuitable deployment remains unsuitable.
      at = view.with({ after: { last, tried: { doneOrder, order, failedIds: [...failedIds], mayRepeat: !last.isUnfit } } });
    }
  };
}

/** An attempt that has failed. */
interface FailedOnce {
  readonly client: RetrySettings;
  readonly last: Failure;
  readonly deployment: Deployment;
}

/** How long to wait before the next retry, from 0; `undefined`: none is made. */
function waitMsBefore(retry: number, { call, target }: CallView, { client, last, deployment }: FailedOnce): number | undefined {
  const { isUnfit, reason } = last;
  const { router, retryBudget, now, random, waiting } = client;
  // As in LiteLLM, a deployment that is requested by its id is called only once.
  if (reason === undefined || isCalledById(target, deployment)) return undefined;
  const healthy = router.healthyCount(target.model, call.context);
  const healthyOthers = router.healthyCount(target.model, { ...call.context, excludeIds: [deployment.id] });
  // Nothing was sent, so trying another deployment is not a retry.
  if (isUnfit && healthyOthers > 0) return 0;
  const { retryPolicy, modelGroupRetryPolicy: ofGroups } = router.settings;
  const policy = Object.hasOwn(ofGroups, target.model) ? ofGroups[target.model] : retryPolicy;
  const isPolicyHeeded = deployment.numRetries === undefined;
  // If all deployments have returned 429, the queue waits for the first of them, unless there is a
  // fallback.
  const waits = waiting !== undefined && reason.kind === 'rate_limit' && call.alternatives?.().hasNext(target.model) !== true;
  const facts = {
    ...reason,
    healthy: waits ? Math.max(1, healthy) : healthy,
    healthyOthers,
    numRetries: call.retriesOn(deployment),
    policy: isPolicyHeeded ? policy : undefined,
  };
  if (retry >= retriesAllowed(facts)) return undefined;
  const { retryAfterMs } = reason;
  const waitMs = retryWaitMs(retry, { healthyOthers, retryAfterMs, leastMs: router.settings.retryAfterMs }, random());
  // A fallback answers sooner than a provider that sent `Retry-After`.
  if (waitMs > 0 && retryAfterMs !== undefined && call.alternatives?.().hasHealthy(target.model) === true) return undefined;
  if (!call.hasTimeFor(waitMs)) return undefined;
  if (retryBudget.withdraw(now())) return waitMs;
  call.isRetryDenied = true;
  return undefined;
}

function isCalledById({ model }: CallTarget, { id, modelName }: Deployment): boolean {
  return model === id && modelName !== model;
}

/** Keys of LiteLLM's `retry_policy` by kind of failure; the first one in the policy counts. */
const POLICY_NAMES: Readonly<Record<ProviderFailureKind, readonly string[]>> = {
  bad_request: ['BadRequestError'],
  context_window: ['BadRequestError'],
  content_policy: ['ContentPolicyViolationError', 'BadRequestError'],
  authentication: ['AuthenticationError'],
  not_found: ['NotFoundError'],
  timeout: ['TimeoutError'],
  rate_limit: ['RateLimitError'],
  server: ['InternalServerError'],
  connection: ['InternalServerError'],
  malformed: ['InternalServerError'],
};
/** Statuses for which LiteLLM has an error class of its own, or none. */
const NAMES_OF_STATUS: ReadonlyMap<number | undefined, readonly string[]> = new Map([
  [409, []],
  [502, ['BadGatewayError']],
  [503, ['ServiceUnavailableError']],
  [504, ['TimeoutError']],
]);
const DEFAULT_RETRIES = 'DefaultRetries';

/** Kinds for which the same request would fail again. */
const FINAL: ReadonlySet<ProviderFailureKind> = new Set(['bad_request', 'context_window', 'content_policy', 'not_found']);

/** Inputs of the decision to retry. */
export interface RetryFacts {
  readonly kind: ProviderFailureKind;
  /** Of the provider's answer, if there was one. */
  readonly status?: number;
  /** Healthy deployments of the group, the failed one included. */
  readonly healthy: number;
  /** Healthy deployments of the group, the failed one excluded. */
  readonly healthyOthers: number;
  /** Retries for kinds that the policy does not name. */
  readonly numRetries: number;
  /** The model group's policy, else the router's. Its entry for the kind replaces `numRetries`. */
  readonly policy?: Readonly<Record<string, unknown>> | null;
}

/** Returns how often a failed request may be sent again within its priority tier. */
export function retriesAllowed({ kind, status, healthy, healthyOthers, numRetries, policy }: RetryFacts): number {
  if (healthy === 0) return 0;
  const names = (NAMES_OF_STATUS.get(status) ?? POLICY_NAMES[kind]).map((name) => `${name}Retries`);
  const fromPolicy = [...names, DEFAULT_RETRIES].map((name) => policy?.[name]).find((count) => typeof count === 'number');
  if (fromPolicy !== undefined) return fromPolicy;
  if (kind === 'authentication' && healthyOthers === 0) return 0;
  return FINAL.has(kind) ? 0 : numRetries;
}

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 8000;
const JITTER_MS = 750;
const LONGEST_RETRY_AFTER_MS = 60_000;

/**
 * Returns the wait before a retry: none while another deployment is healthy, else the provider's
 * `Retry-After` up to a minute, else 0.5 s doubled up to 8 s, with up to 0.75 s of jitter. Never
 * less than `leastMs`. `retry` counts from 0, `random` is from 0 to 1.
 */
export function retryWaitMs(
  retry: number,
  facts: { readonly healthyOthers: number; readonly retryAfterMs?: number; readonly leastMs: number },
  random: number,
): number {
  if (facts.healthyOthers > 0) return 0;
  const { retryAfterMs, leastMs } = facts;
  if (retryAfterMs !== undefined && retryAfterMs > 0 && retryAfterMs <= LONGEST_RETRY_AFTER_MS) return Math.max(retryAfterMs, leastMs);
  return Math.max(Math.min(FIRST_DELAY_MS * 2 ** retry, LONGEST_DELAY_MS), leastMs) + random * JITTER_MS;
}

/**
 * Limits the retries of all calls together: a share of the calls, and a few per second in any case.
 * Without it retries would multiply the load on a provider that fails for everyone.
 */
export class RetryBudget {
  /** Maximum retry allowance: ten seconds of `perSecond`, and `ratio` of 100 calls. */
  private readonly capacity: number;
  private tokens: number;
  private atMs: number;
  /** Retries that it did not allow. */
  exhausted = 0;

  /** @param perSecond Retries per second that are allowed without any calls. */
  constructor(
    private readonly ratio: number,
    private readonly perSecond: number,
    nowMs: number,
  ) {
    this.capacity = perSecond * 10 + ratio * 100;
    this.tokens = this.capacity;
    this.atMs = nowMs;
  }

  /** Counts a call. */
  deposit(): void {
    if (this.tokens < this.capacity) this.tokens = Math.min(this.capacity, this.tokens + this.ratio);
  }

  /** Takes one retry from the budget; `false`: none is left. */
  withdraw(nowMs: number): boolean {
    // A clock that is set back adds nothing.
    const seconds = Math.max(0, nowMs - this.atMs) / 1000;
    this.atMs = nowMs;
    this.tokens = Math.min(this.capacity, this.tokens + seconds * this.perSecond);
    if (this.tokens < 1) {
      this.exhausted++;
      return false;
    }
    this.tokens -= 1;
    return true;
  }
}
