import type { Capability, CapabilityHealth, MetricSample } from '../common/capability.js';
import { defaultLog, type LogSink } from '../common/log-sink.js';
import { checkOneOf, checkString, refuseArgument, refuseOption } from '../common/options.js';
import { measure, SILENT_RECORDER, type CallSeries } from '../common/recorder.js';
import { steadyNow } from '../common/clock.js';
import { visibleText } from '../common/visible-text.js';
import { type EngineChoice, engineHealth } from '../engine/engine-choice.js';
import type { Deployment, ModelListEntry } from './deployments/deployment.js';
import { DeploymentList } from './config/deployment-list.js';
import { calledModels, type CalledModels } from './selection/called-models.js';
import { candidatesFor, type Candidate } from './selection/candidates.js';
import { explainRouting, stateOf } from './selection/explain.js';
import type { DeploymentState, RoutingExplanation } from './selection/explanation.js';
import { FALLBACK_KINDS, fallbacksIn, type FallbackKind, type FallbackTarget } from './fallback-table.js';
import { isRefused, statusOf, type CallFailure } from './health/failures.js';
import { HealthChecks } from './health/health-checks.js';
import { selfTest } from './engine/self-test.js';
import { routerHealth } from './health/router-health.js';
import type { Selection } from './selection/selection.js';
import type { RouterContext } from './router-dependencies.js';
import { readReportedLimits, type AnswerHeaders } from './quota/reported-limits.js';
import type { RouterEngine } from './engine/engine.js';
import { isRefusal, quotaSamples, RouterCounters } from './metrics.js';
import type { ResolvedRouterOptions } from './router.options.js';
import { resolveRouterSettings, type ResolvedRouterSettings, type RouterSettings } from './settings.js';
import type { RetryContext } from './selection/tried.js';
import { RouterCore, type Cooldown } from './selection/router-core.js';
import type { CallSuccess, CallUsage } from './state/call-success.js';
import type { Pick as RouterPick, RoutingContext } from './routing-context.js';
import { unknownGroups } from './selection/unknown-groups.js';
import { stateForSharing } from './redis/shared-state-adapter.js';

/** A deployment that goes into cooldown. */
export interface CooldownReport {
  readonly id: string;
  readonly group: string;
  readonly seconds: number;
  /** In words. */
  readonly cause: string;
}

const NO_TARGETS: readonly FallbackTarget[] = [];
/** Outcome of a call that is reported without figures: the selection is released all the same. */
const NOTHING_KNOWN: CallSuccess & CallFailure = { latencyMs: NaN };

/**
 * Selects deployments for requests, keeps their state, and puts failing ones in cooldown.
 *
 * @example
 * const pick = router.acquire('gpt-4');
 * try {
 *   const answer = await send(pick.deployment, pick.model);
 *   router.succeeded(pick, { latencyMs, promptTokens: 12, completionTokens: 40 });
 * } catch (error) {
 *   router.failed(pick, { error });
 * }
 */
export class RouterService implements Capability {
  readonly capability = 'routing';

  private readonly core: RouterCore;
  private readonly counters = new RouterCounters();
  private readonly logger: LogSink;
  private readonly list: DeploymentList;
  private readonly series: CallSeries;
  private readonly healthChecks: HealthChecks | undefined;
  private readonly freedListeners: (() => void)[] = [];
  private readonly changedListeners: (() => void)[] = [];
  private readonly cooldownListeners: ((cooldown: CooldownReport) => void)[] = [];
  private input: RouterSettings;

