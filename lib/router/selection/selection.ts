import { InvalidArgumentError } from '../../common/errors.js';
import {
  ContextWindowExceededError,
  DeploymentMisconfiguredError,
  NoDeploymentError,
  RouterRateLimitError,
} from '../../common/http-errors.js';
import { refuseArgument } from '../../common/options.js';
import type { Destination } from '../deployments/name-resolution.js';
import type { CustomRoutingStrategy, RoutingCandidate } from '../custom-strategy.js';
import type { DeploymentStates } from '../state/deployment-states.js';
import type { Group } from '../deployments/group.js';
import type { Level, Placed } from '../deployments/priority-tier.js';
import { minuteOf } from '../state/memory.js';
import { firstTokenOf, latencyOf, Standing, usageOf } from './eligibility.js';
import { checkStrategy, Order, orderOf, type RoutingStrategy } from './strategies/strategies.js';
import type { RoutingContext } from '../routing-context.js';

const NOBODY = -1;

/** The choice of one deployment: found in `level` at `position` after `choose` has said yes. One per router, so that a choice makes no object. */
export class Selection {
  level: Level | undefined = undefined;
  position = -1;
  order: Order = Order.shuffle;
  strategy: RoutingStrategy | 'custom' = 'simple_shuffle';

  constructor(
    private readonly states: DeploymentStates,
    private readonly sampleTtlMs: number,
  ) {}

  /** Chooses among the deployments of the destination; `false` when none may be chosen now. */
  choose(group: Group, context: RoutingContext, inputTokens: number, nowMs: number, takesTurn: boolean): boolean {
    const order = context.stream === true ? group.streamOrder : group.order;
    if (order >= 0 && context.strategy === undefined && context.excludeIds === undefined) {
      const level = group.select(context.tags, context.blockedModels)[0] as Level | undefined;
      const position = level === undefined ? NOBODY : level.pick(order as Order, nowMs, inputTokens, null, takesTurn);
      if (position >= 0) {
        this.level = level;
        this.position = position;
        this.order = order as Order;
        this.strategy = group.strategy as RoutingStrategy;
        return true;
      }
    }
    return this.chooseWith(group, context, inputTokens, nowMs, takesTurn);
  }

  /** The same with all that a request may ask for. */
  private chooseWith(group: Group, context: RoutingContext, inputTokens: number, nowMs: number, takesTurn: boolean): boolean {
    const own = context.strategy;
    const strategy = own === undefined ? group.strategy : checkStrategy('context.strategy', own, refuseArgument);
    const levels = group.select(context.tags, context.blockedModels);
    if (typeof strategy === 'function') return this.ask(strategy, levels, context, inputTokens, nowMs);
    const order = orderOf(strategy, context.stream === true);
    this.strategy = strategy;
    // Of a refusal, too: which limits count depends on it.
    this.order = order;
    for (const level of levels) {
      const position = level.pick(order, nowMs, inputTokens, level.maskOf(context.excludeIds), takesTurn);
      if (position >= 0) return this.found(level, position, order);
    }
    // Failed health checks alone never leave nobody.
    for (const level of levels) {
      const position = level.scan(order, nowMs, inputTokens, level.maskOf(context.excludeIds), true);
      if (position < 0) continue;
      if (takesTurn) level.chosen(position, order, nowMs);
      return this.found(level, position, order);
    }
    return false;
  }

  /** Why `choose` said no. */
  refusal(model: string, { group }: Destination, context: RoutingContext, inputTokens: number, nowMs: number): Error {
    const present = group.selected(context.tags, context.blockedModels);
    const selected = present.filter(({ deployment }) => deployment.isSelectable);
    if (selected.length === 0) {
      const uncallable = present.filter(({ deployment }) => deployment.uncallable !== undefined);
      if (uncallable.length > 0) return misconfigured(model, uncallable);
      return new NoDeploymentError(model, group.selected(context.tags, []).length === 0 ? 'tags' : 'blocked');
    }
    const excluded = new Set(context.excludeIds);
    const left = selected.filter(({ deployment }) => !excluded.has(deployment.id));
    if (left.length === 0) return new NoDeploymentError(model, 'excluded');
    if (left.every(({ deployment }) => inputTokens > deployment.maxInputTokens)) {
      const largest = left.reduce((most, { deployment }) => Math.max(most, deployment.maxInputTokens), 0);
      return new ContextWindowExceededError(model, largest, inputTokens);
    }
    const { memory } = this.states;
    const levels = group.select(context.tags, context.blockedModels);
    const cooling: string[] = [];
    let least = Infinity;
    for (const entry of left) {
      const standing = this.standingOf(levels, entry, inputTokens, nowMs);
      if (standing === Standing.free && typeof group.strategy === 'function') return new NoDeploymentError(model, 'refused_by_strategy');
      if (standing === Standing.cooling) {
        cooling.push(entry.deployment.id);
        least = Math.min(least, memory.coolingUntil[entry.slot] - nowMs);
      } else if (standing === Standing.requests || standing === Standing.tokens) {
        least = Math.min(least, (minuteOf(nowMs) + 1) * 60_000 - nowMs);
      }
    }
    return new RouterRateLimitError(model, least === Infinity ? undefined : Math.ceil(least), cooling);
  }

  private found(level: Level, position: number, order: Order): true {
    this.level = level;
    this.position = position;
    this.order = order;
    return true;
  }

  private ask(
    strategy: CustomRoutingStrategy,
    levels: readonly Level[],
    context: RoutingContext,
    inputTokens: number,
    nowMs: number,
  ): boolean {
    this.strategy = 'custom';
    this.order = Order.shuffle;
    for (const anyHealth of [false, true]) {
      for (const level of levels) {
        const excluded = level.maskOf(context.excludeIds);
        const free = level.placed.flatMap((_, position) =>
          excluded?.[position] !== 1 && level.standing(position, Order.shuffle, nowMs, inputTokens, anyHealth) === Standing.free
            ? [position]
            : [],
        );
        if (free.length === 0) continue;
        const chosen = strategy(
          free.map((position) => this.candidate(level.placed[position], nowMs)),
          context,
        );
        if (chosen === null) return false;
        const position = free.find((index) => level.placed[index].deployment === chosen);
        if (position === undefined) throw new InvalidArgumentError('strategy', chosen, 'must return one of its candidates, or null');
        return this.found(level, position, Order.shuffle);
      }
    }
    return false;
  }

  private candidate({ deployment, slot }: Placed, nowMs: number): RoutingCandidate {
    const { states, sampleTtlMs } = this;
    const { memory } = states;
    return {
      deployment,
      inFlight: memory.inFlightOf(slot),
      ...usageOf(memory, slot, minuteOf(nowMs)),
      latencyMs: latencyOf(memory, slot, nowMs, sampleTtlMs),
      timeToFirstTokenMs: firstTokenOf(memory, slot, nowMs, sampleTtlMs),
    };
  }

  private standingOf(levels: readonly Level[], { slot }: Placed, inputTokens: number, nowMs: number): Standing {
    for (const level of levels) {
      const position = level.slots.indexOf(slot);
      if (position >= 0) return level.standing(position, this.order, nowMs, inputTokens, false);
    }
    return Standing.free;
  }
}

function misconfigured(model: string, placed: readonly Placed[]): DeploymentMisconfiguredError {
  const ids = placed.map(({ deployment }) => deployment.id);
  const reasons = placed.map(({ deployment: { id, uncallable } }) => `${id}: ${uncallable?.reason}`);
  return new DeploymentMisconfiguredError(model, ids, new Error(reasons.slice(0, 20).join('; ')));
}
