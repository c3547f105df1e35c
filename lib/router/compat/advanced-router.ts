import { refuseArgument } from '../../common/options.js';
import type { ModelListEntry } from '../deployments/deployment.js';
import type { ListRouters } from './router-cache.js';
import type { RouterService } from '../router.service.js';
import type { RouterSettings } from '../settings.js';
import { checkStrategy, type RoutingStrategy } from '../selection/strategies/strategies.js';
import type { RoutingContext } from '../routing-context.js';

/** The strategy of an `AdvancedRouter` that is told none. */
export const DEFAULT_STRATEGY: RoutingStrategy = 'simple_shuffle';

/** The reference's router: the list comes with the call. The class that users build brings the routers along. */
export class AdvancedRouter {
  /** The strategy, by its name here. */
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
   * The entry of the list that a request for this model would get, itself; `null` when there is none. A list is read when it is first seen, and again when
   * its length has changed; after other changes call `refresh(list)`.
   * @param blockedModels Not these: ids, models of deployments or names of groups.
   */
  getAvailableDeployment(
    modelList: readonly ModelListEntry[],
    model: string,
    blockedModels: readonly string[] | null = [],
  ): ModelListEntry | null {
    return availableIn(this.routerOf(modelList), model, blockedModels);
  }

  /** Reads a list again that was changed in place. */
  refresh(modelList: readonly ModelListEntry[]): void {
    this.own().refresh(modelList, this.settings);
  }

  /** What keeps account of a list: to book requests, and to tell how they came out, which all strategies but cost and shuffle live on. */
  routerOf(modelList: readonly ModelListEntry[]): RouterService {
    return this.own().of(modelList, this.settings);
  }

  private own(): ListRouters {
    return (this.routers ??= this.open());
  }
}

/** The entry that a request would get. */
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
