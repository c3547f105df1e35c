import type { ExecutionContext } from '@nestjs/common';
import { HOST_METADATA, PATH_METADATA, VERSION_METADATA } from '@nestjs/common/constants.js';
import { createHash } from 'node:crypto';
import { InvalidArgumentError } from '../../common/errors.js';
import { BudgetExceededError, RateLimitExceededError } from '../../common/http-errors.js';
import { LARGEST_AMOUNT } from '../../rate-limit/arguments.js';
import { LIMIT_KEYS, type RateLimit, type RateLimits } from '../../rate-limit/limits.js';
import { DEFAULT_LIMIT_NAME, isLimitName } from '../../rate-limit/rate-limit.options.js';
import type { RateLimiterService } from '../../rate-limit/rate-limit.service.js';
import type { RateLimitScope } from '../../rate-limit/store.js';
import { budgetRefusal } from '../budget-denial.js';
import { ownRules, ownSkips, type RateLimitRule } from '../decorators.js';
import { GuardedRequest, type GuardDecision, type LimitedRequest } from './guarded-request.js';
import { policyHeader, quotasOf, rateLimitRefusal, type Quota } from './quotas.js';
import { shouldSkip } from './skip-if.js';

type Route = { readonly type: object & { readonly name: string }; readonly handler: object & { readonly name: string } };

/** The key of a request under limits whose rule names none. */
export type DefaultKey = (request: GuardedRequest) => string | Promise<string>;

/** One limit of a route. */
export interface RouteLimit {
  readonly limit: RateLimit;
  /** Its name in headers and errors. */
  readonly label: string;
  readonly quotas: readonly Quota[];
  readonly isOfKey: boolean;
  readonly key?: RateLimitRule['key'];
  readonly skipIf?: RateLimitRule['skipIf'];
}

/** The limits of a route that apply to one request, and the key that each counts it under. */
export interface ApplicableLimits {
  readonly route: RouteLimits;
  readonly scopes: readonly RateLimitScope[];
}

/** The limits from the decorators of a route, or from the module options if it has none. */
export class RouteLimits {
  /** The smallest `tokensPerMinute`; `undefined` if no limit counts tokens. */
  readonly tokensPerMinute: number | undefined;
  readonly countsTokens: boolean;
  readonly hasConcurrency: boolean;
  /** Whether a limit has a budget. */
  readonly countsMoney: boolean;
  /** Whether there is something to settle or release when a request ends. */
  readonly reserves: boolean;
  /** `RateLimit-Policy`: the same for every answer. */
  readonly policyHeader: string;
  /** By the limits that apply: the route without the others. */
  private readonly parts = new Map<string, RouteLimits>();
  /** By the limits of a principal, or of many requests together: the route with them. */
  private readonly extended = new WeakMap<object, RouteLimits>();
  /** Whether all limits count under the default key: then `underKey` applies them. */
  readonly hasOneKey: boolean;

  constructor(
    readonly limits: readonly RouteLimit[],
    readonly cost: NonNullable<RateLimitRule['cost']>,
    readonly tokens: RateLimitRule['tokens'],
    readonly usd: RateLimitRule['usd'],
  ) {
    const tokensPerMinute = Math.min(...limits.map(({ limit }) => limit.tokensPerMinute ?? Infinity));
    this.tokensPerMinute = tokensPerMinute === Infinity ? undefined : tokensPerMinute;
    this.hasConcurrency = limits.some(({ limit }) => limit.maxConcurrent !== undefined);
    this.countsMoney = limits.some(({ limit }) => limit.budgets !== undefined);
    this.countsTokens = this.tokensPerMinute !== undefined;
    this.reserves = this.countsTokens || this.hasConcurrency || this.countsMoney;
    this.hasOneKey = limits.every(({ key, skipIf }) => key === undefined && skipIf === undefined);
    this.policyHeader = policyHeader(limits);
  }

  /** Tokens that any request needs, before they are counted. */
  get leastTokens(): number {
    return this.tokens === undefined && this.countsTokens ? 1 : 0;
  }

  /** Nano-USD that any request needs: the least there is, so that none passes a spent budget. */
  get leastNanoUsd(): number {
    return this.countsMoney ? 1 : 0;
  }

  /** The limits that apply to a request: all whose `key` is not `false`. `undefined`: none. */
  async applicableTo(request: GuardedRequest, defaultKey: DefaultKey): Promise<ApplicableLimits | undefined> {
    return this.withKeys(await Promise.all(this.limits.map((limit) => keyOf(limit, request, defaultKey))), request);
  }

  /** All limits under one key, unless an app's `getKey` names none. */
  underKey(key: string | false, request: GuardedRequest): ApplicableLimits | undefined {
    if (key === false) return undefined;
    const scopes: RateLimitScope[] = [];
    for (const { limit } of this.limits) scopes.push({ limit, key });
    if (this.hasConcurrency) checkResponse(request);
    return { route: this, scopes };
  }

