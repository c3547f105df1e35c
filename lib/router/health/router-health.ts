import type { CapabilityHealth } from '../../common/capability.js';
import type { DeploymentState } from '../selection/explanation.js';

const NAMED_GROUPS = 5;

/** Inputs of a router's health. */
interface RouterState {
  /** That of its engine. */
  readonly engine: CapabilityHealth;
  readonly deployments: readonly DeploymentState[];
  /** Why it decides without the other processes; `undefined`: it does not. */
  readonly aloneBecause: string | undefined;
  /** The state that it shares with them, if it does. */
  readonly shared: { health(): Partial<CapabilityHealth> } | undefined;
}

/** The router's fields of a health report. */
export function routerHealth({ engine, deployments, aloneBecause, shared }: RouterState): CapabilityHealth {
  const own = { ...engine, ...countsOf(deployments) };
  if (own.status === 'down') return own;
  const outage = outageOf(deployments);
  if (outage !== undefined) return { ...own, ...outage };
  if (aloneBecause !== undefined) return { ...own, status: 'degraded', reason: aloneBecause };
  return own.status === 'ok' ? { ...own, ...shared?.health() } : own;
}

/**
 * Returns `down` when no model group has an available deployment, `degraded` when one group has
 * none or a deployment cannot be called. Deployments that are blocked by their own limits do not
 * count. `undefined` otherwise.
 */
export function outageOf(states: readonly DeploymentState[]): Pick<CapabilityHealth, 'status' | 'reason'> | undefined {
  const out = groupsOut(states);
  const uncallable = uncallableReason(states);
  if (out === undefined) return uncallable === undefined ? undefined : { status: 'degraded', reason: uncallable };
  return { ...out, reason: uncallable === undefined ? out.reason : `${out.reason}; ${uncallable}` };
}

/** Counts all deployments, and those that are available. */
function countsOf(states: readonly DeploymentState[]): Readonly<Record<string, number>> {
  const count = (wanted: DeploymentState['state']): number => states.filter(({ state }) => state === wanted).length;
  const uncallable = count('uncallable');
  return { deployments: states.length, available: count('available'), ...(uncallable > 0 && { uncallable }) };
}

function groupsOut(states: readonly DeploymentState[]): { readonly status: 'down' | 'degraded'; readonly reason: string } | undefined {
  const left = new Map<string, number>();
  for (const { group, state } of states) {
    if (state !== 'blocked' && state !== 'uncallable') left.set(group, (left.get(group) ?? 0) + (state === 'available' ? 1 : 0));
  }
  const out = [...left].filter(([, count]) => count === 0).map(([group]) => group);
  if (out.length === 0) return undefined;
  if (out.length === left.size) return { status: 'down', reason: 'no deployment available: all are in cooldown or unhealthy' };
  const more = out.length > NAMED_GROUPS ? ` and ${out.length - NAMED_GROUPS} more` : '';
  return { status: 'degraded', reason: `no deployment available in ${out.slice(0, NAMED_GROUPS).join(', ')}${more}` };
}

/** Names the deployments that cannot be called. */
function uncallableReason(states: readonly DeploymentState[]): string | undefined {
  const named = states.filter(({ state }) => state === 'uncallable').map(({ id, uncallable }) => `${id} (${uncallable?.reason})`);
  if (named.length === 0) return undefined;
  const more = named.length > NAMED_GROUPS ? ` and ${named.length - NAMED_GROUPS} more` : '';
  return `${named.length} of ${states.length} deployments cannot be called: ${named.slice(0, NAMED_GROUPS).join(', ')}${more}`;
}
