import type { GatewayContext } from '../gateway.context.js';
import type { GatewayExchange, GatewayRoute } from './route.js';

/** The routes of probes, as LiteLLM's proxy has them. */
export const PROBE_ROUTES: readonly GatewayRoute[] = [
  { name: 'liveliness', endpoint: 'health', method: 'GET', path: 'health/liveliness', atRoot: 'only', body: 'none', handle: liveliness },
  { name: 'liveness', endpoint: 'health', method: 'GET', path: 'health/liveness', atRoot: 'only', body: 'none', handle: liveliness },
  { name: 'readiness', endpoint: 'health', method: 'GET', path: 'health/readiness', atRoot: 'only', body: 'none', handle: readiness },
];

const ENDING = { status: 'shutting_down' };

function liveliness({ readiness: ask }: GatewayContext, { json }: GatewayExchange): void {
  if (ask().isShuttingDown) json(ENDING, 503);
  else json("I'm alive!");
}

/** As in LiteLLM, an unavailable database is reported, but the process stays in rotation. */
function readiness({ readiness: ask }: GatewayContext, { json }: GatewayExchange): void {
  const { isShuttingDown, isHealthy, hasDatabase } = ask();
  if (isShuttingDown) json(ENDING, 503);
  else json({ status: isHealthy ? 'healthy' : 'unhealthy', db: hasDatabase ? 'connected' : 'Not connected' }, isHealthy ? 200 : 503);
}
