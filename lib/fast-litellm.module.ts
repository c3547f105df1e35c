import {
  Inject,
  Module,
  Optional,
  type BeforeApplicationShutdown,
  type DynamicModule,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleDestroy,
  type OnModuleInit,
} from '@nestjs/common';
import { DiscoveryModule, DiscoveryService, HttpAdapterHost } from '@nestjs/core';
import { AccelerationService } from './acceleration/acceleration.service.js';
import { loadLateImports, onLateImportsDue, type HttpEvents } from './common/deferred-imports.js';
import { logOf, type LogSink } from './common/log-sink.js';
import { inTurns, nextTurn } from './common/next-turn.js';
import { checkAsyncOptions, needsForRoot } from './fast-litellm.imports.js';
import { checkObject } from './common/options.js';
import { ConfigurationService } from './configuration/configuration.service.js';
import { ConnectionPoolService } from './connection-pool/connection-pool.service.js';
import { FastLiteLLM } from './fast-litellm.js';
import { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN, OPTIONS_TYPE } from './fast-litellm.module-definition.js';
import type { FastLiteLLMOptions } from './fast-litellm.options.js';
import { FeatureFlagsService } from './feature-flags/feature-flags.service.js';
import type { WatchedServer } from './health/graceful-shutdown.js';
import { FastLiteLLMHealthIndicator } from './health/health.indicator.js';
import { hasPromClient } from './prometheus/collector.js';
import { PerformanceMonitorService } from './monitor/performance-monitor.service.js';
import { RateLimiterService } from './rate-limit/rate-limit.service.js';
import { discoverHooks } from './calls/hooks/hook-discovery.js';
import { LlmClient } from './calls/llm-client.service.js';
import { RouterService } from './router/router.service.js';
import { hasOpenTelemetry } from './telemetry/opentelemetry.js';
import { TokenCounterService } from './token-counter/token-counter.service.js';

const SERVICES = [
  FastLiteLLM,
  FeatureFlagsService,
  TokenCounterService,
  RateLimiterService,
  RouterService,
  PerformanceMonitorService,
  AccelerationService,
  ConnectionPoolService,
  LlmClient,
  ConfigurationService,
  FastLiteLLMHealthIndicator,
];

/** Options with the defaults of the Nest module. */
function inNest(options: FastLiteLLMOptions = {}): FastLiteLLMOptions {
  checkObject('options', options);
  return options.telemetry === undefined && hasOpenTelemetry() ? { ...options, telemetry: true } : options;
}

/**
 * Injects `FastLiteLLM` and its parts: `FeatureFlagsService`, `TokenCounterService`,
 * `RateLimiterService`, `RouterService`, `PerformanceMonitorService`, `AccelerationService`,
 * `ConnectionPoolService`, `LlmClient`, `FastLiteLLMHealthIndicator`, and with `router.configPath`
 * `ConfigurationService`. Global, unless `isGlobal` is `false`. Invalid options stop the app at
 * boot with an error that names the option.
 *
 * @example
 * \@Module({ imports: [FastLiteLLMModule.forRoot()] })
 * export class AppModule {}
 */
