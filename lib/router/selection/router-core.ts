import type { EngineChoice } from '../../engine/engine-choice.js';
import { InvalidArgumentError } from '../../common/errors.js';
import type { Deployment } from '../deployments/deployment.js';
import type { RouterEngine } from '../engine/engine.js';
import { Budgets } from '../health/budgets.js';
import { recordFailure, type StartedCooldown } from '../health/cooldown.js';
import { causeOf, isRefused, statusOf, type CallFailure } from '../health/failures.js';
import { QuotaDomains } from '../quota/quota-domains.js';
import type { ReportedLimit } from '../quota/reported-limits.js';
import { Unreported } from '../redis/usage-delta.js';
import type { RoutedSelection } from '../routing-context.js';
import type { ResolvedRouterSettings } from '../settings.js';
import { tokensIn, type CallSuccess, type CallUsage } from '../state/call-success.js';
import { DeploymentStates, minuteOf, MOST_TOKENS } from '../state/deployment-states.js';
import { LiveVersions } from '../state/live-versions.js';
import type { RouterMemory } from '../state/memory.js';
import type { CountedOutcomes } from '../state/outcomes.js';
import { Slots } from '../state/slots.js';
import { NameResolution } from './name-resolution.js';
import { RouterVersion, type VersionedState } from './router-version.js';
import { Selection } from './selection.js';
import { Selector } from './selector.js';

/** A deployment that gets no requests after failures. */
export interface Cooldown extends StartedCooldown {
  readonly deployment: Deployment;
  /** In words. */
  readonly cause: string;
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

const FIGURES = ['latencyMs', 'timeToFirstTokenMs', 'promptTokens', 'completionTokens'] as const;

/**
 * The state of a router's deployments, and its current version. Every version shares the state:
 * a call that ends under an earlier one counts like any other.
 */
export class RouterCore implements VersionedState {
  current!: RouterVersion;
  readonly states: DeploymentStates;
  readonly selector: Selector;
  readonly unreported: Unreported | null;
  readonly budgets = new Budgets();
  readonly now: () => number;
  readonly countTokens: RouterEnvironment['countTokens'];

  /** Finished calls by slot. */
  private readonly outcomes = new Map<number, CountedOutcomes>();
  /** Slots of the deployments that are over a budget, and until when. */
  private readonly overBudget = new Map<number, number>();
  private readonly slots: Slots;
  private readonly versions = new LiveVersions();

  constructor(
    deployments: readonly Deployment[],
    settings: ResolvedRouterSettings,
    private readonly env: RouterEnvironment,
  ) {
    const { choice, sharedAs, maxDeployments } = env;
    const engine = choice.activeEngine;
    this.now = env.now;
    this.countTokens = env.countTokens;
    this.unreported = env.reports === true ? new Unreported() : null;
    this.slots = new Slots(engine, sharedAs, maxDeployments, (slot) => {
      this.outcomes.delete(slot);
      this.unreported?.forget(slot);
    });
    this.states = new DeploymentStates(this.slots.memory);
    this.selector = new Selector(this.states);
    this.use(deployments, settings);
  }

  /** Why the state is not shared though `sharedAs` is set. */
  get aloneBecause(): string | undefined {
    return this.slots.aloneBecause;
  }

  get memory(): RouterMemory {
    return this.states.memory;
  }

  get names(): NameResolution {
    return this.current.names;
  }

  get deployments(): readonly Deployment[] {
    return this.current.deployments;
  }

  get settings(): ResolvedRouterSettings {
    return this.current.settings;
  }

  /** The limits that providers report; `undefined` if they are not learned. */
  get quotas(): QuotaDomains | undefined {
    return this.current.quotas;
  }

  /** Versions in use: the current one, and earlier ones that are not collected yet. */
  get liveVersions(): number {
    return this.versions.count;
  }

  /**
   * Checks that these deployments can be used.
   * @throws FastLiteLLMError with the code `TOO_MANY_DEPLOYMENTS`.
   */
  reserve(deployments: readonly Deployment[]): void {
    this.slots.reserve(deployments.map(({ id }) => id));
  }

  /**
   * Replaces the deployments and the settings for calls that begin from now on. A deployment of the
   * same id keeps its state.
   */
  use(deployments: readonly Deployment[], settings: ResolvedRouterSettings): void {
    const { choice, random } = this.env;
    const { states, slots, versions } = this;
    const before = this.current as RouterVersion | undefined;
    const places = slots.place(
      deployments.map(({ id }) => id),
      versions,
    );
    if (slots.memory !== states.memory) states.moveTo(slots.memory);
    const placed = deployments.map((deployment, index) => ({ deployment, slot: places[index] }));
    for (const { deployment, slot } of placed) deployment.outcomes = this.outcomesOf(slot);
    // The position of the oldest sample depends on how many are kept.
    if (before !== undefined && before.settings.maxSamples !== settings.maxSamples) states.forgetSamples();
    for (const samples of [states.latencies, states.firstTokens]) {
      samples.ttlMs = settings.sampleTtlMs;
      samples.most = settings.maxSamples;
    }
    this.current = new RouterVersion(
      {
        number: versions.newest + 1,
        deployments,
        settings,
        names: new NameResolution(placed, { choice, states, random, settings }),
        quotas: settings.learnLimits ? (before?.quotas ?? new QuotaDomains()) : undefined,
        ledgers: this.budgets.use(deployments, settings.providerBudgets),
      },
      this,
    );
    versions.add(this.current);
    this.applyBudgets();
  }

