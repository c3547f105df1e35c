import { InvalidArgumentError } from '../../common/errors.js';
import {
  ContextWindowExceededError,
  DeploymentMisconfiguredError,
  NoDeploymentError,
  RouterRateLimitError,
  type ReachedLimit,
} from '../../common/http-errors.js';
import { refuseArgument } from '../../common/options.js';
import { minuteOf, type DeploymentStates } from '../state/deployment-states.js';
import { ineligibilityOf, Ineligibility } from './eligibility.js';
import type { ModelGroup } from './model-group.js';
import type { Placed, PriorityTier, SelectionRequest } from './priority-tier.js';
import type { CustomRoutingStrategy, RoutingCandidate } from './strategies/custom.js';
import { firstTokenBased } from './strategies/latency-based.js';
import { BY_NAME, checkStrategy } from './strategies/registry.js';
import { simpleShuffle } from './strategies/simple-shuffle.js';
import type { RoutingStrategy, Strategy } from './strategies/strategy.js';
import { withoutTried, type TriedDeployments } from './tried-deployments.js';

/** The deployment at `position` of `tier`, and the strategy that selected it. */
export interface Selected {
  readonly tier: PriorityTier;
  readonly position: number;
  readonly strategy: Strategy;
  readonly strategyName: RoutingStrategy | 'custom';
}

const REACHED: Partial<Readonly<Record<Ineligibility, ReachedLimit>>> = {
  [Ineligibility.concurrency]: 'concurrency',
  [Ineligibility.requests]: 'requests',
  [Ineligibility.tokens]: 'tokens',
};

/** A selection after attempts that have failed. */
interface Retry {
  readonly request: SelectionRequest;
  readonly tried: TriedDeployments;
}

/** Whether failed health checks are ignored: only when they alone leave no deployment eligible. */
const HEALTH_ROUNDS = [false, true] as const;

/** Selects one of the eligible deployments of a model group, or returns why none is eligible. */
export class Selector {
  constructor(private readonly states: DeploymentStates) {}

  /** Returns `null` when no deployment is eligible now. */
  select(group: ModelGroup, request: SelectionRequest): Selected | null {
    const { tried } = request.context;
    const tiers = group.tiersFor(request.context);
    return tried === undefined ? this.selectFrom(tiers, group, request) : this.selectAgain(tiers, group, { request, tried });
  }

  /**
   * Selects for a retry: a deployment of the tier that has not failed, else any of the tier, else,
   * if all of the tier are in cooldown, one of the tiers after it.
   */
  private selectAgain(all: readonly PriorityTier[], group: ModelGroup, { request, tried }: Retry): Selected | null {
    const { doneOrder, order, failedIds, mayRepeat } = tried;
    const tiers = doneOrder === undefined ? all : all.filter((tier) => tier.order > doneOrder);
    if (order === undefined) return this.selectFrom(tiers, group, request);
    const current = all.filter((tier) => tier.order === order);
    const { context } = request;
    const excludeIds = [...(context.excludeIds ?? []), ...failedIds];
    const untried = this.selectFrom(current, group, { ...request, context: { ...context, excludeIds } });
    if (untried !== null || !mayRepeat) return untried;
    return this.selectFrom(current, group, request) ?? this.selectFrom(tiers, group, request);
  }

  private selectFrom(tiers: readonly PriorityTier[], group: ModelGroup, request: SelectionRequest): Selected | null {
    const strategy = this.strategyOf(group, request);
    if (typeof strategy === 'function') return this.ask(strategy, tiers, request);
    for (const anyHealth of HEALTH_ROUNDS) {
      for (const tier of tiers) {
        const position = tier.select(strategy, request, anyHealth);
        if (position >= 0) return { tier, position, strategy, strategyName: strategy.name };
      }
    }
    return null;
  }

