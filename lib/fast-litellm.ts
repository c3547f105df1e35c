import { AccelerationService } from './acceleration/acceleration.service.js';
import type { Alerting, AlertingContext } from './callbacks/alerting/alerting.js';
import type * as OpenAlerting from './callbacks/alerting/alerting.js';
import type * as OpenCallbacks from './callbacks/callbacks.js';
import type { Callbacks, CallbacksContext } from './callbacks/callbacks.js';
import type { CallObserver } from './common/call-observer.js';
import type { Capability, MetricSample } from './common/capability.js';
import type * as OpenGuardrails from './guardrails/guardrails.js';
import type { Guardrails } from './guardrails/guardrails.js';
import type { AuditLog } from './common/audit-log.js';
import { logOf, type LogSink } from './common/log-sink.js';
import { fieldsOf, listOf } from './common/objects.js';
import { isMeant } from './router/config/protecting-keys.js';
import { ConnectionPools } from './connection-pool/pool-registry.js';
import type { ConnectionPoolOptions } from './connection-pool/connection-pool.options.js';
import type { ConnectionPoolService } from './connection-pool/connection-pool.service.js';
import { isSwitchedOff, readEngineMode, switchedOff, type EngineSetting } from './engine/engine-mode.js';
import { openNativeBinding, type NativeBindingResult } from './engine/native-binding.js';
import { type EngineState, type EngineChoice, provideEngine, type EngineContext } from './engine/engine-choice.js';
import type { Environment } from './feature-flags/feature-flags.environment.js';
import { FeatureFlagsService, type FeatureFlagsContext } from './feature-flags/feature-flags.service.js';
import { EngineComparisons } from './fast-litellm.comparison.js';
import { formerOptionsOf, resolveFastLiteLLMOptions, type FastLiteLLMOptions } from './fast-litellm.options.js';
import { customTokenizers, openRouting, type OpenedRouting } from './fast-litellm.routing.js';
import type * as Configuring from './configuration/configuration.service.js';
import type { ConfigurationService, ConfiguredModels } from './configuration/configuration.service.js';
import { documentOf, type ConfigSection } from './router/config/config-file.js';
import type * as InProcess from './gateway/in-process/gateway-fetch.js';
import type { GatewayFetch } from './gateway/in-process/gateway-fetch.js';
import { resolveGatewayOptions } from './gateway/gateway.options.js';
import { RateLimitGuard } from './http/guard/rate-limit.guard.js';
import { onAppCost } from './http/app-costs.js';
import { JsonReader } from './http/body/json-reader.js';
import { checkHealth, checkHealthAsync, type HealthReport } from './health/health-report.js';
import { GracefulShutdown } from './health/graceful-shutdown.js';
import type { GuardrailEntry } from './guardrails/guardrails.options.js';
import { resolveShutdownOptions } from './health/shutdown.options.js';
import { addonSamples, engineSamples, featureSamples, healthSamples } from './prometheus/engine-samples.js';
import { resolveMetricsOptions, type MetricsOptions } from './prometheus/metrics.options.js';
import { registerPrometheusMetrics } from './prometheus/collector.js';
import { resolveMonitorOptions } from './monitor/performance-monitor.options.js';
import { PerformanceMonitorService } from './monitor/performance-monitor.service.js';
import type { RateLimits } from './rate-limit/limits.js';
import { RATE_LIMIT_ENGINES } from './rate-limit/engine/engine-provider.js';
import { resolveRateLimitOptions, type ResolvedRateLimitOptions } from './rate-limit/rate-limit.options.js';
import { RateLimiterService } from './rate-limit/rate-limit.service.js';
import type { ListRouters } from './router/compat/router-cache.js';
import type { RouterService } from './router/router.service.js';
import { openTelemetryObserver } from './telemetry/opentelemetry.js';
import type { InProcessCallSettings } from './calls/in-process-calls.js';
import { JSON_BODY_ENGINES } from './json-body/engine/engine-provider.js';
import { resolveLlmClientOptions, type LlmClientOptions } from './calls/llm-client.options.js';
import { LlmClient } from './calls/llm-client.service.js';
import { portionsOf, sentParts, type ProviderTransport } from './providers/provider-transport.js';
import { resolveTokenCounterOptions } from './token-counter/token-counter.options.js';
import { checkedEncoding, startBuildingEncoding, tokenCounterEngines } from './token-counter/engine/engine-provider.js';
import { TokenCounterService } from './token-counter/token-counter.service.js';
import { processClock } from './engine/native-memory.js';

