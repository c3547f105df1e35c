import { NoDeploymentError, RouterRateLimitError } from '../../common/http-errors.js';
import { refuseArgument } from '../../common/options.js';
import type { Deployment } from '../deployments/deployment.js';
import type { Budgets, LedgersById } from '../health/budgets.js';
import type { QuotaCost } from '../quota/quota-domain.js';
import type { QuotaDomains } from '../quota/quota-domains.js';
import type { Unreported } from '../redis/usage-delta.js';
import type { RoutingContext } from '../routing-context.js';
import type { ResolvedRouterSettings } from '../settings.js';
import { minuteOf, MOST_TOKENS, type DeploymentStates } from '../state/deployment-states.js';
import { isWithinLimits } from './eligibility.js';
import { targetOf, type Destination, type NameResolution } from './name-resolution.js';
import type { Placed, SelectionRequest } from './priority-tier.js';
import { Selection } from './selection.js';
import type { Selected, Selector } from './selector.js';

/** State that all versions of a router share: it outlives each of them. */
export interface VersionedState {
  readonly states: DeploymentStates;
  readonly selector: Selector;
  readonly budgets: Budgets;
  readonly unreported: Unreported | null;
  /** Milliseconds of the router's clock. */
  readonly now: () => number;
  readonly countTokens?: (messages: readonly unknown[], model: string) => number;
}

/** The parts of a configuration. */
export interface VersionParts {
  /** Counted from 1. */
  readonly number: number;
  readonly deployments: readonly Deployment[];
  readonly settings: ResolvedRouterSettings;
  readonly names: NameResolution;
  /** The limits that providers report; `undefined` if they are not learned. */
  readonly quotas: QuotaDomains | undefined;
  readonly ledgers: LedgersById;
}

const NO_CONTEXT: RoutingContext = {};
/** Attempts to book while other threads take the last free place of the selected deployment. */
const MOST_ATTEMPTS = 16;

/**
 * One configuration of a router: its deployments, settings and names. Never changes. A call keeps
 * the version that it began with for all of its attempts, while others already use the next one.
 */
export class RouterVersion implements VersionParts {
  readonly number: number;
  readonly deployments: readonly Deployment[];
  readonly settings: ResolvedRouterSettings;
  readonly names: NameResolution;
  readonly quotas: QuotaDomains | undefined;
  readonly ledgers: LedgersById;

  constructor(
    { number, deployments, settings, names, quotas, ledgers }: VersionParts,
    private readonly state: VersionedState,
  ) {
    this.number = number;
    this.deployments = deployments;
    this.settings = settings;
    this.names = names;
    this.quotas = quotas;
    this.ledgers = ledgers;
  }

  /** Returns the deployment that a request would get, or `null`. Books nothing. */
  peek(model: string, context: RoutingContext = NO_CONTEXT, takesTurn = true): Deployment | null {
    const destination = this.names.find(model);
    if (destination === null) return null;
    const inputTokens = this.inputTokens(model, context);
    const selected = this.state.selector.select(destination.group, this.request(destination, context, inputTokens, takesTurn));
    return selected === null ? null : selected.tier.placed[selected.position].deployment;
  }

  /** Selects a deployment and books the request on it. */
  acquire(model: string, context: RoutingContext = NO_CONTEXT): Selection {
    const destination = this.names.find(model);
    if (destination === null) throw new NoDeploymentError(model, 'unknown_model');
    const inputTokens = this.inputTokens(model, context);
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
      const request = this.request(destination, context, inputTokens, true);
      const selected = this.state.selector.select(destination.group, request);
      if (selected === null) throw this.refusal(model, destination, request);
      const selection = this.book(destination, selected, request);
      if (selection !== null) return selection;
    }
    throw this.refusal(model, destination, this.request(destination, context, inputTokens, true));
  }

  /**
   * Number of deployments of the model that are neither in cooldown nor unhealthy; limits are
   * ignored.
   */
  healthyCount(model: string, context: RoutingContext = NO_CONTEXT): number {
    const destination = this.names.find(model);
    if (destination === null) return 0;
    const { states, now } = this.state;
    const nowMs = now();
    const { coolingUntil, unhealthyUntil } = states.memory;
    const excluded = new Set(context.excludeIds);
    const isHealthy = (slot: number): boolean => coolingUntil[slot] <= nowMs && unhealthyUntil[slot] <= nowMs;
    const placed = destination.group.placedFor(context);
    return placed.filter(({ deployment, slot }) => deployment.isSelectable && !excluded.has(deployment.id) && isHealthy(slot)).length;
  }

  /** Input tokens of a request: given, or counted from its messages; 0 when unknown. */
  inputTokens(model: string, { inputTokens, messages }: RoutingContext): number {
    if (inputTokens === undefined && messages === undefined) return 0;
    const counted = inputTokens ?? (messages === undefined ? 0 : this.state.countTokens?.(messages, model)) ?? 0;
    if (typeof counted !== 'number') throw refuseArgument('context.inputTokens', counted, 'must be a number');
    return counted > 0 ? Math.min(Math.floor(counted), MOST_TOKENS) : 0;
  }

  private request(destination: Destination, context: RoutingContext, inputTokens: number, takesTurn: boolean): SelectionRequest {
    const nowMs = this.state.now();
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
    const { states, unreported } = this.state;
    states.book(slot, tokens, minute);
    if (states.memory.isShared && !isWithinLimits(tier.scanOf(strategy, request, false), position)) {
      states.undo(slot, tokens, minute);
      return null;
    }
    unreported?.add(slot, 1, tokens, minute);
    const model = destination.captures.length === 0 ? deployment.model : targetOf(deployment, destination.captures);
    const quota = this.quotas?.of(deployment, model).begin(quotaCost(tokens, context), nowMs);
    return new Selection({ deployment, model, group: tier.group, strategy: strategyName }, { slot, tokens, minute, quota, version: this });
  }

  /**
   * The error for a request without an eligible deployment; it names the budgets that are exceeded.
   */
  private refusal(model: string, { group }: Destination, request: SelectionRequest): Error {
    const { selector, budgets } = this.state;
    const refusal = selector.refusal(model, group, request);
    if (!budgets.isUsed || !(refusal instanceof RouterRateLimitError)) return refusal;
    const crossed = budgets.crossedBy(refusal.cooldownList, request.nowMs);
    if (crossed.length === 0) return refusal;
    const { retryAfterMs, cooldownList, reached } = refusal;
    const message = `No deployments available - crossed budget: ${crossed.join('; ')}`;
    return new RouterRateLimitError(refusal.model, retryAfterMs, cooldownList, message, reached);
  }
}

/** `max_tokens` as set by the client. */
function quotaCost(inputTokens: number, { maxTokens = 0 }: RoutingContext): QuotaCost {
  return { inputTokens, maxTokens: maxTokens > 0 ? maxTokens : 0 };
}