  /** @internal Made by `FastLiteLLM`. */
  constructor(
    private readonly choice: EngineChoice<RouterEngine>,
    private readonly options: ResolvedRouterOptions,
    context: RouterContext = {},
  ) {
    const { now = steadyNow, random = Math.random, recorder = SILENT_RECORDER, modelFacts } = context;
    const { settings, env, sharedAs, maxDeployments, sharedState, countTokens = context.countTokens } = options;
    this.logger = context.logger ?? defaultLog();
    this.input = options.input;
    const reading = {
      path: options.listPath ?? 'router.modelList',
      pathOf: options.entryPath,
      refuse: options.refuse ?? refuseOption,
      env,
      modelFacts,
      check: context.check,
      calledByApp: options.calledByApp,
    };
    this.list = new DeploymentList({ ...reading, ...context.reading }, (warning) => this.logger.warn(warning), options.strict);
    this.list.report(options.warnings);
    this.series = recorder.series(choice.active === 'native' ? 'rust_routing' : 'typescript_routing', 'pick');
    this.core = new RouterCore(this.list.readAll(options.modelList, settings), settings, {
      choice,
      sharedAs,
      maxDeployments,
      now,
      random,
      countTokens,
      reports: sharedState !== undefined,
      onCooldown: (cooldown) => this.onCooldown(cooldown),
    });
    this.list.report(unknownGroups(this.core.names, settings, options.settingPath ?? ((key) => `router.${key}`)));
    sharedState?.start(stateForSharing(this.core, sharedAs, this.logger));
    if (options.healthChecks !== undefined) {
      this.healthChecks = new HealthChecks(options.healthChecks, {
        deployments: () => this.core.deployments.filter(({ uncallable }) => uncallable === undefined),
        healthOf: ({ id }, forMs) => this.core.setHealth(id, forMs),
      });
    }
  }

  /** The settings, validated and with defaults. */
  get settings(): ResolvedRouterSettings {
    return this.core.settings;
  }

  /** Warnings about settings that are unknown or have no effect. Each is logged once. */
  get warnings(): readonly string[] {
    return this.list.warnings;
  }

  /** Returns all deployments. */
  deployments(): readonly Deployment[] {
    return this.core.deployments;
  }

  /**
   * Returns the names that clients can request: model groups and visible aliases with at least one
   * callable deployment.
   */
  models(): readonly string[] {
    return this.core.names.callableNames();
  }

  /**
   * Selects a deployment without counting the request; `null` for an unknown model, and if no
   * deployment is eligible now.
   */
  getAvailableDeployment(model: string, context?: RoutingContext | null): Deployment | null {
    return this.core.peek(model, context ?? undefined);
  }

  /**
   * Selects a deployment and counts the request as in flight. Release the selection with
   * `succeeded`, `failed` or `cancelled`.
   * @throws NoDeploymentError for an unknown model, and if none of its deployments can ever serve
   * this request.
   * @throws RouterRateLimitError if all deployments are in cooldown or at a limit.
   * @throws ContextWindowExceededError if the input is longer than every context window.
   */
  acquire(model: string, context?: RoutingContext | null): RouterPick {
    return this.series.sampled() ? this.bookMeasured(model, context) : this.book(model, context);
  }

  /** Reports a successful call. Does nothing if the selection was already released. */
  succeeded(pick: RouterPick, outcome?: CallSuccess | null): void {
    if (!this.core.succeeded(pick, outcome ?? NOTHING_KNOWN)) return;
    this.counters.successes++;
    this.freed();
  }

  /** Reports a failed call, which may put the deployment in cooldown. */
  failed(pick: RouterPick, outcome?: CallFailure | null): void {
    const failure = outcome ?? NOTHING_KNOWN;
    if (!this.core.failed(pick, failure)) return;
    if (isRefused(failure, statusOf(failure))) this.counters.refusedByProviders++;
    else this.counters.failures++;
    this.freed();
  }

  /** Reports a call whose caller disconnected: not a failure of the deployment. */
  cancelled(pick: RouterPick, outcome?: CallUsage | null): void {
    if (!this.core.cancelled(pick, outcome ?? NOTHING_KNOWN)) return;
    this.counters.cancellations++;
    this.freed();
  }

  /**
   * Reports that a provider has begun to answer, for streams.
   * @internal
   */
  answering(pick: RouterPick): void {
    if (!this.settings.learnLimits) return;
    this.core.answering(pick);
    this.freed();
  }

  /**
   * Gives a pick back for which nothing was sent: it counts as never made.
   * @internal
   */
  unused(pick: RouterPick): void {
    if (this.core.unused(pick)) this.freed();
  }

