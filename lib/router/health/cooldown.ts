import type { Deployment } from '../deployments/deployment.js';
import { fallbacksIn } from '../fallback-order.js';
import type { ResolvedRouterSettings } from '../settings.js';
import type { DeploymentStates } from '../state/deployment-states.js';
import { CONNECTION_FAILED, countsAgainst, errorClassOf, type CallFailure } from './failures.js';

const FAILURE_SHARE = 0.5;
const FEWEST_REQUESTS = 5;
/**
 * Failures of one minute after which a lone deployment goes into cooldown, when no request
 * succeeded.
 */
const LONE_FAILURES = 1_000;
/** LiteLLM's default where a policy has no entry for an error. */
const DEFAULT_ALLOWED_FAILS = 3;

/** A failed call of a deployment. */
export interface FailedCall {
  readonly deployment: Deployment;
  readonly slot: number;
  /** Number of callable deployments in its model group. */
  readonly groupSize: number;
  readonly status: number;
  readonly failure: CallFailure;
  readonly nowMs: number;
}

/** The cooldown that a failure starts or extends. */
export interface StartedCooldown {
  readonly untilMs: number;
  /** Whether it was in cooldown already: calls in flight fail one after the other. */
  readonly isExtended: boolean;
}

/**
 * Records a failure and, if it is one too many, puts the deployment in cooldown. Returns the
 * cooldown; `undefined` if the deployment stays in rotation.
 */
export function recordFailure(call: FailedCall, states: DeploymentStates, settings: ResolvedRouterSettings): StartedCooldown | undefined {
  const timeMs = cooldownAfter(call, states, settings);
  if (timeMs <= 0) return undefined;
  const { slot, nowMs } = call;
  const untilMs = nowMs + timeMs;
  const isExtended = states.memory.coolingUntil[slot] > nowMs;
  states.cool(slot, untilMs);
  return { untilMs, isExtended };
}

/**
 * Counts a failure and returns how long the deployment goes into cooldown; 0 for not at all.
 * A wrong configuration cools it at once, other failures by `allowedFails` or the rule by share.
 */
function cooldownAfter(call: FailedCall, states: DeploymentStates, settings: ResolvedRouterSettings): number {
  const { deployment, slot, status, failure, nowMs } = call;
  if (failure.misconfigured === true) {
    states.addFailure(slot, nowMs);
    return settings.disableCooldowns ? 0 : (deployment.cooldownMs ?? settings.cooldownMs);
  }
  const counts = status === CONNECTION_FAILED ? settings.countConnectionErrors : countsAgainst(status);
  if (!counts) return 0;
  states.addFailure(slot, nowMs);
  const timeMs = deployment.cooldownMs ?? failure.retryAfterMs ?? settings.cooldownMs;
  if (settings.disableCooldowns || timeMs <= 0) return 0;
  const allowed = allowedFails(deployment, errorClassOf(status, failure.contentPolicy), settings);
  if (allowed !== undefined) {
    // As in LiteLLM, only an entry for the error puts the only deployment of a group into cooldown.
    if (call.groupSize <= 1 && !allowed.isForError && !hasFallback(settings, deployment.modelName)) return 0;
    return states.addFail(slot, timeMs, nowMs) > allowed.fails ? timeMs : 0;
  }
  return exceedsFailureShare(call, states) ? timeMs : 0;
}

/** The rule by share: a 429, 401 or 404, or more than half failed of at least 5 in the minute. */
function exceedsFailureShare({ slot, groupSize, status, nowMs }: FailedCall, states: DeploymentStates): boolean {
  const { successes, failures } = states.outcomesOf(slot, nowMs);
  const total = successes + failures;
  // Other requests would fail, too.
  if (status === 401 || status === 404) return true;
  if (groupSize <= 1) return successes === 0 && total >= LONE_FAILURES;
  if (status === 429) return true;
  return total >= FEWEST_REQUESTS && failures / total > FAILURE_SHARE;
}

/** Failures allowed before a cooldown, and whether an entry of a policy allows them. */
interface AllowedFails {
  readonly fails: number;
  readonly isForError: boolean;
}

/** `undefined` if the failure-rate rule applies. */
function allowedFails(deployment: Deployment, errorClass: string | undefined, settings: ResolvedRouterSettings): AllowedFails | undefined {
  // The deployment's own settings take precedence over those of the router.
  const ownOnly = deployment.allowedFailsPolicy === undefined && deployment.allowedFails !== undefined;
  const policy = ownOnly ? undefined : (deployment.allowedFailsPolicy ?? settings.allowedFailsPolicy);
  const own = errorClass === undefined ? undefined : policy?.[`${errorClass}AllowedFails`];
  if (own !== undefined) return { fails: own, isForError: true };
  const general = deployment.allowedFails ?? settings.allowedFails ?? (policy === undefined ? undefined : DEFAULT_ALLOWED_FAILS);
  return general === undefined ? undefined : { fails: general, isForError: false };
}

function hasFallback({ fallbacks, defaultFallbacks }: ResolvedRouterSettings, group: string): boolean {
  return defaultFallbacks.length > 0 || fallbacksIn(fallbacks.general, [group]).length > 0;
}
