import type { IncomingMessage } from 'node:http';
import { Transform, type Readable } from 'node:stream';
import { boundJsonHook, type BoundJsonHook } from '../../http/body/json-bounds.js';
import { precheckBy } from '../../http/guard/precheck.js';
import { boundUnreadBody } from '../../http/body/unread-body.js';
import { bodyTooLarge } from '../errors.js';
import type { GatewayDesk } from '../gateway.desk.js';
import { GATEWAY_ROUTE, handlerOf, type MountedRoute } from '../routes/mounted-route.js';
import { contentTypeFault } from './content-type.js';
import { earlyAnswer, type EarlyAnswer } from './early-answer.js';
import { statedLengthFault } from './body-limits.js';

interface FastifyRequest {
  readonly raw: IncomingMessage;
}

interface FastifyReply {
  code(status: number): FastifyReply;
  headers(headers: Readonly<Record<string, string>>): FastifyReply;
  send(body: object): FastifyReply;
}

type Done = (error?: Error) => void;
type OnRequest = (request: FastifyRequest, reply: FastifyReply, done: Done) => void;

/** What Fastify's hook `onRoute` is given. */
interface FastifyRoute {
  readonly config?: Readonly<Record<string, unknown>>;
  bodyLimit?: number;
  onRequest?: OnRequest | OnRequest[];
  preParsing?: BoundJsonHook | BoundJsonHook[];
  errorHandler?: (error: Error, request: FastifyRequest, reply: FastifyReply) => void;
}

/** A Fastify instance, as far as the gateway needs it. */
export interface FastifyInstance {
  addHook(name: 'onRoute', hook: (route: FastifyRoute) => void): unknown;
}

/**
 * Bounds the bodies of the gateway's routes on Fastify, and answers what is wrong with them before
 * Nest sees the request. Other routes keep the app's own limits and parsers.
 */
export function boundFastifyBodies(instance: FastifyInstance, desk: GatewayDesk, routes: readonly MountedRoute[]): void {
  const boundJson = boundJsonHook(desk.options.jsonBounds);
  instance.addHook('onRoute', (route) => {
    const mounted = route.config?.[GATEWAY_ROUTE] as MountedRoute | undefined;
    if (mounted === undefined || !routes.includes(mounted)) return;
    // The limit depends on the request; the hooks below keep it.
    route.bodyLimit = Number.MAX_SAFE_INTEGER;
    route.onRequest = [
      ...listOf(route.onRequest),
      refuseByHeaders(desk, mounted),
      precheckBy(desk.rateLimits, mounted.controller, handlerOf(mounted)),
    ];
    route.preParsing = [...listOf(route.preParsing), boundArriving(desk), boundJson];
    route.errorHandler = (error, _request, reply) => answer(reply, earlyAnswer(error, mounted.route));
  });
}

function listOf<H>(hooks: H | H[] | undefined): H[] {
  return hooks === undefined ? [] : Array.isArray(hooks) ? hooks : [hooks];
}

function answer(reply: FastifyReply, { status, headers, body }: EarlyAnswer): void {
  reply.code(status).headers(headers).send(body);
}

function refuseByHeaders({ options }: GatewayDesk, { route }: MountedRoute): OnRequest {
  return ({ raw }, _reply, done) => {
    const fault = contentTypeFault(raw.headers, route.body) ?? statedLengthFault(raw, options.maxBodyBytes(raw));
    if (fault !== undefined) boundUnreadBody(raw);
    done(fault);
  };
}

/** The length of a chunked body is only known after reading it. */
function boundArriving({ options }: GatewayDesk): BoundJsonHook {
  return ({ raw }, _reply, payload, done) => {
    if (raw.headers['transfer-encoding'] === undefined) return done(null, payload);
    done(null, bounded(payload, raw, options.maxBodyBytes(raw)));
  };
}

function bounded(payload: Readable, raw: IncomingMessage, limit: number): Readable {
  let received = 0;
  const passed = new Transform({
    transform(chunk: Buffer, _encoding, pass) {
      received += chunk.length;
      if (received <= limit) return pass(null, chunk);
      payload.unpipe(passed);
      boundUnreadBody(raw);
      pass(Object.assign(bodyTooLarge(limit), { statusCode: 413 }));
    },
  });
  payload.once('error', (error) => passed.destroy(error));
  return payload.pipe(passed);
}
