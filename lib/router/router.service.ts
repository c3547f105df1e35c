import type { Capability, CapabilityHealth, MetricSample } from '../common/capability.js';
import { defaultLog } from '../common/default-log.js';
import type { LogSink } from '../common/log-sink.js';
import { checkOneOf, checkString, refuseArgument, refuseOption } from '../common/options.js';
import { measure, SILENT_RECORDER, type CallSeries } from '../common/recorder.js';
import { steadyNow } from '../common/steady-now.js';
import type { EngineChoice } from '../engine/engine-choice.js';
import { engineHealth } from '../engine/self-test.js';
import type { Deployment, ModelListEntry } from './deployments/deployment.js';
import { DeploymentList } from './config/deployment-list.js';
import { explainRouting, stateOf, type DeploymentState, type RoutingExplanation } from './selection/explain.js';
import { FALLBACK_KINDS, fallbacksIn, type FallbackKind, type FallbackTarget } from './fallbacks.js';
import type { CallFailure } from './health/failures.js';
import { HealthChecks } from './health/health-checks.js';
import { selfTest } from './engine/self-test.js';
import { countsOf, outageOf } from './health/outage.js';
import { fastRandom } from './selection/random.js';
import type { RoutedPick } from './selection/selected-deployment.js';
import type { RouterContext } from './router-context.js';
import type { RouterEngine } from './engine/engine.js';
import { RouterCounters } from './metrics.js';
import type { ResolvedRouterOptions } from './router.options.js';
import { resolveRouterSettings, type ResolvedRouterSettings, type RouterSettings } from './settings.js';
import { Routing } from './selection/router-core.js';
import type { CallSuccess, CallUsage } from './state/call-success.js';
import type { Pick as RouterPick, RoutingContext } from './routing-context.js';
import { stateForSharing } from './redis/state-for-sharing.js';

const NO_TARGETS: readonly FallbackTarget[] = [];
/** Whoever tells nothing of a call gives back what was booked for it all the same. */
const NOTHING_KNOWN: CallSuccess & CallFailure = { latencyMs: NaN };