/** After the app's hooks, which may add to the prompt, and before those that keep or log it. */
const GUARDRAIL_ORDER = 500;

/** Dependencies of guardrails. */
interface Guarding {
  readonly client: LlmClient;
  readonly router: RouterService;
  readonly entries: readonly GuardrailEntry[];
  readonly log: LogSink;
}

function namesGuardrails(entry: unknown): boolean {
  return isMeant(fieldsOf(fieldsOf(entry).litellm_params).guardrails);
}

type DispatchedRequest = Parameters<ConnectionPoolService['dispatcher']['dispatch']>[0];

/** LiteLLM's configuration file, and which of its settings the app enforces itself. */
interface LiteLLMConfig {
  readonly path?: string;
  /** Its content at the start. */
  readonly document?: ConfigSection;
  readonly handledSettings: readonly string[];
  readonly env?: Environment;
}

/** The result of `healthCheck`. */
export interface FastLiteLLMHealth extends HealthReport {
  /** Whether the native addon is open. */
  readonly rustAvailable: boolean;
  /** Why the addon is not open, or `the app is shutting down`. */
  readonly reason?: string;
}

/**
 * All capabilities in one object. The Nest module creates one and injects its parts; without Nest,
 * create it yourself.
 *
 * @throws InvalidConfigurationError naming the invalid option, variable or file.
 * @throws NativeEngineUnavailableError if `engine` is `native` and the addon does not work.
 * @example
 * const llm = new FastLiteLLM({ featureFlags: { features: { rust_token_counting: 'canary:10' } } });
 * llm.tokenCounter.countTokens('Hello world', 'gpt-4o');
 */
export class FastLiteLLM {
  readonly featureFlags: FeatureFlagsService;
  readonly tokenCounter: TokenCounterService;
  readonly rateLimiter: RateLimiterService;
  readonly monitor: PerformanceMonitorService;
  readonly router: RouterService;
  /**
   * Routers for model lists that are passed with each call, by `getAvailableDeployment` and
   * `AdvancedRouter`.
   * @internal
   */
  readonly listRouters: ListRouters;
  readonly acceleration: AccelerationService;
  readonly connectionPool: ConnectionPoolService;
  readonly client: LlmClient;
  /** Reads the JSON bodies of the gateway and of the client. @internal */
  readonly json: JsonReader;
  /** Observer of calls to models: records OpenTelemetry spans and metrics if `telemetry` is on. */
  readonly observer?: CallObserver;
  /**
   * LiteLLM's configuration file, and which of its settings the app enforces itself.
   * @internal
   */
  readonly liteLLMConfig: LiteLLMConfig;
  /** `undefined`: neither the options nor LiteLLM's file have any. @internal */
  readonly callbacks?: Callbacks;
  /** The same. @internal */
  readonly alerting?: Alerting;
  /** `undefined`: neither the options nor LiteLLM's file have any. @internal */
  guardrails?: Guardrails;
  /** Graceful shutdown; the Nest module uses it. */
  readonly shutdown: GracefulShutdown;

  private configurationMade: ConfigurationService | undefined = undefined;
  private auditLog: AuditLog | undefined = undefined;
  private readonly openConfiguration: () => ConfigurationService;
  /**
   * Ids of deployments added by the admin API, which only connect to allowed addresses. @internal
   */
  readonly guardedDeployments = new Set<string>();

  private readonly openRateLimiter: (options: ResolvedRateLimitOptions) => RateLimiterService;
  private readonly connectionPools: ConnectionPools;
  /** @internal */
  readonly log: LogSink;
  private readonly setting: EngineSetting;
  private readonly engines: Readonly<Record<string, EngineChoice<object>>>;
  /** Capabilities of other modules of the app. */
  private readonly added: Capability[] = [];
  /** Resources that `close` closes. */
  private readonly parts: { close(): void | Promise<void> }[] = [];

