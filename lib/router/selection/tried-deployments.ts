import type { Deployment } from '../deployments/deployment.js';
import type { RoutingContext } from '../routing-context.js';

/** Deployments of a model group that the request has already tried. */
export interface TriedDeployments {
  /** Priority tiers up to this `order` are done. */
  readonly doneOrder: number | undefined;
  /** The `order` of the tier that is tried; `undefined`: of the next one, nothing yet. */
  readonly order: number | undefined;
  /** Deployments of that tier that have failed: the others come first. */
  readonly failedIds: readonly string[];
  /** Whether one that has failed may be selected again, or one of a later tier. */
  readonly mayRepeat: boolean;
}

/** The context of a retry. */
export interface RetryContext extends RoutingContext {
  readonly tried?: TriedDeployments;
}

/**
 * The same request with the deployments that `tried` rules out in `excludeIds`, to say why nothing
 * is eligible.
 * @param placed all deployments of the model group
 */
export function withoutTried(placed: readonly { readonly deployment: Deployment }[], context: RetryContext): RoutingContext {
  const { tried, excludeIds = [] } = context;
  if (tried === undefined) return context;
  const { doneOrder = -Infinity, order, failedIds, mayRepeat } = tried;
  const isOut = (of: number): boolean => (mayRepeat || order === undefined ? of <= doneOrder : of !== order);
  const outside = placed.flatMap(({ deployment }) => (isOut(deployment.order) ? [deployment.id] : []));
  return { ...context, excludeIds: [...excludeIds, ...outside, ...(mayRepeat ? [] : failedIds)] };
}