  /**
   * Reads the limits in the headers of an answer, under OpenAI's and Anthropic's names. Does
   * nothing without `learnLimits`. `LlmClient` does this for its own calls; an app that sends
   * requests itself calls it before `succeeded` or `failed`.
   * @param headers A `Headers` of `fetch`, or anything with its `get`
   */
  learnLimits(pick: RouterPick, headers: AnswerHeaders): void {
    if (this.settings.learnLimits) this.core.addReportedLimits(pick, readReportedLimits(headers, Date.now()));
  }

  /**
   * Calls `listener` when a deployment may take a request that it could not take before: one was
   * released, or deployments or settings have changed. Limits that end with time call nothing.
   * @internal
   */
  whenFreed(listener: () => void): void {
    this.freedListeners.push(listener);
  }

  /** Calls `listener` when a deployment goes into cooldown. @internal */
  whenCooledDown(listener: (cooldown: CooldownReport) => void): void {
    this.cooldownListeners.push(listener);
  }

  /** Calls `listener` when deployments or settings have changed. @internal */
  whenChanged(listener: () => void): void {
    this.changedListeners.push(listener);
  }

  /**
   * Returns the models of the deployments that requests for a name may go to; `undefined` for an
   * unknown name.
   * @internal
   */
  calledModels(name: string): CalledModels | undefined {
    return calledModels(this.core, name);
  }

  /**
   * Returns the fallbacks of this model: for any error, or for one kind of error.
   * @param asked the model that the request was for, if a fallback led to this one: its fallbacks
   * take precedence over those of `*`
   */
  fallbacksOf(model: string, kind: FallbackKind = 'general', asked: string = model): readonly FallbackTarget[] {
    checkString('model', model, refuseArgument);
    checkString('asked', asked, refuseArgument);
    checkOneOf('kind', kind, FALLBACK_KINDS, refuseArgument);
    const { fallbacks, defaultFallbacks } = this.settings;
    const names = (asked === model ? [model] : [model, asked]).flatMap((name) => {
      const destination = this.core.names.find(name);
      if (destination === null) return [name];
      const { group, route, name: found } = destination;
      // As in LiteLLM, who asks for one deployment does not ask for its group.
      return route === 'id' ? [name, found] : [name, found, group.name];
    });
    const targets = fallbacksIn(fallbacks[kind], names);
    if (targets.length > 0 || kind !== 'general') return targets;
    return defaultFallbacks.length === 0 ? NO_TARGETS : defaultFallbacks.map((target) => ({ model: target }));
  }

  /**
   * Returns the name that a model resolves to: the target of an alias, the default fallback of an
   * unknown name, else the name itself.
   */
  knownName(model: string): string {
    return this.core.names.find(model)?.name ?? model;
  }

  /** Returns how many deployments of the model are neither in cooldown nor unhealthy. */
  healthyCount(model: string, context?: RoutingContext | null): number {
    return this.core.healthyCount(model, context ?? undefined);
  }

  /**
   * Returns the deployments that requests for a model may go to, those in rotation first. Books
   * nothing.
   * @internal
   */
  candidates(model: string, context?: RoutingContext | null): readonly Candidate[] {
    return candidatesFor(this.core, model, context ?? undefined);
  }

  /** Explains which deployment a request would get now, and why the others are not eligible. */
  explain(model: string, context?: RoutingContext | null): RoutingExplanation {
    return explainRouting(this.core, model, context ?? undefined);
  }

  /** Returns the state of every deployment. */
  status(): readonly DeploymentState[] {
    const nowMs = this.core.now();
    return [...this.core.names.byId.values()].map((entry) => stateOf(this.core, entry, nowMs));
  }

  /** Replaces all deployments; those with the same id keep their state. */
  setModelList(list: readonly ModelListEntry[]): void {
    this.use(this.list.readAll(list, this.settings), this.settings);
  }

  /**
   * Adds a deployment.
   * @throws InvalidArgumentError naming the key; nothing changes then.
   */
  addDeployment(entry: ModelListEntry): Deployment {
    const deployments = this.list.added(this.core.deployments, entry, this.settings);
    this.use(deployments, this.settings);
    return deployments[deployments.length - 1];
  }

  /**
   * Changes the given keys of a deployment, which keeps its state. Returns `undefined` if it does
   * not exist.
   * @throws InvalidArgumentError naming the key; nothing changes then.
   */
  updateDeployment(id: string, change: Partial<ModelListEntry>): Deployment | undefined {
    const deployments = this.list.updated(this.core.deployments, id, change, this.settings);
    if (deployments !== undefined) this.use(deployments, this.settings);
    return deployments?.find((deployment) => deployment.id === id);
  }

