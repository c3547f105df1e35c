import type { IncomingMessage, ServerResponse } from 'node:http';
import { resolveJsonBounds } from '../../http/body/json-bounds.js';
import type { JsonBounds } from '../../http/body/json-shape.js';
import type { JsonReader } from '../../http/body/json-reader.js';
import { boundUnreadBody } from '../../http/body/unread-body.js';
import { precheckBy, type RateLimitPrecheck } from '../../http/guard/precheck.js';
import type { MasterKey } from '../access/master-key.js';
import type { GatewayDesk } from '../gateway.desk.js';
import { handlerOf, type MountedRoute } from '../routes/mounted-route.js';
import { contentTypeFault } from './content-type.js';
import { earlyAnswer } from './early-answer.js';
import { readRequestBody, statedLengthFault } from './request-body.js';

type ExpressRequest = IncomingMessage & { body?: unknown; readonly path: string };

/** An Express app, as far as the gateway needs it. */
export interface ExpressApp {
  use(middleware: ExpressMiddleware): unknown;
}

type ExpressMiddleware = (request: ExpressRequest, response: ServerResponse, next: (error?: unknown) => void) => void;

/** A route whose bodies are read here. */
interface ReadRoute {
  readonly mounted: MountedRoute;
  readonly precheck: RateLimitPrecheck;
  readonly masterKey: MasterKey | null;
  readonly maxBodyBytes: (request: IncomingMessage) => number;
  readonly json: JsonReader;
  readonly jsonBounds: Required<JsonBounds>;
}

/** The routes of all gateways of an app, by method and path. */
const tables = new WeakMap<ExpressApp, Map<string, ReadRoute>>();
/** Parts of the longest path of a gateway: longer ends of a request's path are not looked up. */
const MOST_PARTS = 16;

/**
 * Reads the bodies of the gateway's routes on Express, before the app's own parsers: these take
 * 100 kB by default. Requests are found by the end of their path, because the app's prefix is not
 * known; a request that is missed is read by the app's parsers, and checked by the guards.
 */
export function readExpressBodies(
  app: ExpressApp,
  { options, rateLimits, masterKey, json }: GatewayDesk,
  routes: readonly MountedRoute[],
): void {
  let table = tables.get(app);
  if (table === undefined) {
    tables.set(app, (table = new Map<string, ReadRoute>()));
    app.use(bodyReader(table));
  }
  const jsonBounds = resolveJsonBounds(options.jsonBounds ?? {});
  for (const mounted of routes) {
    const { body, method } = mounted.route;
    if (body === 'none') continue;
    const precheck = precheckBy(rateLimits, mounted.controller, handlerOf(mounted));
    const route = { mounted, precheck, masterKey, maxBodyBytes: options.maxBodyBytes, json, jsonBounds };
    for (const path of mounted.paths) table.set(`${method} ${path.toLowerCase()}`, route);
  }
}

function bodyReader(routes: ReadonlyMap<string, ReadRoute>): ExpressMiddleware {
  return (request, response, next) => {
    const route = routeOf(request, routes);
    if (route === undefined || request.readableEnded || contentTypeFault(request.headers, route.mounted.route.body) !== undefined)
      return next();
    const { mounted, precheck, masterKey, maxBodyBytes, json, jsonBounds } = route;
    const keyFault = masterKey?.faultIn(request.headers);
    if (keyFault !== undefined) {
      boundUnreadBody(request);
      return refuse(response, keyFault, mounted);
    }
    precheck(request, response, (denied) => {
      if (denied !== undefined) return refuse(response, denied, mounted);
      const limit = maxBodyBytes(request);
      const fault = statedLengthFault(request, limit);
      if (fault !== undefined) {
        boundUnreadBody(request);
        return refuse(response, fault, mounted);
      }
      readRequestBody(request, { kind: mounted.route.body, limit, json, jsonBounds }).then(
        (body) => {
          request.body = body;
          next();
        },
        (error: unknown) => refuse(response, error, mounted),
      );
    });
  };
}

/** The route whose path is the request's, or the end of it. The longest one counts. */
function routeOf({ method, path }: ExpressRequest, routes: ReadonlyMap<string, ReadRoute>): ReadRoute | undefined {
  const parts = path
    .toLowerCase()
    .split('/')
    .filter((part) => part !== '');
  for (let from = Math.max(0, parts.length - MOST_PARTS); from < parts.length; from++) {
    const found = routes.get(`${method} ${parts.slice(from).join('/')}`);
    if (found !== undefined) return found;
  }
  return undefined;
}

function refuse(response: ServerResponse, error: unknown, { route }: MountedRoute): void {
  if (response.headersSent || response.destroyed) return;
  const { status, headers, body } = earlyAnswer(error, route);
  response.writeHead(status, { ...headers }).end(JSON.stringify(body));
}
