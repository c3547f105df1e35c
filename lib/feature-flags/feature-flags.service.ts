import { counted } from '../common/plural.js';
import { clocksOf } from '../common/clock.js';
import { defaultLog, type LogSink } from '../common/log-sink.js';
import { InvalidArgumentError } from '../common/errors.js';
import { resolveOptions } from '../common/option.js';
import { FeatureFlag, type FeatureFlagConfig, type FeatureStatus } from './feature-flag.js';
import { readEnvironment, type Environment } from './feature-flags.environment.js';
import { readFlagsFile, type FlagsSettings } from './feature-flags.file.js';
import {
  FEATURE_ALIASES,
  FEATURE_FLAGS,
  FEATURES,
  unknownFeatureRule,
  type FeatureFlagsOptions,
  type FeatureName,
  type FeatureSettings,
  type FlagsLayer,
} from './feature-flags.options.js';

const NO_SETTINGS: FlagsSettings = { rateLimit: {}, connectionPool: {}, monitoring: {} };

/** The environment and the logger that feature flags use. */
export interface FeatureFlagsContext {
  /** Default `process.env`. */
  readonly env?: Environment;
  /** Returns milliseconds since 1970, from a monotonic clock. Default: the clock of the process. */
  readonly now?: () => number;
  /** Default: Nest's logger. */
  readonly logger?: LogSink;
}

/**
 * Decides which requests get a feature. Each setting is taken from the environment, the file, the
 * options or the defaults (all enabled), in this order; settings of one feature take precedence
 * over those of all.
 *
 * @throws InvalidConfigurationError at construction, naming the variable, the file and path, or the
 * option.
 * @example
 * flags.isEnabled('rust_routing', 'request_123'); // true for the same ids every time
 */
export class FeatureFlagsService {
  /** Settings of other capabilities, from the file and the environment. */
  readonly settings: FlagsSettings;

  private readonly flags = new Map<string, FeatureFlag>();
  private readonly listeners = new Map<FeatureFlag, Set<() => void>>();
  private readonly logger: LogSink;

  constructor(options: FeatureFlagsOptions = {}, context: FeatureFlagsContext = {}) {
    const { env = process.env, logger = defaultLog() } = context;
    const clocks = clocksOf(context.now);
    this.logger = logger;
    const ofOptions = resolveOptions(FEATURE_FLAGS, 'featureFlags', options);
    const ofEnvironment = readEnvironment(env);
    const configFile = ofEnvironment.configFile ?? ofOptions.configFile;
    const ofFile = configFile === undefined ? undefined : readFlagsFile(configFile);
    for (const feature of FEATURES) {
      const config = configOf([ofEnvironment, ofFile ?? {}, ofOptions], feature);
      this.flags.set(feature, new FeatureFlag(feature, config, clocks, (flag, event) => this.announce(flag, event)));
    }
    for (const [alias, feature] of Object.entries(FEATURE_ALIASES)) this.flags.set(alias, this.flags.get(feature)!);
    const { rateLimit, ...others } = ofFile?.settings ?? NO_SETTINGS;
    this.settings = { ...others, rateLimit: { ...rateLimit, ...ofEnvironment.rateLimit } };
    for (const warning of ofEnvironment.warnings) logger.warn(warning);
  }

  /**
   * Returns whether the feature is enabled for this request; the result is always the same for an
   * id. Without an id, a rollout is enabled only at 100 %. `shadow` is not enabled: TypeScript
   * answers.
   * @throws InvalidArgumentError for an unknown feature.
   */
  isEnabled(feature: FeatureName, requestId?: string): boolean {
    return this.flag(feature).isEnabled(requestId);
  }

  /** Returns state, errors and rollout of every feature. */
  getFeatureStatus(): Record<FeatureName, FeatureStatus> {
    return Object.fromEntries(FEATURES.map((feature) => [feature, this.flag(feature).status()])) as Record<FeatureName, FeatureStatus>;
  }

  /**
   * Clears the errors of one feature, or of all; tripped features return to their configured state.
   * @throws InvalidArgumentError for an unknown feature.
   */
  resetErrors(feature?: FeatureName | null): void {
    if (feature !== undefined && feature !== null) this.flag(feature).reset();
    else for (const name of FEATURES) this.flag(name).reset();
  }

  /**
   * Counts a native error of the feature. The Nth (`errorThreshold`, default 10) trips it.
   * @throws InvalidArgumentError for an unknown feature.
   */
  recordError(feature: FeatureName, error: unknown): void {
    this.flag(feature).recordError(error);
  }

  /**
   * The flag itself, for an engine choice to hold.
   * @throws InvalidArgumentError for an unknown feature.
   * @internal
   */
  flag(feature: FeatureName): FeatureFlag {
    const flag = this.flags.get(feature);
    if (flag !== undefined) return flag;
    throw new InvalidArgumentError('feature', feature, unknownFeatureRule(typeof feature === 'string' ? feature : ''), 'UNKNOWN_FEATURE');
  }

  /**
   * Calls `listener` synchronously when the feature trips or recovers. Returns a function that
   * removes the listener.
   */
  onChange(feature: FeatureName, listener: () => void): () => void {
    const flag = this.flag(feature);
    const listeners = this.listeners.get(flag) ?? new Set();
    this.listeners.set(flag, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  private announce(flag: FeatureFlag, event: 'tripped' | 'recovered' | 'reset'): void {
    for (const listener of this.listeners.get(flag) ?? []) listener();
    const { errorCount, lastError, configuredState } = flag.status();
    const { coolOffMs } = flag.config;
    if (event === 'tripped') {
      const cause = `${counted(errorCount, 'native error')} (last: ${lastError})`;
      const next = coolOffMs > 0 ? `, and the native engine is tried again in ${coolOffMs} ms` : ' until resetErrors() is called';
      this.logger.error(`Feature flags: the circuit breaker of ${flag.name} tripped after ${cause}; TypeScript answers${next}`);
    } else {
      const cause = event === 'reset' ? 'errors reset' : 'a call succeeded';
      this.logger.log(`Feature flags: ${flag.name} is ${configuredState} again (${cause})`);
    }
  }
}

/** The first layer that has a setting decides it; settings of the feature precede those of all. */
function configOf(layers: readonly FlagsLayer[], feature: FeatureName): FeatureFlagConfig {
  const ofFeature = <K extends keyof FeatureSettings>(key: K): FeatureSettings[K] =>
    layers.find(({ features }) => features?.[feature]?.[key] !== undefined)?.features?.[feature]?.[key];
  const ofAll = <K extends keyof FlagsLayer>(key: K): FlagsLayer[K] => layers.find((layer) => layer[key] !== undefined)?.[key];
  return {
    state: ofAll('enabled') === false ? 'disabled' : (ofFeature('state') ?? 'enabled'),
    errorThreshold: ofFeature('errorThreshold') ?? ofAll('errorThreshold') ?? 10,
    coolOffMs: ofFeature('coolOffMs') ?? ofAll('coolOffMs') ?? 0,
    autoDisableOnErrors: ofAll('autoDisableOnErrors') ?? true,
    performanceThresholdMs: ofFeature('performanceThresholdMs'),
  };
}
