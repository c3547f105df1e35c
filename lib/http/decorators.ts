import type { ExecutionContext } from '@nestjs/common';
import 'reflect-metadata';
import { InvalidArgumentError } from '../common/errors.js';
import { checkFunction, checkInteger, checkKnownKeys, checkObject, optional, refuseArgument } from '../common/options.js';
import { LARGEST_AMOUNT } from '../rate-limit/arguments.js';
import { compileLimit, hasLimits, LIMIT_KEYS, type RateLimits } from '../rate-limit/limits.js';
import { SKIPPED_LIMITS } from '../common/skip-rate-limit.js';
import { checkLimitName, type SkipIf } from '../rate-limit/rate-limit.options.js';

/** Reads something from a request: `request` is Express's or Fastify's, a GraphQL context's, or stands for a WebSocket client. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- whoever writes the function knows the framework, and says so in its parameter
export type FromRequest<T> = (request: any, context: ExecutionContext) => T | Promise<T>;

/** One limit of a route. */
export interface RateLimitRule extends RateLimits {
  /**
   * Rules of one name and of the same kinds of limits count together, wherever they stand. Without limits beside it: a name of `rateLimit.limits`.
   * Default: the route, or for a rule on a class all routes of that class.
   */
  readonly name?: string;
  /**
   * Who is limited. `false`: the rule does not apply to this request. What it gives nothing for, and without it: the hashed API key, else the
   * client's address.
   */
  readonly key?: FromRequest<string | number | false | null | undefined>;
  /** Requests that the request counts as, under all its limits: to be set by one rule only. Default 1. */
  readonly cost?: number | FromRequest<number>;
  /** Tokens to reserve, under all its limits: to be set by one rule only. Default: an estimate from the body. */
  readonly tokens?: number | FromRequest<number>;
  /** Takes a request out of this rule, before its `key` is asked for. Beside `rateLimit.skipIf`, which takes it out of all rules. */
  readonly skipIf?: SkipIf;
}

const RULES = 'fast-litellm:rate-limit';
const KNOWN: readonly (keyof RateLimitRule)[] = [...LIMIT_KEYS, 'name', 'key', 'cost', 'tokens', 'skipIf'];

/**
 * Limits a route, or every route of a class, where `RateLimitGuard` guards it. Several rules, in one decorator or in many, all have to allow.
 * A method's rule replaces its class's rule of the same name, and that of a class the rule of the class that it extends. Where there is any rule, the limits in the options do not apply.
 *
 * @throws InvalidArgumentError when the class is defined, for a rule that cannot be.
 * @example
 * \@RateLimit({ requestsPerMinute: 60, tokensPerMinute: 100_000 }, { name: 'team', key: (request) => request.user.team })
 */
export function RateLimit(...rules: readonly RateLimitRule[]): ClassDecorator & MethodDecorator {
  if (rules.length === 0) throw new InvalidArgumentError('@RateLimit', undefined, 'must be given at least one rule');
  const checked = rules.map((rule, index) => checkRule(`@RateLimit[${index}]`, rule));
  // Decorators are applied from the last to the first.
  return decorate((target) => Reflect.defineMetadata(RULES, [...checked, ...rulesOn(target)], target));
}

/** Takes a route, or a class, out of all limits, or of those named: also of those that stand on its class or in the options (`default`). */
export function SkipRateLimit(...names: readonly string[]): ClassDecorator & MethodDecorator {
  for (const name of names) checkLimitName('@SkipRateLimit', name, refuseArgument);
  return decorate((target) => Reflect.defineMetadata(SKIPPED_LIMITS, names, target));
}

/** What stands on a method or a class, or on a class that it extends and has no rule of that name itself. */
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
 * The names that a method or a class skips; none named: all; `undefined`: it skips nothing. What a class skips means those that extend it, too, unless they are
 * limited themselves.
 */
export function ownSkips(target: object): readonly string[] | undefined {
  const own = Reflect.getOwnMetadata(SKIPPED_LIMITS, target) as readonly string[] | undefined;
  const base = Object.getPrototypeOf(target) as object | null;
  if (own !== undefined || base === null || rulesOn(target).length > 0) return own;
  return ownSkips(base);
}

function decorate(apply: (target: object) => void): ClassDecorator & MethodDecorator {
  const decorator = (target: object, _property?: string | symbol, descriptor?: PropertyDescriptor): void => {
    apply((descriptor?.value as object | undefined) ?? target);
  };
  return decorator;
}

function checkRule(path: string, rule: RateLimitRule): RateLimitRule {
  checkKnownKeys(path, checkObject(path, rule, refuseArgument), KNOWN, refuseArgument);
  const { name, key, cost, tokens, skipIf, ...limits } = rule;
  optional(name, undefined, (value) => checkLimitName(`${path}.name`, value, refuseArgument));
  optional(key, undefined, (value) => checkFunction(`${path}.key`, value, refuseArgument));
  optional(skipIf, undefined, (value) => checkFunction(`${path}.skipIf`, value, refuseArgument));
  for (const [field, amount] of [
    ['cost', cost],
    ['tokens', tokens],
  ] as const) {
    if (amount !== undefined && typeof amount !== 'function')
      checkInteger(`${path}.${field}`, amount, { min: 0, max: LARGEST_AMOUNT }, refuseArgument);
  }
  if (name === undefined || hasLimits(limits)) compileLimit(name ?? 'route', limits, path, refuseArgument);
  return rule;
}
