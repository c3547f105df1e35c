import { inspect } from 'node:util';
import { InvalidArgumentError } from '../common/errors.js';
import { targetOf, type Destination } from './catalogue.js';
import type { Deployment } from './deployment.js';
import type { RoutingExplanation } from './explanation.js';
import type { RoutingStrategy } from './router.strategies.js';
import type { Pick } from './routing-context.js';

/** In the place of the minute, once it was given back. */
const GIVEN_BACK = -1;

/**
 * What was booked for a request, until it is given back: once, whoever comes first. As few words as can be, since each is written for every request: what follows
 * from others is read from them.
 */
export class RoutedPick implements Pick {
  /** No field of those that explain nothing, which are nearly all. */
  declare explanation?: RoutingExplanation;

  constructor(
    readonly deployment: Deployment,
    private readonly destination: Destination,
    readonly strategy: RoutingStrategy | 'custom',
    readonly slot: number,
    readonly bookedTokens: number,
    /** The minute that the tokens were booked in: a small integer, where an instant would be an object of its own. */
    private minute: number,
  ) {}

  /** Whether it is one, before anything is given back in its name. */
  static checked(pick: Pick): RoutedPick {
    if (pick instanceof RoutedPick) return pick;
    throw new InvalidArgumentError('pick', pick, 'must be what acquire has given');
  }

  get model(): string {
    return targetOf(this.deployment, this.destination.captures);
  }

  get group(): string {
    return this.destination.group.name;
  }

  /** Whether it was given back. */
  get done(): boolean {
    return this.minute === GIVEN_BACK;
  }

  /** Gives it back: the minute that its tokens were booked in. */
  giveBack(): number {
    const { minute } = this;
    this.minute = GIVEN_BACK;
    return minute;
  }

  toJSON(): Record<string, unknown> {
    const { deployment, model, group, strategy, explanation } = this;
    return { deployment: deployment.toJSON(), model, group, strategy, ...(explanation && { explanation }) };
  }

  [inspect.custom](): unknown {
    return this.toJSON();
  }
}
