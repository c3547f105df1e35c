import { HttpException } from '@nestjs/common';
import type { FastifyAdapter } from '@nestjs/platform-fastify';
import type { IncomingMessage } from 'node:http';
import { isCrossSite, isForeignHost, publicIdOfApiKey, setPrincipal } from 'nestjs-fast-litellm';
import { Transform, type Readable } from 'node:stream';
import type { GatewaySettings } from './gateway-settings.js';
import { remember, visitorOf, type Tier } from './visitors.js';

/** Body limits in bytes. 32 MiB is Anthropic's limit: images and files are part of the body. */
export const BODY_BYTES: Readonly<Record<Tier, number>> = { free: 2 * 1024 * 1024, pro: 32 * 1024 * 1024 };

/** How long the body of a rejected request is drained: closing at once can lose the answer. */
const DRAIN_MS = 5_000;
const JSON_TYPE = /^application\/json[ \t]*(?:;|$)/i;

/** The used part of Fastify's request. */
interface Asked {
  readonly method: string;
  readonly raw: IncomingMessage;
  /** The matched route, independent of the spelling of the path. */
  readonly routeOptions: { readonly url?: string };
}

/**
 * Checks the headers of a request before its body is read: host, cross-site origin, key, content
 * type and length. It runs before Nest, whose guards run after the body is read. Rejections have
 * OpenAI's error shape.
 */
export function addFrontDoor(adapter: FastifyAdapter, settings: GatewaySettings): void {
  const instance = adapter.getInstance();
  const { keys } = settings;
  instance.addHook('onRequest', (request, reply, done) => {
    const { headers } = request.raw;
    const key = keys.knownIn(headers);
    const tier = key === undefined ? 'free' : 'pro';
    // The routes need no other key then.
    if (key !== undefined) setPrincipal(request.raw, { limitKey: key, tags: [], metadata: {}, isAdmin: false, mayCall: () => true });
    remember(headers, { tier, key, seesDetails: key !== undefined || !keys.isRequired });
    reply.header('x-content-type-options', 'nosniff');
    const rejection = rejectionOf(request, tier, settings);
    if (rejection === undefined) return done();
    if (rejection.getStatus() === 401) reply.header('www-authenticate', 'Bearer');
    boundUnreadBody(request.raw);
    done(rejection);
  });
  // The length of a chunked body is only known after reading it.
  instance.addHook('preParsing', (request, _reply, payload, done) => {
    if (request.raw.headers['transfer-encoding'] === undefined) return done(null, payload);
    const limit = BODY_BYTES[visitorOf(request.raw).tier];
    done(
      null,
      bounded(payload as Readable, limit, () => boundUnreadBody(request.raw)),
    );
  });
}

function rejectionOf(request: Asked, tier: Tier, { keys, corsOrigins, hosts }: GatewaySettings): HttpException | undefined {
  const { method, raw, routeOptions } = request;
  const { headers } = raw;
  if (hosts !== null && isForeignHost(headers.host, hosts)) {
    return failure(403, 'host_not_allowed', 'The gateway is not known by this host; its operator can add it to ALLOWED_HOSTS.');
  }
  const isAllowedOrigin = corsOrigins.includes('*') || (headers.origin !== undefined && corsOrigins.includes(headers.origin));
  if (!isAllowedOrigin && isCrossSite(method, headers)) {
    return failure(
      403,
      'cross_site_request',
      'Requests from pages of other sites are not allowed; the operator can add the site to CORS_ORIGINS.',
    );
  }
  // A CORS preflight has neither key nor body.
  if (method === 'OPTIONS') return undefined;
  const path = routeOptions.url ?? '';
  const shown = keys.shownBy(headers);
  // It may be one of the store, which guards look up.
  const isLeftToGuards = shown !== undefined && publicIdOfApiKey(shown) !== undefined && isGuarded(path);
  if (keys.isRequired && tier !== 'pro' && !isOpen(path) && !isLeftToGuards) {
    return failure(
      401,
      'invalid_api_key',
      shown !== undefined ? 'Incorrect API key provided.' : 'No API key provided. Send it as Authorization: Bearer <key>.',
    );
  }
  // The gateway checks its own routes.
  if (path === '/v1/tokens/count' && !isJson(headers)) {
    return failure(415, null, 'The body must be sent as application/json, and not compressed.');
  }
  // The gateway bounds the bodies of its routes itself, once it knows whose key it is.
  const isBounded = isLeftToGuards && path.startsWith('/v1/') && path !== '/v1/tokens/count';
  const limit = BODY_BYTES[isBounded ? 'pro' : tier];
  return Number(headers['content-length'] ?? 0) > limit ? tooLarge(limit) : undefined;
}

/** Routes without a key: probes, and the dashboard, which has its own token. */
function isOpen(path: string): boolean {
  return path === '/health' || path.startsWith('/health/') || path === '/dashboard' || path.startsWith('/dashboard/');
}

/** Routes whose guards check keys: the gateway's, the count of tokens, and those of keys. */
function isGuarded(path: string): boolean {
  return path.startsWith('/v1/') || path.startsWith('/key/');
}

function isJson(headers: IncomingMessage['headers']): boolean {
  const encoding = headers['content-encoding'] ?? 'identity';
  return JSON_TYPE.test(headers['content-type'] ?? '') && encoding === 'identity';
}

function tooLarge(limit: number): HttpException {
  return failure(
    413,
    'request_too_large',
    `The request is too large: its body may have ${limit} bytes${limit < BODY_BYTES.pro ? `, with a key ${BODY_BYTES.pro}` : ''}.`,
  );
}

function failure(status: number, code: string | null, message: string): HttpException {
  return new HttpException({ error: { message, type: 'invalid_request_error', param: null, code } }, status);
}

/** Passes a body through up to `limit` bytes, then fails. */
function bounded(body: Readable, limit: number, onExceeded: () => void): Readable {
  let received = 0;
  const rest = new Transform({
    transform(chunk: Buffer, _, done) {
      received += chunk.length;
      if (received <= limit) return done(null, chunk);
      onExceeded();
      done(Object.assign(tooLarge(limit), { statusCode: 413 }));
    },
  });
  body.once('error', (error) => rest.destroy(error));
  return body.pipe(rest);
}

/** Drops the rest of a body, for a bounded time: the connection's next request comes after it. */
function boundUnreadBody(request: IncomingMessage): void {
  if (request.complete && request.readableEnded) return;
  request.unpipe().resume();
  const timer = setTimeout(() => request.destroy(), DRAIN_MS).unref();
  request.once('close', () => clearTimeout(timer));
}