  /**
   * Removes a deployment, and returns whether it existed. Its requests in flight can still be
   * released.
   */
  removeDeployment(id: string): boolean {
    const { deployments } = this.core;
    const left = deployments.filter((deployment) => deployment.id !== id);
    if (left.length === deployments.length) return false;
    this.use(left, this.settings);
    return true;
  }

  /**
   * Changes the given settings.
   * @throws InvalidArgumentError naming the setting; nothing changes then.
   */
  updateSettings(change: RouterSettings): void {
    const input = { ...this.input, ...change };
    const settings = resolveRouterSettings(input, 'settings', refuseArgument);
    this.use(this.list.reread(this.core.deployments, settings), settings);
    this.input = input;
  }

  /** Current metrics of this capability, as data. */
  metrics(): readonly MetricSample[] {
    const nowMs = this.core.now();
    const budgets = this.core.budgets.samples(nowMs);
    const quotas = quotaSamples(this.core.quotas, nowMs);
    return [
      ...this.counters.samples(this.status(), this.deployments()),
      ...budgets,
      ...quotas,
      ...(this.options.sharedState?.metrics?.() ?? []),
    ];
  }

  /**
   * Runs the self-test of the active engine, and checks that every model group has an available
   * deployment.
   */
  health(): CapabilityHealth {
    return routerHealth({
      engine: engineHealth(this.choice, selfTest),
      deployments: this.status(),
      aloneBecause: this.core.aloneBecause,
      shared: this.options.sharedState,
    });
  }

  /** Stops health checks and the shared state. Can be called more than once. */
  async close(): Promise<void> {
    this.healthChecks?.close();
    await this.options.sharedState?.close();
  }

  private book(model: string, context: RoutingContext | null | undefined): Selection {
    try {
      if (context?.explain === true) return this.bookExplained(model, context);
      const pick = this.core.acquire(model, context ?? undefined);
      this.counters.picks++;
      return pick;
    } catch (error) {
      // A retry that finds nothing is not a request that was refused.
      if (!context?.excludeIds?.length && !isRestricted(context)) this.counters.refused(error);
      throw error;
    }
  }

  private bookExplained(model: string, context: RoutingContext): Selection {
    const explanation = this.explain(model, context);
    const pick = this.core.acquire(model, context);
    this.counters.picks++;
    // Where several are equal, another one may be selected.
    pick.explanation = { ...explanation, chosen: pick.deployment.id };
    return pick;
  }

  private bookMeasured(model: string, context: RoutingContext | null | undefined): Selection {
    // A refusal is an answer: it is not a failure of the engine.
    const booked = measure(this.series, () => {
      try {
        return this.book(model, context);
      } catch (error) {
        if (isRefusal(error)) return error;
        throw error;
      }
    });
    if (booked instanceof Error) throw booked;
    return booked;
  }

  private freed(): void {
    for (const listener of this.freedListeners) listener();
  }

  /** Replaces deployments and settings. */
  private use(deployments: readonly Deployment[], settings: ResolvedRouterSettings): void {
    this.core.use(deployments, settings);
    for (const listener of this.changedListeners) listener();
    this.freed();
  }

  private onCooldown({ deployment: { id, modelName }, untilMs, cause, isExtended }: Cooldown): void {
    this.options.sharedState?.cooled?.(id, untilMs);
    if (isExtended) return;
    this.counters.cooldowns++;
    const seconds = Math.ceil((untilMs - this.core.now()) / 1000);
    for (const listener of this.cooldownListeners) listener({ id, group: modelName, seconds, cause });
    this.logger.warn(`Router: deployment ${visibleText(id)} (${visibleText(modelName)}) in cooldown for ${seconds} s (${cause})`);
  }
}

/** Whether the attempts of a request rule out deployments that could have taken it. */
function isRestricted(context: RetryContext | null | undefined): boolean {
  const tried = context?.tried;
  return tried !== undefined && (!tried.mayRepeat || tried.doneOrder !== undefined);
}
