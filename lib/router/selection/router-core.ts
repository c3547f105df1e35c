import type { EngineChoice } from '../../engine/engine-choice.js';
import { InvalidArgumentError } from '../../common/errors.js';
import { NoDeploymentError, RouterRateLimitError } from '../../common/http-errors.js';
import { refuseArgument } from '../../common/options.js';
import type { Deployment } from '../deployments/deployment.js';
import type { RouterEngine } from '../engine/engine.js';
import { Budgets } from '../health/budgets.js';
import { recordFailure } from '../health/cooldown.js';
import { causeOf, isRefused, statusOf, type CallFailure } from '../health/failures.js';
import type { QuotaCost } from '../quota/quota-domain.js';
import { QuotaDomains } from '../quota/quota-domains.js';
import type { ReportedLimit } from '../quota/reported-limits.js';
import { Unreported } from '../redis/usage-delta.js';
import type { Pick, RoutingContext } from '../routing-context.js';
import type { ResolvedRouterSettings } from '../settings.js';
import { tokensIn, type CallSuccess, type CallUsage } from '../state/call-success.js';
import { DeploymentStates, minuteOf, MOST_TOKENS } from '../state/deployment-states.js';
import type { RouterMemory } from '../state/memory.js';
import type { CountedOutcomes } from '../state/outcomes.js';
import { Slots } from '../state/slots.js';
import { isWithinLimits } from './eligibility.js';
import { NameResolution, targetOf, type Destination } from './name-resolution.js';
import type { Placed, SelectionRequest } from './priority-tier.js';
import { Selection } from './selection.js';
import { Selector, type Selected } from './selector.js';

/** A deployment that gets no requests after failures. */
export interface Cooldown {
  readonly deployment: Deployment;
  readonly untilMs: number;
  /** In words. */
  readonly cause: string;
  /** Whether it was in cooldown already: calls in flight fail one after the other. */
  readonly isExtended: boolean;
}

/** Inputs of a router core. */
export interface RouterEnvironment {
  readonly choice: EngineChoice<RouterEngine>;
  readonly sharedAs: string | null;
  readonly maxDeployments: number;
  readonly now: () => number;
  /** From 0 to 1, without 1. */
  readonly random: () => number;
  readonly countTokens?: (messages: readonly unknown[], model: string) => number;
  /** Whether usage is kept for other processes. */
  readonly reports?: boolean;
  /** Called when a deployment goes into cooldown, or when its cooldown is made longer. */
  readonly onCooldown?: (cooldown: Cooldown) => void;
}

const NO_CONTEXT: RoutingContext = {};
/** Attempts to book while other threads take the last free place of the selected deployment. */
const MOST_ATTEMPTS = 16;
const FIGURES = ['latencyMs', 'timeToFirstTokenMs', 'promptTokens', 'completionTokens'] as const;

/** Selects deployments and keeps their state: the router without options, files and Nest. */
export class RouterCore {
  names!: NameResolution;
  states!: DeploymentStates;
  settings: ResolvedRouterSettings;
  deployments: readonly Deployment[] = [];
  readonly unreported: Unreported | null;
  readonly budgets = new Budgets();
  /** Milliseconds of the router's clock. */
  readonly now: () => number;
  /** The limits that providers report; `undefined` if they are not learned. */
  quotas: QuotaDomains | undefined = undefined;

  /** Finished calls by slot. */
  private readonly outcomes = new Map<number, CountedOutcomes>();
  /** Slots of the deployments that are over a budget, and until when. */
  private readonly overBudget = new Map<number, number>();
  private readonly slots: Slots;
  private selector!: Selector;

  constructor(
    deployments: readonly Deployment[],
    settings: ResolvedRouterSettings,
    private readonly env: RouterEnvironment,
  ) {
    const { choice, sharedAs, maxDeployments } = env;
    const engine = choice.activeEngine;
    this.now = env.now;
    this.unreported = env.reports === true ? new Unreported() : null;
    this.slots = new Slots(engine, sharedAs, maxDeployments, (slot) => {
      this.outcomes.delete(slot);
      this.unreported?.forget(slot);
    });
    this.settings = settings;
    this.use(deployments, settings);
  }

  /** Why the state is not shared though `sharedAs` is set. */
  get aloneBecause(): string | undefined {
    return this.slots.aloneBecause;
  }

  get memory(): RouterMemory {
    return this.slots.memory;
  }

