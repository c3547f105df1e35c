import type { CanActivate, DynamicModule, ForwardReference, Type } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import { InvalidConfigurationError } from '../common/errors.js';
import {
  checkArray,
  checkFunction,
  checkKnownKeys,
  checkObject,
  checkOneOf,
  checkPositiveInteger,
  checkString,
  checkBoolean,
  optional,
  refuseOption,
} from '../common/options.js';
import type { JsonBounds } from '../http/body/json-shape.js';
import { checkRule, type RateLimitRule } from '../http/decorators.js';
import { RequestContext } from '../http/request-context.js';
import type { CallOptions } from '../calls/request.js';
import { AnonymousPrincipal } from './access/anonymous.js';

/** The parts of the gateway's API, each of one or several routes. */
export const GATEWAY_ENDPOINTS = [
  'chat',
  'completions',
  'embeddings',
  'responses',
  'messages',
  'images',
  'audio',
  'moderations',
  'rerank',
  'files',
  'batches',
  'models',
  'health',
  'model_info',
] as const;

/** A part of the gateway's API. */
export type GatewayEndpoint = (typeof GATEWAY_ENDPOINTS)[number];

/** Endpoints whose requests need not name a model, where the operator does. */
export type ForwardedEndpoint = Extract<GatewayEndpoint, 'images' | 'audio' | 'moderations' | 'rerank' | 'files' | 'batches'>;

/**
 * Limits of the gateway's routes: rules for all, or by endpoint. `default`: for those that are not
 * named. `false`: none. Endpoints that call no model have none unless they are named.
 */
export type GatewayRateLimits = readonly RateLimitRule[] | RateLimitsByEndpoint;

/** Limits by endpoint; `default`: for those that are not named. `false`: none. */
export type RateLimitsByEndpoint = Readonly<Partial<Record<GatewayEndpoint | 'default', readonly RateLimitRule[] | false>>>;

/**
 * What routes the gateway has. Beside the options, because routes are created before factories run.
 */
export interface GatewayMount {
  /** Path of the API, below the app's global prefix. Default `v1`. */
  readonly path?: string;
  /** Default: all. */
  readonly endpoints?: readonly GatewayEndpoint[];
  /**
   * Whether the routes are also there without `path` (`/chat/completions`), as in LiteLLM. Default
   * false.
   */
  readonly unprefixed?: boolean;
  /** Guards of all routes but `health`, in this order, before the rate limits. */
  readonly guards?: readonly Type<CanActivate>[];
  /** Modules whose providers the guards need. */
  readonly imports?: readonly (Type<unknown> | DynamicModule | Promise<DynamicModule> | ForwardReference)[];
  /** Default: the limits of the `rateLimit` options of `FastLiteLLMModule`. */
  readonly rateLimit?: GatewayRateLimits;
}

/** Paths of an app that need no master key. Each includes everything below it. */
export interface AppProtection {
  /** Paths that need no key: probes, and pages with a token of their own. Default: none. */
  readonly withoutKey?: readonly string[];
  /** Paths that any valid key opens, such as `/v1`. Default: none. */
  readonly withAnyKey?: readonly string[];
}

/** The checked paths, each with a slash before it. */
export type ResolvedAppProtection = Required<AppProtection>;

