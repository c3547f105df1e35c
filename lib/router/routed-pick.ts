import { inspect } from 'node:util';
import type { Deployment } from './deployment.js';
import type { RoutingExplanation } from './explanation.js';
import type { RoutingStrategy } from './router.strategies.js';
import type { Pick } from './routing-context.js';

/** What was booked for a request, until it is given back: once, whoever comes first. */
export class RoutedPick implements Pick {
  /** Whether it was given back. */
  done = false;
  /** No field of those that explain nothing, which are nearly all. */
  declare explanation?: RoutingExplanation;

  constructor(
    readonly deployment: Deployment,
    readonly model: string,
    readonly group: string,
    readonly strategy: RoutingStrategy | 'custom',
    readonly slot: number,
    readonly bookedTokens: number,
    /** The minute that the tokens were booked in: a small integer, where an instant would be an object of its own. */
    readonly bookedMinute: number,
  ) {}

  toJSON(): Record<string, unknown> {
    const { deployment, model, group, strategy, explanation } = this;
    return { deployment: deployment.toJSON(), model, group, strategy, ...(explanation && { explanation }) };
  }

  [inspect.custom](): unknown {
    return this.toJSON();
  }
}
