import { NoDeploymentError, RouterRateLimitError } from '../../common/http-errors.js';
import { refuseArgument } from '../../common/options.js';
import { Budgets } from '../health/budgets.js';
import { checkFigures, tokensIn, type CallSuccess, type CallUsage } from '../state/call-success.js';
import { Catalogue, targetOf, type Destination } from '../deployments/name-resolution.js';
import { recordFailure } from '../health/cooldown.js';
import type { Deployment } from '../deployments/deployment.js';
import { MOST_TOKENS, TIMEOUT_LATENCY_MS, type DeploymentStates } from '../state/deployment-states.js';
import { statusOf, type CallFailure } from '../health/failures.js';
import { Outcomes } from '../state/outcomes.js';
import { RoutedPick } from './selected-deployment.js';
import type { Level } from '../deployments/priority-tier.js';
import { minuteOf, type RouterMemory } from '../state/memory.js';
import type { ResolvedRouterSettings } from '../settings.js';
import type { Pick, RoutingContext } from '../routing-context.js';
import type { RoutingEnvironment } from './routing-environment.js';
import { Selection } from './selection.js';
import { statesOf } from '../state/shared-deployment-states.js';
import { Slots } from '../state/slots.js';
import { Unreported } from '../redis/usage-delta.js';

const NO_CONTEXT: RoutingContext = {};
/** Threads that run for the last place again and again stop here. */
const MOST_ATTEMPTS = 16;

/**
 * Chooses deployments and keeps account of them: the router itself, without options, files or Nest. `acquire` and `succeeded` do in one piece what every request needs.
 * They are long on purpose: V8 inlines no function of more than 460 bytes of bytecode, and only one that is inlined nowhere has 920 for what it calls. `succeeded` has 478,
 * so that to take a line out of it can make it slower.
 */
export class Routing {
  catalogue!: Catalogue;
  states!: DeploymentStates;
  settings: ResolvedRouterSettings;
  deployments: readonly Deployment[] = [];
  readonly unreported: Unreported | null;
  readonly budgets = new Budgets();
  readonly outcomes = new Outcomes();

  /** Those that a budget has taken out, and until when. */
  private readonly overBudget = new Map<number, number>();
  private readonly slots: Slots;
  private selection!: Selection;
  private maxSamples = 0;
  /** Whether others have to do with what is booked here: other threads book, too, or other processes are told. */
  private isWatched = false;

  constructor(
    deployments: readonly Deployment[],
    settings: ResolvedRouterSettings,
    private readonly env: RoutingEnvironment,
  ) {
    const { choice, sharedAs, maxDeployments } = env;
    const engine = choice.active === 'native' && choice.native !== null ? choice.native : choice.typescript;
    this.unreported = env.reports === true ? new Unreported() : null;
    this.slots = new Slots(engine, sharedAs, maxDeployments, (slot) => {
      this.outcomes.forget(slot);
      this.unreported?.forget(slot);
    });
    this.settings = settings;
    this.use(deployments, settings);
  }

  /** Why the state is not shared though it should be. */
  get aloneBecause(): string | undefined {
    return this.slots.aloneBecause;
  }

  get memory(): RouterMemory {
    return this.slots.memory;
  }

  /** Other deployments, or other settings, from now on. Deployments of the same id keep their state. */
  use(deployments: readonly Deployment[], settings: ResolvedRouterSettings): void {
    const { choice, random } = this.env;
    const places = this.slots.place(deployments.map(({ id }) => id));
    const states = statesOf(this.slots.memory);
    this.outcomes.grow(this.slots.memory.capacity);
    const placed = deployments.map((deployment, index) => ({ deployment, slot: places[index] }));
    const order = {
      limits: settings.enablePreCallChecks === true,
      buffer: settings.lowestLatencyBuffer,
      sampleTtlMs: settings.sampleTtlMs,
      random,
    };
    // Where the oldest sample is depends on how many there are.
    if (this.settings.maxSamples !== settings.maxSamples) states.forgetSamples();
    states.latencies.ttlMs = states.firstTokens.ttlMs = settings.sampleTtlMs;
    for (const { deployment, slot } of placed) deployment.outcomes = this.outcomes.of(slot);
    this.deployments = deployments;
    this.settings = settings;
    this.maxSamples = settings.maxSamples;
    this.states = states;
    this.isWatched = states.memory.isShared || this.unreported !== null;
    this.selection = new Selection(states, settings.sampleTtlMs);
    this.catalogue = new Catalogue(placed, { choice, states, order, settings });
    this.budgets.use(deployments, settings.providerBudgets);
    this.applyBudgets();
  }

  now(): number {
    return this.env.now();
  }

  /** The deployment that a request would get, or `null`. Books nothing; among equals it is the last then, unless it takes no turn. */
  peek(model: string, context: RoutingContext = NO_CONTEXT, takesTurn = true): Deployment | null {
    const destination = this.catalogue.find(model);
    if (destination === null) return null;
    const nowMs = this.env.now();
    const { states, selection } = this;
    states.catchUp(nowMs);
    if (!selection.choose(destination.group, context, this.inputTokens(model, context), nowMs, takesTurn)) return null;
    return (selection.level as Level).deployments[selection.position];
  }