  /**
   * The same before the body is read and the user is known: a limit whose rule fails, or reads a
   * field that is missing, does not apply.
   */
  async knownWithoutBody({ request, response, context }: GuardedRequest, defaultKey: DefaultKey): Promise<ApplicableLimits | undefined> {
    const knownKey = async (limit: RouteLimit): Promise<string | false> => {
      const partial = new PartialRequest(request);
      try {
        const key = await keyOf(limit, new GuardedRequest(context, { request: partial.request, response }), defaultKey);
        return partial.missed ? false : key;
      } catch {
        return false;
      }
    };
    return this.withKeys(await Promise.all(this.limits.map(knownKey)));
  }

  /**
   * The route with one more limit: one of a principal's own, or of many requests together.
   * @param source What the limit is made of: the route is kept by it
   */
  with(source: object, limitOf: () => RateLimit, isOfKey: boolean): RouteLimits {
    let extended = this.extended.get(source);
    if (extended === undefined) {
      const limit = limitOf();
      const last: RouteLimit = { limit, label: limit.name, quotas: quotasOf(limit.name, limit), isOfKey };
      extended = new RouteLimits([...this.limits, last], this.cost, this.tokens, this.usd);
      this.extended.set(source, extended);
    }
    return extended;
  }

  /** The route without its limits, for those that are added. */
  get withoutLimits(): RouteLimits {
    return this.part(this.limits.map(() => false));
  }

  /** The error of a request that these limits deny. */
  errorOf(decision: GuardDecision, estimated: { readonly tokens?: number; readonly nano?: number } = {}): RateLimitExceededError {
    const { scope, budget, heldRetryMs } = decision;
    const { limit, label } = this.limits[scope];
    if (budget !== undefined) return new BudgetExceededError(budgetRefusal(label, budget, estimated.nano, heldRetryMs));
    return new RateLimitExceededError(rateLimitRefusal(limit, label, decision, estimated.tokens));
  }

  private withKeys(keys: readonly (string | false)[], request?: GuardedRequest): ApplicableLimits | undefined {
    const scopes = this.limits.flatMap(({ limit }, index) => {
      const key = keys[index];
      return key === false ? [] : [{ limit, key }];
    });
    if (scopes.length === 0) return undefined;
    const route = scopes.length === keys.length ? this : this.part(keys);
    if (route.hasConcurrency && request !== undefined) checkResponse(request);
    return { route, scopes };
  }

  private part(keys: readonly (string | false)[]): RouteLimits {
    const name = keys.map((key) => (key === false ? 0 : 1)).join('');
    let part = this.parts.get(name);
    if (part === undefined) {
      part = new RouteLimits(
        this.limits.filter((_, index) => keys[index] !== false),
        this.cost,
        this.tokens,
        this.usd,
      );
      this.parts.set(name, part);
    }
    return part;
  }
}

/** Reads the limits of routes from their decorators, once for each class and handler. */
export class RouteTable {
  private readonly routes = new WeakMap<object, WeakMap<object, { readonly limits: RouteLimits | null }>>();

  constructor(private readonly limiter: RateLimiterService) {}

  /** `null`: the route has no limits. */
  of(context: ExecutionContext): RouteLimits | null {
    const type = context.getClass();
    const handler = context.getHandler();
    let known = this.routes.get(type);
    if (known === undefined) this.routes.set(type, (known = new WeakMap()));
    let route = known.get(handler);
    if (route === undefined) known.set(handler, (route = { limits: this.read({ type, handler }) }));
    return route.limits;
  }

  private read(route: Route): RouteLimits | null {
    const rules = rulesOf(route);
    const limits = rules.map(({ rule, scope, number }): RouteLimit => {
      const limit = rule === undefined ? this.limiter.limitOf({}) : this.limitOf(rule, number === 1 ? scope : `${scope}:${number}`);
      const label = rule?.name ?? (number === 1 ? DEFAULT_LIMIT_NAME : `${DEFAULT_LIMIT_NAME}-${number}`);
      const key = rule?.key;
      return { limit, label, quotas: quotasOf(label, limit), isOfKey: key === undefined, key, skipIf: rule?.skipIf };
    });
    return limits.length === 0
      ? null
      : new RouteLimits(limits, onlyOne('cost', rules) ?? 1, onlyOne('tokens', rules), onlyOne('usd', rules));
  }

  private limitOf(rule: RateLimitRule, scope: string): RateLimit {
    const limits = Object.fromEntries(LIMIT_KEYS.filter((key) => rule[key] !== undefined).map((key) => [key, rule[key]])) as RateLimits;
    if (Object.keys(limits).length === 0) return this.limiter.limitOf({ limit: rule.name });
    return this.limiter.limitOf({ limit: rule.name ?? limitName(scope), limits });
  }
}

