import { InvalidArgumentError } from '../common/errors.js';
import { suggestion } from '../common/nearest-name.js';
import { LARGEST_USD, nanoUsd } from '../common/nano-usd.js';
import { checkInteger, checkNumber, checkObject, joinPath, refuseArgument, refuseOption, type Refuse } from '../common/options.js';
import { BUDGET_KEYS } from './budget/budget-limits.js';
import { compileLimit, LIMIT_KEYS, type RateLimit, type RateLimits } from './limits.js';
import { checkLimitName, DEFAULT_LIMIT_NAME, type ResolvedRateLimitOptions } from './rate-limit.options.js';
import type { RateLimitScope } from './store.js';

/** Selects the limits. Default: those in the options themselves. */
export interface LimitChoice {
  /** A name in `rateLimit.limits`; together with `limits`, the name of their counters. */
  readonly limit?: string;
  /** Limits of this call. Reuse the object, because it is checked only once. */
  readonly limits?: RateLimits;
}

export interface CheckOptions extends LimitChoice {
  /** Number of requests to charge. Default 1. */
  readonly cost?: number;
  /** Number of tokens to charge to `tokensPerMinute`. Default 0. */
  readonly tokens?: number;
  /** USD to hold in budgets: the maximum cost of the request. Default 0. */
  readonly usd?: number;
  /** Over Redis: the part that is charged if this process dies before settling. Default: all. */
  readonly expectedUsd?: number;
}

/** The actual usage of a reservation. */
export interface ActualUsage {
  /** Default: the reserved tokens. */
  readonly tokens?: number;
  /** Default: the whole hold. */
  readonly usd?: number;
}

/** One of several keys that are decided together. */
export interface ScopeChoice extends LimitChoice {
  readonly key: string;
}

/**
 * A key, or several keys that must all allow the request: `['key:a1', { key: 'team:7', limit:
 * 'team' }]`.
 */
export type ScopeList = string | readonly (string | ScopeChoice)[];

/** The most requests or tokens of one decision, estimate or report. */
export const LARGEST_AMOUNT = 2 ** 31;
/** Limits of calls that are remembered; an app may compute them for each user. */
const MOST_EQUAL = 1000;
/** The most scopes of one decision, because a list from outside must not block the process. */
const MOST_SCOPES = 64;

/** Requests or tokens to take: an integer from 0 to 2^31. */
export function checkAmount(path: string, value: number | undefined, fallback: number): number {
  return value === undefined ? fallback : checkInteger(path, value, { min: 0, max: LARGEST_AMOUNT }, refuseArgument);
}

/** USD of an argument as nano-USD, rounded up. */
export function checkUsd(path: string, value: number | undefined, fallback: number): number {
  return value === undefined ? fallback : nanoUsd(checkNumber(path, value, { min: 0, max: LARGEST_USD }, refuseArgument));
}

/** Finds limits by name, and compiles those of calls, once per object. */
export class LimitTable {
  private readonly compiled = new WeakMap<RateLimits, RateLimit>();
  /** By content: stores remember a limit by its object, but apps write new ones with each call. */
  private readonly equal = new Map<string, RateLimit>();

  /** @param noBudgets Why limits with budgets cannot be used, if so. */
  constructor(
    private readonly options: ResolvedRateLimitOptions,
    private readonly noBudgets?: string,
  ) {
    this.checkBudgets(options.limit, 'rateLimit', refuseOption);
    for (const [name, limit] of options.named) this.checkBudgets(limit, `rateLimit.limits.${name}`, refuseOption);
  }

  /** @throws InvalidArgumentError for an unknown name, and for invalid limits. */
  get(choice: LimitChoice, path = ''): RateLimit {
    const { limit: name = DEFAULT_LIMIT_NAME, limits } = checkObject('options', choice, refuseArgument) as LimitChoice;
    if (limits !== undefined) return this.compile(name, limits, path);
    if (name === DEFAULT_LIMIT_NAME) return this.options.limit;
    const named = this.options.named.get(name);
    if (named !== undefined) return named;
    const hint = suggestion(String(name), [DEFAULT_LIMIT_NAME, ...this.options.named.keys()]);
    throw new InvalidArgumentError(`${path}limit`, name, `must be a name in rateLimit.limits${hint}`, 'UNKNOWN_LIMIT');
  }

  scope(key: string, choice: LimitChoice): RateLimitScope {
    return { key, limit: this.get(choice) };
  }

  /** The scopes of a list; `choice` is for keys that choose no limits themselves. */
  scopes(list: ScopeList, choice: LimitChoice): readonly RateLimitScope[] {
    checkObject('options', choice, refuseArgument);
    if (typeof list === 'string') return [this.scope(list, choice)];
    if (!Array.isArray(list) || list.length === 0 || list.length > MOST_SCOPES) {
      throw new InvalidArgumentError('key', list, `must be a string, or an array of 1 to ${MOST_SCOPES}`);
    }
    return Array.from(list as readonly (string | ScopeChoice)[], (entry, index) => {
      if (typeof entry === 'string') return this.scope(entry, choice);
      const path = `key[${index}]`;
      const scope = checkObject(path, entry, refuseArgument) as unknown as ScopeChoice;
      if (typeof scope.key !== 'string') throw new InvalidArgumentError(`${path}.key`, scope.key, 'must be a string');
      const own = scope.limit !== undefined || scope.limits !== undefined;
      return { key: scope.key, limit: this.get(own ? scope : choice, `${path}.`) };
    });
  }

  private compile(name: string, limits: RateLimits, path: string): RateLimit {
    const known = this.compiled.get(checkObject(`${path}limits`, limits, refuseArgument));
    if (known?.name === name) return known;
    let limit = compileLimit(checkLimitName(`${path}limit`, name, refuseArgument), limits, `${path}limits`, refuseArgument);
    this.checkBudgets(limit, `${path}limits`, refuseArgument);
    const content = [name, ...LIMIT_KEYS.map((key) => limit.limits[key])].join('/');
    const equal = this.equal.get(content);
    if (equal !== undefined) limit = equal;
    else if (this.equal.size >= MOST_EQUAL) this.equal.clear();
    this.equal.set(content, limit);
    this.compiled.set(limits, limit);
    return limit;
  }

  private checkBudgets({ budgets, limits }: RateLimit, path: string, refuse: Refuse): void {
    if (budgets === undefined || this.noBudgets === undefined) return;
    const key = BUDGET_KEYS.find((each) => limits[each] !== undefined) ?? 'usdPerDay';
    throw refuse(joinPath(path, key), limits[key], this.noBudgets);
  }
}
