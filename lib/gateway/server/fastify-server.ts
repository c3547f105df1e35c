import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { InvalidConfigurationError } from '../../common/errors.js';
import { boundJsonHook, type BoundJsonHook } from '../../http/body/json-bounds.js';

/** Request ids that are accepted from clients. */
const REQUEST_ID = /^[\w.:-]{1,128}$/;
/** How long a client may take to send a request. */
const REQUEST_TIMEOUT_MS = 60_000;
const DEFAULT_BODY_BYTES = 2 * 1024 * 1024;
/** Ids of stored responses have up to 708 characters, Fastify's default is 100. */
const MAX_PARAM_LENGTH = 1024;

/** Options of `FastifyAdapter` for a gateway. */
export interface FastifyServerSettings {
  /** Returns the client's `x-request-id`, or a generated id. */
  readonly genReqId: (request: Pick<IncomingMessage, 'headers'>) => string;
  readonly bodyLimit: number;
  readonly requestTimeout: number;
  readonly forceCloseConnections: boolean;
  readonly routerOptions: { readonly maxParamLength: number };
}

/** The part of a Fastify instance that hooks are added to. */
export interface HookedFastify {
  addHook(name: 'onRequest', hook: (request: HookedRequest, reply: HeaderReply, done: () => void) => void): unknown;
  addHook(name: 'preParsing', hook: BoundJsonHook): unknown;
}

interface HookedRequest {
  readonly id: string;
  readonly raw: Pick<IncomingMessage, 'method' | 'headers'>;
}

interface HeaderReply {
  header(name: string, value: string): HeaderReply;
}

/**
 * Options of `FastifyAdapter` for a gateway: each request has an id, the client's `x-request-id` or
 * a generated one; a client has 60 seconds to send a request; bodies of the app's own routes have
 * at most `bodyLimit` bytes (default 2 MiB), while the gateway limits its routes itself.
 *
 * @example
 * const adapter = new FastifyAdapter(fastifyServerOptions());
 * addFastifyHooks(adapter.getInstance());
 */
export function fastifyServerOptions(bodyLimit: number = DEFAULT_BODY_BYTES): FastifyServerSettings {
  return {
    genReqId: ({ headers }) => {
      const given = headers['x-request-id'];
      return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
    },
    bodyLimit,
    requestTimeout: REQUEST_TIMEOUT_MS,
    // Requests in flight are done by then: an open connection is idle or never sent its request.
    forceCloseConnections: true,
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
  };
}

/**
 * Makes a server return the id of each request in `x-request-id`, forbid content sniffing, accept
 * DELETE without a body of any type, and limit the structure of JSON bodies.
 */
export function addFastifyHooks(fastify: unknown): void {
  const hooked = fastify as HookedFastify;
  hooked.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id).header('x-content-type-options', 'nosniff');
    const { method, headers } = request.raw;
    // LiteLLM's clients send a JSON type, for which Fastify requires a body.
    if (method === 'DELETE' && (headers['content-length'] ?? '0') === '0' && headers['transfer-encoding'] === undefined)
      headers['content-type'] = undefined;
    done();
  });
  hooked.addHook('preParsing', boundJsonHook());
}

/** Options of `enableCors` that allow the pages of some sites to call a gateway. */
export interface CorsSettings {
  readonly origin: string | string[];
  readonly exposedHeaders: string[];
}

/**
 * Reads a comma-separated list of origins; `*` allows all. `undefined` for an empty list.
 * @param name of the variable, for errors
 * @throws InvalidConfigurationError for an entry that is not an origin
 */
export function corsSettingsOf(name: string, list: string | undefined): CorsSettings | undefined {
  const origins = (list ?? '').split(',').flatMap((entry) => entry.trim() || []);
  const wrong = origins.find((origin) => origin !== '*' && (!URL.canParse(origin) || new URL(origin).origin !== origin));
  if (wrong !== undefined)
    throw new InvalidConfigurationError(name, `must be origins such as https://app.example.com, or *, got ${JSON.stringify(wrong)}`);
  if (origins.length === 0) return undefined;
  return { origin: origins.includes('*') ? '*' : origins, exposedHeaders: ['*'] };
}
