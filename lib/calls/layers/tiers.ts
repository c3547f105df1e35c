import type { CallRouter } from '../call-router.js';
import type { CallLayer } from './layer.js';
import { Failure } from '../failure.js';
import { allowsNextTier } from './fallbacks.js';

const NONE: readonly string[] = [];

/**
 * Tries the next priority tier of a model group, the next higher `order`, when one fails. A prompt
 * that a content filter rejected goes to no other tier, and one that exceeds the context window
 * goes to the fallbacks for that, if the group has any.
 */
export function tiers(router: CallRouter): CallLayer {
  return (next) => async (view) => {
    const { call, target } = view;
    let last: Failure | undefined;
    for (let at = view; ;) {
      const outcome = await next(at);
      if (!(outcome instanceof Failure)) return outcome;
      if (outcome.selection === undefined) return last ?? outcome;
      last = outcome;
      const { deployment, group } = outcome.selection;
      const { tierOrder = deployment.order } = outcome;
      if (!allowsNextTier(router, call, target.model, last) || !hasTierAfter(router, group, tierOrder) || call.isSpent) return last;
      at = view.with({ after: { last, tried: { doneOrder: tierOrder, order: undefined, failedIds: NONE, mayRepeat: true } } });
    }
  };
}

/** A request may ask for what deployments call, too. */
function hasTierAfter(router: CallRouter, group: string, order: number): boolean {
  return router.deployments().some((each) => (each.modelName === group || each.model === group) && each.order > order);
}
