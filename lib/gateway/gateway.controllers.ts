import {
  Controller,
  HttpCode,
  Inject,
  Req,
  RequestMapping,
  RequestMethod,
  Res,
  SetMetadata,
  UseFilters,
  UseGuards,
  VERSION_NEUTRAL,
  type CanActivate,
  type Type,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { SkipPerformance } from '../common/skip-decorators.js';
import { RateLimit, SkipRateLimit } from '../http/decorators.js';
import { RateLimitGuard } from '../http/guard/rate-limit.guard.js';
import { MAY_CALL_ANY } from '../http/principal.js';
import { RequestContext } from '../http/request-context.js';
import type { RoutedResponse } from '../http/route-durations.js';
import type { CallOptions } from '../calls/call-options.js';
import { DEFAULT_LIMIT_NAME } from '../rate-limit/rate-limit.options.js';
import { AccessGuard } from './access/access.guard.js';
import type { ClientApi } from './errors.js';
import { AnthropicErrorFilter, GoogleErrorFilter, OpenAIErrorFilter, type GatewayErrorFilter } from './gateway-error.filter.js';
import { GATEWAY_CONTEXT, type GatewayContext, type MountedContext } from './gateway.context.js';
import type { GatewayEndpoint, GatewayRateLimits, RateLimitsByEndpoint, ResolvedGatewayMount } from './gateway.options.js';
import { documentTag } from '../common/openapi-metadata.js';
import { operationOf } from './openapi/operation.js';
import { FASTIFY_ROUTE_CONFIG, GATEWAY_ROUTE, type MountedRoute } from './routes/mounted-route.js';
import { MODEL_CALLS } from './routes/model-calls.js';
import { MODEL_INFO_ROUTES } from './routes/model-info.js';
import { MODEL_LISTS } from './routes/models.js';
import { PROBE_ROUTES } from './routes/probes.js';
import { apiOf, type GatewayExchange, type GatewayReply, type GatewayRequest, type GatewayRoute } from './routes/route.js';
import type * as SdkPaths from './routes/sdk-paths.js';
import { TOKEN_COUNTER_ROUTES } from './routes/token-counter.js';

const ROUTES: readonly GatewayRoute[] = [...MODEL_CALLS, ...MODEL_LISTS, ...MODEL_INFO_ROUTES, ...TOKEN_COUNTER_ROUTES, ...PROBE_ROUTES];
const FILTERS: Readonly<Record<ClientApi, Type<GatewayErrorFilter>>> = {
  openai: OpenAIErrorFilter,
  anthropic: AnthropicErrorFilter,
  google: GoogleErrorFilter,
};
/** Endpoints that call no model: they have no limits unless these are named. */
const UNLIMITED: ReadonlySet<GatewayEndpoint> = new Set(['models', 'health', 'model_info']);

/** The routes of one gateway, and the controllers that serve them. */
export interface GatewayControllers {
  readonly controllers: readonly Type<object>[];
  readonly routes: readonly MountedRoute[];
}

/**
 * Properties that routes share: each combination becomes a controller, which carries their limits.
 */
interface Group {
  readonly endpoint: GatewayEndpoint | 'default';
  readonly atRoot: boolean;
  readonly routes: readonly GatewayRoute[];
}

/** Creates the controllers of a gateway. */
export function createGatewayControllers(mount: ResolvedGatewayMount): GatewayControllers {
  const all = mount.sdkPaths ? [...ROUTES, ...sdkRoutes()] : ROUTES;
  const wanted = all.filter(({ endpoint }) => mount.endpoints.has(endpoint));
  const groups = [...groupsOf(wanted, mount, false), ...groupsOf(wanted, mount, true)];
  const made = groups.map((group) => createController(mount, group));
  return { controllers: made.map(({ controller }) => controller), routes: made.flatMap(({ routes }) => routes) };
}

function groupsOf(routes: readonly GatewayRoute[], { rateLimit: limits, unprefixed }: ResolvedGatewayMount, atRoot: boolean): Group[] {
  const groups = new Map<Group['endpoint'], GatewayRoute[]>();
  for (const route of routes) {
    if (atRoot ? route.atRoot === undefined : route.atRoot === 'only') continue;
    // Without the path, it is already at the root, and Fastify rejects duplicates.
    if (atRoot && unprefixed && route.atRoot === 'also') continue;
    const isOwn = UNLIMITED.has(route.endpoint) || (isByEndpoint(limits) && limits[route.endpoint] !== undefined);
    const name = isOwn ? route.endpoint : 'default';
    groups.set(name, [...(groups.get(name) ?? []), route]);
  }
  return [...groups].map(([endpoint, of]) => ({ endpoint, atRoot, routes: of }));
}

function createController(mount: ResolvedGatewayMount, group: Group): { controller: Type<object>; routes: readonly MountedRoute[] } {
  class GatewayController {
    constructor(
      readonly gateway: MountedContext,
      readonly host: HttpAdapterHost,
    ) {}
  }
  Inject(GATEWAY_CONTEXT)(GatewayController, undefined, 0);
  Inject(HttpAdapterHost)(GatewayController, undefined, 1);
  // Unnamed limits count under the class's name.
  const name = group.endpoint.replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase());
  Object.defineProperty(GatewayController, 'name', { value: `Gateway${name}Controller` });
  const paths = group.atRoot ? [''] : [mount.path, ...(mount.unprefixed ? [''] : [])];
  Controller({ path: paths, version: VERSION_NEUTRAL })(GatewayController);
  const guards: Type<CanActivate>[] = group.endpoint === 'health' ? [] : [AccessGuard, ...mount.guards, RateLimitGuard];
  UseGuards(...guards)(GatewayController);
  documentTag('gateway')(GatewayController);
  limitsOf(group.endpoint, mount.rateLimit)(GatewayController);
  const routes = group.routes.map((route): MountedRoute => {
    const mounted = {
      route,
      paths: [route.path, ...(route.morePaths ?? [])].flatMap((own) => paths.map((path) => (path === '' ? own : `${path}/${own}`))),
      controller: GatewayController,
    };
    addHandler(GatewayController, mounted, mount);
    return mounted;
  });
  return { controller: GatewayController, routes };
}

