import { measure, type CallSeries } from '../common/recorder.js';
import { checkOneOf, checkString, refuseArgument } from '../common/options.js';
import type { Deployment } from './deployments/deployment.js';
import { FALLBACK_KINDS, fallbacksIn, type FallbackKind, type FallbackTarget } from './fallback-order.js';
import { isRefusal, type RouterCounters } from './metrics.js';
import type { RoutedSelection, RoutingContext } from './routing-context.js';
import { explainRouting } from './selection/explain.js';
import type { RouterCore } from './selection/router-core.js';
import type { RouterVersion } from './selection/router-version.js';
import type { Selection } from './selection/selection.js';
import type { RetryContext } from './selection/tried-deployments.js';
import type { ResolvedRouterSettings } from './settings.js';

/** State of a router that its views share. */
export interface ViewedRouter {
  readonly core: RouterCore;
  readonly counters: RouterCounters;
  readonly series: CallSeries;
  /** Releases a selection for which nothing was sent. */
  readonly release: (selection: RoutedSelection) => void;
}

const NO_TARGETS: readonly FallbackTarget[] = [];

/**
 * A router under one version of its configuration: calls begin with the current view and keep it
 * for all of their attempts, regardless of later changes. Selections of any view are released with
 * `RouterService`.
 */
export class RouterView {
  readonly settings: ResolvedRouterSettings;
  /** Releases a selection for which nothing was sent, as if it had never been made. */
  readonly release: ViewedRouter['release'];
  private readonly core: RouterCore;
  private readonly counters: RouterCounters;
  private readonly series: CallSeries;

  constructor(
    private readonly current: RouterVersion,
    { core, counters, series, release }: ViewedRouter,
  ) {
    this.settings = current.settings;
    this.core = core;
    this.counters = counters;
    this.series = series;
    this.release = release;
  }

  /** Number of the version, counted from 1 in each process. */
  get version(): number {
    return this.current.number;
  }

  /** Returns all deployments of this version. */
  deployments(): readonly Deployment[] {
    return this.current.deployments;
  }

  /** Selects a deployment and counts the request as in flight: see `RouterService.acquire`. */
  acquire(model: string, context?: RoutingContext | null): RoutedSelection {
    return this.series.sampled() ? this.bookMeasured(model, context) : this.book(model, context);
  }

  /** Returns how many deployments of the model are neither in cooldown nor unhealthy. */
  healthyCount(model: string, context?: RoutingContext | null): number {
    return this.current.healthyCount(model, context ?? undefined);
  }

  /** Returns the fallbacks of a model: see `RouterService.fallbacksOf`. */
  fallbacksOf(model: string, kind: FallbackKind = 'general', asked: string = model): readonly FallbackTarget[] {
    checkString('model', model, refuseArgument);
    checkString('asked', asked, refuseArgument);
    checkOneOf('kind', kind, FALLBACK_KINDS, refuseArgument);
    const { fallbacks, defaultFallbacks } = this.settings;
    const names = (asked === model ? [model] : [model, asked]).flatMap((name) => {
      const destination = this.current.names.find(name);
      if (destination === null) return [name];
      const { group, route, name: found } = destination;
      // As in LiteLLM, a request for one deployment does not fall back to its group.
      return route === 'id' ? [name, found] : [name, found, group.name];
    });
    const targets = fallbacksIn(fallbacks[kind], names);
    if (targets.length > 0 || kind !== 'general') return targets;
    return defaultFallbacks.length === 0 ? NO_TARGETS : defaultFallbacks.map((target) => ({ model: target }));
  }

  /**
   * Returns the name that a model resolves to: the target of an alias, the default fallback of an
   * unknown name, else the name itself.
   */
  knownName(model: string): string {
    return this.current.names.find(model)?.name ?? model;
  }

  private book(model: string, context: RoutingContext | null | undefined): Selection {
    try {
      if (context?.explain === true) return this.bookExplained(model, context);
      const selection = this.current.acquire(model, context ?? undefined);
      this.counters.picks++;
      return selection;
    } catch (error) {
      // A retry that finds no deployment does not count as a denied request.
      if (!context?.excludeIds?.length && !isRestricted(context)) this.counters.refused(error);
      throw error;
    }
  }

  private bookExplained(model: string, context: RoutingContext): Selection {
    const explanation = explainRouting(this.core, model, context, this.current);
    const selection = this.current.acquire(model, context);
    this.counters.picks++;
    // If several are equal, another one may be selected.
    selection.explanation = { ...explanation, chosen: selection.deployment.id };
    return selection;
  }

  private bookMeasured(model: string, context: RoutingContext | null | undefined): Selection {
    // A denial is a result, not a failure of the engine.
    const booked = measure(this.series, () => {
      try {
        return this.book(model, context);
      } catch (error) {
        if (isRefusal(error)) return error;
        throw error;
      }
    });
    if (booked instanceof Error) throw booked;
    return booked;
  }
}

/** Whether the attempts of a request rule out deployments that could have taken it. */
function isRestricted(context: RetryContext | null | undefined): boolean {
  const tried = context?.tried;
  return tried !== undefined && (!tried.mayRepeat || tried.doneOrder !== undefined);
}
