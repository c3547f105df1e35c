import { describeValue, InvalidConfigurationError } from '../common/errors.js';
import { suggestion } from '../common/nearest-name.js';
import { boolean, custom, integer, number, resolveOptions, string, type OptionsOf, type Resolved } from '../common/option.js';
import { checkObject, checkString } from '../common/options.js';

/**
 * All features, under the names of the Python package if it has the feature. All are on by default.
 */
export const FEATURES = [
  'rust_routing',
  'rust_token_counting',
  'rust_rate_limiting',
  'rust_connection_pooling',
  'batch_token_counting',
  'performance_monitoring',
  'rust_json_scanning',
] as const;
/** The name of a feature. */
export type FeatureName = (typeof FEATURES)[number];

/** Spellings of the original's code and documentation, accepted wherever a feature is named. */
export const FEATURE_ALIASES: Readonly<Record<string, FeatureName>> = { rust_connection_pool: 'rust_connection_pooling' };

/**
 * Which requests get the feature. `canary:N` and `rollout:N` enable it for N percent of the request
 * ids (0 to 100, decimals allowed); the two differ only in name. `shadow`: TypeScript answers, and
 * the native engine runs as well so that the results can be compared.
 */
export type FeatureState = 'enabled' | 'disabled' | 'shadow' | `canary:${number}` | `rollout:${number}`;

export const FEATURE = {
  /**
   * Which requests get the feature: `enabled`, `disabled`, `shadow`, `canary:N` or `rollout:N`.
   * Default `enabled`.
   */
  state: custom<FeatureState>('state', checkState),
  /** Number of native errors after which the feature is disabled. Default: that of all features. */
  errorThreshold: integer({ min: 1 }),
  /**
   * Calls slower than this, in milliseconds, are reported by the performance monitor. Default:
   * none.
   */
  performanceThresholdMs: number({ min: 0 }),
  /**
   * Milliseconds after which a feature disabled by errors tries one call again. Default: that of
   * all features.
   */
  coolOffMs: integer({ min: 0 }),
};

/**
 * Settings of one feature. For each one that is not set, the next layer applies: environment > file
 * > options > defaults.
 */
export interface FeatureSettings extends OptionsOf<typeof FEATURE> {}

export const FEATURE_FLAGS = {
  /** `false` disables every feature. Default `true`. Environment: `FAST_LITELLM_ENABLED`. */
  enabled: boolean({ env: 'FAST_LITELLM_ENABLED' }),
  /**
   * Path of a JSON file with features, relative to the working directory. Default: none.
   * Environment: `FAST_LITELLM_FEATURE_CONFIG`.
   */
  configFile: string({ env: 'FAST_LITELLM_FEATURE_CONFIG' }),
  /**
   * By feature, either the state or its settings: `{ rust_routing: 'canary:10', rust_rate_limiting:
   * false, rust_token_counting: { state: 'shadow', errorThreshold: 3 } }`.
   */
  features: custom<Readonly<Partial<Record<FeatureName, boolean | FeatureState | FeatureSettings>>>, FeatureLayer>(
    'object',
    (path, value) => checkFeatures(path, value, checkFeature),
    {},
  ),
  /**
   * Number of native errors after which a feature is disabled, unless the feature sets its own.
   * Default 10.
   */
  errorThreshold: integer({ min: 1 }),
  /**
   * Milliseconds after which a disabled feature tries one call again, unless the feature sets its
   * own. Default 0: disabled until `resetErrors`.
   */
  coolOffMs: integer({ min: 0 }),
  /** `false`: errors are counted but never disable a feature. Default `true`. */
  autoDisableOnErrors: boolean(),
};

/** Which features the native engine answers, and for which requests. */
export interface FeatureFlagsOptions extends OptionsOf<typeof FEATURE_FLAGS> {}

export type FeatureLayer = Readonly<Partial<Record<FeatureName, FeatureSettings>>>;

/** One layer of configuration: environment, file or options. */
export type FlagsLayer = Partial<Resolved<typeof FEATURE_FLAGS>>;

/** The feature of that name or alias, or `undefined`. */
export function findFeature(name: string): FeatureName | undefined {
  if ((FEATURES as readonly string[]).includes(name)) return name as FeatureName;
  return Object.hasOwn(FEATURE_ALIASES, name) ? FEATURE_ALIASES[name] : undefined;
}

/** `is not a known feature (did you mean rust_routing?)`. */
export function unknownFeatureRule(name: string): string {
  return `is not a known feature${suggestion(name, FEATURES) || `; known features are ${FEATURES.join(', ')}`}`;
}

/**
 * Checks an object of settings by the name of a feature.
 * @throws InvalidConfigurationError naming the path, `featureFlags.features.rust_routing`.
 */
export function checkFeatures(
  path: string,
  value: unknown,
  check: (path: string, entry: unknown, feature: FeatureName) => FeatureSettings,
): FeatureLayer {
  const features: Partial<Record<FeatureName, FeatureSettings>> = {};
  for (const [name, entry] of Object.entries(checkObject(path, value))) {
    const [at, feature] = [`${path}.${name}`, findFeature(name)];
    if (feature === undefined) throw new InvalidConfigurationError(at, unknownFeatureRule(name));
    if (features[feature] !== undefined) throw new InvalidConfigurationError(at, `is another name for ${feature}, which is already set`);
    if (entry !== undefined) features[feature] = check(at, entry, feature);
  }
  return features;
}

function checkFeature(path: string, entry: unknown): FeatureSettings {
  return typeof entry === 'boolean' || typeof entry === 'string'
    ? { state: checkState(path, entry) }
    : resolveOptions(FEATURE, path, entry);
}

/**
 * Reads true/enabled, false/disabled, `canary:N`, `rollout:N`, `shadow`, in any case.
 * @throws InvalidConfigurationError naming `path` for anything else.
 */
export function checkState(path: string, value: unknown): FeatureState {
  const text = (typeof value === 'boolean' ? String(value) : checkString(path, value)).trim().toLowerCase();
  if (text === 'true' || text === 'enabled') return 'enabled';
  if (text === 'false' || text === 'disabled') return 'disabled';
  if (text === 'shadow') return 'shadow';
  const [, kind, share] = /^(canary|rollout):(\d+(?:\.\d+)?|\.\d+)$/.exec(text) ?? [];
  if (Number(share) <= 100) return `${kind as 'canary' | 'rollout'}:${Number(share)}`;
  throw new InvalidConfigurationError(
    path,
    `must be true, false, enabled, disabled, shadow, canary:N or rollout:N with N from 0 to 100, got ${describeValue(value)}`,
  );
}

/** The N of a `canary:N` or `rollout:N`, 100 for `enabled`, 0 for the others. */
export function rolloutPercentage(state: FeatureState): number {
  if (state === 'enabled') return 100;
  return state === 'disabled' || state === 'shadow' ? 0 : Number(state.slice(state.indexOf(':') + 1));
}
