import type { IncomingMessage, ServerResponse } from 'node:http';
import { resolveJsonBounds } from '../../http/body/json-bounds.js';
import { boundUnreadBody } from '../../http/body/unread-body.js';
import { precheckBy, type RateLimitPrecheck } from '../../http/guard/precheck.js';
import type { GatewayDesk } from '../gateway.desk.js';
import { handlerOf, type MountedRoute } from '../routes/mounted-route.js';
import { contentTypeFault } from './content-type.js';
import { earlyAnswer } from './early-answer.js';
import { readRequestBody, statedLengthFault } from './request-body.js';

type ExpressRequest = IncomingMessage & { body?: unknown; readonly path: string };

/** An Express app, as far as the gateway needs it. */
export interface ExpressApp {
  use(middleware: (request: ExpressRequest, response: ServerResponse, next: (error?: unknown) => void) => void): unknown;
}

interface ReadRoute {
  readonly mounted: MountedRoute;
  readonly precheck: RateLimitPrecheck;
}

/**
 * Reads the bodies of the gateway's routes on Express, before the app's own parsers: these take
 * 100 kB by default. Requests are found by the end of their path, because the app's prefix is not
 * known; a request that is missed is read by the app's parsers, and checked by the guards.
 */
export function readExpressBodies(app: ExpressApp, desk: GatewayDesk, routes: readonly MountedRoute[]): void {
  const jsonBounds = resolveJsonBounds(desk.options.jsonBounds ?? {});
  const byPath = new Map(
    routes.flatMap((mounted) => {
      const precheck = precheckBy(desk.rateLimits, mounted.controller, handlerOf(mounted));
      return mounted.route.body === 'none'
        ? []
        : mounted.paths.map((path) => [`${mounted.route.method} ${path}`, { mounted, precheck }] as const);
    }),
  );
  const longest = Math.max(...[...byPath.keys()].map((key) => key.split('/').length));
  app.use((request, response, next) => {
    const found = routeOf(request, byPath, longest);
    if (found === undefined || contentTypeFault(request.headers, found.mounted.route.body) !== undefined) return next();
    found.precheck(request, response, (denied) => {
      if (denied !== undefined) return refuse(response, denied, found.mounted);
      const limit = desk.options.maxBodyBytes(request);
      const fault = statedLengthFault(request, limit);
      if (fault !== undefined) {
        boundUnreadBody(request);
        return refuse(response, fault, found.mounted);
      }
      readRequestBody(request, { kind: found.mounted.route.body, limit, jsonBounds }).then(
        (body) => {
          request.body = body;
          next();
        },
        (error: unknown) => refuse(response, error, found.mounted),
      );
    });
  });
}

/** The route whose path is the request's, or the end of it. */
function routeOf({ method, path }: ExpressRequest, routes: ReadonlyMap<string, ReadRoute>, longest: number): ReadRoute | undefined {
  const parts = path
    .toLowerCase()
    .split('/')
    .filter((part) => part !== '');
  for (let from = Math.max(0, parts.length - longest); from < parts.length; from++) {
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
