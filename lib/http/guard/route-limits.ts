import { HOST_METADATA, PATH_METADATA, VERSION_METADATA } from '@nestjs/common/constants.js';
import { createHash } from 'node:crypto';
import { InvalidArgumentError } from '../../common/errors.js';
import { LIMIT_KEYS, type RateLimit, type RateLimits } from '../../rate-limit/limits.js';
import { DEFAULT_LIMIT_NAME, isLimitName } from '../../rate-limit/rate-limit.options.js';
import type { RateLimiterService } from '../../rate-limit/rate-limit.service.js';
import type { RateLimitScope } from '../../rate-limit/store.js';
import { policyHeader, quotasOf, type Quota } from './quotas.js';
import { ownRules, ownSkips, type FromRequest, type RateLimitRule } from '../decorators.js';
import { asksToSkip } from './skip-if.js';

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
  /** The route with some of its limits only, by which; made when first needed. */
  readonly parts: Map<number | string, RouteLimits>;
}

/** Reads a route's decorators. `null`: nothing limits it. */
export function routeLimits(route: Route, limiter: RateLimiterService): RouteLimits | null {
  const rules = rulesOf(route);
  const limits = rules.map(({ rule, scope, number }): RouteLimit => {
    const limit = rule === undefined ? limiter.limitOf({}) : limitOf(rule, number === 1 ? scope : `${scope}:${number}`, limiter);
    const label = rule?.name ?? (number === 1 ? DEFAULT_LIMIT_NAME : `${DEFAULT_LIMIT_NAME}-${number}`);
    return { limit, label, key: rule && keyUnlessSkipped(rule), quotas: quotasOf(label, limit) };
  });
  return limits.length === 0 ? null : assemble(limits, only('cost', rules) ?? 1, only('tokens', rules));
}

/** The rule's `key`, which is `false` where its `skipIf` says so. */
function keyUnlessSkipped({ key, skipIf }: RateLimitRule): RateLimitRule['key'] {
  if (skipIf === undefined) return key;
  return (request, context) => {
    const skips = asksToSkip('@RateLimit.skipIf', skipIf, context);
    if (typeof skips === 'boolean') return skips ? false : key?.(request, context);
    return skips.then((late) => (late ? false : key?.(request, context)));
  };
}

/** As many as there are bits in a small integer. */
const FEW = 30;

/** The route with those of its limits that apply to a request: all whose key is not `false`. `undefined`: none. */
function partOf(route: RouteLimits, keys: readonly (string | false)[]): RouteLimits | undefined {
  let bits = 0;
  let applying = 0;
  for (let i = 0; i < keys.length; i++) {
    if (keys[i] === false) continue;
    applying++;
    bits |= 1 << i;
  }
  if (applying === keys.length) return route;
  if (applying === 0) return undefined;
  const name = keys.length <= FEW ? bits : keys.map((key) => (key === false ? 0 : 1)).join('');
  let part = route.parts.get(name);
  if (part === undefined) {
    const limits = route.limits.filter((_, index) => keys[index] !== false);
    route.parts.set(name, (part = assemble(limits, route.cost, route.tokens)));
  }
  return part;
}

/** The limits that apply to one request, and the keys they count under. */
export interface ApplicableLimits {
  readonly route: RouteLimits;
  readonly scopes: readonly RateLimitScope[];
}

/** The limits of a route that apply to a request, and what each counts it under; `undefined`: none does. */
export function applicableOf(whole: RouteLimits, keys: readonly (string | false)[]): ApplicableLimits | undefined {
  const route = partOf(whole, keys);
  if (route === undefined) return undefined;
  const scopes: RateLimitScope[] = [];
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i];
    if (key !== false) scopes.push({ limit: whole.limits[i].limit, key });
  }
  return { route, scopes };
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
  /** Which of those without a name it is, where several stand together: keys of one, such as users, are not those of another, such as teams. */
  readonly number: number;
}

function rulesOf({ type, handler }: Route): ScopedRule[] {
  const scope = scopeOf(type);
  const onMethod = numbered(ownRules(handler), `${scope}.${handler.name}`);
  const onClass = numbered(ownRules(type), scope).filter(({ rule }) => !onMethod.some((own) => own.rule?.name === rule?.name));
  // A method that is limited itself is not meant by what its class skips.
  const skips = ownSkips(handler) ?? (onMethod.length > 0 ? undefined : ownSkips(type));
  if (skips?.length === 0) return [];
  const rules: ScopedRule[] = [...onClass, ...onMethod];
  const all = rules.length === 0 ? [{ scope: DEFAULT_LIMIT_NAME, number: 1 } as ScopedRule] : rules;
  return all.filter(({ rule }) => !skips?.includes(rule?.name ?? DEFAULT_LIMIT_NAME));
}

/** Of two classes of one name, as of two versions of a controller, each has its own: by what is the same in all processes that share a store. */
function scopeOf(type: Route['type']): string {
  const facts = [VERSION_METADATA, HOST_METADATA, PATH_METADATA].map((key) => Reflect.getMetadata(key, type) as unknown);
  const places = facts.filter((fact) => fact !== undefined && fact !== '/' && fact !== '').map(String);
  return [...places, type.name].join(':');
}

function numbered(rules: readonly RateLimitRule[], scope: string): ScopedRule[] {
  let unnamed = 0;
  return rules.map((rule) => ({ rule, scope, number: rule.name === undefined ? ++unnamed : 1 }));
}

function limitOf(rule: RateLimitRule, scope: string, limiter: RateLimiterService): RateLimit {
  const limits = Object.fromEntries(LIMIT_KEYS.filter((key) => rule[key] !== undefined).map((key) => [key, rule[key]])) as RateLimits;
  if (Object.keys(limits).length === 0) return limiter.limitOf({ limit: rule.name });
  return limiter.limitOf({ limit: rule.name ?? nameOf(scope), limits });
}

/** A scope as the name of a limit; what cannot stand in one is told by a hash. */
function nameOf(scope: string): string {
  const name = scope.replaceAll('/', '.');
  if (isLimitName(name)) return name;
  const hash = createHash('sha256').update(scope).digest('hex').slice(0, 12);
  return `${name.replace(/[^\w.:-]/g, '_').slice(0, 100)}:${hash}`;
}

function only<K extends 'cost' | 'tokens'>(field: K, rules: readonly ScopedRule[]): RateLimitRule[K] {
  const given = rules.flatMap(({ rule }) => (rule?.[field] === undefined ? [] : [rule[field]]));
  if (given.length > 1) throw new InvalidArgumentError(`@RateLimit.${field}`, undefined, 'must be set by one rule of a route only');
  return given[0];
}
