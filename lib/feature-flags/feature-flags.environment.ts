import { InvalidConfigurationError } from '../common/errors.js';
import { nearestName } from '../common/nearest-name.js';
import { integer, readVariables } from '../common/option.js';
import {
  checkState,
  FEATURE_ALIASES,
  FEATURE_FLAGS,
  FEATURES,
  type FeatureName,
  type FeatureSettings,
  type FlagsLayer,
} from './feature-flags.options.js';

/** `process.env` or a substitute. */
export type Environment = Readonly<Record<string, string | undefined>>;

export interface EnvironmentFlags extends FlagsLayer {
  readonly rateLimit: { readonly requestsPerMinute?: number; readonly burst?: number };
  /** Warnings about variables that look like misspelt flags. */
  readonly warnings: readonly string[];
}

const PREFIX = 'FAST_LITELLM_';

const RATE_LIMIT = {
  requestsPerMinute: integer({ min: 1, env: 'FAST_LITELLM_RATE_LIMIT_RPM' }),
  burst: integer({ min: 1, env: 'FAST_LITELLM_RATE_LIMIT_BURST' }),
};

/** Variables that are not of one feature. */
const OTHERS = [...Object.values({ ...FEATURE_FLAGS, ...RATE_LIMIT }).flatMap(({ env }) => env ?? []), `${PREFIX}ENGINE`];

/**
 * Reads the variables `FAST_LITELLM_…`: `ENABLED`, one per feature, `FEATURE_CONFIG`,
 * `RATE_LIMIT_RPM`, `RATE_LIMIT_BURST`.
 * @throws InvalidConfigurationError naming the variable with a wrong value.
 */
export function readEnvironment(env: Environment): EnvironmentFlags {
  const features: Partial<Record<FeatureName, FeatureSettings>> = {};
  for (const feature of FEATURES) {
    const [first, ...others] = variablesOf(feature).filter((name) => env[name] !== undefined);
    if (first === undefined) continue;
    const state = checkState(first, env[first]);
    for (const name of others) {
      const other = checkState(name, env[name]);
      if (other !== state) throw new InvalidConfigurationError(name, `sets ${other}, but ${first} sets ${state} for the same feature`);
    }
    features[feature] = { state };
  }
  return { ...readVariables(FEATURE_FLAGS, env), features, rateLimit: readVariables(RATE_LIMIT, env), warnings: findMisspelt(env) };
}

/** The full name first; fast-litellm documents those without `RUST_`. */
function variablesOf(feature: FeatureName): string[] {
  const names = [feature, ...Object.keys(FEATURE_ALIASES).filter((alias) => FEATURE_ALIASES[alias] === feature)];
  return [...new Set([...names, ...names.map((name) => name.replace('rust_', ''))])].map((name) => PREFIX + name.toUpperCase());
}

/** Warnings, not errors: other programs may have variables with this prefix. */
function findMisspelt(env: Environment): string[] {
  const known = [...FEATURES.flatMap(variablesOf), ...OTHERS];
  return Object.keys(env)
    .filter((name) => name.startsWith(PREFIX) && !known.includes(name))
    .map((name) => [
      name,
      nearestName(
        name.slice(PREFIX.length),
        known.map((each) => each.slice(PREFIX.length)),
      ),
    ])
    .filter(([, meant]) => meant !== undefined)
    .map(([name, meant]) => `Feature flags: the variable ${name} is unknown and has no effect (did you mean ${PREFIX}${meant}?)`);
}
