import { parseConfigJson, readConfigText } from '../common/config-text.js';
import { InvalidConfigurationError } from '../common/errors.js';
import {
  checkBoolean,
  checkInteger,
  checkKnownKeys,
  checkNumber,
  checkObject,
  checkOneOf,
  checkPositiveInteger,
  checkString,
  optional,
} from '../common/options.js';
import {
  findFeature,
  parseFeatureState,
  readFeatureNumbers,
  unknownFeatureRule,
  type FeatureName,
  type FeatureSettings,
  type FeatureState,
  type FlagsLayer,
} from './feature-flags.options.js';
import type { FlagsSettings } from './feature-flags.settings.js';

export interface FileFlags extends FlagsLayer {
  readonly settings: FlagsSettings;
}

type Json = Readonly<Record<string, unknown>>;

const FEATURE_KEYS = { errorThreshold: 'error_threshold', performanceThresholdMs: 'performance_threshold_ms', coolOffMs: 'cool_off_ms' };
const STATES = ['enabled', 'disabled', 'shadow', 'canary', 'rollout', 'gradual_rollout'] as const;

/**
 * The entries a feature's `config` may have; those of another feature would do nothing there, so
 * they are refused.
 */
const CONFIG_KEYS: Partial<Record<FeatureName, readonly string[]>> = {
  rust_rate_limiting: ['requests_per_minute', 'burst_size'],
  rust_connection_pooling: ['max_connections_per_endpoint', 'idle_timeout_seconds'],
};

/** Timers take no more milliseconds than that. */
const MOST_SECONDS = 2_147_483;

/**
 * Reads a JSON file of flags in either of the original's shapes, or a mixture.
 * @throws InvalidConfigurationError naming the file and the path inside it: `flags.json:
 * features.rust_routing.state`.
 */
export function readFlagsFile(file: string): FileFlags {
  return readFlagsJson(file, parseConfigJson(file, readConfigText(file)));
}

function readFlagsJson(file: string, json: unknown): FileFlags {
  const root = checkObject(file, json);
  const at = (path: string) => `${file}: ${path}`;
  checkKnownKeys(at(''), root, ['$schema', 'features', 'monitoring', 'fallback', 'global_settings']);
  const section = (name: string, keys: readonly string[]): Json => {
    const entries = optional(root[name], {}, (v) => checkObject(at(name), v));
    checkKnownKeys(at(name), entries, keys);
    return entries;
  };
  const monitoring = section('monitoring', ['enabled', 'sample_rate']);
  const fallback = section('fallback', ['auto_disable_on_errors', 'max_errors_before_disable']);
  const globals = section('global_settings', [
    'enable_automatic_degradation',
    'enable_performance_alerts',
    'metrics_retention_hours',
    'alert_file',
  ]);
  const flag = (path: string, value: unknown) => optional(value, undefined, (v) => checkBoolean(at(path), v));

  const configs: Partial<Record<FeatureName, Json>> = {};
  const features: Partial<Record<FeatureName, FeatureSettings>> = {};
  for (const [name, entry] of Object.entries(optional(root.features, {}, (v) => checkObject(at('features'), v)))) {
    const path = at(`features.${name}`);
    const feature = findFeature(name);
    if (feature === undefined) throw new InvalidConfigurationError(path, unknownFeatureRule(name));
    if (features[feature] !== undefined) throw new InvalidConfigurationError(path, `is ${feature} by another name, which is there already`);
    const settings = checkObject(path, entry);
    features[feature] = readFeature(path, settings);
    configs[feature] = readConfig(`${path}.config`, feature, settings.config);
  }
  const monitoringEnabled = flag('monitoring.enabled', monitoring.enabled);
  if (monitoringEnabled === false) features.performance_monitoring ??= { state: 'disabled' };
  const idleSeconds = configs.rust_connection_pooling?.idle_timeout_seconds as number | undefined;

  return {
    features,
    autoDisableOnErrors:
      flag('fallback.auto_disable_on_errors', fallback.auto_disable_on_errors) ??
      flag('global_settings.enable_automatic_degradation', globals.enable_automatic_degradation),
    errorThreshold: optional(fallback.max_errors_before_disable, undefined, (v) =>
      checkPositiveInteger(at('fallback.max_errors_before_disable'), v),
    ),
    settings: {
      rateLimit: {
        requestsPerMinute: configs.rust_rate_limiting?.requests_per_minute as number | undefined,
        burst: configs.rust_rate_limiting?.burst_size as number | undefined,
      },
      connectionPool: {
        maxConnectionsPerEndpoint: configs.rust_connection_pooling?.max_connections_per_endpoint as number | undefined,
        idleTimeoutMs: idleSeconds === undefined ? undefined : Math.round(idleSeconds * 1000),
      },
      monitoring: {
        enabled: monitoringEnabled,
        sampleRate: optional(monitoring.sample_rate, undefined, (v) => checkNumber(at('monitoring.sample_rate'), v, { min: 0, max: 1 })),
        performanceAlerts: flag('global_settings.enable_performance_alerts', globals.enable_performance_alerts),
        metricsRetentionHours: optional(globals.metrics_retention_hours, undefined, (v) =>
          checkNumber(at('global_settings.metrics_retention_hours'), v, { min: 0 }),
        ),
        alertFile: optional(globals.alert_file, undefined, (v) => checkString(at('global_settings.alert_file'), v)),
      },
    },
  };
}

