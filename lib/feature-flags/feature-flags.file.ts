import { parseConfigJson, readConfigText } from '../common/config-text.js';
import { InvalidConfigurationError } from '../common/errors.js';
import { boolean, custom, group, integer, number, resolveOptions, string, type Fields, type Resolved } from '../common/option.js';
import { checkObject, checkOneOf } from '../common/options.js';
import {
  checkFeatures,
  checkState,
  type FeatureName,
  type FeatureSettings,
  type FeatureState,
  type FlagsLayer,
} from './feature-flags.options.js';

/** Settings of other capabilities in the flags file; they take precedence over the options. */
export interface FlagsSettings {
  /** The environment overrides it. */
  readonly rateLimit: { readonly requestsPerMinute?: number; readonly burst?: number };
  readonly connectionPool: { readonly maxConnectionsPerEndpoint?: number; readonly idleTimeoutMs?: number };
  readonly monitoring: {
    readonly enabled?: boolean;
    /** Share of calls to measure, 0 to 1. */
    readonly sampleRate?: number;
    readonly performanceAlerts?: boolean;
    readonly metricsRetentionHours?: number;
    readonly alertFile?: string;
  };
}

export interface FileFlags extends FlagsLayer {
  readonly settings: FlagsSettings;
}

const FEATURE = {
  state: string(),
  enabled: boolean(),
  rollout_percentage: number({ min: 0, max: 100 }),
  error_threshold: integer({ min: 1 }),
  performance_threshold_ms: number({ min: 0 }),
  cool_off_ms: integer({ min: 0 }),
};

/** Settings allowed in the `config` of each feature; elsewhere they would have no effect. */
const RATE_LIMIT = { requests_per_minute: integer({ min: 1 }), burst_size: integer({ min: 1 }) };
const CONNECTION_POOL = {
  max_connections_per_endpoint: integer({ min: 1 }),
  // Timers do not support more milliseconds.
  idle_timeout_seconds: number({ min: 0.001, max: 2_147_483 }),
};
const CONFIGS: Partial<Record<FeatureName, Fields>> = { rust_rate_limiting: RATE_LIMIT, rust_connection_pooling: CONNECTION_POOL };

const any = custom<unknown>('anything', (_, value) => value);
const FILE = {
  $schema: any,
  features: any,
  monitoring: group({ enabled: boolean(), sample_rate: number({ min: 0, max: 1 }) }),
  fallback: group({ auto_disable_on_errors: boolean(), max_errors_before_disable: integer({ min: 1 }) }),
  global_settings: group({
    enable_automatic_degradation: boolean(),
    enable_performance_alerts: boolean(),
    metrics_retention_hours: number({ min: 0 }),
    alert_file: string(),
  }),
};

/**
 * Reads a JSON file of flags in either of the original's shapes, or a mixture.
 * @throws InvalidConfigurationError naming the file and the path inside it: `flags.json:
 * features.rust_routing.state`.
 */
export function readFlagsFile(file: string): FileFlags {
  const root = `${file}: `;
  const json = checkObject(file, parseConfigJson(file, readConfigText(file)));
  const { features: given = {}, monitoring, fallback, global_settings: globals } = resolveOptions(FILE, root, json);
  const configs: Partial<Record<FeatureName, Readonly<Record<string, unknown>>>> = {};
  const features = {
    ...checkFeatures(`${root}features`, given, (path, entry, feature) => {
      const { config, ...settings } = checkObject(path, entry);
      configs[feature] = resolveOptions(CONFIGS[feature] ?? {}, `${path}.config`, config);
      return readFeature(path, settings);
    }),
  };
  if (monitoring.enabled === false) features.performance_monitoring ??= { state: 'disabled' };
  const limits = configs.rust_rate_limiting as Resolved<typeof RATE_LIMIT> | undefined;
  const pool = configs.rust_connection_pooling as Resolved<typeof CONNECTION_POOL> | undefined;
  return {
    features,
    autoDisableOnErrors: fallback.auto_disable_on_errors ?? globals.enable_automatic_degradation,
    errorThreshold: fallback.max_errors_before_disable,
    settings: {
      rateLimit: { requestsPerMinute: limits?.requests_per_minute, burst: limits?.burst_size },
      connectionPool: {
        maxConnectionsPerEndpoint: pool?.max_connections_per_endpoint,
        idleTimeoutMs: pool?.idle_timeout_seconds === undefined ? undefined : Math.round(pool.idle_timeout_seconds * 1000),
      },
      monitoring: {
        enabled: monitoring.enabled,
        sampleRate: monitoring.sample_rate,
        performanceAlerts: globals.enable_performance_alerts,
        metricsRetentionHours: globals.metrics_retention_hours,
        alertFile: globals.alert_file,
      },
    },
  };
}

function readFeature(path: string, entry: unknown): FeatureSettings {
  const settings = resolveOptions(FEATURE, path, entry);
  return {
    state: stateOf(path, settings),
    errorThreshold: settings.error_threshold,
    performanceThresholdMs: settings.performance_threshold_ms,
    coolOffMs: settings.cool_off_ms,
  };
}

/**
 * A percentage takes effect with `canary`, `rollout` and `enabled: true`; the states that name no
 * share ignore it, as the original does.
 */
function stateOf(path: string, { state, enabled, rollout_percentage: share }: Resolved<typeof FEATURE>): FeatureState | undefined {
  if (state !== undefined && enabled !== undefined)
    throw new InvalidConfigurationError(path, 'must not have both state and enabled; remove one of them');
  if (enabled === false) return 'disabled';
  const shared = share === undefined ? undefined : (`rollout:${share}` as const);
  if (state === undefined) return shared ?? (enabled === true ? 'enabled' : undefined);
  const text = state.toLowerCase();
  if (text.includes(':')) {
    if (share === undefined) return checkState(`${path}.state`, text);
    throw new InvalidConfigurationError(`${path}.state`, 'must not contain a percentage if rollout_percentage is set; remove one of them');
  }
  const name = checkOneOf(`${path}.state`, text, ['enabled', 'disabled', 'shadow', 'canary', 'rollout', 'gradual_rollout']);
  if (name === 'enabled' || name === 'disabled' || name === 'shadow') return name;
  if (shared === undefined)
    throw new InvalidConfigurationError(`${path}.rollout_percentage`, `must be set together with the state ${name}`);
  return name === 'canary' ? `canary:${share!}` : shared;
}