  /** Replaces the deployments and the settings. A deployment of the same id keeps its state. */
  use(deployments: readonly Deployment[], settings: ResolvedRouterSettings): void {
    const { choice, random } = this.env;
    const places = this.slots.place(deployments.map(({ id }) => id));
    const { memory } = this.slots;
    const states = new DeploymentStates(memory);
    const placed = deployments.map((deployment, index) => ({ deployment, slot: places[index] }));
    for (const { deployment, slot } of placed) deployment.outcomes = this.outcomesOf(slot);
    // The place of the oldest sample depends on how many are kept.
    if (this.settings.maxSamples !== settings.maxSamples) states.forgetSamples();
    for (const samples of [states.latencies, states.firstTokens]) {
      samples.ttlMs = settings.sampleTtlMs;
      samples.most = settings.maxSamples;
    }
    this.deployments = deployments;
    this.settings = settings;
    this.quotas = settings.learnLimits ? (this.quotas ?? new QuotaDomains()) : undefined;
    this.states = states;
    this.selector = new Selector(states);
    this.names = new NameResolution(placed, { choice, memory, random, settings });
    this.budgets.use(deployments, settings.providerBudgets);
    this.applyBudgets();
  }

  /** Returns the deployment that a request would get, or `null`. Books nothing. */
  peek(model: string, context: RoutingContext = NO_CONTEXT, takesTurn = true): Deployment | null {
    const destination = this.names.find(model);
    if (destination === null) return null;
    const inputTokens = this.inputTokens(model, context);
    const selected = this.selector.select(destination.group, this.request(destination, context, inputTokens, takesTurn));
    return selected === null ? null : selected.tier.placed[selected.position].deployment;
  }

