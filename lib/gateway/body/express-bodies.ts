import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ResolvedBodyBounds } from '../../http/body/body-bounds.js';
import type { JsonBounds } from '../../http/body/json-shape.js';
import type { JsonReader } from '../../http/body/json-reader.js';
import { mayBeLarge } from '../../http/body/body-object.js';
import { boundUnreadBody } from '../../http/body/unread-body.js';
import { precheckBy, type RateLimitPrecheck } from '../../http/guard/precheck.js';
import { RequestContext } from '../../http/request-context.js';
import { keyFaultOf } from '../access/checks.js';
import { takeQueryKey } from '../access/query-key.js';
import type { GatewayContext } from '../gateway.context.js';
import { handlerOf, type MountedRoute } from '../routes/mounted-route.js';
import { earlyAnswer } from './early-answer.js';
import { headFault, readRequestBody } from './request-body.js';

type ExpressRequest = IncomingMessage & { body?: unknown; readonly path: string };

/** An Express app, as far as the gateway needs it. */
export interface ExpressApp {
  use(middleware: ExpressMiddleware): unknown;
  /** Of Express 5. */
  readonly router?: ExpressRouter;
  /** Of Express 4, whose `router` throws. */
  readonly _router?: ExpressRouter;
}

interface ExpressRouter {
  readonly stack: readonly {
    readonly route?: { readonly path: unknown; readonly methods: Readonly<Record<string, boolean | undefined>> };
  }[];
}

type ExpressMiddleware = (request: ExpressRequest, response: ServerResponse, next: (error?: unknown) => void) => void;

/** A route whose bodies are read here. */
interface ReadRoute {
  readonly mounted: MountedRoute;
  readonly precheck: RateLimitPrecheck;
  readonly access: Pick<GatewayContext, 'keys' | 'masterKey' | 'openTo'>;
  readonly maxBodyBytes: GatewayContext['options']['maxBodyBytes'];
  readonly json: JsonReader;
  readonly jsonBounds: Required<JsonBounds>;
  readonly listBounds: ResolvedBodyBounds;
}

/** By method and path, such as `POST v1/responses`. */
type RouteTable = Map<string, ReadRoute>;

/** A path with parameters, as its parts. */
interface ParameterRoute {
  readonly method: string;
  readonly parts: readonly string[];
  readonly route: ReadRoute;
}

/** The routes of each gateway of an app, by their paths without the app's prefix. */
const gateways = new WeakMap<ExpressApp, RouteTable[]>();

type Refusal = { readonly error: unknown; readonly mounted: MountedRoute };

/**
 * Rejects requests before the app's parsers, but answers after its other middleware, which sets
 * headers: CORS, without which a browser hides the error, and helmet.
 */
class Refusals {
  /** Whether `answer` runs after the app's middleware. */
  isBehind = false;
  private readonly refused = new WeakMap<IncomingMessage, Refusal>();

  add(request: IncomingMessage, response: ServerResponse, refusal: Refusal, next: () => void): void {
    if (!this.isBehind) return refuse(response, refusal);
    this.refused.set(request, refusal);
    // So that the app's parsers find no body.
    request.headers['content-length'] = request.headers['transfer-encoding'] = undefined;
    next();
  }

  readonly answer: ExpressMiddleware = (request, response, next) => {
    const refusal = this.refused.get(request);
    if (refusal === undefined) next();
    else refuse(response, refusal);
  };
}

/**
 * Reads the bodies of the gateway's routes on Express, before the app's own parsers: these take
 * 100 kB by default.
 */
export function readExpressBodies(
  app: ExpressApp,
  { options, rateLimits, keys, masterKey, openTo, json, client }: GatewayContext,
  mountedRoutes: readonly MountedRoute[],
  whenComposed: (listener: () => void) => void,
): void {
  let tables = gateways.get(app);
  if (tables === undefined) {
    gateways.set(app, (tables = []));
    const refusals = new Refusals();
    app.use(bodyReader(app, tables, refusals));
    whenComposed(() => {
      app.use(refusals.answer);
      refusals.isBehind = true;
    });
  }
  // Those at the root may have another prefix than the gateway's path.
  const [table, atRoot]: readonly RouteTable[] = [new Map(), new Map()];
  tables.push(table, atRoot);
  for (const mounted of mountedRoutes) {
    const { body, method } = mounted.route;
    if (body === 'none') continue;
    const precheck = precheckBy(rateLimits, mounted.controller, handlerOf(mounted));
    const route = {
      mounted,
      precheck,
      access: { keys, masterKey, openTo },
      maxBodyBytes: options.maxBodyBytes,
      json,
      jsonBounds: options.jsonBounds,
      listBounds: client.bodyBounds,
    };
    const own = mounted.route.atRoot === 'only' ? atRoot : table;
    for (const path of mounted.paths) own.set(`${method} ${path.toLowerCase()}`, route);
  }
}

