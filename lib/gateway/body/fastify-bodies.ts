import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { resolveJsonBounds } from '../../http/body/json-bounds.js';
import { boundUnreadBody } from '../../http/body/unread-body.js';
import { precheckBy } from '../../http/guard/precheck.js';
import { keyFaultOf } from '../access/key-check.js';
import type { GatewayDesk } from '../gateway.desk.js';
import { GATEWAY_ROUTE, handlerOf, type MountedRoute } from '../routes/mounted-route.js';
import { contentTypeFault } from './content-type.js';
import { earlyAnswer } from './early-answer.js';
import { readRequestBody, statedLengthFault } from './request-body.js';

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

/** What Fastify's hook `onRoute` is given. */
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
 * Reads the bodies of the gateway's routes on Fastify, and answers what is wrong with them before
 * Nest sees the request. Other routes keep the app's own limits and parsers.
 */
export function readFastifyBodies(instance: FastifyInstance, desk: GatewayDesk, routes: readonly MountedRoute[]): void {
  instance.addHook('onRoute', (route) => {
    const mounted = route.config?.[GATEWAY_ROUTE] as MountedRoute | undefined;
    if (mounted === undefined || !routes.includes(mounted)) return;
    route.errorHandler = (error, _request, reply) => {
      const { status, headers, body } = earlyAnswer(error, mounted.route);
      reply.code(status).headers(headers).send(body);
    };
    if (mounted.route.body === 'none') return;
    const { preParsing, preValidation } = reading(desk, mounted);
    const precheck: Hook = precheckBy(desk.rateLimits, mounted.controller, handlerOf(mounted));
    route.onRequest = [...listOf(route.onRequest), refuseByHeaders(desk, mounted), precheck];
    route.preParsing = [...listOf(route.preParsing), preParsing];
    route.preValidation = [preValidation, ...listOf(route.preValidation)];
  });
}

function listOf<H>(hooks: H | H[] | undefined): H[] {
  return hooks === undefined ? [] : Array.isArray(hooks) ? hooks : [hooks];
}

function refuseByHeaders(desk: GatewayDesk, { route }: MountedRoute): Hook {
  return ({ raw }, _reply, done) => {
    keyFaultOf(desk, raw).then((keyFault) => {
      const fault = keyFault ?? contentTypeFault(raw.headers, route.body) ?? statedLengthFault(raw, desk.options.maxBodyBytes(raw));
      if (fault !== undefined) boundUnreadBody(raw);
      done(fault);
    }, done);
  };
}

/** What was read of a request, and the headers by which Fastify would know of a body. */
interface ReadBody {
  readonly body: unknown;
  readonly hidden: Pick<IncomingHttpHeaders, 'content-type' | 'content-length' | 'transfer-encoding'>;
}

/**
 * Two hooks around Fastify's own parsing, which then finds no body: its parsers belong to the app,
 * and adding one would change what the app's other routes accept.
 */
function reading(
  { options, json, client }: GatewayDesk,
  { route }: MountedRoute,
): { readonly preParsing: PreParsing; readonly preValidation: Hook } {
  const jsonBounds = resolveJsonBounds(options.jsonBounds ?? {});
  const read = new WeakMap<IncomingMessage, ReadBody>();
  return {
    preParsing: ({ raw }, _reply, payload, done) => {
      readRequestBody(raw, {
        kind: route.body,
        payload,
        limit: options.maxBodyBytes(raw),
        json,
        jsonBounds,
        listBounds: client.bodyBounds,
      }).then(
        (body) => {
          read.set(raw, { body, hidden: hideBody(raw.headers) });
          done(null, payload);
        },
        (error: Error) => done(error),
      );
    },
    preValidation: (request, _reply, done) => {
      const { body, hidden } = read.get(request.raw) as ReadBody;
      Object.assign(request.raw.headers, hidden);
      request.body = body;
      done();
    },
  };
}

/** Sets them to nothing: deleting would make an object of headers slow to read. */
function hideBody(headers: IncomingHttpHeaders): ReadBody['hidden'] {
  const { 'content-type': type, 'content-length': length, 'transfer-encoding': encoding } = headers;
  headers['content-type'] = headers['content-length'] = headers['transfer-encoding'] = undefined;
  return { 'content-type': type, 'content-length': length, 'transfer-encoding': encoding };
}
