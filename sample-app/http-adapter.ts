import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { boundJsonHook, jsonBodyParser } from 'nestjs-fast-litellm';
import { addFrontDoor, BODY_BYTES } from './access/front-door.js';
import { readGatewaySettings, type GatewaySettings } from './access/gateway-settings.js';

/** Body limit in bytes (413 above it); `BODY_BYTES.free` for clients without a known key. */
export const MAX_BODY_BYTES = BODY_BYTES.pro;

/** Longest time for a client to send its request. */
const REQUEST_TIMEOUT_MS = 60_000;

/** Request ids that are accepted from clients. */
const REQUEST_ID = /^[\w.:-]{1,128}$/;

/**
 * Creates the HTTP server with its limits and front door. Each request has an id, the client's
 * `x-request-id` or a generated one, which its answer repeats.
 * @throws StartError if the settings would leave the gateway open.
 */
export function createHttpAdapter(settings: GatewaySettings = readGatewaySettings(process.env)): FastifyAdapter {
  const adapter = new FastifyAdapter({
    genReqId: ({ headers }: IncomingMessage) => {
      const given = headers['x-request-id'];
      return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
    },
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    // Requests in flight are done by then: an open connection is idle or never sent its request.
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
  // For the dashboard's form. Nest skips its own parsers if the app registers one.
  adapter.useBodyParser('application/x-www-form-urlencoded', false, { bodyLimit });
  return adapter;
}