  constructor(options: FastLiteLLMOptions = {}, context: FeatureFlagsContext = {}) {
    const { accelerate, metrics, telemetry } = resolveFastLiteLLMOptions(options);
    const logger = logOf(options.logger ?? context.logger);
    this.log = logger;
    for (const key of formerOptionsOf(options)) logger.warn(`Options: ${key} no longer has an effect; remove it`);
    const tokenCounterOptions = resolveTokenCounterOptions(options.tokenCounter);
    const { configPath: path, handledSettings = [] } = options.router ?? {};
    this.setting = readEngineMode(options.engine, context.env);
    if (telemetry) this.observer = openTelemetryObserver();
    try {
      const { binding } = this.addon();
      // Meanwhile, the parts before the token counter are opened.
      const checked = checkedEncoding(tokenCounterOptions);
      if (binding !== null) void startBuildingEncoding(binding, checked);
      const flags = new FeatureFlagsService(options.featureFlags, { ...context, logger });
      const comparisons = this.opened(new EngineComparisons(logger));
      const monitor = this.opened(
        new PerformanceMonitorService(resolveMonitorOptions(options.monitor, flags.settings.monitoring), {
          flags,
          logger,
          now: context.now,
          measure: (rust, typescript, recorder) => comparisons.measure(rust, typescript, recorder),
        }),
      );
      const engines: EngineContext = { setting: this.setting, flags, logger, recorder: monitor };

      const rateLimitOptions = resolveRateLimitOptions(options.rateLimit, flags.settings.rateLimit);
      const rateLimiting = provideEngine(RATE_LIMIT_ENGINES, engines);

      this.connectionPools = this.opened(new ConnectionPools(engines, { recorder: monitor }, context.env));
      const connectionPool = this.connectionPools.open(options.connectionPool);

      const jsonScanning = provideEngine(JSON_BODY_ENGINES, engines);
      const json = new JsonReader(jsonScanning);

      const tokenCounting = provideEngine(tokenCounterEngines(checked), engines);
      const batches = tokenCounting.under('batch_token_counting');
      const tokenCounter = this.opened(new TokenCounterService(tokenCounting, tokenCounterOptions, batches, logger));

      const limiterClock = context.now ?? processClock(rateLimiting.native === null ? null : openNativeBinding().binding);
      this.openRateLimiter = (resolved) => new RateLimiterService(rateLimiting, resolved, limiterClock, monitor, logger);
      const rateLimiter = this.openRateLimiter(rateLimitOptions);
      // Share estimates before the limiter's connection, which they use, is closed.
      this.parts.push({ close: () => tokenCounter.close().finally(() => rateLimiter.close()) });
      const { redis } = rateLimiter.store;
      if (redis !== undefined) tokenCounter.shareEstimates(redis);

      // Read once: every part of the app starts with the same content.
      const document = typeof path === 'string' && path !== '' ? documentOf(path) : undefined;
      this.liteLLMConfig = { path, document, handledSettings, env: context.env };
      const routing = openRouting(options.router, engines, context, { tokenCounter, recorder: monitor, document });
      const router = this.opened(routing.router);
      const tokenizers = customTokenizers(router.deployments(), (message) => logger.warn(message));
      for (const tokenizer of tokenizers) tokenCounter.addTokenizer(tokenizer);

      // Opened by the first call: undici takes long to load.
      let dispatcher: ConnectionPoolService['dispatcher'] | undefined;
      const transport: ProviderTransport = {
        dispatch: (request, handler) => {
          const parts = typeof request.body === 'string' ? undefined : sentParts(request.body);
          const sent = parts === undefined ? request : { ...request, body: portionsOf(parts) };
          // Its types do not allow bodies in parts.
          return (dispatcher ??= connectionPool.dispatcher).dispatch(sent as DispatchedRequest, handler);
        },
      };
      const client = new LlmClient(router, transport, tokenCounter, resolveLlmClientOptions(options.llmClient, routing.ofClient), {
        recorder: monitor,
        observer: this.observer,
        log: logger,
        now: context.now,
        env: routing.env,
        guarded: this.guardedDeployments,
        json,
        onAppCost: (listener) => onAppCost(rateLimiter, listener),
      });

      for (const hook of options.hooks ?? []) client.addHook(hook);
      const guarding = { client, router, entries: options.guardrails ?? [], log: logger };
      if (guarding.entries.length > 0 || this.hasGuardrails(document)) this.guardrails = this.openGuardrails(guarding, document);

      const { ofCallbacks: file, env } = routing;
      const { callbacks, alerting } = options;
      if (callbacks !== undefined || file?.hasCallbacks === true)
        this.callbacks = this.openCallbacks(client, { options: callbacks, file, env, log: logger });
      if (alerting !== undefined || file?.alerting !== undefined) {
        const storeProblems = (): Promise<Record<string, string>> => this.storeProblems();
        const parts = { client, rateLimiter, router };
        this.alerting = this.openAlerting(parts, { options: alerting, file, env, log: logger, storeProblems });
      }

      const acceleration = this.opened(new AccelerationService(tokenCounting, connectionPool));
      if (accelerate.length > 0) {
        acceleration.apply({ targets: accelerate });
        logger.log(`Acceleration: ${acceleration.summary}`);
      }

      this.engines = {
        [tokenCounter.capability]: tokenCounting,
        batch_token_counting: batches,
        [rateLimiter.capability]: rateLimiting,
        [router.capability]: routing.engines,
        [connectionPool.capability]: this.connectionPools.choice,
        json_scanning: jsonScanning,
      };
      for (const choice of [tokenCounting, rateLimiting, routing.engines, this.connectionPools.choice, jsonScanning])
        comparisons.add(choice);

      this.featureFlags = flags;
      this.monitor = monitor;
      this.tokenCounter = tokenCounter;
      this.rateLimiter = rateLimiter;
      this.router = router;
      this.listRouters = routing.lists;
      this.openConfiguration = () => {
        const settings = { options: options.llmClient, watch: options.router?.watch === true };
        return this.configurationOf(routing, settings);
      };
      this.connectionPool = connectionPool;
      this.client = client;
      this.json = json;
      this.acceleration = acceleration;
      const { shutdown } = options;
      const [unsettled, endDrains] = [() => client.unsettledCalls, () => client.endDrains()];
      this.shutdown = new GracefulShutdown(resolveShutdownOptions(shutdown), logger, unsettled, endDrains);
      if (path !== undefined) {
        this.configurationMade = this.openConfiguration();
        // A file can begin to have guardrails.
        this.configurationMade.follow(({ document: next }) => {
          if (this.guardrails !== undefined) return this.guardrails.prepare(this.guardedPart(next));
          if (!this.hasGuardrails(next)) return { apply: () => {} };
          const opened = this.openedGuardrails(guarding, next);
          return { apply: () => void (this.guardrails = this.withGuardrails(client, opened)) };
        });
      }
      if (metrics !== null) this.registerMetrics(metrics);
    } catch (error) {
      // Open parts would keep the process alive and libraries patched.
      this.close().catch(() => {});
      throw error;
    }
  }

