import type { CanActivate, DynamicModule, ForwardReference, Type } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import type { CallOptions } from '../calls/call-options.js';
import { InvalidConfigurationError } from '../common/errors.js';
import {
  boolean,
  callback,
  custom,
  group,
  integer,
  list,
  optionalGroup,
  resolveOptions,
  string,
  type OptionsOf,
  type Resolved,
} from '../common/option.js';
import {
  checkArray,
  checkFunction,
  checkKnownKeys,
  checkObject,
  checkOneOf,
  checkPositiveInteger,
  checkRoutePath,
  checkString,
  refuseOption,
} from '../common/options.js';
import { checkRule, type RateLimitRule } from '../http/decorators.js';
import { JSON_BOUNDS, type JsonBounds } from '../json-body/json-bounds.js';
import { RequestContext } from '../http/request-context.js';
import { AnonymousPrincipal } from './access/anonymous.js';

/** The parts of the gateway's API, each with one or more routes. */
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
  'generate_content',
  'files',
  'batches',
  'models',
  'health',
  'model_info',
  'token_counter',
] as const;

/** A part of the gateway's API. */
export type GatewayEndpoint = (typeof GATEWAY_ENDPOINTS)[number];

/** Endpoints whose requests can omit the model if the operator sets one. */
export type ForwardedEndpoint = Extract<GatewayEndpoint, 'images' | 'audio' | 'moderations' | 'rerank' | 'files' | 'batches'>;

/**
 * Limits on the gateway's routes: rules for all of them, or by endpoint. `default`: for endpoints
 * that are not listed. `false`: none. Endpoints that call no model are limited only if they are
 * listed.
 */
export type GatewayRateLimits = readonly RateLimitRule[] | RateLimitsByEndpoint;

/** Limits by endpoint; `default`: for endpoints that are not listed. `false`: none. */
export type RateLimitsByEndpoint = Readonly<Partial<Record<GatewayEndpoint | 'default', readonly RateLimitRule[] | false>>>;

type GatewayImport = Type<unknown> | DynamicModule | Promise<DynamicModule> | ForwardReference;
type BodyLimit = (request: IncomingMessage) => number;

export const GATEWAY_MOUNT = {
  /** Path of the API, below the app's global prefix. Default `v1`. */
  path: custom<string>('path', checkRoutePath, 'v1'),
  /** Parts of the API to mount. Default: all. */
  endpoints: custom<readonly GatewayEndpoint[], ReadonlySet<GatewayEndpoint>>(
    'names of `GATEWAY_ENDPOINTS`',
    checkEndpoints,
    new Set(GATEWAY_ENDPOINTS),
  ),
  /**
   * Whether the routes are also mounted without `path` (`/chat/completions`), as in LiteLLM.
   * Default false.
   */
  unprefixed: boolean({ default: false }),
  /**
   * Whether the paths of other SDKs are mounted at the root, too: Azure OpenAI's
   * (`/openai/deployments/:model/…`, `/openai/v1/…`), `/engines/:model/…`, Google's
   * (`/v1beta/models/:model:generateContent`), `/anthropic/v1/…`, `/v2/rerank`. Default false.
   *
   * @see docs/gateway.md#paths-of-other-sdks
   */
  sdkPaths: boolean({ default: false }),
  /** Guards of all routes except `health`, in this order, before the rate limits. Default: none. */
  guards: list(custom<Type<CanActivate>>('class', checkClass), { default: [] }),
  /** Modules that export the providers which the guards inject. Default: none. */
  imports: list(custom<GatewayImport>('module', checkModule), { default: [] }),
  /**
   * Limits on the routes, for all or by endpoint. Default: those of `FastLiteLLMModule`.
   *
   * @see docs/gateway.md#who-may-use-it
   */
  rateLimit: custom<GatewayRateLimits>('rules, or rules by endpoint', checkRateLimits),
};

/**
 * Which routes the gateway mounts. Separate from the other options, because routes are created
 * before factories run.
 */
export interface GatewayMount extends OptionsOf<typeof GATEWAY_MOUNT> {}
/** `path`: without slashes around it. */
export type ResolvedGatewayMount = Resolved<typeof GATEWAY_MOUNT>;

