import type { CallRouter } from '../call-router.js';
import type { CallView } from '../call-view.js';
import { Failure } from '../failure.js';
import { FallbackPlan } from '../fallback-plan.js';
import type { CallLayer, Next } from './layer.js';

/**
 * Tries the next model group when one fails. The order is LiteLLM's: the group's own list for the
 * kind of failure, then the general one, then `*`; each group once. A target that changes the
 * request has its prompt counted again. The first failure is the one that the client gets.
 */
export class Fallbacks implements CallLayer {
  readonly name = 'fallbacks';

  constructor(private readonly router: CallRouter) {}

  async run(view: CallView, next: Next): Promise<unknown> {
    const { call, sender } = view;
    let plan: FallbackPlan | undefined;
    const planned = (): FallbackPlan => (plan ??= new FallbackPlan(this.router, call));
    call.alternatives = planned;
    for (let at = view; ;) {
      const outcome = await next(at);
      if (!(outcome instanceof Failure)) return outcome;
      const target = await planned().next(at.target, outcome, sender);
      if (target === undefined) return planned().firstFailure;
      at = view.with({ target });
    }
  }
}