  /**
   * Creates another limiter with these limits and its own counters. The caller closes it.
   * @throws InvalidConfigurationError naming the limit.
   */
  rateLimiterUnder(limits: RateLimits): RateLimiterService {
    return this.openRateLimiter(resolveRateLimitOptions(limits));
  }

  /**
   * Opens another connection pool, shared under `name` or private. `close` drains it.
   * @throws InvalidConfigurationError naming the option; InvalidArgumentError if the name is open
   * with other options.
   */
  connectionPoolUnder(options?: ConnectionPoolOptions, name?: string): ConnectionPoolService {
    return name === undefined ? this.connectionPools.open(options) : this.connectionPools.withName(name, options);
  }

  /**
   * Creates a `fetch` for the SDKs of OpenAI and Anthropic: their requests use the router, limits
   * and connection pool in this process, without a server. The SDK's address and key are ignored.
   *
   * @throws InvalidArgumentError for an unknown setting
   * @example
   * const openai = new OpenAI({ apiKey: 'unused', fetch: llm.fetch() });
   */
  fetch(settings: InProcessCallSettings = {}): GatewayFetch {
    const { client, router, tokenCounter, rateLimiter, json } = this;
    const rateLimits = new RateLimitGuard(rateLimiter, tokenCounter);
    const readiness = () => ({ isShuttingDown: this.shutdown.isShuttingDown, isHealthy: true, hasDatabase: false });
    const options = resolveGatewayOptions();
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- loaded when it is first used
    const { gatewayFetch } = require('./gateway/in-process/gateway-fetch.js') as typeof InProcess;
    return gatewayFetch(
      {
        options,
        keys: null,
        masterKey: null,
        openTo: null,
        client,
        router,
        tokenCounter,
        rateLimiter,
        rateLimits,
        budget: null,
        json,
        readiness,
      },
      settings,
    );
  }

