import { resolveAccelerate, type AccelerationTarget } from './acceleration/acceleration.options.js';
import type { LogSink } from './common/log-sink.js';
import { checkArray, checkFunction, checkKnownKeys, checkObject } from './common/options.js';
import type { ConnectionPoolOptions } from './connection-pool/connection-pool.options.js';
import type { EngineMode } from './engine/engine-mode.js';
import type { FeatureFlagsOptions } from './feature-flags/feature-flags.options.js';
import type { ShutdownOptions } from './health/shutdown.options.js';
import type { MetricsOptions } from './metrics/metrics.options.js';
import type { PerformanceMonitorOptions } from './monitor/performance-monitor.options.js';
import type { RateLimitOptions } from './rate-limit/rate-limit.options.js';
import type { ModelCallHook } from './calls/hooks/call-hook.js';
import type { LlmClientOptions } from './calls/llm-client.options.js';
import type { RouterOptions } from './router/router.options.js';
import type { TokenCounterOptions } from './token-counter/token-counter.options.js';

/** Options, one key per capability. All are optional and checked once, at boot. */
export interface FastLiteLLMOptions {
  /**
   * `auto` (default): the native engine if the addon works, otherwise TypeScript. `native`: an
   * error at boot if it does not. `typescript`: the addon is never opened. Environment:
   * `FAST_LITELLM_ENGINE`.
   */
  readonly engine?: EngineMode;
  /** Feature flags: which requests the native engine answers. */
  readonly featureFlags?: FeatureFlagsOptions;
  /** Token counting and prices. */
  readonly tokenCounter?: TokenCounterOptions;
  /** Rate limits. Default: 10 requests a second (burst 20), 600 a minute, 10,000 an hour. */
  readonly rateLimit?: RateLimitOptions;
  /** Deployments and the choice among them. */
  readonly router?: RouterOptions;
  /** Calls to models. */
  readonly llmClient?: LlmClientOptions;
  /**
   * Hooks of calls to models, beside the providers with `@CallHook()`; a class's `@CallHook()` has
   * the options.
   */
  readonly hooks?: readonly ModelCallHook[];
  /** The performance monitor and its alerts. */
  readonly monitor?: PerformanceMonitorOptions;
  /**
   * Libraries to patch in place, so that they answer natively: `true` for all that are installed,
   * or their names. Default: none.
   */
  readonly accelerate?: boolean | readonly AccelerationTarget[];
  /** The connection pool. */
  readonly connectionPool?: ConnectionPoolOptions;
  /**
   * Whether prom-client's global registry shows the metrics, or where and how. Default: `true` in
   * the Nest module if prom-client is installed, `false` in the plain class.
   */
  readonly metrics?: boolean | MetricsOptions;
  /** The graceful shutdown of a Nest app. */
  readonly shutdown?: ShutdownOptions;
  /**
   * Whether calls to models become OpenTelemetry spans and metrics. Default: `true` in Nest if
   * `@opentelemetry/api` is installed, `false` in the plain class.
   */
  readonly telemetry?: boolean;
  /** Receives the log lines of this package; `false`: none are written. Default: Nest's logger. */
  readonly logger?: LogSink | false;
}

const KEYS = [
  'engine',
  'featureFlags',
  'tokenCounter',
  'rateLimit',
  'router',
  'llmClient',
  'hooks',
  'monitor',
  'accelerate',
  'connectionPool',
  'metrics',
  'shutdown',
  'telemetry',
  'logger',
] as const satisfies readonly (keyof FastLiteLLMOptions)[];

/**
 * Options of earlier versions: ignored with a warning, so that an app that still sets them starts.
 */
const FORMER_KEYS = ['calibrate'];

/** The options of earlier versions that are set. */
export function formerOptionsOf(options: FastLiteLLMOptions): string[] {
  return FORMER_KEYS.filter((key) => key in options);
}

/**
 * Checks the options that no capability checks.
 * @throws InvalidConfigurationError naming the key.
 */
export function checkFastLiteLLMOptions(options: FastLiteLLMOptions): void {
  checkKnownKeys('', checkObject('options', options), [...KEYS, ...FORMER_KEYS]);
  resolveAccelerate(options.accelerate);
  checkArray('hooks', options.hooks ?? [], (path, hook) => checkObject(path, hook));
  if (options.logger === undefined || options.logger === false) return;
  const logger = checkObject('logger', options.logger);
  for (const method of ['log', 'warn', 'error']) checkFunction(`logger.${method}`, logger[method]);
}
