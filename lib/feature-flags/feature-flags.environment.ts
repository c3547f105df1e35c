import { describeValue, InvalidConfigurationError } from '../common/errors.js';
import { nearestName } from '../common/nearest-name.js';
import { FEATURES, parseFeatureState, type FeatureName, type FeatureSettings, type FlagsLayer } from './feature-flags.options.js';
import type { FlagsSettings } from './feature-flags.settings.js';

/** `process.env` or a substitute. */
export type Environment = Readonly<Record<string, string | undefined>>;

export interface EnvironmentFlags extends FlagsLayer {
  readonly configFile?: string;
  readonly settings: FlagsSettings;
  /** Warnings about variables that look like misspelt flags. */
  readonly warnings: readonly string[];
}

const PREFIX = 'FAST_LITELLM_';

/**
 * The variables of each feature without the prefix, the full name first; fast-litellm documents the
 * short ones.
 */
const VARIABLES: Readonly<Record<FeatureName, readonly string[]>> = {
  rust_routing: ['RUST_ROUTING', 'ROUTING'],
  rust_token_counting: ['RUST_TOKEN_COUNTING', 'TOKEN_COUNTING'],
  rust_rate_limiting: ['RUST_RATE_LIMITING', 'RATE_LIMITING'],
  rust_connection_pooling: ['RUST_CONNECTION_POOLING', 'RUST_CONNECTION_POOL', 'CONNECTION_POOLING', 'CONNECTION_POOL'],
  rust_json_scanning: ['RUST_JSON_SCANNING', 'JSON_SCANNING'],
  batch_token_counting: ['BATCH_TOKEN_COUNTING'],
  performance_monitoring: ['PERFORMANCE_MONITORING'],
};
const OTHERS = ['ENABLED', 'FEATURE_CONFIG', 'RATE_LIMIT_RPM', 'RATE_LIMIT_BURST', 'ENGINE'];

/**
 * Reads the variables `FAST_LITELLM_…`: `ENABLED`, one per feature, `FEATURE_CONFIG`,
 * `RATE_LIMIT_RPM`, `RATE_LIMIT_BURST`.
 * @throws InvalidConfigurationError naming the variable with a wrong value.
 */
export function readEnvironment(env: Environment): EnvironmentFlags {
  const features: Partial<Record<FeatureName, FeatureSettings>> = {};
  for (const feature of FEATURES) {
    const state = readFeature(env, VARIABLES[feature]);
    if (state !== undefined) features[feature] = { state };
  }
  const configFile = env[`${PREFIX}FEATURE_CONFIG`];
  if (configFile === '') throw new InvalidConfigurationError(`${PREFIX}FEATURE_CONFIG`, 'must be the path of a JSON file, got ""');
  return {
    features,
    configFile,
    enabled: readEnabled(env),
    settings: {
      rateLimit: { requestsPerMinute: readPositiveInteger(env, 'RATE_LIMIT_RPM'), burst: readPositiveInteger(env, 'RATE_LIMIT_BURST') },
      connectionPool: {},
      monitoring: {},
    },
    warnings: findMisspelt(env),
  };
}

function readFeature(env: Environment, names: readonly string[]) {
  const given = names.map((name) => PREFIX + name).filter((name) => env[name] !== undefined);
  const states = given.map((name) => parseFeatureState(name, env[name]!));
  const other = states.findIndex((state) => state !== states[0]);
  if (other > 0)
    throw new InvalidConfigurationError(given[other], `says ${states[other]}, but ${given[0]} says ${states[0]} of the same feature`);
  return states[0];
}

function readEnabled(env: Environment): boolean | undefined {
  const name = `${PREFIX}ENABLED`;
  const text = env[name];
  if (text === undefined) return undefined;
  const value = text.trim().toLowerCase();
  if (value === 'true' || value === 'enabled') return true;
  if (value === 'false' || value === 'disabled') return false;
  throw new InvalidConfigurationError(name, `must be true, enabled, false or disabled, got ${describeValue(text)}`);
}

function readPositiveInteger(env: Environment, variable: string): number | undefined {
  const text = env[PREFIX + variable];
  if (text === undefined) return undefined;
  const value = Number(text);
  if (/^\s*\d+\s*$/.test(text) && Number.isSafeInteger(value) && value > 0) return value;
  throw new InvalidConfigurationError(PREFIX + variable, `must be a positive integer, got ${describeValue(text)}`);
}

/** Warnings, not errors: other programs may have variables with this prefix. */
function findMisspelt(env: Environment): string[] {
  const known = [...Object.values(VARIABLES).flat(), ...OTHERS];
  return Object.keys(env)
    .filter((name) => name.startsWith(PREFIX) && !known.includes(name.slice(PREFIX.length)))
    .map((name) => [name, nearestName(name.slice(PREFIX.length), known)])
    .filter(([, meant]) => meant !== undefined)
    .map(([name, meant]) => `${name} is not a variable of this package and does nothing (did you mean ${PREFIX}${meant}?)`);
}