function readFeature(path: string, entry: Json): FeatureSettings {
  checkKnownKeys(path, entry, ['state', 'enabled', 'rollout_percentage', 'config', ...Object.values(FEATURE_KEYS)]);
  if (entry.state !== undefined && entry.enabled !== undefined) {
    throw new InvalidConfigurationError(path, 'has both state and enabled: they belong to two shapes of this file, one of them has to go');
  }
  const percentage = optional(entry.rollout_percentage, undefined, (v) =>
    checkNumber(`${path}.rollout_percentage`, v, { min: 0, max: 100 }),
  );
  return { ...readFeatureNumbers(path, entry, FEATURE_KEYS), state: readState(path, entry, percentage) };
}

/**
 * A percentage takes effect with `canary`, `rollout` and `enabled: true`; the states that name no
 * share ignore it, as the original does.
 */
function readState(path: string, entry: Json, percentage: number | undefined): FeatureState | undefined {
  if (entry.enabled !== undefined) {
    if (!checkBoolean(`${path}.enabled`, entry.enabled)) return 'disabled';
    return percentage === undefined ? 'enabled' : `rollout:${percentage}`;
  }
  if (entry.state === undefined) return percentage === undefined ? undefined : `rollout:${percentage}`;
  const text = checkString(`${path}.state`, entry.state).toLowerCase();
  if (text.includes(':')) {
    if (percentage === undefined) return parseFeatureState(`${path}.state`, text);
    throw new InvalidConfigurationError(`${path}.state`, 'names a percentage, and so does rollout_percentage: one of them has to go');
  }
  const state = checkOneOf(`${path}.state`, text, STATES);
  if (state === 'enabled' || state === 'disabled' || state === 'shadow') return state;
  if (percentage === undefined) throw new InvalidConfigurationError(`${path}.rollout_percentage`, `must be given with the state ${state}`);
  return `${state === 'canary' ? 'canary' : 'rollout'}:${percentage}`;
}

function readConfig(path: string, feature: FeatureName, input: unknown): Json | undefined {
  if (input === undefined) return undefined;
  const config = checkObject(path, input);
  checkKnownKeys(path, config, CONFIG_KEYS[feature] ?? []);
  for (const [key, value] of Object.entries(config)) {
    if (key === 'idle_timeout_seconds') checkNumber(`${path}.${key}`, value, { min: 0.001, max: MOST_SECONDS });
    else checkInteger(`${path}.${key}`, value, { min: 1 });
  }
  return config;
}
