import type { Capability, CapabilityHealth, MetricSample } from '../common/capability.js';
import { defaultLog, type LogSink } from '../common/log-sink.js';
import { refuseArgument, refuseOption } from '../common/options.js';
import { SILENT_RECORDER } from '../common/recorder.js';
import { steadyNow } from '../common/clock.js';
import { visibleText } from '../common/visible-text.js';
import { type EngineChoice, engineHealth } from '../engine/engine-choice.js';
import type { Deployment, ModelListEntry } from './deployments/deployment.js';
import { DeploymentList, type CheckedDeployment, type LeftOutEntry } from './config/deployment-list.js';
import { calledModels, type CalledModels } from './selection/called-models.js';
import { candidatesFor, type Candidate } from './selection/candidates.js';
import { explainRouting, stateOf } from './selection/explain.js';
import type { DeploymentState, RoutingExplanation } from './selection/explanation.js';
import type { FallbackKind, FallbackTarget } from './fallback-order.js';
import { isRefused, statusOf, type CallFailure } from './health/failures.js';
import { HealthChecks } from './health/health-checks.js';
import { selfTest } from './engine/self-test.js';
import { routerHealth } from './health/router-health.js';
import { Selection } from './selection/selection.js';
import type { RouterContext } from './router-dependencies.js';
import { readReportedLimits, type AnswerHeaders } from './quota/reported-limits.js';
import type { RouterEngine } from './engine/engine.js';
import { quotaSamples, RouterCounters } from './metrics.js';
import type { ResolvedRouterOptions } from './router.options.js';
import { resolveRouterSettings, type ResolvedRouterSettings, type RouterSettings } from './settings.js';
import { RouterCore, type Cooldown } from './selection/router-core.js';
import type { CallSuccess, CallUsage } from './state/call-success.js';
import type { RoutedSelection, RoutingContext } from './routing-context.js';
import type { CheckDeployment } from './deployments/callability.js';
import { RouterView, type ViewedRouter } from './router-view.js';
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

/** A configuration that was read and checked, and is not in use yet. */
export interface PreparedRouting {
  readonly deployments: readonly Deployment[];
  /** The id of each entry of `modelList`; `undefined` for one that is omitted. */
  readonly listedIds: readonly (string | undefined)[];
  /** The stored entries in use, by id. */
  readonly stored: ReadonlyMap<string, ModelListEntry>;
  /** Stored entries that cannot be used. */
  readonly leftOut: readonly LeftOutEntry[];
  /** Uses it for calls that begin from now on. Does not throw. */
  apply(): void;
}

/** Outcome of a call that is reported without figures: the selection is released all the same. */
const NOTHING_KNOWN: CallSuccess & CallFailure = { latencyMs: NaN };

/**
 * Selects deployments for requests, keeps their state, and puts failing ones in cooldown.
 *
 * @example
 * const selection = router.acquire('gpt-4');
 * try {
 *   const answer = await send(selection.deployment, selection.model);
 *   router.succeeded(selection, { latencyMs, promptTokens: 12, completionTokens: 40 });
 * } catch (error) {
 *   router.failed(selection, { error });
 * }
 */
export class RouterService implements Capability {
  readonly capability = 'routing';

  private readonly core: RouterCore;
  private readonly counters = new RouterCounters();
  private readonly logger: LogSink;
  private readonly context: RouterContext;
  private readonly viewed: ViewedRouter;
  private readonly healthChecks: HealthChecks | undefined;
  private readonly freedListeners: (() => void)[] = [];
  private readonly changedListeners: (() => void)[] = [];
  private readonly cooldownListeners: ((cooldown: CooldownReport) => void)[] = [];
  private list: DeploymentList;
  private input: RouterSettings;
  private current: RouterView;

