import type { Deployment } from '../deployments/deployment.js';
import type { DeploymentStates } from '../state/deployment-states.js';
import { CONNECTION_FAILED, countsAgainst, errorClassOf, type CallFailure } from './failures.js';
import { minuteOf } from '../state/memory.js';
import type { ResolvedRouterSettings } from '../settings.js';

const SHARE_THAT_COOLS = 0.5;
const FEWEST_REQUESTS = 5;
/** A lone deployment cools only when so many requests of a minute have all failed. */
const LONE_FAILURES = 1_000;
/** What LiteLLM lets pass where a policy says nothing of an error. */
const DEFAULT_ALLOWED_FAILS = 3;

/**
 * Records a failure, and says for how long the deployment is to be left alone: 0 for not at all.
 *
 * Only statuses that say something of the deployment count. By default, within a minute: a 429, 401 or 404, or more than half failed of at least 5; a lone
 * deployment only when 1,000 of 1,000 failed. `allowedFails` and its policy replace that rule. The time is the deployment's own, else what the answer asks
 * for, else the router's. What the configuration of the deployment is to blame for cools it at once.
 */
export function recordFailure(
  states: DeploymentStates,
  slot: number,
  deployment: Deployment,
  groupSize: number,
  status: number,
  failure: CallFailure,
  settings: ResolvedRouterSettings,
  nowMs: number,
): number {
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
  if (allowed !== undefined) return states.addFail(slot, timeMs, nowMs) > allowed ? timeMs : 0;
  return coolsByShare(states, slot, groupSize, status, nowMs) ? timeMs : 0;
}

function coolsByShare({ memory }: DeploymentStates, slot: number, groupSize: number, status: number, nowMs: number): boolean {
  const current = memory.minute[slot] === minuteOf(nowMs);
  const failures = current ? memory.failures[slot] : 0;
  const total = failures + (current ? memory.successes[slot] : 0);
  if (groupSize <= 1) return failures === total && total >= LONE_FAILURES;
  if (status === 429 || status === 401 || status === 404) return true;
  return total >= FEWEST_REQUESTS && failures / total > SHARE_THAT_COOLS;
}

/** How many failures pass; `undefined` where the rule by share decides. */
function allowedFails(deployment: Deployment, errorClass: string | undefined, settings: ResolvedRouterSettings): number | undefined {
  // What a deployment says goes before anything that is said of all.
  const ownOnly = deployment.allowedFailsPolicy === undefined && deployment.allowedFails !== undefined;
  const policy = ownOnly ? undefined : (deployment.allowedFailsPolicy ?? settings.allowedFailsPolicy);
  const general = deployment.allowedFails ?? settings.allowedFails;
  if (policy === undefined) return general;
  const own = errorClass === undefined ? undefined : policy[`${errorClass}AllowedFails`];
  return own ?? general ?? DEFAULT_ALLOWED_FAILS;
}
