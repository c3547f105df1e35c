import { InvalidArgumentError } from '../../common/errors.js';
import type { Environment } from '../../feature-flags/feature-flags.environment.js';

const PREFIX = 'os.environ/';
/** Deeper structures are refused: recursion must end before the stack does, and a cycle has no end. */
const MAX_DEPTH = 64;

/**
 * Every `os.environ/NAME` in a configuration replaced by what the environment has under that name; of a name that it does not have the entry goes,
 * and `missing` is told. What is given is not changed.
 * @throws InvalidArgumentError (`NESTED_TOO_DEEP`), of what is in itself, too.
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
