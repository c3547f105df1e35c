import { FastifyAdapter } from '@nestjs/platform-fastify';

/** In bytes: a long chat with a few inline images. Larger bodies are answered with 413. */
export const MAX_BODY_BYTES = 4 * 1024 * 1024;

/** A client that takes longer than this to send its request is cut off. */
const REQUEST_TIMEOUT_MS = 30_000;

/** The HTTP server of this app, with its limits. */
export function createHttpAdapter(): FastifyAdapter {
  return new FastifyAdapter({
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    // Requests under way have been waited for by then: what is still open is a client that keeps its connection, or never sent its request.
    forceCloseConnections: true,
  });
}
