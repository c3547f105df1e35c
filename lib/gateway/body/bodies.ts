import type { HttpAdapterHost } from '@nestjs/core';
import type { GatewayContext } from '../gateway.context.js';
import type { MountedRoute } from '../routes/mounted-route.js';
import { readExpressBodies, type ExpressApp } from './express-bodies.js';
import { readFastifyBodies, type FastifyInstance } from './fastify-bodies.js';

type Adapter = NonNullable<HttpAdapterHost['httpAdapter']>;

/** Reads the bodies of the gateway's routes. */
export function readBodies(adapter: Adapter, gateway: GatewayContext, routes: readonly MountedRoute[]): void {
  const instance: unknown = adapter.getInstance();
  if (adapter.getType() === 'fastify') readFastifyBodies(instance as FastifyInstance, gateway, routes);
  else readExpressBodies(instance as ExpressApp, gateway, routes, (listener) => whenComposed(adapter, listener));
}

/** Nest initializes its adapter between the app's middleware and its own parsers and routes. */
export function whenComposed(adapter: Adapter, listener: () => void): void {
  const init = adapter.init.bind(adapter);
  adapter.init = async () => {
    await init();
    listener();
  };
}
