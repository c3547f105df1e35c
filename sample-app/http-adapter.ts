import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { FastifyAdapter } from '@nestjs/platform-fastify';

/** In bytes: what Anthropic takes, and nearly all that OpenAI does; images and files are written into the body. Larger ones are answered with 413. */
export const MAX_BODY_BYTES = 32 * 1024 * 1024;

/** A client that takes longer than this to send its request is cut off. */
const REQUEST_TIMEOUT_MS = 60_000;

/** Names that clients may give a request. */
const REQUEST_ID = /^[\w.:-]{1,128}$/;

/** The HTTP server of this app, with its limits. Each request has an id, the client's `x-request-id` or one of our own, and its answer says it. */
export function createHttpAdapter(): FastifyAdapter {
  const adapter = new FastifyAdapter({
    genReqId: ({ headers }: IncomingMessage) => {
      const given = headers['x-request-id'];
      return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
    },
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    // Requests under way have been waited for by then: what is still open is a client that keeps its connection, or never sent its request.
    forceCloseConnections: true,
  });
  adapter.getInstance().addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id);
    done();
  });
  return adapter;
}
