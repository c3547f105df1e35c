import type { Environment } from '../feature-flags/feature-flags.environment.js';

const PREFIX = 'os.environ/';

/**
 * Every `os.environ/NAME` in a configuration replaced by what the environment has under that name; of a name that it does not have the entry goes,
 * and `missing` is told. What is given is not changed.
 */
export function resolveEnvironmentNames(value: unknown, env: Environment, missing: (name: string) => void): unknown {
  if (typeof value === 'string') {
    if (!value.startsWith(PREFIX)) return value;
    const name = value.slice(PREFIX.length);
    const found = env[name];
    if (found === undefined) missing(name);
    return found;
  }
  if (Array.isArray(value))
    return value.map((entry) => resolveEnvironmentNames(entry, env, missing)).filter((entry) => entry !== undefined);
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  const entries = Object.entries(value).map(([key, entry]) => [key, resolveEnvironmentNames(entry, env, missing)] as const);
  return Object.fromEntries(entries.filter(([, entry]) => entry !== undefined));
}
