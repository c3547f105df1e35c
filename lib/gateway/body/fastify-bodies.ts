import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { RequestContext } from '../../http/request-context.js';
import { boundUnreadBody } from '../../http/body/unread-body.js';
import { mayBeLarge } from '../../http/body/body-object.js';
import { precheckBy } from '../../http/guard/precheck.js';
import { keyFaultOf } from '../access/checks.js';
import { takeQueryKey } from '../access/query-key.js';
import type { GatewayContext } from '../gateway.context.js';
import { GATEWAY_ROUTE, handlerOf, type MountedRoute } from '../routes/mounted-route.js';
import { earlyAnswer } from './early-answer.js';
import { headFault, readRequestBody } from './request-body.js';

interface FastifyRequest {
  readonly raw: IncomingMessage;
  body: unknown;
}

interface FastifyReply {
  code(status: number): FastifyReply;
  headers(headers: Readonly<Record<string, string>>): FastifyReply;
  send(body: object): FastifyReply;
}

type Done = (error?: Error | null, payload?: Readable) => void;
type Hook = (request: FastifyRequest, reply: FastifyReply, done: Done) => void;
type PreParsing = (request: FastifyRequest, reply: FastifyReply, payload: Readable, done: Done) => void;

/** Argument of Fastify's hook `onRoute`. */
interface FastifyRoute {
  readonly config?: Readonly<Record<string, unknown>>;
  onRequest?: Hook | Hook[];
  preParsing?: PreParsing | PreParsing[];
  preValidation?: Hook | Hook[];
  errorHandler?: (error: Error, request: FastifyRequest, reply: FastifyReply) => void;
}

/** A Fastify instance, as far as the gateway needs it. */
export interface FastifyInstance {
  addHook(name: 'onRoute', hook: (route: FastifyRoute) => void): unknown;
}

/**
 * Reads the bodies of the gateway's routes on Fastify, and rejects invalid ones before Nest sees
 * the request. Other routes keep the app's own limits and parsers.
 */
export function readFastifyBodies(instance: FastifyInstance, gateway: GatewayContext, routes: readonly MountedRoute[]): void {
  instance.addHook('onRoute', (route) => {
    const mounted = route.config?.[GATEWAY_ROUTE] as MountedRoute | undefined;
    if (mounted === undefined || !routes.includes(mounted)) return;
    route.errorHandler = (error, _request, reply) => {
      const { status, headers, body } = earlyAnswer(error, mounted.route);
      reply.code(status).headers(headers).send(body);
    };
    if (mounted.route.body === 'none') return;
    const { onRequest, preParsing, preValidation } = reading(gateway, mounted);
    route.onRequest = [...listOf(route.onRequest), onRequest];
    route.preParsing = [...listOf(route.preParsing), preParsing];
    route.preValidation = [preValidation, ...listOf(route.preValidation)];
  });
}

function listOf<H>(hooks: H | H[] | undefined): H[] {
  return hooks === undefined ? [] : Array.isArray(hooks) ? hooks : [hooks];
}

/** Field of requests: a WeakMap would keep them in memory until the next full collection. */
const ARRIVING = Symbol('arriving request');
type ArrivingMessage = IncomingMessage & { [ARRIVING]?: Arriving };

/** A request on its way through the hooks. */
interface Arriving {
  readonly state: RequestContext;
  /** Of its body, in bytes. */
  readonly limit: number;
  body?: unknown;
  /** The headers from which Fastify detects a body. */
  hidden?: Pick<IncomingHttpHeaders, 'content-type' | 'content-length' | 'transfer-encoding'>;
}

/**
 * One hook that checks the headers, and two around Fastify's own parsing, which then finds no body:
 * its parsers belong to the app, and adding one would change what the app's other routes accept.
 */
function reading(
  gateway: GatewayContext,
  mounted: MountedRoute,
): { readonly onRequest: Hook; readonly preParsing: PreParsing; readonly preValidation: Hook } {
  const { options, json, client } = gateway;
  const kind = mounted.route.body;
  const precheck: Hook = precheckBy(gateway.rateLimits, mounted.controller, handlerOf(mounted));
  return {
    onRequest: (request, reply, done) => {
      const { raw } = request;
      const state = RequestContext.of(raw);
      const checkHead = (keyFault: Error | undefined): void => {
        const { maxBodyBytes } = options;
        const limit = typeof maxBodyBytes === 'number' ? maxBodyBytes : maxBodyBytes(raw);
        const fault = keyFault ?? headFault(raw, kind, limit);
        if (fault !== undefined) {
          boundUnreadBody(raw);
          return done(fault);
        }
        (raw as ArrivingMessage)[ARRIVING] = { state, limit };
        state.checkedRoute = mounted;
        if (mayBeLarge(raw.headers)) precheck(request, reply, done);
        else done();
      };
      if (mounted.route.api === 'google') takeQueryKey(raw);
      keyFaultOf(gateway, raw, state).then(checkHead, done);
    },
    preParsing: ({ raw }, _reply, payload, done) => {
      const arrived = (raw as ArrivingMessage)[ARRIVING] as Arriving;
      const { state, limit } = arrived;
      const { jsonBounds } = options;
      readRequestBody(raw, { kind, payload, limit, state, json, jsonBounds, listBounds: client.bodyBounds }).then((body) => {
        const { headers } = raw;
        const { 'content-type': type, 'content-length': length, 'transfer-encoding': encoding } = headers;
        arrived.body = body;
        arrived.hidden = { 'content-type': type, 'content-length': length, 'transfer-encoding': encoding };
        // Set to `undefined`, because deleting would make the headers object slow to read.
        headers['content-type'] = headers['content-length'] = headers['transfer-encoding'] = undefined;
        done(null, payload);
      }, done);
    },
    preValidation: (request, _reply, done) => {
      const raw: ArrivingMessage = request.raw;
      const { body, hidden } = raw[ARRIVING] as Arriving;
      raw[ARRIVING] = undefined;
      Object.assign(raw.headers, hidden);
      request.body = body;
      done();
    },
  };
}
