import { checkAccelerate, type AccelerationTarget } from './acceleration/acceleration.options.js';
import type { AlertingOptions } from './callbacks/alerting/alerting.options.js';
import type { CallbackOptions } from './callbacks/callbacks.options.js';
import type { LogSink } from './common/log-sink.js';
import { boolean, custom, instance, list, resolveOptions, type Option, type OptionsOf, type Resolved } from './common/option.js';
import { checkArray, checkObject, refuseOption, type Refuse } from './common/options.js';
import type { ConnectionPoolOptions } from './connection-pool/connection-pool.options.js';
import { ENGINE } from './engine/engine-mode.js';
import type { GuardrailEntry } from './guardrails/guardrails.options.js';
import type { FeatureFlagsOptions } from './feature-flags/feature-flags.options.js';
import type { ShutdownOptions } from './health/shutdown.options.js';
import { resolveMetricsOptions, type MetricsOptions } from './prometheus/metrics.options.js';
import type { PerformanceMonitorOptions } from './monitor/performance-monitor.options.js';
import type { RateLimitOptions } from './rate-limit/rate-limit.options.js';
import type { ModelCallHook } from './calls/hooks/call-hook.js';
import type { LlmClientOptions } from './calls/llm-client.options.js';
import type { RouterOptions } from './router/router.options.js';
import type { TokenCounterOptions } from './token-counter/token-counter.options.js';

const LOGGER = instance<LogSink>('`{ log, warn, error }`', ['log', 'warn', 'error']);

/** Options that their capability checks. */
const elsewhere = <T extends object>(): Option<T, T | undefined> => custom<T>('object', (_, value) => value as T);

export const FAST_LITELLM = {
  /**
   * `auto` (default): the native engine if the addon works, otherwise TypeScript. `native`: an
   * error at boot if it does not. `typescript`: the addon is never opened. Environment:
   * `FAST_LITELLM_ENGINE`.
   *
   * @see docs/engines.md
   */
  engine: ENGINE,
  /**
   * Feature flags: which requests the native engine answers.
   *
   * @see docs/feature-flags.md
   */
  featureFlags: elsewhere<FeatureFlagsOptions>(),
  /**
   * Token counting and prices.
   *
   * @see docs/token-counting.md
   */
  tokenCounter: elsewhere<TokenCounterOptions>(),
  /**
   * Rate limits. Default: 10 requests a second (burst 20), 600 a minute, 10,000 an hour.
   *
   * @see docs/rate-limits.md
   */
  rateLimit: elsewhere<RateLimitOptions>(),
  /**
   * Deployments and how they are selected.
   *
   * @see docs/router.md#options
   */
  router: elsewhere<RouterOptions>(),
  /**
   * Calls to models.
   *
   * @see docs/llm-client.md#options
   */
  llmClient: elsewhere<LlmClientOptions>(),
  /**
   * Hooks of calls to models, in addition to providers with `@CallHook()`. Their options come from
   * the `@CallHook()` of their class. Default: none.
   *
   * @see docs/hooks.md
   */
  hooks: list(custom<ModelCallHook>('hook', checkObject), { default: [] }),
  /**
   * Guardrails of calls to models, in the form of LiteLLM's section `guardrails`, in addition to
   * those of LiteLLM's file. Default: none.
   *
   * @see docs/guardrails.md
   */
  guardrails: custom<readonly GuardrailEntry[]>('list of objects', (path, value, refuse) =>
    checkArray(path, value, (at, entry) => checkObject(at, entry, refuse) as unknown as GuardrailEntry, refuse),
  ),
  /**
   * Sinks of finished calls: Langfuse, OpenTelemetry, HTTP, S3. Default: those of LiteLLM's file.
   *
   * @see docs/callbacks.md#options
   */
  callbacks: elsewhere<CallbackOptions>(),
  /**
   * Alerts for failures and budgets, to Slack and webhooks. Default: those of LiteLLM's file.
   *
   * @see docs/callbacks.md#alerts
   */
  alerting: elsewhere<AlertingOptions>(),
  /**
   * The performance monitor and its alerts.
   *
   * @see docs/performance-monitor.md
   */
  monitor: elsewhere<PerformanceMonitorOptions>(),
  /**
   * Libraries to patch in place so that the native engine answers: `true` for all installed ones,
   * or their names. Default: none.
   *
   * @see docs/acceleration.md
   */
  accelerate: custom<boolean | readonly AccelerationTarget[], readonly AccelerationTarget[]>(
    'boolean or list of names',
    checkAccelerate,
    [],
  ),
  /**
   * The connection pool.
   *
   * @see docs/connection-pool.md
   */
  connectionPool: elsewhere<ConnectionPoolOptions>(),
  /**
   * Whether, or with which options, prom-client exposes the metrics. Default: `true` in the Nest
   * module if prom-client is installed, `false` in the plain class.
   *
   * @see docs/observability.md#metrics
   */
  metrics: custom<boolean | MetricsOptions, MetricsOptions | null>('boolean or object', checkMetrics, null),
  /**
   * The graceful shutdown of a Nest app.
   *
   * @see docs/observability.md#shutdown
   */
  shutdown: elsewhere<ShutdownOptions>(),
  /**
   * Whether calls to models are recorded as OpenTelemetry spans and metrics. Default: `true` in
   * Nest if `@opentelemetry/api` is installed, `false` in the plain class.
   *
   * @see docs/observability.md#opentelemetry
   */
  telemetry: boolean({ default: false }),
  /** Receives the log lines of this package; `false`: nothing is logged. Default: Nest's logger. */
  logger: custom<LogSink | false>('`{ log, warn, error }` or `false`', checkLogger),
};

/** Options, one key per capability. All are optional and checked once, at boot. */
export interface FastLiteLLMOptions extends OptionsOf<typeof FAST_LITELLM> {}

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
export function resolveFastLiteLLMOptions(options: FastLiteLLMOptions): Resolved<typeof FAST_LITELLM> {
  const entries = Object.entries(checkObject('options', options));
  return resolveOptions(FAST_LITELLM, '', Object.fromEntries(entries.filter(([key]) => !FORMER_KEYS.includes(key))));
}

function checkMetrics(path: string, value: unknown): MetricsOptions | null {
  if (value === false) return null;
  if (value !== true && typeof value !== 'object') throw refuseOption(path, value, 'must be true, false or an object');
  return resolveMetricsOptions(value === true ? {} : (value as MetricsOptions));
}

function checkLogger(path: string, value: unknown, refuse: Refuse): LogSink | false {
  return value === false ? false : LOGGER.check(path, value, refuse)!;
}
