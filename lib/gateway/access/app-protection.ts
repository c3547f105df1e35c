import type { HttpAdapterHost } from '@nestjs/core';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { boundUnreadBody } from '../../http/body/unread-body.js';
import { RequestContext } from '../../http/request-context.js';
import { whenComposed } from '../body/bodies.js';
import { earlyAnswer, type EarlyAnswer } from '../body/early-answer.js';
import { gatewayError } from '../errors.js';
import type { GatewayContext } from '../gateway.context.js';
import type { ResolvedAppProtection } from '../gateway.options.js';
import { isOfGoogle } from '../routes/google-paths.js';
import { AnonymousPrincipal } from './anonymous.js';
import { keyFaultOf, siteFaultOf } from './checks.js';
import { takeQueryKey } from './query-key.js';

type Adapter = NonNullable<HttpAdapterHost['httpAdapter']>;

interface FastifyReply {
  getHeader(name: string): unknown;
  code(status: number): FastifyReply;
  headers(headers: EarlyAnswer['headers']): FastifyReply;
  send(body: object): FastifyReply;
}

type PreParsing = (
  request: { readonly raw: IncomingMessage },
  reply: FastifyReply,
  payload: unknown,
  done: (error?: Error) => void,
) => void;
type Middleware = (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => void;

/** A layer of Express's middleware stack. */
interface ExpressLayer {
  readonly name: string;
  readonly route?: object;
}

interface ExpressApp {
  use(middleware: Middleware): unknown;
  /** Of Express 5. */
  readonly router?: { readonly stack: ExpressLayer[] };
  /** Of Express 4, whose `router` throws. */
  readonly _router?: { readonly stack: ExpressLayer[] };
}

/** Names of what answers requests itself: static files, routers and apps. */
const ANSWERING = ['serveStatic', 'router', 'mounted_app'];
/** Two dots, as such or encoded: what serves files may leave the folder of the path by them. */
const PARENT = /(?:\.|%2e){2}/i;

/**
 * Checks host, origin and key of every request of the app, also of those without a route. It runs
 * after the app's middleware, such as its CORS, and before the app reads a body.
 */
export function protectApp(adapter: Adapter, gateway: GatewayContext, protection: ResolvedAppProtection): void {
  if (adapter.getType() === 'fastify') {
    const check: PreParsing = ({ raw }, reply, _payload, done) => {
      denialOf(raw, gateway, protection, () => corsOriginOf(reply)).then((denial) => {
        if (denial === undefined) return done();
        reply.code(denial.status).headers(denial.headers).send(denial.body);
      }, done);
    };
    adapter.getInstance<{ addHook(name: 'preParsing', hook: PreParsing): unknown }>().addHook('preParsing', check);
    return;
  }
  const check: Middleware = (request, response, next) => {
    denialOf(request, gateway, protection, () => corsOriginOf(response)).then((denial) => {
      if (denial === undefined) return next();
      if (response.headersSent || response.destroyed) return;
      response.writeHead(denial.status, { ...denial.headers }).end(JSON.stringify(denial.body));
    }, next);
  };
  whenComposed(adapter, () => useBeforeAnswers(adapter.getInstance<ExpressApp>(), check));
}

/**
 * Before everything that answers, including routes that the app added earlier, such as its
 * documentation and static files.
 */
function useBeforeAnswers(app: ExpressApp, check: Middleware): void {
  app.use(check);
  const stack = (app._router ?? app.router)?.stack ?? [];
  const answering = stack.filter(({ name, route }) => route !== undefined || ANSWERING.includes(name));
  const passing = stack.filter((layer) => !answering.includes(layer));
  stack.splice(0, stack.length, ...passing, ...answering);
}

function corsOriginOf(response: { getHeader(name: string): unknown }): unknown {
  return response.getHeader('access-control-allow-origin');
}

async function denialOf(
  request: IncomingMessage & { readonly originalUrl?: string },
  gateway: GatewayContext,
  protection: ResolvedAppProtection,
  corsOrigin: () => unknown,
): Promise<EarlyAnswer | undefined> {
  const [path] = (request.originalUrl ?? request.url ?? '').split('?', 1);
  const state = RequestContext.of(request);
  const isGoogles = isOfGoogle(path);
  if (isGoogles) takeQueryKey(request);
  let fault: Error | undefined = siteFaultOf(request, gateway.options.allowedHosts, corsOrigin);
  // A preflight has no key. If CORS has allowed its site without answering, the app does.
  if (fault === undefined && (request.method !== 'OPTIONS' || corsOrigin() === undefined)) {
    const keyFault = await keyFaultOf(gateway, request, state);
    fault = accessFaultOf(keyFault, path, isOperator(state, gateway), protection);
  }
  if (fault === undefined) {
    state.isAdmitted = true;
    return undefined;
  }
  boundUnreadBody(request);
  return earlyAnswer(fault, { endpoint: /\/messages(?:\/|$)/.test(path) ? 'messages' : 'chat', ...(isGoogles && { api: 'google' }) });
}

/** On a path that needs no key, a valid one still counts: handlers may show its owner more. */
function accessFaultOf(
  keyFault: Error | undefined,
  path: string,
  isAdmin: boolean,
  { withoutKey, withAnyKey }: ResolvedAppProtection,
): Error | undefined {
  if (isBelow(path, withoutKey)) return undefined;
  if (keyFault !== undefined) return keyFault;
  if (isAdmin || isBelow(path, withAnyKey)) return undefined;
  return gatewayError(401, 'invalid_api_key', 'This path requires the master key.');
}

/** Whether its client has sent the master key, or needs no key; or is an admin of the app. */
function isOperator({ principal }: RequestContext, { masterKey }: GatewayContext): boolean {
  if (masterKey !== null || principal === undefined || principal instanceof AnonymousPrincipal) return true;
  return principal.keyId === undefined && principal.isAdmin;
}

/** Compares as the request spells the path: another spelling needs the master key. */
function isBelow(path: string, paths: readonly string[]): boolean {
  if (PARENT.test(path)) return false;
  return paths.some((each) => path === each || path.startsWith(`${each}/`));
}
