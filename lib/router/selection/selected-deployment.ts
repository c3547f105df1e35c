import { inspect } from 'node:util';
import { InvalidArgumentError } from '../../common/errors.js';
import type { Deployment } from '../deployments/deployment.js';
import { MOST_TOKENS } from '../state/deployment-states.js';
import type { RoutingExplanation } from './explain.js';
import type { RoutingStrategy } from './strategies/strategies.js';
import type { Pick } from '../routing-context.js';

/** In the place of the minute, once it was given back. */
const GIVEN_BACK = -1;
// A constant of this module: a property of another module's exports is read anew at each use.
const MOST = MOST_TOKENS;

/** What was booked for a request, until it is given back: once, whoever comes first. As few words as can be, since each is written for every request. */
export class RoutedPick implements Pick {
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
    private minute: number,
  ) {}

  /** Whether it is one, and no copy, before anything is given back in its name. */
  static checked(pick: Pick): RoutedPick {
    if (pick instanceof RoutedPick) return pick;
    throw new InvalidArgumentError('pick', pick, 'must be what acquire has given');
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

  /** By how much the tokens that were used differ from those that were booked. */
  difference(used: number): number {
    return used >= 0 ? Math.min(Math.floor(used), MOST) - this.bookedTokens : 0;
  }

  toJSON(): Record<string, unknown> {
    const { deployment, model, group, strategy, explanation } = this;
    return { deployment: deployment.toJSON(), model, group, strategy, ...(explanation && { explanation }) };
  }

  [inspect.custom](): unknown {
    return this.toJSON();
  }
}
