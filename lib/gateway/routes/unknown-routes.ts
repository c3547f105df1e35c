import type { HttpAdapterHost } from '@nestjs/core';
import type { IncomingHttpHeaders } from 'node:http';
import { shortened } from '../../common/visible-text.js';
import { servedPaths, type ExpressApp } from '../body/express-bodies.js';
import { errorBody } from '../errors.js';
import { isOfGoogle } from './google-paths.js';
import type { MountedRoute } from './mounted-route.js';

interface UnknownRequest {
  readonly method: string;
  readonly url: string;
  /** Express's, whose `url` is without the path of a router. */
  readonly originalUrl?: string;
  readonly headers: IncomingHttpHeaders;
}

type Handler = (request: UnknownRequest, reply: object, next?: (error?: unknown) => void) => unknown;
type Adapter = NonNullable<HttpAdapterHost['httpAdapter']>;
type SetNotFoundHandler = (handler: Handler, ...more: readonly unknown[]) => unknown;
/** Where a gateway is: the parts of its path, below a prefix of the app. */
type Place = readonly string[];

/** First parts of the paths that only SDKs use. */
const SDK_PLACES: ReadonlySet<string> = new Set(['openai', 'engines', 'anthropic', 'v1beta']);
/** Most characters of a path in an answer. */
const LONGEST_PATH = 200;

/**
 * Answers requests below the gateway's path without a route, in the shape of the client's API. Nest
 * runs this handler after all routes, so the app's routes are not affected.
 */
export function answerUnknownRoutes(adapter: Adapter, routes: readonly MountedRoute[]): void {
  const mounted = placesOf(routes);
  const set = adapter.setNotFoundHandler?.bind(adapter) as SetNotFoundHandler | undefined;
  if (set === undefined) return;
  const bound: SetNotFoundHandler = (handler, prefix, ...more) => {
    const before = typeof prefix === 'string' ? partsOf(prefix) : [];
    const isFastify = adapter.getType() === 'fastify';
    // On Express, Nest answers nothing outside its prefix, because a server can have other routes.
    const outside = before.length === 0 || isFastify ? mounted : placesOf(servedBy(adapter.getInstance<ExpressApp>(), routes));
    const answers: Handler = (request, reply, next) => {
      const path = pathOf(request);
      const parts = partsOf(path);
      const rest = (startsWith(parts, before) ? restOf(parts.slice(before.length), mounted) : undefined) ?? restOf(parts, outside);
      if (rest === undefined) return next?.();
      const isMessages = rest[0] === 'messages' || parts.includes('anthropic');
      return answer(adapter, reply, request, { path, isMessages });
    };
    if (isFastify) {
      return set((request, reply) => answers(request, reply, () => handler(request, reply)), prefix, ...more);
    }
    // With a global prefix, Nest's own handler answers only below it.
    adapter.use(answers);
    return set(handler, prefix, ...more);
  };
  Object.assign(adapter, { setNotFoundHandler: bound });
}

function answer(
  adapter: Adapter,
  reply: object,
  request: UnknownRequest,
  asked: { readonly path: string; readonly isMessages: boolean },
): void {
  const { method, headers } = request;
  const message = `Unknown route: ${method} ${shortened(asked.path, LONGEST_PATH)}.`;
  const error = { message, type: 'invalid_request_error', param: null, code: 'unknown_url' };
  const isAnthropics = asked.isMessages || headers['anthropic-version'] !== undefined;
  const api = isAnthropics ? 'anthropic' : isOfGoogle(asked.path) ? 'google' : 'openai';
  adapter.setHeader(reply, 'x-content-type-options', 'nosniff');
  adapter.reply(reply, errorBody({ status: 404, error, isUnexpected: false }, api), 404);
}

/** The routes at the paths where an Express app has them without its prefix (`exclude`). */
function servedBy(app: ExpressApp, routes: readonly MountedRoute[]): readonly MountedRoute[] {
  const served = servedPaths(app);
  return routes.map((each) => ({ ...each, paths: each.paths.filter((path) => served.has(`${each.route.method} ${path.toLowerCase()}`)) }));
}

/** The gateway's path; if its routes also exist without it, their first segments too. */
function placesOf(routes: readonly MountedRoute[]): readonly Place[] {
  const places = new Map<string, Place>();
  for (const { route, paths } of routes) {
    for (const path of paths) {
      const [all, own] = [partsOf(path), partsOf(route.path)];
      if (route.isOfSdk === true) {
        if (SDK_PLACES.has(all[0])) places.set(all[0], [all[0]]);
        continue;
      }
      // Further paths of the same route are omitted.
      if (!path.endsWith(route.path)) continue;
      const place = all.slice(0, all.length - own.length);
      if (place.length > 0) places.set(place.join('/'), place);
      else if (route.atRoot === undefined) places.set(`/${own[0]}`, []);
    }
  }
  const unprefixed = [...places.keys()].filter((name) => name.startsWith('/')).map((name) => [name.slice(1)]);
  return [...[...places.values()].filter(({ length }) => length > 0), ...unprefixed];
}

/** The parts after one of `places`, and "messages"; `undefined`: elsewhere. */
function restOf(parts: readonly string[], places: readonly Place[]): readonly string[] | undefined {
  const place = places.find((each) => startsWith(parts, each));
  return place && parts.filter((part, at) => at >= place.length || part === 'messages');
}

function startsWith(path: readonly string[], start: readonly string[]): boolean {
  return start.every((part, at) => path[at] === part);
}

function pathOf({ originalUrl, url }: UnknownRequest): string {
  return (originalUrl ?? url).split('?', 1)[0];
}

/** As the adapters compare by default: without slashes at the ends, and on Express without case. */
function partsOf(path: string): string[] {
  return path
    .toLowerCase()
    .split('/')
    .filter((part) => part !== '');
}