  /** Returns `false` when the selection was released before, as do `failed` and `cancelled`. */
  succeeded(selected: RoutedSelection, outcome: CallSuccess): boolean {
    const selection = toRelease(selected, outcome);
    if (selection === undefined) return false;
    const { latencyMs, timeToFirstTokenMs = NaN, promptTokens, completionTokens = 0 } = outcome;
    const { states } = this;
    const { slot } = selection.booking;
    const nowMs = this.now();
    this.releaseSlot(selection, promptTokens === undefined ? undefined : promptTokens + completionTokens, minuteOf(nowMs), true);
    const outcomes = this.outcomesOf(slot);
    outcomes.success++;
    if (latencyMs >= 0) outcomes.successMs += latencyMs;
    selection.booking.quota?.domain.succeeded(selection.booking.quota, nowMs);
    if (latencyMs >= 0) states.latencies.add(slot, completionTokens > 0 ? latencyMs / completionTokens : latencyMs, nowMs);
    if (timeToFirstTokenMs >= 0) states.firstTokens.add(slot, timeToFirstTokenMs, nowMs);
    if (selection.booking.version.ledgers.size > 0) this.pay(selection, outcome, nowMs);
    return true;
  }

  failed(selected: RoutedSelection, failure: CallFailure): boolean {
    const selection = toRelease(selected, failure);
    if (selection === undefined) return false;
    const { states } = this;
    const { deployment, booking } = selection;
    const { slot } = booking;
    const status = statusOf(failure);
    const nowMs = this.now();
    this.releaseSlot(selection, tokensIn(failure), minuteOf(nowMs));
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
    const { names, settings } = booking.version;
    const groupSize = names.groupSizeOf(deployment);
    const cooldown = recordFailure({ deployment, slot, groupSize, status, failure, nowMs }, states, settings);
    if (cooldown !== undefined) this.env.onCooldown?.({ deployment, cause, ...cooldown });
    return true;
  }

  cancelled(selected: RoutedSelection, usage: CallUsage = {}): boolean {
    const selection = toRelease(selected, usage);
    if (selection === undefined) return false;
    const { promptTokens, completionTokens } = usage;
    const isKnown = promptTokens !== undefined || completionTokens !== undefined;
    const used = (promptTokens ?? selection.booking.tokens) + (completionTokens ?? 0);
    const nowMs = this.now();
    this.releaseSlot(selection, isKnown ? used : undefined, minuteOf(nowMs));
    selection.booking.quota?.domain.ended(selection.booking.quota);
    if (tokensIn(usage) > 0) this.pay(selection, usage, nowMs);
    return true;
  }

  /** The provider has begun its answer: a probe of its quota need not wait for the end. */
  answering(selected: RoutedSelection): void {
    const { quota } = Selection.checked(selected).booking;
    quota?.domain.succeeded(quota, this.now());
  }

  /** Nothing was sent: it counts as if it had not been selected. */
  releaseUnsent(selected: RoutedSelection): boolean {
    const selection = Selection.checked(selected);
    if (selection.isReleased) return false;
    const { slot, tokens, minute, quota } = selection.booking;
    const current = minuteOf(this.now());
    selection.isReleased = true;
    quota?.domain.releaseUnsent(quota);
    if (minute !== current) this.states.release(slot, 0, current);
    else {
      this.states.undo(slot, tokens, minute);
      this.unreported?.add(slot, -1, -tokens, minute);
    }
    return true;
  }

  /** Records the limits in the answer to a request. */
  addReportedLimits(selected: RoutedSelection, limits: readonly ReportedLimit[]): void {
    const { quota } = Selection.checked(selected).booking;
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
   * Ends the request and replaces the booked tokens by those used; where these are unknown, the
   * booked ones stand.
   */
  private releaseSlot(selection: Selection, used: number | undefined, minute: number, isSuccess = false): void {
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

  private pay({ deployment, model, booking }: Selection, outcome: Partial<CallSuccess>, nowMs: number): void {
    const ledgers = booking.version.ledgers.get(deployment.id);
    if (ledgers === undefined) return;
    const { costUsd, promptTokens = 0, completionTokens = 0, usageDetails } = outcome;
    // Prices are per whole token; counts reported by the app can be fractional.
    const usd = costUsd ?? deployment.costUsd(Math.round(promptTokens), Math.round(completionTokens), model, usageDetails) ?? 0;
    if (usd > 0 && this.budgets.spend(ledgers, usd, nowMs)) this.applyBudgets();
  }
}

/**
 * The selection of a call that has ended; `undefined` if it was released before.
 * @throws InvalidArgumentError naming a figure that is not a number: strings would be concatenated.
 */
function toRelease(selected: RoutedSelection, outcome: Partial<CallSuccess>): Selection | undefined {
  const selection = Selection.checked(selected);
  if (selection.isReleased) return undefined;
  for (const name of FIGURES) {
    const value: unknown = outcome[name];
    if (value !== undefined && typeof value !== 'number') throw new InvalidArgumentError(name, value, 'must be a number');
  }
  return selection;
}
