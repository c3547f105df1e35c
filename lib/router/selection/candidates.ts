import type { Deployment } from '../deployments/deployment.js';
import type { RoutingContext } from '../routing-context.js';
import { targetOf } from './name-resolution.js';
import type { RouterCore } from './router-core.js';

/** A deployment that may serve a request, and the model to call there. */
export interface Candidate {
  readonly deployment: Deployment;
  /** The deployment's model, whose `*` is replaced by what the pattern captured. */
  readonly model: string;
}

/**
 * Returns the deployments that requests for a model may go to, tags heeded: those out of rotation
 * last, then by `order`. Heeds no limit and books nothing; empty for an unknown model.
 */
export function candidatesFor(core: RouterCore, model: string, context: RoutingContext = {}): readonly Candidate[] {
  const destination = core.names.find(model);
  if (destination === null) return [];
  const { group, captures } = destination;
  const nowMs = core.now();
  const { coolingUntil, unhealthyUntil } = core.memory;
  const isOut = (slot: number): number => Number(coolingUntil[slot] > nowMs || unhealthyUntil[slot] > nowMs);
  const excluded = new Set(context.excludeIds);
  return group
    .placedFor(context)
    .filter(({ deployment }) => deployment.isSelectable && !excluded.has(deployment.id))
    .sort((a, b) => isOut(a.slot) - isOut(b.slot) || compareOrders(a.deployment, b.deployment))
    .map(({ deployment }) => ({ deployment, model: targetOf(deployment, captures) }));
}

/** Both may be `Infinity`. */
function compareOrders({ order: a }: Deployment, { order: b }: Deployment): number {
  return a === b ? 0 : a - b;
}
