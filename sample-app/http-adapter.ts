import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { boundJsonHook, jsonBodyParser } from 'nestjs-fast-litellm';
import { addFrontDoor, BODY_BYTES } from './access/front-door.js';
import { readGatewaySettings, type GatewaySettings } from './access/gateway-settings.js';

/** In bytes. Larger bodies get 413, those of clients without a known key already above `BODY_BYTES.free`. */
export const MAX_BODY_BYTES = BODY_BYTES.pro;

/** A client that takes longer than this to send its request is cut off. */
const REQUEST_TIMEOUT_MS = 60_000;

/** Names that clients may give a request. */
const REQUEST_ID = /^[\w.:-]{1,128}$/;

/**
 * The HTTP server of this app, with its limits and its front door. Each request has an id, the client's `x-request-id` or one of our own, and its answer says it.
 * @throws StartError where the settings would leave the gateway open.
 */
export function createHttpAdapter(settings: GatewaySettings = readGatewaySettings(process.env)): FastifyAdapter {
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
  addFrontDoor(adapter, settings);
  if (settings.corsOrigins.length > 0) {
    const origin = settings.corsOrigins.includes('*') ? '*' : [...settings.corsOrigins];
    adapter.enableCors({ origin, exposedHeaders: ['*'] });
  }
  const instance = adapter.getInstance();
  instance.addHook('preParsing', boundJsonHook());
  const bodyLimit = MAX_BODY_BYTES;
  adapter.useBodyParser('application/json', false, { bodyLimit }, jsonBodyParser(instance.getDefaultJsonParser('error', 'error')));
  // The dashboard's form. Nest leaves out its own parsers where an app has one.
  adapter.useBodyParser('application/x-www-form-urlencoded', false, { bodyLimit });
  return adapter;
}
