import type { CallTarget } from './call.js';
import type { CallRouter, Deployment, RoutingContext, Selection } from './call-router.js';
import { Failure, judgeSelection } from './failure.js';

const NONE: readonly string[] = [];

/** Selects deployments of a model group by priority tier: the lowest `order` first. */
export class PriorityTiers {
  /** Ids of deployments of tiers that are done. */
  private passed = NONE;
  /** A deployment of the current tier. */
  private current: Deployment | undefined = undefined;
  /** Ids of the current tier that failed. */
  private tried: string[] = [];
  private mayRepeat = true;
  private group = '';

  constructor(
    private readonly router: CallRouter,
    private readonly context: RoutingContext,
    private readonly target: CallTarget,
  ) {}

  /** Whether the current tier has had no attempt yet. */
  get isUntried(): boolean {
    return this.current === undefined;
  }

  /**
   * A deployment of the tier that has not failed, else any of the tier, else, where all of the tier
   * is in cooldown, one of the tiers behind it.
   */
  select(): Selection | Failure {
    const { current, passed, tried } = this;
    if (current !== undefined) {
      const outside = this.deployments().flatMap(({ id, order }) => (order === current.order ? [] : [id]));
      const untried = this.acquire([...outside, ...tried]);
      if (!(untried instanceof Failure) || !this.mayRepeat) return untried;
      const again = this.acquire(outside);
      if (!(again instanceof Failure)) return again;
    }
    return this.acquire(passed);
  }

  failed({ deployment, group }: Selection, { isUnfit }: Failure): void {
    this.group = group;
    this.current ??= deployment;
    this.tried.push(deployment.id);
    // What is unfit is unfit the next time, too.
    this.mayRepeat = !isUnfit;
  }

  /** Goes on to the next tier. `false`: there is none. */
  next(): boolean {
    const { current } = this;
    if (current === undefined) return false;
    const all = this.deployments();
    const done = all.filter(({ order }) => order <= current.order);
    if (done.length === all.length) return false;
    this.passed = [...new Set([...this.passed, ...done.map(({ id }) => id)])];
    this.current = undefined;
    this.tried = [];
    return true;
  }

  /** All deployments of the group. A request may ask for what deployments call, too. */
  private deployments(): readonly Deployment[] {
    const { group } = this;
    return this.router.deployments().filter(({ modelName, model }) => modelName === group || model === group);
  }

  private acquire(excludeIds: readonly string[]): Selection | Failure {
    const { router, context, target } = this;
    const { model, overrides, inputTokens } = target;
    const asked = overrides === undefined ? context : { ...context, inputTokens };
    const excluded = excludeIds.length === 0 ? undefined : [...(context.excludeIds ?? NONE), ...excludeIds];
    try {
      return router.acquire(model, excluded === undefined ? asked : { ...asked, excludeIds: excluded });
    } catch (error) {
      return judgeSelection(error);
    }
  }
}