/**
 * Chooses deployments for requests, keeps account of what they do, and leaves failing ones alone for a while.
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

  private readonly routing: Routing;
  private readonly counters = new RouterCounters();
  private readonly logger: LogSink;
  private readonly list: DeploymentList;
  private readonly series: CallSeries;
  private readonly healthChecks: HealthChecks | undefined;
  private input: RouterSettings;

  /** @internal Made by `FastLiteLLM`. */
  constructor(
    private readonly choice: EngineChoice<RouterEngine>,
    private readonly options: ResolvedRouterOptions,
    context: RouterContext = {},
  ) {
    const { now = steadyNow, random = fastRandom(), recorder = SILENT_RECORDER, modelFacts } = context;
    const { settings, env, sharedAs, maxDeployments, sharedState, countTokens = context.countTokens } = options;
    this.logger = context.logger ?? defaultLog();
    this.input = options.input;
    const reading = {
      path: 'router.modelList',
      refuse: options.refuse ?? refuseOption,
      env,
      modelFacts,
      check: context.check,
      calledByApp: options.calledByApp,
    };
    this.list = new DeploymentList({ ...reading, ...context.reading }, (warning) => this.logger.warn(warning), options.strict);
    this.list.report(options.warnings);
    this.series = recorder.series(choice.active === 'native' ? 'rust_routing' : 'typescript_routing', 'pick');
    this.routing = new Routing(this.list.readAll(options.modelList, settings), settings, {
      choice,
      sharedAs,
      maxDeployments,
      now,
      random,
      countTokens,
      reports: sharedState !== undefined,
      onCooldown: (deployment, untilMs, status) => this.onCooldown(deployment, untilMs, status),
    });
    sharedState?.start(stateForSharing(this.routing, sharedAs));
    if (options.healthChecks !== undefined) {
      this.healthChecks = new HealthChecks(options.healthChecks, {
        deployments: () => this.routing.deployments.filter(({ uncallable }) => uncallable === undefined),
        healthOf: (deployment, forMs) => this.healthOf(deployment, forMs),
      });
    }
  }

  /** The settings, checked and complete: for whoever calls the deployments. */
  get settings(): ResolvedRouterSettings {
    return this.routing.settings;
  }

  /** What the configuration has that is not understood; logged once, too. */
  get warnings(): readonly string[] {
    return this.list.warnings;
  }

  /** All deployments. */
  deployments(): readonly Deployment[] {
    return this.routing.deployments;
  }

  /** The names that requests may ask for: groups and aliases that are not hidden, and of which a deployment can be called. */
  models(): readonly string[] {
    return this.routing.catalogue.callableNames();
  }

  /** Chooses a deployment and books nothing; `null` when none is known for the model, or none may be chosen now. */
  getAvailableDeployment(model: string, context?: RoutingContext | null): Deployment | null {
    return this.routing.peek(model, context ?? undefined);
  }

  /**
   * Chooses a deployment and books the request on it: to be given back by `succeeded`, `failed` or `cancelled`.
   * @throws NoDeploymentError when the model is unknown, or none of its deployments ever fits this request.
   * @throws RouterRateLimitError when all are cooling or at a limit.
   * @throws ContextWindowExceededError when the input fits none.
   */
  acquire(model: string, context?: RoutingContext | null): RouterPick {
    return this.series.sampled() ? this.bookMeasured(model, context) : this.book(model, context);
  }

  /** The answer is there. After a pick was given back once, nothing more happens. */
  succeeded(pick: RouterPick, outcome?: CallSuccess | null): void {
    if (this.routing.succeeded(pick, outcome ?? NOTHING_KNOWN)) this.counters.successes++;
  }

  /** The call failed, which may make the deployment cool. */
  failed(pick: RouterPick, outcome?: CallFailure | null): void {
    if (this.routing.failed(pick, outcome ?? NOTHING_KNOWN)) this.counters.failures++;
  }

  /** The caller went away: no failure of the deployment. */
  cancelled(pick: RouterPick, outcome?: CallUsage | null): void {
    if (this.routing.cancelled(pick, outcome ?? NOTHING_KNOWN)) this.counters.cancellations++;
  }

  /**
   * Where requests for this model go when it fails: for any error, or for one of a kind.
   * @param asked the model that the request was for, where a fallback has led to this one: its chain goes before that of `*`
   */
  fallbacksOf(model: string, kind: FallbackKind = 'general', asked: string = model): readonly FallbackTarget[] {
    checkString('model', model, refuseArgument);
    checkString('asked', asked, refuseArgument);
    checkOneOf('kind', kind, FALLBACK_KINDS, refuseArgument);
    const { fallbacks, defaultFallbacks } = this.settings;
    const names = (asked === model ? [model] : [model, asked]).flatMap((name) => {
      const destination = this.routing.find(name);
      return destination === null ? [name] : [name, destination.name, destination.group.name];
    });
    const targets = fallbacksIn(fallbacks[kind], names);
    if (targets.length > 0 || kind !== 'general') return targets;
    return defaultFallbacks.length === 0 ? NO_TARGETS : defaultFallbacks.map((target) => ({ model: target }));
  }

  /** The name that a model is known by: what an alias stands for, and what a name that nobody knows falls back on; else its own. */
  knownName(model: string): string {
    return this.routing.find(model)?.name ?? model;
  }

  /** How many deployments of the model neither cool nor failed a health check. */
  healthyCount(model: string, context?: RoutingContext | null): number {
    return this.routing.healthyCount(model, context ?? undefined);
  }

  /** Why a request would get the deployment that it would get, and none of the others. */
  explain(model: string, context?: RoutingContext | null): RoutingExplanation {
    return explainRouting(this.routing, model, context ?? undefined);
  }

  /** How every deployment stands. */
  status(): readonly DeploymentState[] {
    const nowMs = this.routing.now();
    return [...this.routing.catalogue.byId.values()].map((entry) => stateOf(this.routing, entry, nowMs));
  }

  /** Other deployments from now on; those of the same id keep their state. */
  setModelList(list: readonly ModelListEntry[]): void {
    this.routing.use(this.list.readAll(list, this.settings), this.settings);
  }

  /** @throws InvalidArgumentError naming the key, and nothing is changed. */
  addDeployment(entry: ModelListEntry): Deployment {
    const deployments = this.list.added(this.routing.deployments, entry, this.settings);
    this.routing.use(deployments, this.settings);
    return deployments[deployments.length - 1];
  }

  /**
   * Changes an entry: what is given replaces what it has under the same keys; its state stays. `undefined` when there is no such deployment.
   * @throws InvalidArgumentError naming the key, and nothing is changed.
   */
  updateDeployment(id: string, change: Partial<ModelListEntry>): Deployment | undefined {
    const deployments = this.list.updated(this.routing.deployments, id, change, this.settings);
    if (deployments !== undefined) this.routing.use(deployments, this.settings);
    return deployments?.find((deployment) => deployment.id === id);
  }

  /** Whether there was such a deployment. Requests under way are still given back. */
  removeDeployment(id: string): boolean {
    const { deployments } = this.routing;
    const left = deployments.filter((deployment) => deployment.id !== id);
    if (left.length === deployments.length) return false;
    this.routing.use(left, this.settings);
    return true;
  }

  /**
   * Changes some of the settings.
   * @throws InvalidArgumentError naming the setting, and nothing is changed.
   */
  updateSettings(change: RouterSettings): void {
    const input = { ...this.input, ...change };
    const settings = resolveRouterSettings(input, 'settings', refuseArgument);
    this.routing.use(this.list.reread(this.routing.deployments, settings), settings);
    this.input = input;
  }

  /** Metrics of this capability at this moment, as data. */
  metrics(): readonly MetricSample[] {
    const budgets = this.routing.budgets.samples(this.routing.now());
    return [...this.counters.samples(this.status(), this.deployments()), ...budgets, ...(this.options.sharedState?.metrics?.() ?? [])];
  }

  /** Asks the engine in charge questions whose answers are known, and looks whether every group has a deployment left. */
  health(): CapabilityHealth {
    const states = this.status();
    const own: CapabilityHealth = { ...engineHealth(this.choice, selfTest), ...countsOf(states) };
    if (own.status === 'down') return own;
    const outage = outageOf(states);
    if (outage !== undefined) return { ...own, ...outage };
    const { aloneBecause } = this.routing;
    if (aloneBecause !== undefined) return { ...own, status: 'degraded', reason: aloneBecause };
    return own.status === 'ok' ? { ...own, ...this.options.sharedState?.health() } : own;
  }

  /** Ends what goes on in the background. More than once is safe. */
  async close(): Promise<void> {
    this.healthChecks?.close();
    await this.options.sharedState?.close();
  }

  private book(model: string, context: RoutingContext | null | undefined): RoutedPick {
    try {
      if (context?.explain === true) return this.bookExplained(model, context);
      const pick = this.routing.acquire(model, context ?? undefined);
      this.counters.picks++;
      return pick;
    } catch (error) {
      this.counters.refused(error);
      throw error;
    }
  }

  private bookExplained(model: string, context: RoutingContext): RoutedPick {
    const explanation = this.explain(model, context);
    const pick = this.routing.acquire(model, context);
    this.counters.picks++;
    // Of those that are equal another one may be taken.
    pick.explanation = { ...explanation, chosen: pick.deployment.id };
    return pick;
  }

  private bookMeasured(model: string, context: RoutingContext | null | undefined): RoutedPick {
    return measure(this.series, () => this.book(model, context));
  }

  private onCooldown({ id, modelName }: Deployment, untilMs: number, status: number): void {
    this.counters.cooldowns++;
    const seconds = Math.ceil((untilMs - this.routing.now()) / 1000);
    this.logger.warn(`Router: ${id} of ${modelName} is left alone for ${seconds} s after ${status === 0 ? 'a failed connection' : status}`);
    this.options.sharedState?.cooled?.(id, untilMs);
  }

  private healthOf({ id }: Deployment, forMs: number): void {
    const { catalogue, memory, states } = this.routing;
    const entry = catalogue.byId.get(id);
    if (entry === undefined) return;
    const nowMs = this.routing.now();
    const wasWell = memory.unhealthyUntil[entry.slot] <= nowMs;
    memory.unhealthyUntil[entry.slot] = forMs === 0 ? 0 : nowMs + forMs;
    if (wasWell !== (forMs === 0)) states.watchers.forget();
  }
}