  /**
   * Changes the configuration while the app runs. Without `router.configPath`, only models of the
   * admin API can be changed.
   */
  get configuration(): ConfigurationService {
    return (this.configurationMade ??= this.openConfiguration());
  }

  /** The same, if the app has a file or has changed its models. @internal */
  get configurationInUse(): ConfigurationService | undefined {
    return this.configurationMade;
  }

  /** Returns all capabilities, for health and metrics. */
  capabilities(): readonly Capability[] {
    const own = [this.tokenCounter, this.rateLimiter, this.router, this.connectionPool, this.client, this.monitor, this.acceleration];
    return [...own, ...this.added];
  }

  /**
   * Adds a capability of another module to health and metrics.
   * @internal
   */
  addCapability(capability: Capability): void {
    this.added.push(capability);
  }

  /**
   * Returns the engine of each capability, the reason for it, and its recorded errors and shadow
   * runs.
   * @internal
   */
  engineStates(): EngineState[] {
    return Object.entries(this.engines).map(([capability, { active, reason, nativeErrors, shadow }]) => ({
      capability,
      active,
      reason,
      nativeErrors,
      shadow: { ...shadow },
    }));
  }

  /** Returns all metrics of this instance, as data. */
  metrics(): readonly MetricSample[] {
    const { components } = checkHealth(this.capabilities());
    return [
      ...addonSamples(this.addon().binding !== null),
      ...engineSamples(this.engines, components),
      ...featureSamples(this.featureFlags),
      ...healthSamples(components),
      ...this.capabilities().flatMap((capability) => capability.metrics()),
    ];
  }

  /** Runs the self-test of every capability. For an asynchronous one, returns its latest result. */
  healthCheck(): FastLiteLLMHealth {
    return this.describe(checkHealth(this.capabilities()));
  }

  /** Runs the self-test of every capability and waits for all results. */
  async healthCheckAsync(): Promise<FastLiteLLMHealth> {
    return this.describe(await checkHealthAsync(this.capabilities()));
  }

  /**
   * Registers the metrics in prom-client's global registry, or in that of the options, until
   * `close`.
   * @throws MissingPackageError without `prom-client`.
   */
  registerMetrics(options: MetricsOptions = {}): void {
    const { registry, ...rest } = resolveMetricsOptions(options);
    this.parts.push({ close: registerPrometheusMetrics(this, registry, rest) });
  }

  /**
   * Closes connections, stores and timers; leased connections have `connectionPool.drainTimeoutMs`
   * to be released. Can be called more than once.
   */
  async close(): Promise<void> {
    await Promise.all(this.parts.map(async (part) => part.close()));
  }

  private configurationOf(
    routing: OpenedRouting,
    { options, watch }: { readonly options: LlmClientOptions | undefined; readonly watch: boolean },
  ): ConfigurationService {
    const { path, document, env } = this.liteLLMConfig;
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- only apps with a file, or with the admin API, load it
    const { ConfigurationService } = require('./configuration/configuration.service.js') as typeof Configuring;
    const models: ConfiguredModels = {
      deployments: () => routing.router.deployments(),
      prepare: (next, stored) => {
        const prepared = routing.prepare(next, stored);
        const settings = resolveLlmClientOptions(options, prepared.ofClient);
        return {
          ...prepared,
          apply: () => {
            // Both change within one turn of the event loop, so no call sees only one of them.
            this.client.useSettings(settings, prepared.changedEnv);
            prepared.apply();
          },
        };
      },
    };
    const configuration = this.opened(new ConfigurationService({ path, document, env, models, log: this.log, watch }));
    this.addCapability(configuration);
    return configuration;
  }

  /** Whether a file has guardrails that the app does not enforce itself. */
  private hasGuardrails(document: ConfigSection | undefined): boolean {
    if (document === undefined || this.liteLLMConfig.handledSettings.includes('guardrails')) return false;
    return listOf(document.guardrails).length > 0 || isMeant(document.guardrails) || listOf(document.model_list).some(namesGuardrails);
  }

