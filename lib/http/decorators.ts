import type { ExecutionContext } from '@nestjs/common';
import 'reflect-metadata';
import { InvalidArgumentError } from '../common/errors.js';
import { ownFields } from '../common/objects.js';
import { LARGEST_USD } from '../common/nano-usd.js';
import {
  checkFunction,
  checkInteger,
  checkKnownKeys,
  checkNumber,
  checkObject,
  optional,
  refuseArgument,
  type Refuse,
} from '../common/options.js';
import { SKIPPED_LIMITS } from '../common/skip-decorators.js';
import { LARGEST_AMOUNT } from '../rate-limit/arguments.js';
import { compileLimit, hasLimits, LIMIT_KEYS, type RateLimits } from '../rate-limit/limits.js';
import { checkLimitName, type SkipIf } from '../rate-limit/rate-limit.options.js';

/** Reads a value from an Express or Fastify request, a GraphQL context or a message. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- the app declares the type of its framework's request
export type FromRequest<T> = (request: any, context: ExecutionContext) => T | Promise<T>;

/** One limit of a route. */
export interface RateLimitRule extends RateLimits {
  /**
   * Rules with the same name and the same kinds of limits share their counters, on any route.
   * Without limits in the rule: a name in `rateLimit.limits`. Default: the route; on a class, all
   * of its routes.
   */
  readonly name?: string;
  /**
   * Returns the key that the request is charged to. `false`: the rule does not apply to the
   * request. Default, also if it returns nothing: the hashed API key, otherwise the client's
   * address.
   */
  readonly key?: FromRequest<string | number | false | null | undefined>;
  /**
   * Number of requests that this one counts as, for all limits. Set it in only one rule. Default 1.
   */
  readonly cost?: number | FromRequest<number>;
  /** Tokens to reserve, for all limits. Set it in only one rule. Default: an estimate. */
  readonly tokens?: number | FromRequest<number>;
  /**
   * USD to hold, for all budgets: the maximum cost of the request. Set it in only one rule.
   * Default: an estimate by the prices of the body's `model`.
   */
  readonly usd?: number | FromRequest<number>;
  /**
   * Returns whether to skip this rule for a request; called before `key`. `rateLimit.skipIf` skips
   * all rules.
   */
  readonly skipIf?: SkipIf;
}

const RULES = 'fast-litellm:rate-limit';
const KNOWN: readonly (keyof RateLimitRule)[] = [...LIMIT_KEYS, 'name', 'key', 'cost', 'tokens', 'usd', 'skipIf'];

/**
 * Limits a route, or every route of a class, that `RateLimitGuard` protects. All rules must allow a
 * request. A rule on a method replaces the rule with the same name on its class, and a rule on a
 * class replaces the one on its base class. The limits in the options do not apply to a route with
 * a rule.
 *
 * @throws InvalidArgumentError for an invalid rule, when the class is defined.
 * @example
 * \@RateLimit({ requestsPerMinute: 60, tokensPerMinute: 100_000 }, { name: 'team', key: (request) => request.user.team })
 */
export function RateLimit(...rules: readonly RateLimitRule[]): ClassDecorator & MethodDecorator {
  if (rules.length === 0) throw new InvalidArgumentError('@RateLimit', rules, 'must have at least one rule');
  const checked = rules.map((rule, index) => checkRule(`@RateLimit[${index}]`, rule));
  // Decorators are applied from the last to the first.
  return decorate((target) => Reflect.defineMetadata(RULES, [...checked, ...rulesOn(target)], target));
}

/**
 * Excludes a route or a class from all limits, or from the named ones (those of the options are
 * named `default`).
 */
export function SkipRateLimit(...names: readonly string[]): ClassDecorator & MethodDecorator {
  for (const name of names) checkLimitName('@SkipRateLimit', name, refuseArgument);
  return decorate((target) => Reflect.defineMetadata(SKIPPED_LIMITS, names, target));
}

/** The rules of a method or a class; a class inherits rules whose name it does not have itself. */
export function ownRules(target: object): readonly RateLimitRule[] {
  const base = Object.getPrototypeOf(target) as object | null;
  const own = rulesOn(target);
  const inherited = base === null || base === Function.prototype ? [] : ownRules(base);
  return [...own, ...inherited.filter(({ name }) => !own.some((rule) => rule.name === name))];
}

function rulesOn(target: object): readonly RateLimitRule[] {
  return (Reflect.getOwnMetadata(RULES, target) as readonly RateLimitRule[] | undefined) ?? [];
}

/**
 * The names that a method or class skips; empty for all, `undefined` for none. A class inherits the
 * skips of its base class unless it has its own rules.
 */
export function ownSkips(target: object): readonly string[] | undefined {
  const own = Reflect.getOwnMetadata(SKIPPED_LIMITS, target) as readonly string[] | undefined;
  const base = Object.getPrototypeOf(target) as object | null;
  if (own !== undefined || base === null || rulesOn(target).length > 0) return own;
  return ownSkips(base);
}

function decorate(apply: (target: object) => void): ClassDecorator & MethodDecorator {
  return (target: object, _property?: string | symbol, descriptor?: PropertyDescriptor): void => {
    apply((descriptor?.value as object | undefined) ?? target);
  };
}

/** A checked copy of a rule. */
export function checkRule(path: string, given: unknown, refuse: Refuse = refuseArgument): RateLimitRule {
  const rule: RateLimitRule = checkObject(path, given, refuse);
  checkKnownKeys(path, rule, KNOWN, refuse);
  const { name, key, cost, tokens, usd, skipIf, ...limits } = rule;
  optional(name, undefined, (value) => checkLimitName(`${path}.name`, value, refuse));
  optional(key, undefined, (value) => checkFunction(`${path}.key`, value, refuse));
  optional(skipIf, undefined, (value) => checkFunction(`${path}.skipIf`, value, refuse));
  for (const [field, amount] of Object.entries({ cost, tokens })) {
    if (amount !== undefined && typeof amount !== 'function')
      checkInteger(`${path}.${field}`, amount, { min: 0, max: LARGEST_AMOUNT }, refuse);
  }
  if (usd !== undefined && typeof usd !== 'function') checkNumber(`${path}.usd`, usd, { min: 0, max: LARGEST_USD }, refuse);
  if (name === undefined || hasLimits(limits)) compileLimit(name ?? 'route', limits, path, refuse);
  return ownFields(Object.fromEntries(KNOWN.filter((field) => rule[field] !== undefined).map((field) => [field, rule[field]])));
}
