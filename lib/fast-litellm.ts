import { resolveAccelerate } from './acceleration/acceleration.options.js';
import { AccelerationService } from './acceleration/acceleration.service.js';
import type { CallObserver } from './common/call-observer.js';
import type { Capability, MetricSample } from './common/capability.js';
import { defaultLog } from './common/default-log.js';
import { checkBoolean, optional, refuseOption } from './common/options.js';
import { readCalibrationMode } from './engine/calibration.js';
import { ConnectionPools } from './connection-pool/pool-registry.js';
import type { ConnectionPoolOptions } from './connection-pool/connection-pool.options.js';
import type { ConnectionPoolService } from './connection-pool/connection-pool.service.js';
import { isSwitchedOff, readEngineMode, switchedOff, type EngineSetting } from './engine/engine-mode.js';
import { openNativeBinding, type NativeBindingResult } from './engine/native-binding.js';
import { provideEngine } from './engine/provide-engine.js';
import { coarseClock } from './engine/shared-memory.js';
import { StricterChoice } from './engine/stricter-choice.js';
import type { EngineState, SwitchingEngine } from './engine/switching-engine.js';
import { FeatureFlagsService, type FeatureFlagsContext } from './feature-flags/feature-flags.service.js';
import { checkFastLiteLLMOptions, type FastLiteLLMOptions } from './fast-litellm.options.js';
import { EngineMeasurements } from './fast-litellm.measurements.js';
import { openRouting } from './fast-litellm.routing.js';
import { checkHealth, checkHealthAsync, type HealthReport } from './health/health-report.js';
import { GracefulShutdown } from './health/graceful-shutdown.js';
import { resolveShutdownOptions } from './health/shutdown.options.js';
import { addonSamples, engineSamples, featureSamples, healthSamples } from './metrics/engine-state.js';
import { resolveMetricsOptions, type MetricsOptions } from './metrics/metrics.options.js';
import { registerPrometheusMetrics } from './metrics/prometheus.js';
import { resolveMonitorOptions } from './monitor/performance-monitor.options.js';
import { PerformanceMonitorService } from './monitor/performance-monitor.service.js';
import { ROUTING_CASES } from './router/engine/calibration.js';
import { SWEEP_CASES } from './connection-pool/engine/calibration.js';
import { DECISION_CASES } from './rate-limit/engine/calibration.js';
import * as rateLimiting from './rate-limit/engine/self-test.js';
import { RateLimitEngine } from './rate-limit/engine/engine.js';
import { NativeRateLimitEngine } from './rate-limit/engine/native.js';
import type { RateLimits } from './rate-limit/limits.js';
import { resolveRateLimitOptions, type ResolvedRateLimitOptions } from './rate-limit/rate-limit.options.js';
import { RateLimiterService } from './rate-limit/rate-limit.service.js';
import { TypeScriptRateLimitEngine } from './rate-limit/engine/typescript.js';
import type { ListRouters } from './router/compat/router-cache.js';
import type { RouterService } from './router/router.service.js';
import { openTelemetryObserver } from './telemetry/call-spans.js';
import { TokenCounterEngine } from './token-counter/engine/engine.js';
import { resolveLlmClientOptions } from './llm-client/llm-client.options.js';
import { LlmClient } from './llm-client/llm-client.service.js';
import { resolveTokenCounterOptions } from './token-counter/token-counter.options.js';
import { CHECKED_ENCODING, TOKEN_COUNTER_RECIPE } from './token-counter/engine/engine-provider.js';
import { TokenCounterService } from './token-counter/token-counter.service.js';

/** What `healthCheck` answers. */
export interface FastLiteLLMHealth extends HealthReport {
  /** Whether the native addon is open. */
  readonly rustAvailable: boolean;
  /** Why it is not, or that the app is shutting down. */
  readonly reason?: string;
}