  /** The error for a request for which `select` returned `null`. */
  refusal(model: string, group: ModelGroup, asked: SelectionRequest): Error {
    const request = asked.context.tried === undefined ? asked : { ...asked, context: withoutTried(group.placed, asked.context) };
    const { context, inputTokens, nowMs } = request;
    const present = group.placedFor(context);
    const selectable = present.filter(({ deployment }) => deployment.isSelectable);
    if (selectable.length === 0) {
      const uncallable = present.filter(({ deployment }) => deployment.uncallable !== undefined);
      if (uncallable.length > 0) return misconfigured(model, uncallable);
      return new NoDeploymentError(model, group.placedFor({ tags: context.tags }).length === 0 ? 'tags' : 'blocked');
    }
    const excluded = new Set(context.excludeIds);
    const left = selectable.filter(({ deployment }) => !excluded.has(deployment.id));
    if (left.length === 0) return new NoDeploymentError(model, 'excluded');
    if (left.every(({ deployment }) => inputTokens > deployment.maxInputTokens)) {
      const largest = left.reduce((most, { deployment }) => Math.max(most, deployment.maxInputTokens), 0);
      return new ContextWindowExceededError(model, largest, inputTokens);
    }
    const strategy = this.strategyOf(group, request);
    const cooling: string[] = [];
    const reached = new Set<ReachedLimit>();
    let waitMs = Infinity;
    for (const tier of group.tiersFor(context)) {
      const scan = tier.scanOf(typeof strategy === 'function' ? simpleShuffle : strategy, request, false);
      for (const [position, entry] of tier.placed.entries()) {
        if (excluded.has(entry.deployment.id)) continue;
        const reason = ineligibilityOf(scan, position);
        const quotaWaitMs = request.quotaWaitMs?.(entry) ?? 0;
        const limit = reason === Ineligibility.none && quotaWaitMs > 0 ? 'quota' : REACHED[reason];
        if (limit !== undefined) reached.add(limit);
        else if (reason === Ineligibility.cooldown) cooling.push(entry.deployment.id);
        else if (reason === Ineligibility.none && typeof strategy === 'function')
          return new NoDeploymentError(model, 'refused_by_strategy');
        waitMs = Math.min(waitMs, Math.max(quotaWaitMs, this.waitMs(reason, entry, nowMs)));
      }
    }
    return new RouterRateLimitError(model, waitMs === Infinity ? undefined : Math.ceil(waitMs), cooling, undefined, [...reached]);
  }

  /** Until a deployment that is not eligible may be; `Infinity` if no time is known. */
  private waitMs(reason: Ineligibility, { slot }: Placed, nowMs: number): number {
    if (reason === Ineligibility.none) return 0;
    if (reason === Ineligibility.cooldown) return this.states.memory.coolingUntil[slot] - nowMs;
    const isOfMinute = reason === Ineligibility.requests || reason === Ineligibility.tokens;
    return isOfMinute ? (minuteOf(nowMs) + 1) * 60_000 - nowMs : Infinity;
  }

  private strategyOf(group: ModelGroup, { context }: SelectionRequest): Strategy | CustomRoutingStrategy {
    const own = context.strategy;
    const strategy = own === undefined ? group.strategy : checkStrategy('context.strategy', own, refuseArgument);
    if (typeof strategy === 'function') return strategy;
    // For streamed answers, the time to first token is compared.
    return context.stream === true && strategy === 'latency_based' ? firstTokenBased : BY_NAME[strategy];
  }

  /** Lets the app's function select. */
  private ask(strategy: CustomRoutingStrategy, tiers: readonly PriorityTier[], request: SelectionRequest): Selected | null {
    for (const anyHealth of HEALTH_ROUNDS) {
      for (const tier of tiers) {
        const scan = tier.scanOf(simpleShuffle, request, anyHealth);
        const excluded = tier.excludedBy(request);
        const eligible = tier.placed.filter(
          (_, position) => excluded?.[position] !== 1 && ineligibilityOf(scan, position) === Ineligibility.none,
        );
        if (eligible.length === 0) continue;
        const candidates = eligible.map((entry) => this.candidate(entry, request.nowMs));
        const chosen = strategy(candidates, request.context);
        if (chosen === null) return null;
        const entry = eligible.find(({ deployment }) => deployment === chosen);
        if (entry === undefined) throw new InvalidArgumentError('strategy', chosen, 'must return one of its candidates, or null');
        return { tier, position: tier.placed.indexOf(entry), strategy: simpleShuffle, strategyName: 'custom' };
      }
    }
    return null;
  }

  private candidate({ deployment, slot }: Placed, nowMs: number): RoutingCandidate {
    const { memory, latencies, firstTokens } = this.states;
    const minute = minuteOf(nowMs);
    return {
      deployment,
      inFlight: memory.inFlightOf(slot),
      requests: memory.requestsOf(slot, minute),
      tokens: memory.tokensOf(slot, minute),
      latencyMs: latencies.meanOf(slot, nowMs),
      timeToFirstTokenMs: firstTokens.meanOf(slot, nowMs),
    };
  }
}

function misconfigured(model: string, placed: readonly Placed[]): DeploymentMisconfiguredError {
  const ids = placed.map(({ deployment }) => deployment.id);
  const reasons = placed.map(({ deployment: { id, uncallable } }) => `${id}: ${uncallable?.reason}`);
  return new DeploymentMisconfiguredError(model, ids, new Error(reasons.slice(0, 20).join('; ')));
}