@Module({
  imports: [DiscoveryModule],
  providers: [
    needsForRoot(MODULE_OPTIONS_TOKEN, 'FastLiteLLMModule'),
    {
      provide: FastLiteLLM,
      inject: [MODULE_OPTIONS_TOKEN],
      useFactory: (options?: FastLiteLLMOptions) => new FastLiteLLM(inNest(options)),
    },
    { provide: FeatureFlagsService, inject: [FastLiteLLM], useFactory: (llm: FastLiteLLM) => llm.featureFlags },
    { provide: TokenCounterService, inject: [FastLiteLLM], useFactory: (llm: FastLiteLLM) => llm.tokenCounter },
    { provide: RateLimiterService, inject: [FastLiteLLM], useFactory: (llm: FastLiteLLM) => llm.rateLimiter },
    { provide: RouterService, inject: [FastLiteLLM], useFactory: (llm: FastLiteLLM) => llm.router },
    { provide: PerformanceMonitorService, inject: [FastLiteLLM], useFactory: (llm: FastLiteLLM) => llm.monitor },
    { provide: AccelerationService, inject: [FastLiteLLM], useFactory: (llm: FastLiteLLM) => llm.acceleration },
    { provide: ConnectionPoolService, inject: [FastLiteLLM], useFactory: (llm: FastLiteLLM) => llm.connectionPool },
    { provide: ConfigurationService, inject: [FastLiteLLM], useFactory: (llm: FastLiteLLM) => llm.configurationInUse },
    { provide: LlmClient, inject: [FastLiteLLM], useFactory: (llm: FastLiteLLM) => llm.client },
    { provide: FastLiteLLMHealthIndicator, inject: [FastLiteLLM], useFactory: (llm: FastLiteLLM) => new FastLiteLLMHealthIndicator(llm) },
  ],
  exports: SERVICES,
})
export class FastLiteLLMModule
  extends ConfigurableModuleClass
  implements OnModuleInit, OnApplicationBootstrap, OnModuleDestroy, BeforeApplicationShutdown, OnApplicationShutdown
{
  constructor(
    @Inject(MODULE_OPTIONS_TOKEN) private readonly options: FastLiteLLMOptions | undefined,
    private readonly llm: FastLiteLLM,
    private readonly discovery: DiscoveryService,
    @Optional() @Inject(HttpAdapterHost) private readonly host?: HttpAdapterHost,
  ) {
    super();
  }

  /**
   * Registers the module with these options. All are optional.
   * @throws InvalidConfigurationError at boot, naming the option.
   */
  static override forRoot(options: typeof OPTIONS_TYPE = {}): DynamicModule {
    return super.forRoot(checkObject('options', options));
  }

  /**
   * Registers the module with options that a factory or a class returns at boot.
   * @throws InvalidConfigurationError without one of `useFactory`, `useClass` and `useExisting`.
   */
  static override forRootAsync(options: Parameters<typeof ConfigurableModuleClass.forRootAsync>[0]): DynamicModule {
    return super.forRootAsync(checkAsyncOptions('FastLiteLLMModule', options));
  }

  /**
   * Adds the providers with `@CallHook()`, which exist by now, and waits for the tokenizers.
   * Metrics are registered here instead of in the constructor, because an app that fails to start
   * would not remove them.
   */
  async onModuleInit(): Promise<void> {
    this.warnOfOthers();
    const found = discoverHooks(this.discovery);
    for (const { hook, options } of found) this.llm.client.addHook(hook, options);
    if (found.length > 0) this.log.log(`Call hooks: installed ${found.map(({ hook }) => hook.constructor.name).join(', ')}`);
    this.llm.guardrails?.resolve((type) => this.providerOf(type));
    await this.llm.tokenCounter.ready();
    if (this.options?.metrics === undefined && hasPromClient()) this.llm.registerMetrics();
  }

  /** The instance of a class in the option `guardrails`. */
  private providerOf(type: unknown): unknown {
    return this.discovery.getProviders().find(({ metatype, isAlias }) => metatype === type && !isAlias)?.instance as unknown;
  }

  private get log(): LogSink {
    return logOf(this.options?.logger);
  }

  /** Which of several a provider gets depends on Nest's order of modules. The first one says so. */
  private warnOfOthers(): void {
    const found = this.discovery.getProviders().filter(({ token, host }) => token === FastLiteLLM && host?.isGlobal === true);
    if (found.length < 2 || found[0].instance !== this.llm) return;
    const each = 'each import has its own options, limits and connections';
    this.log.warn(`Module: FastLiteLLMModule is imported ${found.length} times (${each}); import it once, because it is global`);
  }

  /**
   * Counts the requests of the HTTP server, so that the shutdown can wait for them. Once it
   * listens, loads the remaining files in turns of a millisecond, so that no request waits for
   * them.
   */
  onApplicationBootstrap(): void {
    const server = this.host?.httpAdapter?.getHttpServer() as (WatchedServer & Partial<HttpEvents>) | undefined;
    if (typeof server?.prependListener !== 'function') return;
    this.llm.shutdown.watch(server);
    const isStopped = (): boolean => this.llm.shutdown.isShuttingDown;
    if (server.on === undefined) return;
    onLateImportsDue(server as HttpEvents, () => void nextTurn().then(() => inTurns(loadLateImports(isStopped))));
  }

  /** The first shutdown hook: reports the app as not ready. */
  onModuleDestroy(): void {
    this.llm.shutdown.begin();
  }

  /** Drains before the HTTP server closes, because closing it aborts connections in some setups. */
  beforeApplicationShutdown(): Promise<void> {
    return this.llm.shutdown.drain();
  }

  /** Closes the connection pool, the stores and the timers. */
  onApplicationShutdown(): Promise<void> {
    return this.llm.close();
  }
}