/** Options of the gateway. */
export interface GatewayOptions {
  /**
   * Largest body of a request in bytes, or a function that is given the request before its body is
   * read. Default 32 MiB, as at Anthropic.
   */
  readonly maxBodyBytes?: number | ((request: IncomingMessage) => number);
  /**
   * Largest body of a request without a key, in bytes, with `openOnLoopback`. Default:
   * `maxBodyBytes`.
   */
  readonly maxAnonymousBodyBytes?: number;
  /** Bounds of the shape of JSON bodies; each has a default. */
  readonly jsonBounds?: JsonBounds;
  /**
   * Whether `request.body` keeps its long fields after the answer has begun, for code that logs
   * prompts behind it. They stay in memory while a stream runs. Default false: those that were not
   * read before are `undefined` then.
   */
  readonly keepBodies?: boolean;
  /**
   * Whether `messages/count_tokens` and `responses/input_tokens` ask the provider first, as
   * `LlmClient.countTokensExact`. Default false: tokens are counted here.
   */
  readonly exactTokenCounts?: boolean;
  /**
   * Names under which browsers may reach this server: protects a gateway without authentication on
   * loopback from other sites' names for it. Default: any.
   */
  readonly allowedHosts?: readonly string[];
  /**
   * Models for requests that name none, by endpoint: a moderation model; for `files` and `batches`
   * the model group whose account has them.
   */
  readonly models?: Readonly<Partial<Record<ForwardedEndpoint, string>>>;
  /**
   * Key that requests have to send, in any header that LiteLLM's proxy reads. Default, where the
   * gateway has no `guards`: `general_settings.master_key` of `router.configPath`, else
   * `LITELLM_MASTER_KEY`, unless `router.handledSettings` has `general_settings.master_key`.
   */
  readonly masterKey?: string;
  /**
   * Whether requests need an API key of `FastLiteLLMKeysModule`. Default: where the app imports
   * that module, which then has the master key, too.
   */
  readonly keys?: boolean;
  /**
   * Whether clients on this machine need no key while no master key is configured. They are limited
   * by address, and `allowedHosts` defaults to none. All other clients need a key. Default false.
   */
  readonly openOnLoopback?: boolean;
  /**
   * Checks host, origin and key on all routes of the app, before bodies are read, not only on those
   * of the gateway. Default: off.
   */
  readonly protectApp?: AppProtection;
  /** Options for the calls of a request: tags, time limits, which models its client may call. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the app declares the type of its framework's request
  readonly callOptions?: (request: any) => CallOptions | Promise<CallOptions>;
}

/** The checked options, with defaults. */
export interface ResolvedGatewayOptions {
  readonly maxBodyBytes: (request: IncomingMessage) => number;
  readonly jsonBounds: JsonBounds | undefined;
  readonly keepBodies: boolean;
  readonly exactTokenCounts: boolean;
  /** In lower case; `null`: any. */
  readonly allowedHosts: readonly string[] | null;
  readonly models: Readonly<Partial<Record<ForwardedEndpoint, string>>>;
  readonly callOptions: GatewayOptions['callOptions'];
  readonly masterKey: string | null;
  /** `undefined`: where the app has keys. */
  readonly keys: boolean | undefined;
  readonly openOnLoopback: boolean;
  /** `null`: only the gateway's routes are checked. */
  readonly protectApp: ResolvedAppProtection | null;
}

/** The checked mount, with defaults. */
export interface ResolvedGatewayMount {
  /** Without slashes around it. */
  readonly path: string;
  readonly endpoints: ReadonlySet<GatewayEndpoint>;
  readonly unprefixed: boolean;
  readonly guards: readonly Type<CanActivate>[];
  readonly imports: NonNullable<GatewayMount['imports']>;
  readonly rateLimit: GatewayRateLimits | undefined;
}

const DEFAULT_BODY_BYTES = 32 * 1024 * 1024;
const FORWARDED = ['images', 'audio', 'moderations', 'rerank', 'files', 'batches'] as const satisfies readonly ForwardedEndpoint[];
const OPTIONS = [
  'maxBodyBytes',
  'maxAnonymousBodyBytes',
  'jsonBounds',
  'keepBodies',
  'exactTokenCounts',
  'allowedHosts',
  'models',
  'callOptions',
  'masterKey',
  'keys',
  'openOnLoopback',
  'protectApp',
] as const satisfies readonly (keyof GatewayOptions)[];
const PATH = /^\/?(?:[\w.~-]+\/)*[\w.~-]+\/?$/;

/** @throws InvalidConfigurationError naming the option. */
export function resolveGatewayOptions(options: GatewayOptions = {}): ResolvedGatewayOptions {
  const given = checkObject('gateway', options);
  checkKnownKeys('gateway', given, OPTIONS);
  return {
    maxBodyBytes: bodyLimitOf(given.maxBodyBytes, given.maxAnonymousBodyBytes),
    jsonBounds: optional(given.jsonBounds, undefined, (value) => checkObject('gateway.jsonBounds', value)),
    keepBodies: optional(given.keepBodies, false, (value) => checkBoolean('gateway.keepBodies', value)),
    exactTokenCounts: optional(given.exactTokenCounts, false, (value) => checkBoolean('gateway.exactTokenCounts', value)),
    allowedHosts: optional(given.allowedHosts, null, (value) =>
      checkArray('gateway.allowedHosts', value, (path, host) => checkString(path, host).toLowerCase()),
    ),
    models: optional(given.models, {}, checkModels),
    masterKey: optional(given.masterKey, null, (value) => checkString('gateway.masterKey', value)),
    keys: optional(given.keys, undefined, (value) => checkBoolean('gateway.keys', value)),
    openOnLoopback: optional(given.openOnLoopback, false, (value) => checkBoolean('gateway.openOnLoopback', value)),
    protectApp: optional(given.protectApp, null, checkProtection),
    callOptions: optional(given.callOptions, undefined, (value) =>
      checkFunction<NonNullable<GatewayOptions['callOptions']>>('gateway.callOptions', value),
    ),
  };
}

function checkModels(value: unknown): ResolvedGatewayOptions['models'] {
  const models = checkObject('gateway.models', value);
  checkKnownKeys('gateway.models', models, FORWARDED);
  for (const [endpoint, model] of Object.entries(models)) checkString(`gateway.models.${endpoint}`, model);
  return models;
}

function bodyLimitOf(value: unknown, anonymous: unknown): (request: IncomingMessage) => number {
  const bytes =
    typeof value === 'function' ? 0 : optional(value, DEFAULT_BODY_BYTES, (given) => checkPositiveInteger('gateway.maxBodyBytes', given));
  const limit = typeof value === 'function' ? (value as (request: IncomingMessage) => number) : () => bytes;
  if (anonymous === undefined) return limit;
  const most = checkPositiveInteger('gateway.maxAnonymousBodyBytes', anonymous);
  return (request) => (RequestContext.principalOf(request) instanceof AnonymousPrincipal ? Math.min(most, limit(request)) : limit(request));
}

function checkProtection(value: unknown): ResolvedAppProtection {
  const given = checkObject('gateway.protectApp', value);
  checkKnownKeys('gateway.protectApp', given, ['withoutKey', 'withAnyKey']);
  const paths = (name: keyof AppProtection): readonly string[] =>
    optional(given[name], [], (list) => checkArray(`gateway.protectApp.${name}`, list, (at, path) => `/${checkRoutePath(at, path)}`));
  return { withoutKey: paths('withoutKey'), withAnyKey: paths('withAnyKey') };
}

/** @throws InvalidConfigurationError naming the option. */
export function resolveGatewayMount({ path, endpoints, unprefixed, guards, imports, rateLimit }: GatewayMount): ResolvedGatewayMount {
  return {
    path: checkRoutePath('gateway.path', path ?? 'v1'),
    endpoints: new Set(optional(endpoints, GATEWAY_ENDPOINTS, checkEndpoints)),
    unprefixed: optional(unprefixed, false, (value) => checkBoolean('gateway.unprefixed', value)),
    guards: optional(guards, [], (value) =>
      checkArray('gateway.guards', value, (at, guard) => checkFunction(at, guard) as unknown as Type<CanActivate>),
    ),
    imports: optional(imports, [], (value) => checkArray('gateway.imports', value, checkModule)),
    rateLimit: optional(rateLimit, undefined, checkRateLimits),
  };
}

/** The path of routes, without slashes around it. @throws InvalidConfigurationError */
export function checkRoutePath(option: string, path: unknown): string {
  const given = checkString(option, path);
  if (PATH.test(given)) return given.replace(/^\/|\/$/g, '');
  throw refuseOption(option, path, 'must be a path of letters, digits, _ . ~ - and /');
}

function checkEndpoints(value: unknown): readonly GatewayEndpoint[] {
  const endpoints = checkArray('gateway.endpoints', value, (path, entry) => checkOneOf(path, entry, GATEWAY_ENDPOINTS));
  if (endpoints.length > 0) return endpoints;
  throw new InvalidConfigurationError('gateway.endpoints', 'must name at least one endpoint');
}

/** A class, a dynamic module, `forwardRef()` or a promise; Nest treats anything else as a class. */
function checkModule(path: string, value: unknown): NonNullable<GatewayMount['imports']>[number] {
  const { module, forwardRef, then } = Object(value) as Record<string, unknown>;
  if ([value, module, forwardRef, then].some((part) => typeof part === 'function')) return value as Type<unknown>;
  throw refuseOption(path, value, 'must be a module');
}

function checkRateLimits(value: unknown): GatewayRateLimits {
  if (Array.isArray(value)) return checkRules('gateway.rateLimit', value);
  const limits = checkObject('gateway.rateLimit', value, (path, given) =>
    refuseOption(path, given, 'must be a list of rules, or lists by endpoint'),
  );
  checkKnownKeys('gateway.rateLimit', limits, [...GATEWAY_ENDPOINTS, 'default']);
  const checked = Object.entries(limits).map(([endpoint, rules]) => {
    const isNone = rules === undefined || rules === false;
    return [endpoint, isNone ? rules : checkRules(`gateway.rateLimit.${endpoint}`, rules)];
  });
  return Object.fromEntries(checked) as RateLimitsByEndpoint;
}

function checkRules(path: string, value: unknown): readonly RateLimitRule[] {
  if (!Array.isArray(value)) throw refuseOption(path, value, 'must be a list of rules, or false');
  return checkArray(path, value, (at, rule) => checkRule(at, rule, refuseOption));
}
