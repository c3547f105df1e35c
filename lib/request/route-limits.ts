import { InvalidArgumentError } from '../common/errors.js';
import { LIMIT_KEYS, type RateLimit, type RateLimits } from '../rate-limit/rate-limit.limits.js';
import { DEFAULT_LIMIT_NAME } from '../rate-limit/rate-limit.options.js';
import type { RateLimiterService } from '../rate-limit/rate-limit.service.js';
import { policyHeader, quotasOf, type Quota } from './rate-limit.quotas.js';
import { ownRules, ownSkips, type FromRequest, type RateLimitRule } from './request.decorators.js';

type Route = { readonly type: object & { readonly name: string }; readonly handler: object & { readonly name: string } };

/** One limit of a route, ready to be asked. */
export interface RouteLimit {
  readonly limit: RateLimit;
  /** What clients see of its name. */
  readonly label: string;
  readonly key?: RateLimitRule['key'];
  readonly quotas: readonly Quota[];
}

/** Everything that a guard has to know of a route. */
export interface RouteLimits {
  readonly limits: readonly RouteLimit[];
  readonly cost: number | FromRequest<number>;
  readonly tokens?: number | FromRequest<number>;
  /** The least of its `tokensPerMinute`: tokens are counted only where there is one. */
  readonly tokensPerMinute?: number;
  readonly hasConcurrency: boolean;
  /** `RateLimit-Policy`, which is the same for every answer. */
  readonly policyHeader: string;
  /** The route with some of its limits only, by their indexes joined; made when first needed. */
  readonly parts: Map<string, RouteLimits>;
}

/** Reads a route's decorators. `null`: nothing limits it. */
export function routeLimits(route: Route, limiter: RateLimiterService): RouteLimits | null {
  const rules = rulesOf(route);
  const limits = rules.map(({ rule, scope }): RouteLimit => {
    const limit = rule === undefined ? limiter.limitOf({}) : limitOf(rule, scope, limiter);
    const label = rule?.name ?? DEFAULT_LIMIT_NAME;
    return { limit, label, key: rule?.key, quotas: quotasOf(label, limit) };
  });
  return limits.length === 0 ? null : assemble(limits, only('cost', rules) ?? 1, only('tokens', rules));
}

/** The route with those of its limits that apply to a request, by index. */
export function partOf(route: RouteLimits, indexes: readonly number[]): RouteLimits {
  const name = indexes.join();
  let part = route.parts.get(name);
  if (part === undefined) {
    part = assemble(
      indexes.map((index) => route.limits[index]),
      route.cost,
      route.tokens,
    );
    route.parts.set(name, part);
  }
  return part;
}

function assemble(limits: readonly RouteLimit[], cost: RouteLimits['cost'], tokens: RouteLimits['tokens']): RouteLimits {
  const tokensPerMinute = Math.min(...limits.map(({ limit }) => limit.tokensPerMinute ?? Infinity));
  return {
    limits,
    cost,
    tokens,
    tokensPerMinute: tokensPerMinute === Infinity ? undefined : tokensPerMinute,
    hasConcurrency: limits.some(({ limit }) => limit.maxConcurrent !== undefined),
    policyHeader: policyHeader(limits),
    parts: new Map(),
  };
}

interface ScopedRule {
  /** `undefined`: the limits in the options. */
  readonly rule?: RateLimitRule;
  /** What a rule without a name counts under. */
  readonly scope: string;
}

function rulesOf({ type, handler }: Route): ScopedRule[] {
  const onMethod = ownRules(handler).map((rule) => ({ rule, scope: `${type.name}.${handler.name}` }));
  const onClass = ownRules(type)
    .filter(({ name }) => !onMethod.some(({ rule }) => rule.name === name))
    .map((rule) => ({ rule, scope: type.name }));
  // A method that is limited itself is not meant by what its class skips.
  const skips = ownSkips(handler) ?? (onMethod.length > 0 ? undefined : ownSkips(type));
  if (skips?.length === 0) return [];
  const rules: ScopedRule[] = [...onClass, ...onMethod];
  const all = rules.length === 0 ? [{ scope: DEFAULT_LIMIT_NAME }] : rules;
  return all.filter(({ rule }) => !skips?.includes(rule?.name ?? DEFAULT_LIMIT_NAME));
}

function limitOf(rule: RateLimitRule, scope: string, limiter: RateLimiterService): RateLimit {
  const limits = Object.fromEntries(LIMIT_KEYS.filter((key) => rule[key] !== undefined).map((key) => [key, rule[key]])) as RateLimits;
  if (Object.keys(limits).length === 0) return limiter.limitOf({ limit: rule.name });
  return limiter.limitOf({ limit: rule.name ?? scope.replace(/[^\w.:-]/g, '_').slice(0, 128), limits });
}

function only<K extends 'cost' | 'tokens'>(field: K, rules: readonly ScopedRule[]): RateLimitRule[K] {
  const given = rules.flatMap(({ rule }) => (rule?.[field] === undefined ? [] : [rule[field]]));
  if (given.length > 1) throw new InvalidArgumentError(`@RateLimit.${field}`, undefined, 'must be set by one rule of a route only');
  return given[0];
}
