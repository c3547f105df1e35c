import { InvalidArgumentError } from '../common/errors.js';
import { suggestion } from '../common/nearest-name.js';
import { checkInteger, checkObject, refuseArgument } from '../common/options.js';
import { compileLimit, LIMIT_KEYS, type RateLimit, type RateLimits } from './limits.js';
import { checkLimitName, DEFAULT_LIMIT_NAME, type ResolvedRateLimitOptions } from './rate-limit.options.js';
import type { RateLimitScope } from './store.js';

/** Which limits: without either, those that stand in the options themselves. */
export interface LimitChoice {
  /** A name of `rateLimit.limits`; beside `limits`, the name that they count under. */
  readonly limit?: string;
  /** Limits given here. Keep the object: it is checked once. */
  readonly limits?: RateLimits;
}

export interface CheckOptions extends LimitChoice {
  /** Requests to take. Default 1. */
  readonly cost?: number;
  /** Tokens to take from `tokensPerMinute`. Default 0. */
  readonly tokens?: number;
}

/** One of several keys that are decided together. */
export interface ScopeChoice extends LimitChoice {
  readonly key: string;
}

/** A key, or several that all have to allow: `['key:a1', { key: 'team:7', limit: 'team' }]`. */
export type ScopeList = string | readonly (string | ScopeChoice)[];

/** Requests or tokens that one decision, estimate or report can be about; a larger figure is somebody's joke. */
export const LARGEST_AMOUNT = 2 ** 31;
/** Limits can come from what is known of a user; more different ones than that are not worth remembering. */
const MOST_EQUAL = 1000;
/** More scopes than any request has; a list from outside must not hold the process up. */
const MOST_SCOPES = 64;

/** Requests or tokens to take: a whole number from 0 to 2^31. */
export function checkAmount(path: string, value: number | undefined, fallback: number): number {
  if (value === undefined) return fallback;
  return Number.isSafeInteger(value) && value >= 0 && value <= LARGEST_AMOUNT ? value : refuseAmount(path, value);
}

// Apart, so that what is right is told in few words where it is inlined: each decision does that twice.
function refuseAmount(path: string, value: number): number {
  return checkInteger(path, value, { min: 0, max: LARGEST_AMOUNT }, refuseArgument);
}

/** Finds limits by name, and checks those that are given with a call, once per object. */
export class LimitTable {
  private readonly given = new WeakMap<RateLimits, Map<string, RateLimit>>();
  /** The same by what they say: who writes them with each call has new objects each time, and stores remember limits by theirs. */
  private readonly equal = new Map<string, RateLimit>();

  constructor(private readonly options: ResolvedRateLimitOptions) {}

  /** @throws InvalidArgumentError for a name that is not known, and for limits that cannot be. */
  get(choice: LimitChoice, path = ''): RateLimit {
    return choice.limit === undefined && choice.limits === undefined ? this.options.limit : this.find(choice, path);
  }

  /** `get`, of what comes with a call. */
  of(choice: LimitChoice): RateLimit {
    checkObject('options', choice, refuseArgument);
    return this.get(choice);
  }

  scopes(list: ScopeList, choice: LimitChoice): readonly RateLimitScope[] {
    checkObject('options', choice, refuseArgument);
    if (typeof list === 'string') return [{ key: list, limit: this.get(choice) }];
    if (!Array.isArray(list) || list.length === 0 || list.length > MOST_SCOPES) {
      throw new InvalidArgumentError('key', list, `must be a string, or an array of 1 to ${MOST_SCOPES}`);
    }
    return Array.from(list as readonly (string | ScopeChoice)[], (entry, index) => {
      if (typeof entry === 'string') return { key: entry, limit: this.get(choice) };
      const path = `key[${index}]`;
      const scope = checkObject(path, entry, refuseArgument) as unknown as ScopeChoice;
      if (typeof scope.key !== 'string') throw new InvalidArgumentError(`${path}.key`, scope.key, 'must be a string');
      const own = scope.limit !== undefined || scope.limits !== undefined;
      return { key: scope.key, limit: this.get(own ? scope : choice, `${path}.`) };
    });
  }

  private find({ limit: name, limits }: LimitChoice, path: string): RateLimit {
    if (limits !== undefined) return this.compiled(name ?? DEFAULT_LIMIT_NAME, limits, path);
    if (name === undefined || name === DEFAULT_LIMIT_NAME) return this.options.limit;
    const named = this.options.named.get(name);
    if (named !== undefined) return named;
    const known = [DEFAULT_LIMIT_NAME, ...this.options.named.keys()];
    throw new InvalidArgumentError(
      `${path}limit`,
      name,
      `must be a name of rateLimit.limits${suggestion(String(name), known)}`,
      'UNKNOWN_LIMIT',
    );
  }

  private compiled(name: string, limits: RateLimits, path: string): RateLimit {
    checkObject(`${path}limits`, limits, refuseArgument);
    let byName = this.given.get(limits);
    if (byName === undefined) {
      byName = new Map<string, RateLimit>();
      this.given.set(limits, byName);
    }
    let limit = byName.get(name);
    if (limit === undefined) {
      limit = this.known(compileLimit(checkLimitName(`${path}limit`, name, refuseArgument), limits, `${path}limits`, refuseArgument));
      byName.set(name, limit);
    }
    return limit;
  }

  private known(limit: RateLimit): RateLimit {
    const identity = [limit.name, ...LIMIT_KEYS.map((key) => limit.limits[key])].join('/');
    const known = this.equal.get(identity);
    if (known !== undefined) return known;
    if (this.equal.size >= MOST_EQUAL) this.equal.clear();
    this.equal.set(identity, limit);
    return limit;
  }
}