interface Handling {
  readonly gateway: MountedContext;
  readonly host: HttpAdapterHost;
}

function addHandler(controller: Type<object>, mounted: MountedRoute, mount: ResolvedGatewayMount): void {
  const { route } = mounted;
  const { name } = route;
  const measured = { handler: { name }, controller };
  const handlers = {
    async [name](this: Handling, request: GatewayRequest, reply: GatewayReply): Promise<void> {
      const { gateway, host } = this;
      gateway.durations.watch(request, reply as RoutedResponse, measured);
      const { callOptions: optionsOf } = gateway.options;
      const own = optionsOf === undefined ? undefined : await optionsOf(request);
      const exchange: GatewayExchange = {
        request,
        reply,
        callOptions: Object.assign({}, own, principalOptions(gateway, request, own), { request, response: reply }),
        json: (body, status = 200) => {
          host.httpAdapter.setHeader(reply, 'content-type', 'application/json; charset=utf-8');
          host.httpAdapter.setHeader(reply, 'x-content-type-options', 'nosniff');
          host.httpAdapter.reply(reply, JSON.stringify(body), status);
        },
      };
      return route.handle(gateway, exchange);
    },
  };
  const prototype = controller.prototype as object;
  const descriptor: PropertyDescriptor = { value: handlers[name], writable: true, configurable: true };
  Object.defineProperty(prototype, name, descriptor);
  Req()(prototype, name, 0);
  Res()(prototype, name, 1);
  const decorators: MethodDecorator[] = [
    RequestMapping({ path: [route.path, ...(route.morePaths ?? [])], method: RequestMethod[route.method] }),
    HttpCode(200),
    // The gateway measures its own routes, because an interceptor would add rxjs to them.
    SkipPerformance(),
    UseFilters(FILTERS[apiOf(route)]),
    ...operationOf(route, mount.guards.length > 0),
    SetMetadata(GATEWAY_ROUTE, mounted),
    SetMetadata(FASTIFY_ROUTE_CONFIG, { [GATEWAY_ROUTE]: mounted }),
  ];
  for (const decorate of decorators) decorate(prototype, name, descriptor);
}

/** Changes that a principal makes to the app's options for a call. */
function principalOptions({ router }: GatewayContext, request: GatewayRequest, options: CallOptions = {}): CallOptions | undefined {
  const { principal } = RequestContext.of(request);
  if (principal === undefined) return undefined;
  const { mayCall, routing } = options;
  const isTagged = principal.tags.length > 0 && router.settings.enableTagFiltering && routing?.tags === undefined;
  return {
    mayCall: principal.mayCall === MAY_CALL_ANY ? mayCall : (model) => principal.mayCall(model) && (mayCall?.(model) ?? true),
    ...(isTagged && { routing: { ...routing, tags: principal.tags } }),
  };
}

function limitsOf(endpoint: Group['endpoint'], limits: GatewayRateLimits | undefined): ClassDecorator {
  const rules = isByEndpoint(limits) ? limits[endpoint] : UNLIMITED.has(endpoint as GatewayEndpoint) ? false : limits;
  if ((rules ?? false) === false && UNLIMITED.has(endpoint as GatewayEndpoint)) return SkipRateLimit();
  // A rule that applies to no request: the limits of an API key still count.
  if (rules === false) return RateLimit({ name: DEFAULT_LIMIT_NAME, key: () => false });
  return rules === undefined || rules.length === 0 ? () => {} : RateLimit(...rules);
}

function isByEndpoint(limits: GatewayRateLimits | undefined): limits is RateLimitsByEndpoint {
  return limits !== undefined && !Array.isArray(limits);
}

/** Few apps mount them. */
function sdkRoutes(): readonly GatewayRoute[] {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- loaded by apps that mount them
  return (require('./routes/sdk-paths.js') as typeof SdkPaths).SDK_ROUTES;
}
