import type { CapabilityHealth } from '../common/capability.js';
import type { DeploymentState } from './explanation.js';

const NAMED_GROUPS = 5;

/**
 * Whether deployments are left that requests can be sent to: `down` when no group has any, `degraded` when one has none. Those that are blocked by their
 * own settings do not count. Nothing when all is well, or nothing is configured.
 */
export function outageOf(states: readonly DeploymentState[]): Pick<CapabilityHealth, 'status' | 'reason'> | undefined {
  const left = new Map<string, number>();
  for (const { group, state } of states) {
    if (state !== 'blocked') left.set(group, (left.get(group) ?? 0) + (state === 'available' ? 1 : 0));
  }
  const out = [...left].filter(([, count]) => count === 0).map(([group]) => group);
  if (out.length === 0) return undefined;
  if (out.length === left.size) return { status: 'down', reason: 'no deployment is left: all are cooling or do not answer' };
  const more = out.length > NAMED_GROUPS ? ` and ${out.length - NAMED_GROUPS} more` : '';
  return { status: 'degraded', reason: `no deployment is left of ${out.slice(0, NAMED_GROUPS).join(', ')}${more}` };
}