/** A slot of `maxConcurrent` is released when a response ends. */
function checkResponse({ response }: GuardedRequest): void {
  if (response !== undefined) return;
  const rule = 'cannot be used in this context, because no response releases the slot';
  throw new InvalidArgumentError('@RateLimit.maxConcurrent', undefined, rule);
}

/** The key that a limit counts a request under. */
async function keyOf({ key, skipIf }: RouteLimit, request: GuardedRequest, defaultKey: DefaultKey): Promise<string | false> {
  if (skipIf !== undefined && (await shouldSkip('@RateLimit.skipIf', skipIf, request.context))) return false;
  const own = key === undefined ? undefined : checkKey(await key(request.request, request.context));
  return own ?? defaultKey(request);
}

/** The result of a rule's `key` function; `undefined` if it named no key. */
function checkKey(key: unknown): string | false | undefined {
  if (key === undefined || key === null || key === '') return undefined;
  if (typeof key === 'string' || key === false) return key;
  if (typeof key === 'number') return String(key);
  throw new InvalidArgumentError('@RateLimit.key', key, 'must return a string, a number, false or nothing');
}

/** The result of the app's `cost` and `tokens` functions and of `getTokens`. */
export function checkAmount(name: 'cost' | 'tokens', value: number): number {
  if (Number.isSafeInteger(value) && value >= 0 && value <= LARGEST_AMOUNT) return value;
  throw new InvalidArgumentError(`@RateLimit.${name}`, value, 'must be an integer from 0 to 2^31');
}

/**
 * A request that records whether a rule read a missing field, its body or its user.
 * `RequestContext` reads `raw` and a symbol, which do not depend on the rule.
 */
class PartialRequest {
  readonly request: LimitedRequest;
  missed = false;

  constructor(request: LimitedRequest) {
    this.request = new Proxy(request, {
      get: (target, field) => {
        const value: unknown = Reflect.get(target, field, target);
        if ((value === undefined || value === null) && typeof field !== 'symbol' && field !== 'raw') this.missed = true;
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  }
}

interface ScopedRule {
  /** `undefined`: the limits of the module options. */
  readonly rule?: RateLimitRule;
  /** The name that an unnamed rule counts under. */
  readonly scope: string;
  /** Position among the unnamed rules of the same place: each counts by itself. */
  readonly number: number;
}

function rulesOf({ type, handler }: Route): ScopedRule[] {
  const scope = scopeOf(type);
  const onMethod = numbered(ownRules(handler), `${scope}.${handler.name}`);
  const onClass = numbered(ownRules(type), scope).filter(({ rule }) => !onMethod.some((own) => own.rule?.name === rule?.name));
  // A method with its own rules is limited even if its class skips the limits.
  const skips = ownSkips(handler) ?? (onMethod.length > 0 ? undefined : ownSkips(type));
  if (skips?.length === 0) return [];
  const rules: ScopedRule[] = [...onClass, ...onMethod];
  const all = rules.length === 0 ? [{ scope: DEFAULT_LIMIT_NAME, number: 1 } as ScopedRule] : rules;
  return all.filter(({ rule }) => !skips?.includes(rule?.name ?? DEFAULT_LIMIT_NAME));
}

/** Class name with version, host and path: the same in every process that shares a store. */
function scopeOf(type: Route['type']): string {
  const facts = [VERSION_METADATA, HOST_METADATA, PATH_METADATA].map((key) => Reflect.getMetadata(key, type) as unknown);
  const places = facts.filter((fact) => fact !== undefined && fact !== '/' && fact !== '').map(String);
  return [...places, type.name].join(':');
}

function numbered(rules: readonly RateLimitRule[], scope: string): ScopedRule[] {
  let unnamed = 0;
  return rules.map((rule) => ({ rule, scope, number: rule.name === undefined ? ++unnamed : 1 }));
}

/** The name of a limit, from a scope; a hash replaces characters that a name cannot contain. */
function limitName(scope: string): string {
  const name = scope.replaceAll('/', '.');
  if (isLimitName(name)) return name;
  const hash = createHash('sha256').update(scope).digest('hex').slice(0, 12);
  return `${name.replace(/[^\w.:-]/g, '_').slice(0, 100)}:${hash}`;
}

function onlyOne<K extends 'cost' | 'tokens' | 'usd'>(field: K, rules: readonly ScopedRule[]): RateLimitRule[K] {
  const given = rules.flatMap(({ rule }) => (rule?.[field] === undefined ? [] : [rule[field]]));
  if (given.length > 1)
    throw new InvalidArgumentError(`@RateLimit.${field}`, `${given.length} rules`, 'must be set by only one rule of a route');
  return given[0];
}
