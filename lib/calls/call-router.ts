import type { RouterService } from '../router/router.service.js';

export type { Deployment } from '../router/deployments/deployment.js';
export type { FallbackTarget } from '../router/fallback-table.js';
export type { CallFailure as FailureReport } from '../router/health/failures.js';
export type { Pick as Selection, RoutingContext } from '../router/routing-context.js';

/** The parts of the router that a call uses. */
export type CallRouter = Pick<
  RouterService,
  | 'acquire'
  | 'succeeded'
  | 'failed'
  | 'cancelled'
  | 'unused'
  | 'answering'
  | 'healthyCount'
  | 'fallbacksOf'
  | 'knownName'
  | 'deployments'
  | 'settings'
>;