  /** Chooses a deployment and books the request on it. */
  acquire(model: string, context: RoutingContext = NO_CONTEXT, attempt = 1): RoutedPick {
    const destination = this.catalogue.find(model);
    if (destination === null) throw new NoDeploymentError(model, 'unknown_model');
    const nowMs = this.env.now();
    const inputTokens = context === NO_CONTEXT ? 0 : this.inputTokens(model, context);
    const { states, selection } = this;
    states.catchUp(nowMs);
    if (!selection.choose(destination.group, context, inputTokens, nowMs, true))
      throw this.refusal(model, destination, context, inputTokens, nowMs);
    const { position } = selection;
    const level = selection.level as Level;
    const slot = level.slots[position];
    const minute = minuteOf(nowMs);
    const { memory } = states;
    if (memory.minute[slot] !== minute) states.openMinute(slot, minute);
    memory.inFlight[slot]++;
    states.add(memory.requests, slot, 1);
    if (inputTokens !== 0) states.addWithin(slot, inputTokens);
    states.changed(slot, nowMs);
    if (this.isWatched && !this.isBooked(level, slot, inputTokens, nowMs)) return this.acquireAgain(model, context, inputTokens, attempt);
    const deployment = level.deployments[position];
    const target = destination.captures.length === 0 ? level.models[position] : targetOf(deployment, destination.captures);
    return new RoutedPick(deployment, target, level.group, selection.strategy, slot, inputTokens, minute);
  }

  /** With the tokens as they have been counted. */
  private acquireAgain(model: string, context: RoutingContext, inputTokens: number, attempt: number): RoutedPick {
    if (attempt < MOST_ATTEMPTS) return this.acquire(model, { ...context, inputTokens }, attempt + 1);
    throw this.selection.refusal(model, this.catalogue.find(model) as Destination, context, inputTokens, this.env.now());
  }

  /** Whether a booking stands, where others book, too, or are told of it. */
  private isBooked(level: Level, slot: number, inputTokens: number, nowMs: number): boolean {
    const { states, selection } = this;
    if (states.memory.isShared && !level.admits(selection.position, selection.order, nowMs, inputTokens)) {
      // Other threads were faster: a limit is exceeded by what was booked just now.
      states.undo(slot, inputTokens, nowMs);
      return false;
    }
    this.unreported?.add(slot, 1, inputTokens, minuteOf(nowMs));
    return true;
  }

  /** `false` where it was given back before, as of the two below. */
  succeeded(given: Pick, outcome: CallSuccess): boolean {
    const pick = RoutedPick.checked(given);
    if (pick.done) return false;
    const { latencyMs, timeToFirstTokenMs, promptTokens, completionTokens = 0 } = outcome;
    const areFigures = typeof latencyMs === 'number' && typeof promptTokens === 'number' && typeof completionTokens === 'number';
    if (!areFigures || timeToFirstTokenMs !== undefined) checkFigures(outcome);
    const { states, maxSamples } = this;
    const { memory } = states;
    const { slot } = pick;
    const nowMs = this.env.now();
    const minute = minuteOf(nowMs);
    const difference = promptTokens === undefined ? 0 : pick.difference(promptTokens + completionTokens);
    const since = pick.giveBack();
    this.outcomes.succeeded(slot);
    if (latencyMs >= 0) states.latencies.add(slot, completionTokens > 0 ? latencyMs / completionTokens : latencyMs, maxSamples, nowMs);
    if (timeToFirstTokenMs !== undefined && timeToFirstTokenMs >= 0) states.firstTokens.add(slot, timeToFirstTokenMs, maxSamples, nowMs);
    if (memory.inFlight[slot] > 0) memory.inFlight[slot]--;
    if (memory.minute[slot] !== minute) states.openMinute(slot, minute);
    states.add(memory.successes, slot, 1);
    if (difference > 0 || (difference < 0 && since === minute)) states.addWithin(slot, difference);
    states.changed(slot, nowMs);
    if (this.isWatched) this.unreported?.add(slot, 0, difference, minute);
    if (this.budgets.isUsed) this.pay(pick, outcome, nowMs);
    return true;
  }

  failed(given: Pick, failure: CallFailure): boolean {
    const pick = RoutedPick.checked(given);
    if (pick.done) return false;
    checkFigures(failure);
    const { states, settings } = this;
    const { slot, deployment } = pick;
    const [used, status] = [tokensIn(failure), statusOf(failure)];
    const nowMs = this.env.now();
    this.outcomes.failed(slot);
    states.end(slot);
    this.settle(pick, pick.giveBack(), used, nowMs);
    if (used > 0 && this.budgets.isUsed) this.pay(pick, failure, nowMs);
    if (status === 408) {
      states.latencies.add(slot, TIMEOUT_LATENCY_MS, settings.maxSamples, nowMs);
      states.firstTokens.add(slot, TIMEOUT_LATENCY_MS, settings.maxSamples, nowMs);
    }
    const coolMs = recordFailure(states, slot, deployment, this.catalogue.sizeOf(deployment), status, failure, settings, nowMs);
    if (coolMs > 0) {
      states.cool(slot, nowMs + coolMs, nowMs);
      this.env.onCooldown?.(deployment, nowMs + coolMs, status);
    } else states.changed(slot, nowMs);
    return true;
  }

