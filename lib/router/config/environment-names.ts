import { InvalidArgumentError } from '../../common/errors.js';
import type { Environment } from '../../feature-flags/feature-flags.environment.js';

const PREFIX = 'os.environ/';
/** Upper bound of the nesting: recursion must end before the stack does, and a cycle has no end. */
const MAX_DEPTH = 64;

/**
 * Returns a copy of a configuration in which every `os.environ/NAME` is replaced by that variable of the environment. Entries whose variable is not
 * set are left out, and `missing` receives its name.
 * @throws InvalidArgumentError (`NESTED_TOO_DEEP`), also for a value that contains itself.
 */
export function resolveEnvironmentNames(value: unknown, env: Environment, missing: (name: string) => void, depth = 0): unknown {
  if (typeof value === 'string') {
    if (!value.startsWith(PREFIX)) return value;
    const name = value.slice(PREFIX.length);
    const found = env[name];
    if (found === undefined) missing(name);
    return found;
  }
  if (typeof value !== 'object' || value === null) return value;
  if (depth > MAX_DEPTH)
    throw new InvalidArgumentError('configuration', value, `must not be nested deeper than ${MAX_DEPTH} levels`, 'NESTED_TOO_DEEP');
  const resolve = (entry: unknown): unknown => resolveEnvironmentNames(entry, env, missing, depth + 1);
  if (Array.isArray(value)) return value.map(resolve).filter((entry) => entry !== undefined);
  if (Object.getPrototypeOf(value) !== Object.prototype) return value;
  const entries = Object.entries(value).map(([key, entry]) => [key, resolve(entry)] as const);
  return Object.fromEntries(entries.filter(([, entry]) => entry !== undefined));
}