const FORWARDED = ['images', 'audio', 'moderations', 'rerank', 'files', 'batches'] as const satisfies readonly ForwardedEndpoint[];

const PATHS = custom<readonly string[]>(
  'list of paths',
  (path, value) => checkArray(path, value, (at, each) => `/${checkRoutePath(at, each)}`),
  [],
);

export const PROTECTION = {
  /**
   * Paths that need no key, including everything below them: probes, and pages with their own
   * token. Default: none.
   */
  withoutKey: PATHS,
  /** Paths that any valid key can access, including everything below them: `/v1`. Default: none. */
  withAnyKey: PATHS,
};

/** Exceptions from the master key for paths of an app. */
export interface AppProtection extends OptionsOf<typeof PROTECTION> {}
/** The paths have a slash before them. */
export type ResolvedAppProtection = Resolved<typeof PROTECTION>;

export const GATEWAY = {
  /**
   * Maximum size of a body in bytes, or a function of the request that returns it before the body
   * is read. Default 32 MiB, Anthropic's limit.
   */
  maxBodyBytes: custom<number | BodyLimit>('positive integer or function', checkBodyLimit, 32 * 1024 * 1024),
  /**
   * Maximum size of a body without a key, in bytes, with `openOnLoopback`. Default: `maxBodyBytes`.
   */
  maxAnonymousBodyBytes: integer({ min: 1 }),
  /**
   * Bounds on the structure of JSON bodies.
   *
   * @see docs/rate-limits.md#reject-bodies-that-are-expensive-to-parse
   */
  jsonBounds: group<JsonBounds, typeof JSON_BOUNDS>(JSON_BOUNDS),
  /**
   * Whether `request.body` keeps its long fields after the answer has begun, for code that logs
   * prompts later. They stay in memory while a stream runs. Default false: long fields that were
   * not read before become `undefined`.
   */
  keepBodies: boolean({ default: false }),
  /**
   * Whether `messages/count_tokens` and `responses/input_tokens` call the provider first, like
   * `LlmClient.countTokensExact`. Default false: tokens are counted locally.
   *
   * @see docs/token-counting.md#counts-of-the-provider
   */
  exactTokenCounts: boolean({ default: false }),
  /**
   * Whether whole answers include a header for each part of their cost in addition to
   * `x-litellm-response-cost`, as in LiteLLM's proxy. Default false.
   */
  costHeaders: boolean({ default: false }),
  /**
   * Host names under which browsers can reach this server. Protects a gateway without
   * authentication on loopback from DNS rebinding. Default: any.
   */
  allowedHosts: custom<readonly string[], readonly string[] | null>('host names', checkHosts, null),
  /**
   * Models for requests that name none, by endpoint: a moderation model; for `files` and `batches`,
   * the model group whose account is used. Values are model groups, aliases or deployment ids.
   */
  models: custom<Readonly<Partial<Record<ForwardedEndpoint, string>>>>('object', checkModels, {}),
  /**
   * Key that requests must send, in any header that LiteLLM's proxy reads. Default if the gateway
   * has no `guards`: `general_settings.master_key` of `router.configPath`, else
   * `LITELLM_MASTER_KEY`, unless `router.handledSettings` has `general_settings.master_key`.
   */
  masterKey: string({ default: null }),
  /**
   * Whether requests need an API key of `FastLiteLLMKeysModule`. Default: true if the app imports
   * that module, which then also gets the master key.
   *
   * @see docs/keys.md
   */
  keys: boolean(),
  /**
   * Whether clients on this machine need no key while no master key is configured. They are limited
   * by address, and `allowedHosts` defaults to none. All other clients need a key, including those
   * that a proxy on this machine forwards with its headers. Default false.
   */
  openOnLoopback: boolean({ default: false }),
  /**
   * Checks host, origin and key on all routes of the app, before bodies are read, not only on those
   * of the gateway. Middleware and WebSockets are not checked. Default: off.
   *
   * @see docs/gateway.md#protect-the-whole-app
   */
  protectApp: optionalGroup<AppProtection, typeof PROTECTION>(PROTECTION),
  /**
   * Returns options for the calls of a request: tags, time limits, the models that its client can
   * call.
   */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the app declares the type of its framework's request
  callOptions: callback<(request: any) => CallOptions | Promise<CallOptions>>(),
};

