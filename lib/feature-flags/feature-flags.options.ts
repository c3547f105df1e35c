import { describeValue, InvalidConfigurationError } from '../common/errors.js';
import {
  checkBoolean,
  checkInteger,
  checkKnownKeys,
  checkNumber,
  checkObject,
  checkPositiveInteger,
  checkString,
  optional,
} from '../common/options.js';
import { suggestion } from '../common/nearest-name.js';

/**
 * Every feature that can be switched, under the names of the Python original where it has the
 * feature. All are on by default.
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
/** The name of a feature that can be switched. */
export type FeatureName = (typeof FEATURES)[number];

/**
 * Spellings found in the original's code and documentation, accepted wherever a feature is named.
 */
export const FEATURE_ALIASES: Readonly<Record<string, FeatureName>> = { rust_connection_pool: 'rust_connection_pooling' };

/**
 * Who gets the feature. `canary:N` and `rollout:N` give it to N per cent of the request ids (0 to
 * 100, decimals allowed); the two differ in name only. `shadow`: TypeScript answers and the native
 * engine runs beside it, to be compared.
 */
export type FeatureState = 'enabled' | 'disabled' | 'shadow' | `canary:${number}` | `rollout:${number}`;

/**
 * What can be said of one feature. Every part may be left to a lower layer: environment > file >
 * options > defaults.
 */
export interface FeatureSettings {
  /** Default `enabled`. */
  readonly state?: FeatureState;
  /** The native error that switches the feature off. Default 10. */
  readonly errorThreshold?: number;
  /**
   * Calls slower than this, in milliseconds, are reported by the performance monitor. Default:
   * none.
   */
  readonly performanceThresholdMs?: number;
  /**
   * Milliseconds after which a feature that errors switched off tries one call again. Default 0: it
   * stays off until `resetErrors`.
   */
  readonly coolOffMs?: number;
}

/** Which features the native engine answers, and for which requests. */
export interface FeatureFlagsOptions {
  /** `false` switches every feature off. Default `true`. Environment: `FAST_LITELLM_ENABLED`. */
  readonly enabled?: boolean;
  /**
   * Path of a JSON file with features, relative to the working directory. Environment:
   * `FAST_LITELLM_FEATURE_CONFIG`.
   */
  readonly configFile?: string;
  /**
   * `{ rust_routing: 'canary:10', rust_rate_limiting: false, rust_token_counting: { state:
   * 'shadow', errorThreshold: 3 } }`.
   */
  readonly features?: Readonly<Partial<Record<FeatureName, boolean | FeatureState | FeatureSettings>>>;
  /** For the features that set none of their own. Default 10. */
  readonly errorThreshold?: number;
  /**
   * For the features that set none of their own, in milliseconds. Default 0: off until
   * `resetErrors`.
   */
  readonly coolOffMs?: number;
  /** `false`: errors are counted but never switch anything off. Default `true`. */
  readonly autoDisableOnErrors?: boolean;
}

/** One layer of configuration, whatever it was read from. */
export interface FlagsLayer {
  readonly enabled?: boolean;
  readonly features: Partial<Record<FeatureName, FeatureSettings>>;
  readonly errorThreshold?: number;
  readonly coolOffMs?: number;
  readonly autoDisableOnErrors?: boolean;
}

/** The feature of that name or alias, or `undefined`. */
export function findFeature(name: string): FeatureName | undefined {
  if ((FEATURES as readonly string[]).includes(name)) return name as FeatureName;
  return Object.hasOwn(FEATURE_ALIASES, name) ? FEATURE_ALIASES[name] : undefined;
}

/** `is not a known feature (did you mean rust_routing?)`. */
export function unknownFeatureRule(name: string): string {
  return `is not a known feature${suggestion(name, FEATURES) || `, known are ${FEATURES.join(', ')}`}`;
}

const SHARE = /^(canary|rollout):(\d+(?:\.\d+)?|\.\d+)$/;

/**
 * Reads true/enabled, false/disabled, `canary:N`, `rollout:N`, `shadow`, in any case.
 * @throws InvalidConfigurationError naming `path` for anything else.
 */