function bodyReader(app: ExpressApp, tables: readonly RouteTable[], refusals: Refusals): ExpressMiddleware {
  let routes: RouteTable | undefined;
  let withParameters: readonly ParameterRoute[] = [];
  return (request, response, next) => {
    if (routes === undefined) {
      // Nest adds the routes after the modules, with the prefixes that the app gives them.
      routes = prefixedRoutes(app, tables);
      withParameters = parameterRoutes(routes);
    }
    const path = normalized(request.path);
    const route = routes.get(`${request.method} ${path}`) ?? findRoute(withParameters, request.method, path);
    if (route === undefined || request.readableEnded) return next();
    const { mounted, precheck, access, maxBodyBytes, json, jsonBounds, listBounds } = route;
    const state = RequestContext.of(request);
    if (mounted.route.api === 'google') takeQueryKey(request);
    const reject = (error: unknown): void => refusals.add(request, response, { error, mounted }, next);
    const read = (): void => {
      const limit = typeof maxBodyBytes === 'number' ? maxBodyBytes : maxBodyBytes(request);
      // Before the app's parsers, which would inflate a compressed body.
      const fault = headFault(request, mounted.route.body, limit);
      if (fault !== undefined) {
        boundUnreadBody(request);
        return reject(fault);
      }
      state.checkedRoute = mounted;
      readRequestBody(request, { kind: mounted.route.body, limit, state, json, jsonBounds, listBounds }).then((body) => {
        request.body = body;
        next();
      }, reject);
    };
    // An earlier middleware is already listening, so bytes would be lost while the key is checked.
    const isHeld = request.listenerCount('data') > 0;
    if (isHeld) request.pause();
    const goOn = (): void => void (isHeld && request.resume());
    keyFaultOf(access, request, state).then(
      (keyFault) => {
        if (keyFault !== undefined) {
          goOn();
          boundUnreadBody(request);
          return reject(keyFault);
        }
        const checked = (denied?: Error): void => {
          goOn();
          if (denied === undefined) read();
          else reject(denied);
        };
        if (mayBeLarge(request.headers)) precheck(request, response, checked);
        else checked();
      },
      (error: unknown) => {
        goOn();
        next(error);
      },
    );
  };
}

/**
 * The routes by the paths at which the app has them. A gateway's routes share one prefix: a route
 * of the app that only ends like one of them is not taken for it.
 */
function prefixedRoutes(app: ExpressApp, tables: readonly RouteTable[]): RouteTable {
  const served = servedPaths(app);
  const prefixed: RouteTable = new Map();
  for (const table of tables) {
    const names = [...table.keys()];
    for (const prefix of prefixesOf(names[0] ?? '', served)) {
      if (!names.every((name) => served.has(withPrefix(prefix, name)))) continue;
      for (const [name, route] of table) prefixed.set(withPrefix(prefix, name), route);
    }
  }
  return prefixed;
}

/** In the order in which the app tries them. */
function parameterRoutes(routes: RouteTable): readonly ParameterRoute[] {
  return [...routes]
    .filter(([name]) => name.includes('/:'))
    .map(([name, route]) => {
      const [method, path] = name.split(' ');
      return { method, parts: path.split('/'), route };
    });
}

function findRoute(routes: readonly ParameterRoute[], method: string | undefined, path: string): ReadRoute | undefined {
  const asked = path.split('/');
  const isMatch = ({ parts }: ParameterRoute): boolean =>
    parts.length === asked.length && parts.every((part, at) => part.startsWith(':') || part === asked[at]);
  return routes.find((each) => each.method === method && isMatch(each))?.route;
}

/** All routes of an app, as `POST v1/responses`. */
export function servedPaths(app: ExpressApp): ReadonlySet<string> {
  const served = new Set<string>();
  for (const { route } of (app._router ?? app.router)?.stack ?? []) {
    if (route === undefined || typeof route.path !== 'string') continue;
    for (const method of Object.keys(route.methods)) served.add(`${method.toUpperCase()} ${normalized(route.path)}`);
  }
  return served;
}

/** Returns what precedes a route's path in each of the app's routes that end with it. */
function prefixesOf(name: string, served: ReadonlySet<string>): readonly string[] {
  const [method, path] = name.split(' ');
  return [...served].flatMap((each) => {
    if (!each.startsWith(`${method} `) || !`/${each.slice(method.length + 1)}`.endsWith(`/${path}`)) return [];
    return [each.slice(method.length + 1, each.length - path.length)];
  });
}

function withPrefix(prefix: string, name: string): string {
  const [method, path] = name.split(' ');
  return `${method} ${prefix}${path}`;
}

/** As Express compares by default: without regard to case and to slashes at the ends. */
function normalized(path: string): string {
  return path
    .toLowerCase()
    .split('/')
    .filter((part) => part !== '')
    .join('/');
}

function refuse(response: ServerResponse, { error, mounted: { route } }: Refusal): void {
  if (response.headersSent || response.destroyed) return;
  const { status, headers, body } = earlyAnswer(error, route);
  response.writeHead(status, { ...headers }).end(JSON.stringify(body));
}
