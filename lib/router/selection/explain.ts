import type { Uncallable } from '../deployments/callability.js';
import type { Route } from '../deployments/name-resolution.js';
import type { Deployment } from '../deployments/deployment.js';
import { isNamed } from '../deployments/group.js';
import { factsOf, type Placed } from '../deployments/priority-tier.js';
import { minuteOf } from '../state/memory.js';
import { firstTokenOf, latencyOf, respectsLimits, Standing, standingOf, usageOf } from './eligibility.js';
import { Order, orderOf, strategyNamed, type RoutingStrategy } from './strategies/strategies.js';
import type { Routing } from './router-core.js';
import type { RoutingContext } from '../routing-context.js';

/** Why a deployment would not be chosen. */
export type ExclusionReason =
  | 'blocked'
  | 'uncallable'
  | 'excluded'
  | 'limit_is_0'
  | 'tags'
  | 'order'
  | 'cooling'
  | 'budget'
  | 'unhealthy'
  | 'concurrency'
  | 'requests'
  | 'tokens'
  | 'context_window';

/** How a deployment stands. No key, header or credential is in it. */
export interface DeploymentState {
  readonly id: string;
  readonly group: string;
  readonly model: string;
  readonly state: 'available' | 'cooling' | 'over_budget' | 'unhealthy' | 'blocked' | 'uncallable';
  /** Of one that cannot be called: why, and what its operator can do. */
  readonly uncallable?: Uncallable;
  /** Rest of the cooldown in milliseconds. */
  readonly coolingForMs: number;
  /** Requests in flight. */
  readonly inFlight: number;
  /** Of this minute. */
  readonly requests: number;
  readonly tokens: number;
  readonly successes: number;
  readonly failures: number;
  /** Means of the last samples; 0 without any, and once the newest is older than `strategyOptions.sampleTtlMs`. */
  readonly latencyMs: number;
  readonly timeToFirstTokenMs: number;
}

/** What `explain` says of a choice. */
export interface RoutingExplanation {
  readonly model: string;
  /** How the name led to the group; absent when it leads nowhere. */
  readonly route?: Route;
  readonly group?: string;
  readonly strategy?: RoutingStrategy | 'custom';
  /** The deployment that a request would get now; of those that are equal, one. */
  readonly chosen: string | null;
  /** All deployments of the group. */
  readonly deployments: readonly (DeploymentState & { readonly eligible: boolean; readonly reason?: ExclusionReason })[];
}

const REASONS: Readonly<Record<Standing, ExclusionReason | undefined>> = {
  [Standing.free]: undefined,
  [Standing.cooling]: 'cooling',
  [Standing.unhealthy]: 'unhealthy',
  [Standing.concurrency]: 'concurrency',
  [Standing.requests]: 'requests',
  [Standing.tokens]: 'tokens',
  [Standing.context]: 'context_window',
};

/** Why a request would get the deployment that it would get, and none of the others. Books nothing. */
export function explainRouting(routing: Routing, model: string, context: RoutingContext = {}): RoutingExplanation {
  const destination = routing.find(model);
  if (destination === null) return { model, chosen: null, deployments: [] };
  const { group, route } = destination;
  const nowMs = routing.now();
  const chosen = routing.peek(model, context, false)?.id ?? null;
  const own = strategyNamed(context.strategy) ?? group.strategy;
  const strategy = typeof own === 'function' ? 'custom' : own;
  const order = strategy === 'custom' ? Order.shuffle : orderOf(strategy, context.stream === true);
  const reasonOf = reasons(routing, group.placed, order, model, context, nowMs);
  const eligible = group.placed.filter((entry) => reasonOf(entry) === undefined);
  const lowest = eligible.reduce((least, { deployment }) => Math.min(least, deployment.order), Infinity);
  const deployments = group.placed.map((entry) => {
    const reason = reasonOf(entry) ?? (entry.deployment.order > lowest ? 'order' : undefined);
    return { ...stateOf(routing, entry, nowMs), eligible: reason === undefined, ...(reason && { reason }) };
  });
  return { model, route, group: group.name, strategy, chosen, deployments };
}

/** How a deployment stands at the moment. */
export function stateOf(routing: Routing, { deployment, slot }: Placed, nowMs: number): DeploymentState {
  const { memory } = routing;
  const { sampleTtlMs } = routing.settings;
  const minute = minuteOf(nowMs);
  const current = memory.minute[slot] === minute;
  const out = memory.coolingUntil[slot] > nowMs;
  const cooling = out && (routing.budgets.overUntil(deployment.id, nowMs) > nowMs ? 'over_budget' : 'cooling');
  const unhealthy = memory.unhealthyUntil[slot] > nowMs;
  return {
    id: deployment.id,
    group: deployment.modelName,
    model: deployment.model,
    state: standingState(deployment) ?? (cooling || (unhealthy ? 'unhealthy' : 'available')),
    ...(deployment.uncallable && { uncallable: deployment.uncallable }),
    coolingForMs: Math.max(memory.coolingUntil[slot] - nowMs, 0),
    inFlight: memory.inFlightOf(slot),
    ...usageOf(memory, slot, minute),
    successes: current ? memory.successes[slot] : 0,
    failures: current ? memory.failures[slot] : 0,
    latencyMs: latencyOf(memory, slot, nowMs, sampleTtlMs),
    timeToFirstTokenMs: firstTokenOf(memory, slot, nowMs, sampleTtlMs),
  };
}

/** What its own settings make of it, whatever happens. */
function standingState({ uncallable, blocked }: Deployment): DeploymentState['state'] | undefined {
  if (uncallable !== undefined) return 'uncallable';
  return blocked ? 'blocked' : undefined;
}

function reasons(
  routing: Routing,
  placed: readonly Placed[],
  order: Order,
  model: string,
  context: RoutingContext,
  nowMs: number,
): (entry: Placed) => ExclusionReason | undefined {
  const group = routing.find(model)?.group;
  const selected = new Set(group?.selected(context.tags, context.blockedModels));
  const [blocked, excluded] = [new Set(context.blockedModels), new Set(context.excludeIds)];
  const limits = routing.settings.enablePreCallChecks === true || respectsLimits(order);
  const inputTokens = routing.inputTokens(model, context);
  const members = { slots: Int32Array.from(placed, ({ slot }) => slot), facts: factsOf(placed) };
  const positions = new Map(placed.map((entry, position) => [entry, position]));
  const standing = (entry: Placed, anyHealth: boolean): Standing =>
    standingOf(routing.memory, members, positions.get(entry) ?? 0, nowMs, inputTokens, limits, anyHealth);
  // Failed health checks alone never leave nobody.
  const usable = (entry: Placed): boolean => selected.has(entry) && entry.deployment.isSelectable && !excluded.has(entry.deployment.id);
  const anyHealth = !placed.some((entry) => usable(entry) && standing(entry, false) === Standing.free);
  return (entry) => {
    const deployment: Deployment = entry.deployment;
    if (isNamed(blocked, deployment)) return 'blocked';
    if (deployment.uncallable !== undefined) return 'uncallable';
    if (deployment.blocked) return 'limit_is_0';
    if (!selected.has(entry)) return 'tags';
    if (excluded.has(deployment.id)) return 'excluded';
    const reason = REASONS[standing(entry, anyHealth)];
    return reason === 'cooling' && routing.budgets.overUntil(deployment.id, nowMs) > nowMs ? 'budget' : reason;
  };
}
