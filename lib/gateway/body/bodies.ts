import type { HttpAdapterHost } from '@nestjs/core';
import type { GatewayDesk } from '../gateway.desk.js';
import type { MountedRoute } from '../routes/mounted-route.js';
import { readExpressBodies, type ExpressApp } from './express-bodies.js';
import { readFastifyBodies, type FastifyInstance } from './fastify-bodies.js';

/** Reads the bodies of the gateway's routes, as soon as the app has its HTTP adapter. */
export function readBodies(host: HttpAdapterHost, desk: GatewayDesk, routes: readonly MountedRoute[]): void {
  const bind = (): void => {
    const { httpAdapter } = host;
    const instance: unknown = httpAdapter.getInstance();
    if (httpAdapter.getType() === 'fastify') readFastifyBodies(instance as FastifyInstance, desk, routes);
    else readExpressBodies(instance as ExpressApp, desk, routes, (listener) => whenComposed(httpAdapter, listener));
  };
  // In tests the app is created after its modules.
  if (host.httpAdapter !== undefined) bind();
  else host.init$.subscribe(bind);
}

/** Nest initializes its adapter between the app's middleware and its own parsers and routes. */
function whenComposed(adapter: HttpAdapterHost['httpAdapter'], listener: () => void): void {
  const init = adapter.init.bind(adapter);
  adapter.init = async () => {
    await init();
    listener();
  };
}