  /** Selects a deployment and books the request on it. */
  acquire(model: string, context: RoutingContext = NO_CONTEXT): Selection {
    const destination = this.names.find(model);
    if (destination === null) throw new NoDeploymentError(model, 'unknown_model');
    const inputTokens = this.inputTokens(model, context);
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
      const request = this.request(destination, context, inputTokens, true);
      const selected = this.selector.select(destination.group, request);
      if (selected === null) throw this.refusal(model, destination, request);
      const selection = this.book(destination, selected, request);
      if (selection !== null) return selection;
    }
    throw this.refusal(model, destination, this.request(destination, context, inputTokens, true));
  }

  /** Returns `false` when the selection was released before, as do `failed` and `cancelled`. */
  succeeded(pick: Pick, outcome: CallSuccess): boolean {
    const selection = toRelease(pick, outcome);
    if (selection === undefined) return false;
    const { latencyMs, timeToFirstTokenMs = NaN, promptTokens, completionTokens = 0 } = outcome;
    const { states } = this;
    const { slot } = selection.booking;
    const nowMs = this.now();
    this.release(selection, promptTokens === undefined ? undefined : promptTokens + completionTokens, minuteOf(nowMs), true);
    const outcomes = this.outcomesOf(slot);
    outcomes.success++;
    if (latencyMs >= 0) outcomes.successMs += latencyMs;
    selection.booking.quota?.domain.succeeded(selection.booking.quota, nowMs);
    if (latencyMs >= 0) states.latencies.add(slot, completionTokens > 0 ? latencyMs / completionTokens : latencyMs, nowMs);
    if (timeToFirstTokenMs >= 0) states.firstTokens.add(slot, timeToFirstTokenMs, nowMs);
    if (this.budgets.isUsed) this.pay(selection, outcome, nowMs);
    return true;
  }

  failed(pick: Pick, failure: CallFailure): boolean {
    const selection = toRelease(pick, failure);
    if (selection === undefined) return false;
    const { states } = this;
    const { deployment, booking } = selection;
    const { slot } = booking;
    const status = statusOf(failure);
    const nowMs = this.now();
    this.release(selection, tokensIn(failure), minuteOf(nowMs));
    const cause = causeOf(failure, status, deployment.id);
    const outcomes = this.outcomesOf(slot);
    if (isRefused(failure, status)) outcomes.refused++;
    else {
      outcomes.failure++;
      outcomes.lastFailure = { cause, atMs: nowMs };
    }
    if (tokensIn(failure) > 0) this.pay(selection, failure, nowMs);
    if (status === 408) states.addTimeout(slot, nowMs);
    if (status === 429) booking.quota?.domain.refused(booking.quota, failure.retryAfterMs, nowMs);
    else booking.quota?.domain.ended(booking.quota);
    const groupSize = this.names.groupSizeOf(deployment);
    const coolMs = recordFailure({ deployment, slot, groupSize, status, failure, nowMs }, states, this.settings);
    if (coolMs > 0) {
      const isExtended = states.memory.coolingUntil[slot] > nowMs;
      const untilMs = nowMs + coolMs;
      states.cool(slot, untilMs);
      this.env.onCooldown?.({ deployment, untilMs, cause, isExtended });
    }
    return true;
  }

  cancelled(pick: Pick, usage: CallUsage = {}): boolean {
    const selection = toRelease(pick, usage);
    if (selection === undefined) return false;
    const { promptTokens, completionTokens } = usage;
    const isKnown = promptTokens !== undefined || completionTokens !== undefined;
    const used = (promptTokens ?? selection.booking.tokens) + (completionTokens ?? 0);
    const nowMs = this.now();
    this.release(selection, isKnown ? used : undefined, minuteOf(nowMs));
    selection.booking.quota?.domain.ended(selection.booking.quota);
    if (tokensIn(usage) > 0) this.pay(selection, usage, nowMs);
    return true;
  }

  /** The provider has begun its answer: a probe of its quota need not wait for the end. */
  answering(pick: Pick): void {
    const { quota } = Selection.checked(pick).booking;
    quota?.domain.succeeded(quota, this.now());
  }

  /** Nothing was sent: it counts as if it had not been selected. */
  unused(pick: Pick): boolean {
    const selection = Selection.checked(pick);
    if (selection.isReleased) return false;
    const { slot, tokens, minute, quota } = selection.booking;
    const current = minuteOf(this.now());
    selection.isReleased = true;
    quota?.domain.unused(quota);
    if (minute !== current) this.states.release(slot, 0, current);
    else {
      this.states.undo(slot, tokens, minute);
      this.unreported?.add(slot, -1, -tokens, minute);
    }
    return true;
  }

  /** Records the limits in the answer to a request. */
  addReportedLimits(pick: Pick, limits: readonly ReportedLimit[]): void {
    const { quota } = Selection.checked(pick).booking;
    if (limits.length > 0) quota?.domain.tell(limits, quota, this.now());
  }

  /** Puts deployments that are over a budget out of rotation, and those that no longer are back. */
  applyBudgets(): void {
    const { budgets, overBudget, states } = this;
    if (!budgets.isUsed && overBudget.size === 0) return;
    const nowMs = this.now();
    for (const { deployment, slot } of this.names.byId.values()) {
      const until = budgets.overUntil(deployment.id, nowMs);
      const before = overBudget.get(slot);
      const current = states.memory.coolingUntil[slot];
      if (until > nowMs) {
        overBudget.set(slot, until);
        if (current < until || (current === before && current !== until)) states.setCooldown(slot, until);
      } else if (before !== undefined) {
        overBudget.delete(slot);
        if (current === before) states.setCooldown(slot, 0);
      }
    }
  }

  /**
   * Records the result of a health check: `forMs` is how long the deployment counts as unhealthy, 0
   * for healthy.
   */
  setHealth(id: string, forMs: number): void {
    const entry = this.names.byId.get(id);
    if (entry !== undefined) this.memory.unhealthyUntil[entry.slot] = forMs === 0 ? 0 : this.now() + forMs;
  }

  /**
   * Number of deployments of the model that are neither in cooldown nor unhealthy; limits are
   * ignored.
   */
  healthyCount(model: string, context: RoutingContext = NO_CONTEXT): number {
    const destination = this.names.find(model);
    if (destination === null) return 0;
    const nowMs = this.now();
    const { coolingUntil, unhealthyUntil } = this.memory;
    const excluded = new Set(context.excludeIds);
    const isHealthy = (slot: number): boolean => coolingUntil[slot] <= nowMs && unhealthyUntil[slot] <= nowMs;
    const placed = destination.group.placedFor(context);
    return placed.filter(({ deployment, slot }) => deployment.isSelectable && !excluded.has(deployment.id) && isHealthy(slot)).length;
  }

  /** Input tokens of a request: given, or counted from its messages; 0 when unknown. */
  inputTokens(model: string, { inputTokens, messages }: RoutingContext): number {
    if (inputTokens === undefined && messages === undefined) return 0;
    const counted = inputTokens ?? (messages === undefined ? 0 : this.env.countTokens?.(messages, model)) ?? 0;
    if (typeof counted !== 'number') throw refuseArgument('context.inputTokens', counted, 'must be a number');
    return counted > 0 ? Math.min(Math.floor(counted), MOST_TOKENS) : 0;
  }

  private request(destination: Destination, context: RoutingContext, inputTokens: number, takesTurn: boolean): SelectionRequest {
    const nowMs = this.now();
    const minute = minuteOf(nowMs);
    const { quotas } = this;
    if (quotas === undefined) return { context, inputTokens, nowMs, minute, takesTurn };
    const cost = quotaCost(inputTokens, context);
    const quotaWaitMs = ({ deployment }: Placed): number =>
      quotas.find(deployment, targetOf(deployment, destination.captures))?.waitMs(cost, nowMs) ?? 0;
    return { context, inputTokens, nowMs, minute, takesTurn, quotaWaitMs };
  }

  /** Books the request; `null` when another thread was faster and a limit would be exceeded. */
  private book(
    destination: Destination,
    { tier, position, strategy, strategyName }: Selected,
    request: SelectionRequest,
  ): Selection | null {
    const { deployment, slot } = tier.placed[position];
    const { inputTokens: tokens, nowMs, minute, context } = request;
    const { states } = this;
    states.book(slot, tokens, minute);
    if (states.memory.isShared && !isWithinLimits(tier.scanOf(strategy, request, false), position)) {
      states.undo(slot, tokens, minute);
      return null;
    }
    this.unreported?.add(slot, 1, tokens, minute);
    const model = destination.captures.length === 0 ? deployment.model : targetOf(deployment, destination.captures);
    const quota = this.quotas?.of(deployment, model).begin(quotaCost(tokens, context), nowMs);
    return new Selection({ deployment, model, group: tier.group, strategy: strategyName }, { slot, tokens, minute, quota });
  }

  /**
   * Ends the request and replaces the booked tokens by those used; where these are unknown, the
   * booked ones stand.
   */
  private release(selection: Selection, used: number | undefined, minute: number, isSuccess = false): void {
    const { slot, tokens, minute: booked } = selection.booking;
    const difference = used === undefined || !(used >= 0) ? 0 : Math.min(Math.floor(used), MOST_TOKENS) - tokens;
    selection.isReleased = true;
    // Tokens are removed only from the minute in which they were reserved.
    this.states.release(slot, difference > 0 || booked === minute ? difference : 0, minute, isSuccess);
    if (difference !== 0) this.unreported?.add(slot, 0, difference, minute);
  }

  private outcomesOf(slot: number): CountedOutcomes {
    let outcomes = this.outcomes.get(slot);
    if (outcomes === undefined) this.outcomes.set(slot, (outcomes = { success: 0, failure: 0, refused: 0, successMs: 0 }));
    return outcomes;
  }

  private pay({ deployment, model }: Selection, outcome: Partial<CallSuccess>, nowMs: number): void {
    if (!this.budgets.counts(deployment.id)) return;
    const { costUsd, promptTokens = 0, completionTokens = 0, usageDetails } = outcome;
    // Prices are per whole token; counts reported by the app may have fractions.
    const usd = costUsd ?? deployment.costUsd(Math.round(promptTokens), Math.round(completionTokens), model, usageDetails) ?? 0;
    if (usd > 0 && this.budgets.spend(deployment.id, usd, nowMs)) this.applyBudgets();
  }

  /**
   * The error for a request without an eligible deployment; it names the budgets that are exceeded.
   */
  private refusal(model: string, { group }: Destination, request: SelectionRequest): Error {
    const refusal = this.selector.refusal(model, group, request);
    if (!this.budgets.isUsed || !(refusal instanceof RouterRateLimitError)) return refusal;
    const crossed = this.budgets.crossedBy(refusal.cooldownList, request.nowMs);
    if (crossed.length === 0) return refusal;
    const { retryAfterMs, cooldownList, reached } = refusal;
    const message = `No deployments available - crossed budget: ${crossed.join('; ')}`;
    return new RouterRateLimitError(refusal.model, retryAfterMs, cooldownList, message, reached);
  }
}

/**
 * The selection of a call that has ended; `undefined` if it was released before.
 * @throws InvalidArgumentError naming a figure that is not a number: strings would be concatenated.
 */
function toRelease(pick: Pick, outcome: Partial<CallSuccess>): Selection | undefined {
  const selection = Selection.checked(pick);
  if (selection.isReleased) return undefined;
  for (const name of FIGURES) {
    const value: unknown = outcome[name];
    if (value !== undefined && typeof value !== 'number') throw new InvalidArgumentError(name, value, 'must be a number');
  }
  return selection;
}

/** `max_tokens` is what the client writes. */
function quotaCost(inputTokens: number, { maxTokens = 0 }: RoutingContext): QuotaCost {
  return { inputTokens, maxTokens: maxTokens > 0 ? maxTokens : 0 };
}