  cancelled(given: Pick, usage: CallUsage = {}): boolean {
    const pick = RoutedPick.checked(given);
    if (pick.done) return false;
    checkFigures(usage);
    const { promptTokens = pick.bookedTokens, completionTokens = 0 } = usage;
    const since = pick.giveBack();
    const nowMs = this.env.now();
    this.states.end(pick.slot);
    const known = usage.promptTokens !== undefined || usage.completionTokens !== undefined;
    this.settle(pick, since, known ? promptTokens + completionTokens : undefined, nowMs);
    this.states.changed(pick.slot, nowMs);
    if (tokensIn(usage) > 0 && this.budgets.isUsed) this.pay(pick, usage, nowMs);
    return true;
  }

  /** Takes deployments out that are over a budget, and in again that no longer are. */
  applyBudgets(): void {
    const { budgets, overBudget, states } = this;
    if (!budgets.isUsed && overBudget.size === 0) return;
    const nowMs = this.env.now();
    for (const { deployment, slot } of this.catalogue.byId.values()) {
      const until = budgets.overUntil(deployment.id, nowMs);
      const before = overBudget.get(slot);
      if (until > nowMs) {
        overBudget.set(slot, until);
        const current = states.memory.coolingUntil[slot];
        if (current < until || (current === before && current !== until)) states.exclude(slot, until, nowMs);
      } else if (before !== undefined) {
        overBudget.delete(slot);
        if (states.memory.coolingUntil[slot] === before) states.exclude(slot, 0, nowMs);
      }
    }
  }

  /** How many deployments could take a request for this model now, leaving limits of their own aside. */
  healthyCount(model: string, context: RoutingContext = NO_CONTEXT): number {
    const destination = this.catalogue.find(model);
    if (destination === null) return 0;
    const nowMs = this.env.now();
    const { coolingUntil, unhealthyUntil } = this.states.memory;
    const excluded = new Set(context.excludeIds);
    const selected = destination.group.selected(context.tags, context.blockedModels);
    return selected.filter(
      ({ deployment, slot }) =>
        deployment.isSelectable && coolingUntil[slot] <= nowMs && unhealthyUntil[slot] <= nowMs && !excluded.has(deployment.id),
    ).length;
  }

  find(model: string): Destination | null {
    return this.catalogue.find(model);
  }

  /** What a request's input counts as. */
  inputTokens(model: string, { inputTokens, messages }: RoutingContext): number {
    if (inputTokens === undefined && messages === undefined) return 0;
    const counted = inputTokens ?? (messages === undefined ? 0 : this.env.countTokens?.(messages, model)) ?? 0;
    if (typeof counted !== 'number') throw refuseArgument('context.inputTokens', counted, 'must be a number');
    return counted > 0 ? Math.min(Math.floor(counted), MOST_TOKENS) : 0;
  }

  /** Why nobody was chosen, with what it says of budgets where it is about those. */
  private refusal(model: string, destination: Destination, context: RoutingContext, inputTokens: number, nowMs: number): Error {
    const refusal = this.selection.refusal(model, destination, context, inputTokens, nowMs);
    if (!this.budgets.isUsed || !(refusal instanceof RouterRateLimitError)) return refusal;
    const crossed = this.budgets.crossedBy(refusal.cooldownList, nowMs);
    if (crossed.length === 0) return refusal;
    const { retryAfterMs, cooldownList } = refusal;
    const message = `No deployments available - crossed budget: ${crossed.join('; ')}`;
    return new RouterRateLimitError(refusal.model, retryAfterMs, cooldownList, message);
  }

  private pay(
    { deployment, model }: RoutedPick,
    { costUsd, promptTokens = 0, completionTokens = 0, usageDetails }: Partial<CallSuccess>,
    nowMs: number,
  ): void {
    if (!this.budgets.counts(deployment.id)) return;
    // Prices are of whole tokens; what was counted by others need not be.
    const usd = costUsd ?? deployment.costUsd(Math.round(promptTokens), Math.round(completionTokens), model, usageDetails) ?? 0;
    if (usd > 0 && this.budgets.spend(deployment.id, usd, nowMs)) this.applyBudgets();
  }

  /** Replaces the booked tokens by those that were used; where that is not known, they stand. */
  private settle(pick: RoutedPick, since: number, used: number | undefined, nowMs: number): void {
    if (used === undefined) return;
    const difference = pick.difference(used);
    this.states.addTokens(pick.slot, difference, since, nowMs);
    this.unreported?.add(pick.slot, 0, difference, minuteOf(nowMs));
  }
}