export function parseFeatureState(path: string, text: string): FeatureState {
  const value = text.trim().toLowerCase();
  if (value === 'true' || value === 'enabled') return 'enabled';
  if (value === 'false' || value === 'disabled') return 'disabled';
  if (value === 'shadow') return 'shadow';
  const share = SHARE.exec(value);
  if (share !== null && Number(share[2]) <= 100) return `${share[1] as 'canary' | 'rollout'}:${Number(share[2])}`;
  throw new InvalidConfigurationError(
    path,
    `must be true, false, enabled, disabled, shadow, canary:N or rollout:N with N from 0 to 100, got ${describeValue(text)}`,
  );
}

/** The N of a `canary:N` or `rollout:N`, 100 for `enabled`, 0 for the others. */
export function rolloutPercentage(state: FeatureState): number {
  if (state === 'enabled') return 100;
  return state === 'disabled' || state === 'shadow' ? 0 : Number(state.slice(state.indexOf(':') + 1));
}

/**
 * The numbers that a file and `forRoot` may give for a feature; `name` turns an entry into the
 * spelling of that place.
 */
export function readFeatureNumbers(
  path: string,
  input: Readonly<Record<string, unknown>>,
  keys: { errorThreshold: string; performanceThresholdMs: string; coolOffMs: string },
): Omit<FeatureSettings, 'state'> {
  return {
    errorThreshold: optional(input[keys.errorThreshold], undefined, (v) => checkPositiveInteger(`${path}.${keys.errorThreshold}`, v)),
    performanceThresholdMs: optional(input[keys.performanceThresholdMs], undefined, (v) =>
      checkNumber(`${path}.${keys.performanceThresholdMs}`, v, { min: 0 }),
    ),
    coolOffMs: optional(input[keys.coolOffMs], undefined, (v) => checkInteger(`${path}.${keys.coolOffMs}`, v, { min: 0 })),
  };
}

const OPTION_KEYS = ['enabled', 'configFile', 'features', 'errorThreshold', 'coolOffMs', 'autoDisableOnErrors'] as const;
const FEATURE_KEYS = { errorThreshold: 'errorThreshold', performanceThresholdMs: 'performanceThresholdMs', coolOffMs: 'coolOffMs' };

/**
 * Checks the `featureFlags` options.
 * @throws InvalidConfigurationError naming the path, `featureFlags.features.rust_routing`.
 */
export function readFlagsOptions(options: FeatureFlagsOptions, path = 'featureFlags'): FlagsLayer & { configFile?: string } {
  checkKnownKeys(path, checkObject(path, options), OPTION_KEYS);
  const features: Partial<Record<FeatureName, FeatureSettings>> = {};
  for (const [name, entry] of Object.entries(optional(options.features, {}, (v) => checkObject(`${path}.features`, v)))) {
    const feature = findFeature(name);
    if (feature === undefined) throw new InvalidConfigurationError(`${path}.features.${name}`, unknownFeatureRule(name));
    if (entry !== undefined) features[feature] = readFeatureOption(`${path}.features.${name}`, entry);
  }
  return {
    features,
    enabled: optional(options.enabled, undefined, (v) => checkBoolean(`${path}.enabled`, v)),
    configFile: optional(options.configFile, undefined, (v) => checkString(`${path}.configFile`, v)),
    errorThreshold: optional(options.errorThreshold, undefined, (v) => checkPositiveInteger(`${path}.errorThreshold`, v)),
    coolOffMs: optional(options.coolOffMs, undefined, (v) => checkInteger(`${path}.coolOffMs`, v, { min: 0 })),
    autoDisableOnErrors: optional(options.autoDisableOnErrors, undefined, (v) => checkBoolean(`${path}.autoDisableOnErrors`, v)),
  };
}

function readFeatureOption(path: string, entry: unknown): FeatureSettings {
  if (typeof entry === 'boolean' || typeof entry === 'string') return { state: parseFeatureState(path, String(entry)) };
  const settings = checkObject(path, entry);
  checkKnownKeys(path, settings, ['state', ...Object.values(FEATURE_KEYS)]);
  return {
    ...readFeatureNumbers(path, settings, FEATURE_KEYS),
    state: optional(settings.state, undefined, (v) =>
      parseFeatureState(`${path}.state`, typeof v === 'boolean' ? String(v) : checkString(`${path}.state`, v)),
    ),
  };
}
