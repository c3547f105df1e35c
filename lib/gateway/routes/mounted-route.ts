import type { Type } from '@nestjs/common';
import type { GatewayRoute } from './route.js';

/** Metadata of a handler: its `MountedRoute`. */
export const GATEWAY_ROUTE = 'fast-litellm:gateway-route';

/** Nest's metadata that becomes `config` of a Fastify route. */
export const FASTIFY_ROUTE_CONFIG = '__fastify_route_config__';

/** A route where it is mounted. */
export interface MountedRoute {
  readonly route: GatewayRoute;
  /** Below the app's global prefix, without slashes around them. */
  readonly paths: readonly string[];
  readonly controller: Type<object>;
}

/** Whose limits are asked before the body of a request is read. */
export function handlerOf({ controller, route }: MountedRoute): (...args: unknown[]) => unknown {
  return (controller.prototype as Record<string, (...args: unknown[]) => unknown>)[route.name];
}

/** Injection token of a number: how many guards of the app the routes of one gateway have. */
export const GUARD_COUNT = Symbol('FastLiteLLMGatewayGuards');

/** Injection token of all routes of one gateway. */
export const MOUNTED_ROUTES = Symbol('FastLiteLLMGatewayRoutes');