/** Options of the gateway. */
export interface GatewayOptions extends OptionsOf<typeof GATEWAY> {}
/**
 * `keys` is undefined if that depends on the app's modules; `allowedHosts` are in lower case, and
 * `null` means any.
 */
export type ResolvedGatewayOptions = Omit<Resolved<typeof GATEWAY>, 'maxAnonymousBodyBytes'>;

/** @throws InvalidConfigurationError naming the option. */
export function resolveGatewayOptions(options: GatewayOptions = {}): ResolvedGatewayOptions {
  const { maxAnonymousBodyBytes: most, ...resolved } = resolveOptions(GATEWAY, 'gateway', options);
  const { maxBodyBytes: limit } = resolved;
  if (most === undefined) return resolved;
  const maxBodyBytes: BodyLimit = (request) => {
    const bytes = typeof limit === 'number' ? limit : limit(request);
    return RequestContext.principalOf(request) instanceof AnonymousPrincipal ? Math.min(most, bytes) : bytes;
  };
  return { ...resolved, maxBodyBytes };
}

/** @throws InvalidConfigurationError naming the option. */
export function resolveGatewayMount(mount: GatewayMount): ResolvedGatewayMount {
  const { path, endpoints, unprefixed, sdkPaths, guards, imports, rateLimit } = mount;
  return resolveOptions(GATEWAY_MOUNT, 'gateway', { path, endpoints, unprefixed, sdkPaths, guards, imports, rateLimit });
}

function checkHosts(path: string, value: unknown): readonly string[] {
  return checkArray(path, value, (at, host) => checkString(at, host).toLowerCase());
}

function checkModels(path: string, value: unknown): Readonly<Partial<Record<ForwardedEndpoint, string>>> {
  const models = checkObject(path, value);
  checkKnownKeys(path, models, FORWARDED);
  for (const [endpoint, model] of Object.entries(models)) checkString(`${path}.${endpoint}`, model);
  return models;
}

function checkBodyLimit(path: string, value: unknown): number | BodyLimit {
  return typeof value === 'function' ? (value as BodyLimit) : checkPositiveInteger(path, value);
}

function checkClass(path: string, value: unknown): Type<CanActivate> {
  return checkFunction(path, value) as unknown as Type<CanActivate>;
}

function checkEndpoints(path: string, value: unknown): ReadonlySet<GatewayEndpoint> {
  const endpoints = checkArray(path, value, (at, entry) => checkOneOf(at, entry, GATEWAY_ENDPOINTS));
  if (endpoints.length > 0) return new Set(endpoints);
  throw new InvalidConfigurationError(path, 'must name at least one endpoint');
}

/** A class, a dynamic module, `forwardRef()` or a promise; Nest treats anything else as a class. */
function checkModule(path: string, value: unknown): GatewayImport {
  const { module, forwardRef, then } = Object(value) as Record<string, unknown>;
  if ([value, module, forwardRef, then].some((part) => typeof part === 'function')) return value as Type<unknown>;
  throw refuseOption(path, value, 'must be a module');
}

function checkRateLimits(path: string, value: unknown): GatewayRateLimits {
  if (Array.isArray(value)) return checkRules(path, value);
  const limits = checkObject(path, value, (at, given) => refuseOption(at, given, 'must be an array of rules, or arrays by endpoint'));
  checkKnownKeys(path, limits, [...GATEWAY_ENDPOINTS, 'default']);
  const checked = Object.entries(limits).map(([endpoint, rules]) => {
    const isNone = rules === undefined || rules === false;
    return [endpoint, isNone ? rules : checkRules(`${path}.${endpoint}`, rules)];
  });
  return Object.fromEntries(checked) as RateLimitsByEndpoint;
}

function checkRules(path: string, value: unknown): readonly RateLimitRule[] {
  if (!Array.isArray(value)) throw refuseOption(path, value, 'must be an array of rules, or false');
  return checkArray(path, value, (at, rule) => checkRule(at, rule, refuseOption));
}