  /** The file, without guardrails if the app enforces them itself. */
  private guardedPart(document: ConfigSection): ConfigSection {
    return this.liteLLMConfig.handledSettings.includes('guardrails') ? {} : document;
  }

  private openGuardrails(guarding: Guarding, document: ConfigSection | undefined): Guardrails {
    return this.withGuardrails(guarding.client, this.openedGuardrails(guarding, document));
  }

  private openedGuardrails({ router, entries, log }: Guarding, document: ConfigSection | undefined): Guardrails {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- only apps with guardrails load it
    const { Guardrails } = require('./guardrails/guardrails.js') as typeof OpenGuardrails;
    const { path, env = process.env } = this.liteLLMConfig;
    const file = path === undefined || document === undefined ? undefined : { path, document: this.guardedPart(document) };
    const routing = {
      deployments: () => router.deployments(),
      groupOf: (model: string) => router.knownName(model),
      hasFallbacks: () => Object.values(router.settings.fallbacks).some(({ size }) => size > 0),
    };
    return new Guardrails({ entries, file, env, routing, log });
  }

  /** Records denials of guardrails, also of those that a later file has. @internal */
  auditGuardrails(log: AuditLog): void {
    this.auditLog = log;
    this.guardrails?.auditTo(log);
  }

  private withGuardrails(client: LlmClient, guardrails: Guardrails): Guardrails {
    this.opened(guardrails);
    if (this.auditLog !== undefined) guardrails.auditTo(this.auditLog);
    client.addHook(guardrails.hook, { order: GUARDRAIL_ORDER, timeoutMs: 600_000 });
    this.addCapability(guardrails);
    return guardrails;
  }

  private openCallbacks(client: LlmClient, context: CallbacksContext): Callbacks {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- only apps with callbacks load it
    const { Callbacks } = require('./callbacks/callbacks.js') as typeof OpenCallbacks;
    const callbacks = this.opened(new Callbacks(context));
    if (callbacks.isEmpty) return callbacks;
    client.onRecord(callbacks.add, { bodies: callbacks.wantsTexts });
    this.addCapability(callbacks);
    return callbacks;
  }

  private openAlerting(parts: Pick<FastLiteLLM, 'client' | 'rateLimiter' | 'router'>, context: AlertingContext): Alerting {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- only apps with alerts load it
    const { Alerting } = require('./callbacks/alerting/alerting.js') as typeof OpenAlerting;
    const alerting = this.opened(new Alerting(context));
    if (alerting.isEmpty) return alerting;
    parts.client.onRecord(alerting.add);
    parts.rateLimiter.whenBudgetCrosses(alerting.budgetCrossed);
    parts.router.whenCooledDown(alerting.cooledDown);
    this.addCapability(alerting);
    return alerting;
  }

  /** Faults that other modules of the app report, such as those with databases. */
  private async storeProblems(): Promise<Record<string, string>> {
    const modules = this.added.filter((each) => each !== this.callbacks && each !== this.alerting);
    const { components } = await checkHealthAsync(modules);
    const problems = Object.entries(components).filter(([, { status }]) => status !== 'ok');
    return Object.fromEntries(problems.map(([name, { status, reason = status }]) => [name, reason]));
  }

  /** Has `close` close it. */
  private opened<T extends { close(): void | Promise<void> }>(part: T): T {
    this.parts.push(part);
    return part;
  }

  private describe({ status, components }: HealthReport): FastLiteLLMHealth {
    const { binding, reason } = this.addon();
    const rustAvailable = binding !== null;
    if (this.shutdown.isShuttingDown) return { status: 'down', rustAvailable, reason: 'the app is shutting down', components };
    const isMissed = !rustAvailable && !this.isWithoutAddonByChoice();
    return {
      status: isMissed && status === 'ok' ? 'degraded' : status,
      rustAvailable,
      ...(reason !== undefined && { reason }),
      components,
    };
  }

  private addon(): NativeBindingResult {
    return this.setting.mode === 'typescript' ? { binding: null, reason: switchedOff(this.setting.setBy) } : openNativeBinding();
  }

  /** By the option or the environment. */
  private isWithoutAddonByChoice(): boolean {
    return this.setting.mode === 'typescript' || isSwitchedOff();
  }
}
