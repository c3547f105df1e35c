import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { boundJsonHook } from 'nestjs-fast-litellm';
import { StartError } from './start-error.js';

/** Largest body of the app's own routes. The gateway limits those of its routes itself. */
export const MAX_BODY_BYTES = 2 * 1024 * 1024;

/** Request ids that are accepted from clients. */
const REQUEST_ID = /^[\w.:-]{1,128}$/;

/**
 * Creates the HTTP server. Each request has an id, the client's `x-request-id` or a generated one,
 * which its answer repeats. Pages of `CORS_ORIGINS` can call the gateway.
 * @throws StartError for an invalid origin.
 */
export function createHttpAdapter(): FastifyAdapter {
  const adapter = new FastifyAdapter({
    genReqId: ({ headers }: IncomingMessage) => {
      const given = headers['x-request-id'];
      return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
    },
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: 60_000,
    // Requests in flight are done by then: an open connection is idle or never sent its request.
    forceCloseConnections: true,
  });
  const fastify = adapter.getInstance();
  fastify.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id).header('x-content-type-options', 'nosniff');
    done();
  });
  fastify.addHook('preParsing', boundJsonHook());
  const origins = listOf(process.env.CORS_ORIGINS);
  const wrong = origins.find((origin) => origin !== '*' && (!URL.canParse(origin) || new URL(origin).origin !== origin));
  if (wrong !== undefined) throw new StartError(`CORS_ORIGINS must be origins such as https://app.example.com, or *, got "${wrong}"`);
  if (origins.length > 0) adapter.enableCors({ origin: origins.includes('*') ? '*' : origins, exposedHeaders: ['*'] });
  return adapter;
}

/** The entries of a comma-separated variable. */
export function listOf(text = ''): string[] {
  return text
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
}