  /** @internal Made by `FastLiteLLM`. */
  constructor(
    private readonly choice: EngineChoice<RouterEngine>,
    private readonly options: ResolvedRouterOptions,
    context: RouterContext = {},
  ) {
    const { now = steadyNow, random = Math.random, recorder = SILENT_RECORDER } = context;
    const { settings, sharedAs, maxDeployments, sharedState, countTokens = context.countTokens } = options;
    this.logger = context.logger ?? defaultLog();
    this.context = context;
    this.input = options.input;
    this.list = this.listOf(options, context.check);
    this.list.report(options.warnings);
    const { deployments, messages } = this.list.read(options, settings);
    this.list.report(messages);
    this.core = new RouterCore(deployments, settings, {
      choice,
      sharedAs,
      maxDeployments,
      now,
      random,
      countTokens,
      reports: sharedState !== undefined,
      onCooldown: (cooldown) => this.onCooldown(cooldown),
    });
    this.viewed = {
      core: this.core,
      counters: this.counters,
      series: recorder.series(choice.active === 'native' ? 'rust_routing' : 'typescript_routing', 'pick'),
      release: (selection) => this.release(selection),
    };
    this.current = new RouterView(this.core.current, this.viewed);
    this.list.report(this.unknownGroups(options));
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
    return this.current.settings;
  }

  /** Number of the configuration; each change of deployments or settings increments it. */
  get version(): number {
    return this.current.version;
  }

  /**
   * Versions in use: the current one, and earlier ones that calls in flight can still use.
   * @internal
   */
  get liveVersions(): number {
    return this.core.liveVersions;
  }

  /** The router with its current configuration, which a call keeps until its end. @internal */
  view(): RouterView {
    return this.current;
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
    return this.core.current.peek(model, context ?? undefined);
  }

  /**
   * Selects a deployment and counts the request as in flight. Release the selection with
   * `succeeded`, `failed` or `cancelled`.
   * @throws NoDeploymentError for an unknown model, and if none of its deployments can ever serve
   * this request.
   * @throws RouterRateLimitError if all deployments are in cooldown or at a limit.
   * @throws ContextWindowExceededError if the input is longer than every context window.
   */
  acquire(model: string, context?: RoutingContext | null): RoutedSelection {
    return this.current.acquire(model, context);
  }

  /** Reports a successful call. Does nothing if the selection was already released. */
  succeeded(selection: RoutedSelection, outcome?: CallSuccess | null): void {
    if (!this.core.succeeded(selection, outcome ?? NOTHING_KNOWN)) return;
    this.counters.successes++;
    this.freed();
  }

  /** Reports a failed call, which may put the deployment in cooldown. */
  failed(selection: RoutedSelection, outcome?: CallFailure | null): void {
    const failure = outcome ?? NOTHING_KNOWN;
    if (!this.core.failed(selection, failure)) return;
    if (isRefused(failure, statusOf(failure))) this.counters.refusedByProviders++;
    else this.counters.failures++;
    this.freed();
  }

  /** Reports a call whose caller disconnected: not a failure of the deployment. */
  cancelled(selection: RoutedSelection, outcome?: CallUsage | null): void {
    if (!this.core.cancelled(selection, outcome ?? NOTHING_KNOWN)) return;
    this.counters.cancellations++;
    this.freed();
  }

  /**
   * Reports that a provider has begun to answer, for streams.
   * @internal
   */
  answering(selection: RoutedSelection): void {
    if (Selection.checked(selection).booking.quota === undefined) return;
    this.core.answering(selection);
    this.freed();
  }

  /**
   * Releases a selection for which nothing was sent, as if it had never been made.
   * @internal
   */
  release(selection: RoutedSelection): void {
    if (this.core.releaseUnsent(selection)) this.freed();
  }

  /**
   * Reads the limits in the headers of an answer, under OpenAI's and Anthropic's names. Does
   * nothing without `learnLimits`. `LlmClient` does this for its own calls; an app that sends
   * requests itself calls it before `succeeded` or `failed`.
   * @param headers A `Headers` of `fetch`, or any object with its `get`
   */
  learnLimits(selection: RoutedSelection, headers: AnswerHeaders): void {
    if (Selection.checked(selection).booking.quota !== undefined)
      this.core.addReportedLimits(selection, readReportedLimits(headers, Date.now()));
  }

  /**
   * Calls `listener` when a deployment may have become eligible: a request was released, or
   * deployments or settings have changed. Limits that expire do not call it.
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
   * Returns the models of the deployments that can serve requests for a name; `undefined` for an
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
    return this.current.fallbacksOf(model, kind, asked);
  }

  /**
   * Returns the name that a model resolves to: the target of an alias, the default fallback of an
   * unknown name, else the name itself.
   */
  knownName(model: string): string {
    return this.current.knownName(model);
  }

