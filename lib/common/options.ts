import { describeValue, InvalidArgumentError, InvalidConfigurationError, unshown } from './errors.js';
import { suggestion } from './nearest-name.js';

/** Makes the error for a value that breaks `rule` (`must be a positive integer`). */
export type Refuse = (path: string, value: unknown, rule: string) => Error;

/** For options, environment and files, checked at boot. */
export const refuseOption: Refuse = (path, value, rule) => new InvalidConfigurationError(path, `${rule}, got ${describeValue(value)}`);

/** For the arguments of a call. */
export const refuseArgument: Refuse = (path, value, rule) => new InvalidArgumentError(path, value, rule);

/** Both ends are allowed values; a missing end is open. */
export interface Range {
  readonly min?: number;
  readonly max?: number;
}

/**
 * A finite number within `range`. Numeric strings are rejected: readers of the environment convert
 * them.
 */
export function checkNumber(path: string, value: unknown, range: Range = {}, refuse: Refuse = refuseOption): number {
  if (typeof value === 'number' && Number.isFinite(value) && within(value, range)) return value;
  throw refuse(path, value, `must be a number${rangeWords(range)}`);
}

/** A safe integer within `range`. */
export function checkInteger(path: string, value: unknown, range: Range = {}, refuse: Refuse = refuseOption): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && within(value, range)) return value;
  throw refuse(path, value, `must be ${integerWords(range)}`);
}

/** An integer from 1. */
export function checkPositiveInteger(path: string, value: unknown, refuse: Refuse = refuseOption): number {
  return checkInteger(path, value, { min: 1 }, refuse);
}

export function checkBoolean(path: string, value: unknown, refuse: Refuse = refuseOption): boolean {
  if (typeof value === 'boolean') return value;
  throw refuse(path, value, 'must be true or false');
}

/** A string with at least one character. */
export function checkString(path: string, value: unknown, refuse: Refuse = refuseOption): string {
  if (typeof value === 'string' && value !== '') return value;
  throw refuse(path, value, 'must be a non-empty string');
}

/** The path of routes, returned without slashes around it: `v1`, `ops/llm`. */
export function checkRoutePath(path: string, value: unknown): string {
  const given = checkString(path, value);
  if (/^\/?(?:[\w.~-]+\/)*[\w.~-]+\/?$/.test(given)) return given.replace(/^\/|\/$/g, '');
  throw refuseOption(path, value, 'must be a path that contains only letters, digits, _ . ~ - and /');
}

/** One of `choices`, with a suggestion for a near miss. */
export function checkOneOf<T extends string>(path: string, value: unknown, choices: readonly T[], refuse: Refuse = refuseOption): T {
  if (typeof value === 'string') {
    if ((choices as readonly string[]).includes(value)) return value as T;
    throw refuse(path, value, `must be one of ${choices.join(', ')}${suggestion(value, choices)}`);
  }
  throw refuse(path, value, `must be one of ${choices.join(', ')}`);
}

export function checkFunction<F extends (...args: never[]) => unknown>(path: string, value: unknown, refuse: Refuse = refuseOption): F {
  if (typeof value === 'function') return value as F;
  throw refuse(path, value, 'must be a function');
}

/** An object with named entries: no array, no `null`. */
export function checkObject(path: string, value: unknown, refuse: Refuse = refuseOption): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw refuse(path, value, 'must be an object');
}

/** An array; its entries go through `check` one by one, with paths like `preload[1]`. */
export function checkArray<T>(
  path: string,
  value: unknown,
  check: (path: string, value: unknown) => T,
  refuse: Refuse = refuseOption,
): readonly T[] {
  if (!Array.isArray(value)) throw refuse(path, value, 'must be an array');
  // Not `map`, which skips holes.
  return Array.from(value, (entry, index) => check(`${path}[${index}]`, entry));
}

/**
 * Throws for the first key of `object` that is not in `known`, with a suggestion. An empty `path`
 * is the root.
 */
export function checkKnownKeys(path: string, object: object, known: readonly string[], refuse: Refuse = refuseOption): void {
  for (const key of Object.keys(object)) {
    if (known.includes(key)) continue;
    const hint = suggestion(key, known) || `; known options are ${known.join(', ')}`;
    const value = (object as Record<string, unknown>)[key];
    throw refuse(joinPath(path, key), unshown(value), `is not a known option${hint}`);
  }
}

/**
 * `a` and `b` give `a.b`; nothing and `b` give `b`; `flags.json: `, the root of a file, and `b`
 * give `flags.json: b`.
 */
export function joinPath(path: string, key: string): string {
  return path === '' || path.endsWith(': ') ? path + key : `${path}.${key}`;
}

/**
 * Checks an optional entry: `undefined` gives `fallback`; everything else, `null` too, must pass
 * `check`.
 *
 * @example
 * const maxKeys = optional(input.maxKeys, 100_000, (value) => checkPositiveInteger('rateLimit.maxKeys', value));
 */
export function optional<T, D>(value: unknown, fallback: D, check: (value: unknown) => T): T | D {
  return value === undefined ? fallback : check(value);
}

function within(value: number, { min = -Infinity, max = Infinity }: Range): boolean {
  return value >= min && value <= max;
}

/** `a positive integer`, `an integer from 1 to 10`. */
export function integerWords(range: Range): string {
  return range.min === 1 && range.max === undefined ? 'a positive integer' : `an integer${rangeWords(range)}`;
}

/** ` from 1 to 10`, ` of at least 1`: the end of a rule about a number. */
export function rangeWords({ min, max }: Range): string {
  if (min !== undefined && max !== undefined) return ` from ${min} to ${max}`;
  if (min !== undefined) return ` of at least ${min}`;
  return max === undefined ? '' : ` of at most ${max}`;
}
