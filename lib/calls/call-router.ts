import type { RouterService } from '../router/router.service.js';
import type { RouterView } from '../router/router-view.js';

export type { Deployment } from '../router/deployments/deployment.js';
export type { FallbackTarget } from '../router/fallback-order.js';
export type { CallFailure as FailureReport } from '../router/health/failures.js';
export type { RoutedSelection as Selection, RoutingContext } from '../router/routing-context.js';

/**
 * The parts of the router that a call uses up to its answer, under the configuration that it began
 * with.
 */
export type CallRouter = Pick<
  RouterView,
  'acquire' | 'release' | 'healthyCount' | 'fallbacksOf' | 'knownName' | 'deployments' | 'settings' | 'version'
>;

/** The parts of the router that the end of an attempt is reported to, under any configuration. */
export type SettledRouter = Pick<RouterService, 'succeeded' | 'failed' | 'cancelled' | 'release' | 'answering'>;
