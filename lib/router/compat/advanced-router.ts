import { refuseArgument } from '../../common/options.js';
import type { ModelListEntry } from '../deployments/deployment.js';
import type { ListRouters } from './router-cache.js';
import type { RouterService } from '../router.service.js';
import type { RouterSettings } from '../settings.js';
import { checkStrategy } from '../selection/strategies/registry.js';
import type { RoutingStrategy } from '../selection/strategies/strategy.js';
import type { RoutingContext } from '../routing-context.js';

/** Default strategy of an `AdvancedRouter`. */
export const DEFAULT_STRATEGY: RoutingStrategy = 'simple_shuffle';

/**
 * The router of the Python original: each call passes the model list. The exported class supplies
 * the routers.
 */
export class AdvancedRouter {
  /** Name of the strategy. */
  readonly strategy: RoutingStrategy;
  private readonly settings: RouterSettings;
  private routers: ListRouters | undefined = undefined;

  /** @throws InvalidArgumentError naming the strategies. */
  constructor(
    strategy: string,
    private readonly open: () => ListRouters,
  ) {
    this.strategy = checkStrategy('strategy', strategy, refuseArgument);
    this.settings = { strategy: this.strategy };
  }

  /**
   * Returns the entry of the list that a request for this model would get; `null` when none is
   * eligible. A list is read on its first use, and again when its length has changed; after other
   * changes call `refresh(list)`.
   * @param blockedModels ids, models of deployments or names of model groups to leave out
   */
  getAvailableDeployment(
    modelList: readonly ModelListEntry[],
    model: string,
    blockedModels: readonly string[] | null = [],
  ): ModelListEntry | null {
    return availableIn(this.routerOf(modelList), model, blockedModels);
  }

  /** Reads a list again after a change in place. */
  refresh(modelList: readonly ModelListEntry[]): void {
    this.own().refresh(modelList, this.settings);
  }

  /**
   * Returns the router of a list: to book requests and to report their outcome, which all
   * strategies but cost and shuffle need.
   */
  routerOf(modelList: readonly ModelListEntry[]): RouterService {
    return this.own().of(modelList, this.settings);
  }

  private own(): ListRouters {
    return (this.routers ??= this.open());
  }
}

/** Returns the entry that a request would get. */
export function availableIn(
  router: RouterService,
  model: string,
  blockedModels: readonly string[] | null | undefined,
  context?: RoutingContext | null,
): ModelListEntry | null {
  const blocks = blockedModels !== undefined && blockedModels !== null && blockedModels.length > 0;
  const asked = blocks ? { ...context, blockedModels } : (context ?? undefined);
  return router.getAvailableDeployment(model, asked)?.source ?? null;
}
