import { MOST_USD_OF_ONE } from '../../common/token-cost.js';
import { InvalidArgumentError, unshown } from '../../common/errors.js';
import { checkObject, joinPath, refuseOption, type Refuse } from '../../common/options.js';
import type { Environment } from '../../feature-flags/feature-flags.environment.js';

/** How a reader of settings reports findings. */
export interface Reporting {
  /** Makes the error for an invalid value. */
  readonly refuse: Refuse;
  /** Receives options that are unknown or have no effect. */
  readonly warn: (message: string) => void;
}

const PREFIX = 'os.environ/';
/** A variable as shells and Docker Compose write it. */
const SHELL_VARIABLE = /\$\{([A-Za-z_]\w*)(?:[:?+-][^{}]*)?\}/;
/** Upper bound of the nesting: recursion must end before the stack does, and a cycle has no end. */
const MAX_DEPTH = 64;

/**
 * Returns a copy of a configuration in which every `os.environ/NAME` is replaced by that variable
 * of the environment. Entries whose variable is not set are omitted, and `missing` receives its
 * name.
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

/**
 * Returns the name in a `${NAME}`, which neither LiteLLM nor this package replaces: a key would be
 * sent as it is written, and could be guessed.
 */
export function shellVariableIn(value: unknown): string | undefined {
  return typeof value === 'string' ? SHELL_VARIABLE.exec(value)?.[1] : undefined;
}

/**
 * Makes the error for a value of a configuration file without quoting it: a key in the wrong place
 * must not end up in a log.
 */
export const refuseFileValue: Refuse = (path, value, rule) => refuseOption(path, unshown(value), rule);

/** Reads a number of at least 0, which may be text: from the environment, or quoted in YAML. */
export function checkAmount(path: string, value: unknown, refuse: Refuse): number {
  const amount = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  if (typeof amount === 'number' && Number.isFinite(amount) && amount >= 0) return amount;
  throw refuse(path, value, 'must be a number of at least 0');
}

/** Reads a price in USD, which may be text, of one token or one request. */
export function checkPrice(path: string, value: unknown, refuse: Refuse): number {
  const price = checkAmount(path, value, refuse);
  if (price <= MOST_USD_OF_ONE) return price;
  throw refuse(path, value, `must be at most ${MOST_USD_OF_ONE} USD`);
}

/** Reads an object of such numbers; `undefined` and `null` are omitted. */
export function checkAmounts(path: string, value: unknown, refuse: Refuse): Readonly<Record<string, number>> {
  const set = Object.entries(checkObject(path, value, refuse)).filter(([, amount]) => amount !== undefined && amount !== null);
  return Object.fromEntries(set.map(([key, amount]) => [key, checkAmount(joinPath(path, key), amount, refuse)]));
}