  /** Returns how many deployments of the model are neither in cooldown nor unhealthy. */
  healthyCount(model: string, context?: RoutingContext | null): number {
    return this.current.healthyCount(model, context);
  }

  /**
   * Returns the deployments that can serve requests for a model, those in rotation first. Reserves
   * nothing.
   * @internal
   */
  candidates(model: string, context?: RoutingContext | null): readonly Candidate[] {
    return candidatesFor(this.core, model, context ?? undefined);
  }

  /** Explains which deployment would be selected now, and why others are not eligible. */
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
    const { deployments, messages } = this.list.read({ modelList: list }, this.settings);
    this.list.report(messages);
    this.use(deployments, this.settings);
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
   * Reads a stored entry as it would be used, without changing anything.
   * @param replacedId id of the deployment that it would replace
   * @throws InvalidArgumentError naming the key.
   * @internal
   */
  readStoredDeployment(entry: unknown, replacedId?: string): CheckedDeployment {
    const others = this.core.deployments.filter(({ id }) => id !== replacedId);
    return this.list.checked(entry, others, this.settings);
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

  /**
   * Reads and checks another configuration completely. Nothing changes until it is applied.
   * Settings that cannot change while the router runs (`sharedAs`, `sharedState`, `healthChecks`)
   * are ignored.
   *
   * @param check Whether a deployment can be called, in the environment of this configuration.
   * @throws InvalidConfigurationError naming the option, or the file and the place in it.
   * @internal
   */
  prepare(options: ResolvedRouterOptions, check?: CheckDeployment, keepsDeployments = true): PreparedRouting {
    const { settings, input } = options;
    const list = this.listOf(options, check);
    const { deployments: read, messages, ...others } = list.read(options, settings);
    const known = new Map(this.core.deployments.map((deployment) => [deployment.id, deployment]));
    // An unchanged deployment keeps its endpoint, credentials and quota.
    const deployments = read.map((deployment) => {
      const before = keepsDeployments ? known.get(deployment.id) : undefined;
      return before !== undefined && before.equals(deployment) ? before : deployment;
    });
    this.core.reserve(deployments);
    const apply = (): void => {
      list.replaces(this.list);
      this.list = list;
      this.input = input;
      this.use(deployments, settings);
      list.report(options.warnings);
      list.report(messages);
      list.report(this.unknownGroups(options));
    };
    return { ...others, deployments, apply };
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

  private listOf(options: ResolvedRouterOptions, check: CheckDeployment | undefined): DeploymentList {
    const { modelFacts, reading } = this.context;
    const own = {
      path: options.listPath ?? 'router.modelList',
      pathOf: options.entryPath,
      refuse: options.refuse ?? refuseOption,
      env: options.env,
      modelFacts,
      check,
      calledByApp: options.calledByApp,
    };
    return new DeploymentList({ ...own, ...reading }, (warning) => this.logger.warn(warning), options.strict);
  }

  private unknownGroups({ settings, settingPath = (key) => `router.${key}` }: ResolvedRouterOptions): readonly string[] {
    return unknownGroups(this.core.names, settings, settingPath);
  }

  private freed(): void {
    for (const listener of this.freedListeners) listener();
  }

  /** Replaces deployments and settings. */
  private use(deployments: readonly Deployment[], settings: ResolvedRouterSettings): void {
    this.core.use(deployments, settings);
    this.current = new RouterView(this.core.current, this.viewed);
    for (const listener of this.changedListeners) listener();
    this.freed();
  }

  private onCooldown({ deployment: { id, modelName }, untilMs, cause, isExtended }: Cooldown): void {
    this.options.sharedState?.cooled?.(id, untilMs);
    if (isExtended) return;
    this.counters.cooldowns++;
    const seconds = Math.ceil((untilMs - this.core.now()) / 1000);
    for (const listener of this.cooldownListeners) listener({ id, group: modelName, seconds, cause });
    this.logger.warn(`Router: deployment ${visibleText(id)} (${visibleText(modelName)}) is in cooldown for ${seconds} s (${cause})`);
  }
}
