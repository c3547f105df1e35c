import type { Deployment } from '../deployments/deployment.js';
import type { RoutingContext } from '../routing-context.js';
import { minuteOf } from '../state/deployment-states.js';
import { ineligibilityOf, Ineligibility, type Scan } from './eligibility.js';
import type { DeploymentState, ExclusionReason, RoutingExplanation } from './explanation.js';
import { isNamed, type ModelGroup } from './model-group.js';
import { targetOf } from './name-resolution.js';
import { membersOf, type Placed } from './priority-tier.js';
import type { RouterCore } from './router-core.js';
import type { RouterVersion } from './router-version.js';
import { BY_NAME, strategyNamed } from './strategies/registry.js';

const REASONS: Readonly<Record<Ineligibility, ExclusionReason | undefined>> = {
  [Ineligibility.none]: undefined,
  [Ineligibility.cooldown]: 'cooling',
  [Ineligibility.unhealthy]: 'unhealthy',
  [Ineligibility.concurrency]: 'concurrency',
  [Ineligibility.requests]: 'requests',
  [Ineligibility.tokens]: 'tokens',
  [Ineligibility.contextWindow]: 'context_window',
};

/**
 * Explains which deployment a request would get, and why the others are not eligible. Books
 * nothing.
 */
export function explainRouting(
  core: RouterCore,
  model: string,
  context: RoutingContext = {},
  version: RouterVersion = core.current,
): RoutingExplanation {
  const destination = version.names.find(model);
  if (destination === null) return { model, chosen: null, deployments: [] };
  const { group, route, captures } = destination;
  const chosen = version.peek(model, context, false)?.id ?? null;
  const nowMs = core.now();
  const strategy = strategyNamed(context.strategy) ?? group.strategy;
  const isCustom = typeof strategy === 'function';
  const inputTokens = version.inputTokens(model, context);
  const { respectsLimits } = BY_NAME[isCustom ? 'simple_shuffle' : strategy];
  const { enablePreCallChecks, sampleTtlMs } = version.settings;
  const modelOf = ({ deployment }: Placed): string => targetOf(deployment, captures);
  const cost = { inputTokens, maxTokens: context.maxTokens ?? 0 };
  const quotaWaitMs = (entry: Placed): number => version.quotas?.find(entry.deployment, modelOf(entry))?.waitMs(cost, nowMs) ?? 0;
  const scan = {
    memory: core.memory,
    members: membersOf(group.placed),
    nowMs,
    minute: minuteOf(nowMs),
    inputTokens,
    limited: true,
    limits: enablePreCallChecks === true || respectsLimits,
    anyHealth: false,
    sampleTtlMs,
  };
  const reasons = reasonsOf(core, group, context, scan).map((reason, position) =>
    reason === undefined && quotaWaitMs(group.placed[position]) > 0 ? 'quota' : reason,
  );
  const eligible = group.placed.filter((_, position) => reasons[position] === undefined);
  const lowest = eligible.reduce((least, { deployment }) => Math.min(least, deployment.order), Infinity);
  const deployments = group.placed.map((entry, position) => {
    const reason = reasons[position] ?? (entry.deployment.order > lowest ? 'order' : undefined);
    return { ...stateOf(core, entry, nowMs, modelOf(entry)), eligible: reason === undefined, ...(reason && { reason }) };
  });
  return { model, route, group: group.name, strategy: isCustom ? 'custom' : strategy, chosen, deployments };
}

/** Returns the current state of a deployment. @param model The one that is called */
export function stateOf(core: RouterCore, { deployment, slot }: Placed, nowMs: number, model: string = deployment.model): DeploymentState {
  const { memory, latencies, firstTokens } = core.states;
  const minute = minuteOf(nowMs);
  const { lastFailure } = deployment.outcomes;
  const quota = core.quotas?.find(deployment, model)?.state(nowMs);
  return {
    id: deployment.id,
    group: deployment.modelName,
    model: deployment.model,
    state: nameOfState(core, { deployment, slot }, nowMs),
    ...(deployment.uncallable && { uncallable: deployment.uncallable }),
    coolingForMs: Math.max(memory.coolingUntil[slot] - nowMs, 0),
    ...(lastFailure && { lastFailure: { cause: lastFailure.cause, agoMs: nowMs - lastFailure.atMs } }),
    inFlight: memory.inFlightOf(slot),
    requests: memory.requestsOf(slot, minute),
    tokens: memory.tokensOf(slot, minute),
    ...core.states.outcomesOf(slot, nowMs),
    latencyMs: latencies.meanOf(slot, nowMs),
    timeToFirstTokenMs: firstTokens.meanOf(slot, nowMs),
    ...(quota && { quota }),
  };
}

function nameOfState({ memory, budgets }: RouterCore, { deployment, slot }: Placed, nowMs: number): DeploymentState['state'] {
  if (deployment.uncallable !== undefined) return 'uncallable';
  if (deployment.blocked) return 'blocked';
  if (memory.coolingUntil[slot] > nowMs) return budgets.overUntil(deployment.id, nowMs) > nowMs ? 'over_budget' : 'cooling';
  return memory.unhealthyUntil[slot] > nowMs ? 'unhealthy' : 'available';
}

/**
 * Returns the reason for each deployment of the group; `undefined` if it is eligible but for its
 * `order`.
 */
function reasonsOf(core: RouterCore, group: ModelGroup, context: RoutingContext, scan: Scan): (ExclusionReason | undefined)[] {
  const fitting = new Set(group.placedFor(context));
  const [blocked, excluded] = [new Set(context.blockedModels), new Set(context.excludeIds)];
  const ownReasonOf = (entry: Placed): ExclusionReason | undefined => {
    const deployment: Deployment = entry.deployment;
    if (isNamed(blocked, deployment)) return 'blocked';
    if (deployment.uncallable !== undefined) return 'uncallable';
    if (deployment.blocked) return 'limit_is_0';
    if (!fitting.has(entry)) return 'tags';
    return excluded.has(deployment.id) ? 'excluded' : undefined;
  };
  const own = group.placed.map(ownReasonOf);
  // Failed health checks alone never leave a group without deployments.
  const isHealthyLeft = own.some((reason, position) => reason === undefined && ineligibilityOf(scan, position) === Ineligibility.none);
  const asScanned = { ...scan, anyHealth: !isHealthyLeft };
  return own.map((reason, position) => {
    if (reason !== undefined) return reason;
    const found = REASONS[ineligibilityOf(asScanned, position)];
    const isOverBudget = core.budgets.overUntil(group.placed[position].deployment.id, scan.nowMs) > scan.nowMs;
    return found === 'cooling' && isOverBudget ? 'budget' : found;
  });
}