/**
 * All capabilities and what they share. The Nest module holds one and injects its parts; without Nest, build one yourself.
 *
 * @throws InvalidConfigurationError naming the option, variable or file that is wrong.
 * @throws NativeEngineUnavailableError with `engine: 'native'`, where the addon does not work.
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
   * Routers for model lists that come with the call: those of `getAvailableDeployment` and `AdvancedRouter`.
   * @internal
   */
  readonly listRouters: ListRouters;
  readonly acceleration: AccelerationService;
  readonly connectionPool: ConnectionPoolService;
  readonly client: LlmClient;
  /** Hears of calls to models: OpenTelemetry's spans, with `telemetry`. */
  readonly observer?: CallObserver;
  /** Brings the app down without cutting anybody off; the Nest module uses it. */
  readonly shutdown: GracefulShutdown;

  private readonly openRateLimiter: (options: ResolvedRateLimitOptions) => RateLimiterService;
  private readonly connectionPools: ConnectionPools;
  private readonly setting: EngineSetting;
  private readonly engines: Readonly<Record<string, SwitchingEngine<object>>>;
  private readonly measurements: EngineMeasurements;
  private readonly onClose: (() => void)[] = [];
  /** What has to be closed, as far as it was opened. */
  private readonly parts: { close(): void | Promise<void> }[] = [];

  constructor(options: FastLiteLLMOptions = {}, context: FeatureFlagsContext = {}) {
    checkFastLiteLLMOptions(options);
    const logger = options.logger ?? context.logger ?? defaultLog();
    this.setting = readEngineMode(options.engine, context.env);
    const tokenCounterOptions = resolveTokenCounterOptions(options.tokenCounter);
    const metrics = readMetrics(options.metrics);
    if (optional(options.telemetry, false, (value) => checkBoolean('telemetry', value))) this.observer = openTelemetryObserver();
    const calibration = readCalibrationMode(options.calibrate, context.env);
    try {
      this.featureFlags = new FeatureFlagsService(options.featureFlags, { ...context, logger });
      const flags = this.featureFlags;
      const monitor = new PerformanceMonitorService(resolveMonitorOptions(options.monitor, flags.settings.monitoring), {
        flags,
        logger,
        now: context.now,
        measure: (...pair) => this.measurements.measure(...pair),
        verdicts: () => [...new Set(Object.values(this.engines).map(({ speeds }) => speeds))].flatMap((speeds) => speeds.all()),
      });
      this.monitor = monitor;
      this.parts.push(monitor);
      const engines = { setting: this.setting, flags, logger, recorder: monitor };

      const tokenCounting = provideEngine<TokenCounterEngine>(TokenCounterEngine, TOKEN_COUNTER_RECIPE, engines);
      const batches = tokenCounting.under('batch_token_counting');
      this.tokenCounter = new TokenCounterService(tokenCounting, tokenCounterOptions, new StricterChoice(tokenCounting, batches), monitor);

      const rateLimitOptions = resolveRateLimitOptions(options.rateLimit, this.featureFlags.settings.rateLimit);
      const rateLimits = provideEngine<RateLimitEngine>(
        RateLimitEngine,
        {
          feature: 'rust_rate_limiting',
          native: (binding) => new NativeRateLimitEngine(binding),
          typescript: () => new TypeScriptRateLimitEngine(),
          verify: rateLimiting.answersKnownQuestion,
        },
        engines,
      );
      const limiterClock = context.now ?? coarseClock(rateLimits.native === null ? null : openNativeBinding().binding);
      this.openRateLimiter = (resolved) => new RateLimiterService(rateLimits, resolved, limiterClock, monitor);
      this.rateLimiter = this.openRateLimiter(rateLimitOptions);
      this.parts.push(this.rateLimiter);
      const routing = openRouting(options.router, engines, context, this.tokenCounter, monitor);
      this.router = routing.router;
      this.parts.push(this.router);
      this.listRouters = routing.lists;

      this.connectionPools = new ConnectionPools(engines, { recorder: monitor }, context.env);
      this.parts.push(this.connectionPools);
      this.connectionPool = this.connectionPools.open(options.connectionPool);
      const clientOptions = resolveLlmClientOptions(options.llmClient);
      this.client = new LlmClient(this.router, this.connectionPool.dispatcher, this.tokenCounter, clientOptions, {
        recorder: monitor,
        observer: this.observer,
        now: context.now,
        env: routing.env,
      });
      this.engines = {
        [this.tokenCounter.capability]: tokenCounting,
        batch_token_counting: batches,
        [this.rateLimiter.capability]: rateLimits,
        [this.router.capability]: routing.engines,
        [this.connectionPool.capability]: this.connectionPools.choice,
      };
      const measurements = new EngineMeasurements(calibration, monitor, logger);
      this.measurements = measurements;
      measurements.add(rateLimits, DECISION_CASES);
      measurements.addTokenCounting(tokenCounting, CHECKED_ENCODING);
      measurements.add(this.connectionPools.choice, SWEEP_CASES);
      measurements.add(routing.engines, ROUTING_CASES);
      this.onClose.push(() => measurements.close());
      if (this.setting.mode === 'auto') measurements.start();
      this.acceleration = new AccelerationService(tokenCounting, this.connectionPool);
      this.parts.push(this.acceleration);
      const targets = resolveAccelerate(options.accelerate);
      if (targets.length > 0) {
        this.acceleration.apply({ targets });
        logger.log(`Acceleration: ${this.acceleration.summary}`);
      }
      this.shutdown = new GracefulShutdown(resolveShutdownOptions(options.shutdown), logger, () => this.client.callsUnderWay);
      if (metrics !== null) this.registerMetrics(metrics);
    } catch (error) {
      // What is open by then would keep the process, and libraries patched.
      this.close().catch(() => {});
      throw error;
    }
  }

  /**
   * One more limiter on the same engines, with these limits and counters of its own; its owner closes it.
   * @throws InvalidConfigurationError naming the limit.
   */
  rateLimiterUnder(limits: RateLimits): RateLimiterService {
    return this.openRateLimiter(resolveRateLimitOptions(limits));
  }

  /**
   * One more connection pool on the same engines: of a name, or of nobody else's. `close` drains it.
   * @throws InvalidConfigurationError naming the option, InvalidArgumentError where the name is open with other options.
   */
  connectionPoolUnder(options?: ConnectionPoolOptions, name?: string): ConnectionPoolService {
    return name === undefined ? this.connectionPools.open(options) : this.connectionPools.withName(name, options);
  }

  /** Every capability, for health and metrics. */
  capabilities(): readonly Capability[] {
    return [this.tokenCounter, this.rateLimiter, this.router, this.connectionPool, this.client, this.monitor, this.acceleration];
  }

  /**
   * Which engine answers for each capability, why, and what it has been seen to do.
   * @internal
   */
  engineStates(): EngineState[] {
    return Object.entries(this.engines).map(([capability, { active, reason, nativeErrors, shadow }]) => ({
      capability,
      active,
      reason,
      nativeErrors,
      shadow: { runs: shadow.runs, differences: shadow.differences },
    }));
  }

  /** Every number of this instance, as data. */
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

  /** Asks every capability a question whose answer is known. One that can only answer later is given with its latest answer. */
  healthCheck(): FastLiteLLMHealth {
    return this.describe(checkHealth(this.capabilities()));
  }

  /** The same, waiting for every answer. */
  async healthCheckAsync(): Promise<FastLiteLLMHealth> {
    return this.describe(await checkHealthAsync(this.capabilities()));
  }

  /**
   * Shows the metrics in prom-client's global registry, or that of the options, until `close`.
   * @throws MissingPackageError without `prom-client`.
   */
  registerMetrics(options: MetricsOptions = {}): void {
    const { registry, ...rest } = resolveMetricsOptions(options);
    this.onClose.push(registerPrometheusMetrics(this, registry, rest));
  }

  /** Gives everything back that outlives a call; connections that are leased have `connectionPool.drainTimeoutMs` to be returned. More than once is safe. */
  async close(): Promise<void> {
    for (const end of this.onClose.splice(0)) end();
    await Promise.all(this.parts.map(async (part) => part.close()));
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

  /** By the option, or by the environment, which keeps the addon closed for the whole process. */
  private isWithoutAddonByChoice(): boolean {
    return this.setting.mode === 'typescript' || isSwitchedOff();
  }
}

/** The options to show metrics with, or `null` where they are not to be shown. */
function readMetrics(option: FastLiteLLMOptions['metrics']): MetricsOptions | null {
  if (typeof option === 'object') return resolveMetricsOptions(option);
  if (option !== undefined && typeof option !== 'boolean') throw refuseOption('metrics', option, 'must be true, false or an object');
  return option ? {} : null;
}
