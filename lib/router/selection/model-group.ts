import { refuseArgument } from '../../common/options.js';
import type { RoutingContext } from '../routing-context.js';
import type { ResolvedRouterSettings } from '../settings.js';
import { PriorityTier, type Placed, type TierContext } from './priority-tier.js';
import type { CustomRoutingStrategy } from './strategies/custom.js';
import type { RoutingStrategy } from './strategies/strategy.js';

/** Combinations of tags and blocked names whose tiers are kept; the oldest is dropped. */
const MOST_SELECTIONS = 64;
const NOTHING: readonly string[] = [];

/** Dependencies shared by all model groups of a router. */
export interface GroupContext extends TierContext {
  readonly settings: ResolvedRouterSettings;
}

/** The deployments that share the requests for one `model_name`. */
export class ModelGroup {
  private readonly tiers: readonly PriorityTier[];
  private readonly selections = new Map<string, readonly PriorityTier[]>();

  constructor(
    readonly name: string,
    /** All of them, those with a limit of 0 included. */
    readonly placed: readonly Placed[],
    readonly strategy: RoutingStrategy | CustomRoutingStrategy,
    private readonly context: GroupContext,
  ) {
    this.tiers = this.tiersOf(placed);
  }

  /**
   * The priority tiers of the deployments that fit the request's tags and are not blocked: lowest
   * `order` first.
   */
  tiersFor({ tags, blockedModels }: RoutingContext): readonly PriorityTier[] {
    const isFiltered = this.context.settings.enableTagFiltering;
    const isUnblocked = blockedModels === undefined || blockedModels === null || blockedModels.length === 0;
    if (!isFiltered && isUnblocked) return this.tiers;
    checkNames('context.tags', tags);
    checkNames('blockedModels', blockedModels);
    const key = JSON.stringify([isFiltered ? (tags ?? NOTHING) : NOTHING, blockedModels ?? NOTHING]);
    let tiers = this.selections.get(key);
    if (tiers === undefined) {
      tiers = this.tiersOf(this.placedFor({ tags, blockedModels }));
      this.selections.set(key, tiers);
      if (this.selections.size > MOST_SELECTIONS) this.selections.delete(this.selections.keys().next().value as string);
    }
    return tiers;
  }

  /** The same deployments in one list, those with a limit of 0 included. */
  placedFor({ tags, blockedModels }: RoutingContext): readonly Placed[] {
    checkNames('blockedModels', blockedModels);
    const { enableTagFiltering, tagFilteringMatchAll } = this.context.settings;
    const blocked = new Set(blockedModels);
    const unblocked = this.placed.filter(({ deployment }) => !isNamed(blocked, deployment));
    return enableTagFiltering ? matchingTags(unblocked, tags ?? NOTHING, tagFilteringMatchAll) : unblocked;
  }

  private tiersOf(placed: readonly Placed[]): readonly PriorityTier[] {
    const byOrder = new Map<number, Placed[]>();
    for (const entry of placed) {
      if (!entry.deployment.isSelectable) continue;
      const tier = byOrder.get(entry.deployment.order);
      if (tier === undefined) byOrder.set(entry.deployment.order, [entry]);
      else tier.push(entry);
    }
    const orders = [...byOrder.keys()].sort((a, b) => (a === b ? 0 : a - b));
    return orders.map((order) => new PriorityTier(this.name, order, byOrder.get(order) as Placed[], this.context));
  }
}

function checkNames(path: string, names: unknown): void {
  if (names === undefined || names === null) return;
  if (!Array.isArray(names)) throw refuseArgument(path, names, 'must be an array');
  for (const name of names as unknown[]) if (typeof name !== 'string') throw refuseArgument(path, name, 'must contain only strings');
}

/** Whether a blocked name means this deployment: its id, the model it calls, or its group. */
export function isNamed(names: ReadonlySet<string>, { id, model, modelName }: Placed['deployment']): boolean {
  return names.size > 0 && (names.has(id) || names.has(model) || names.has(modelName));
}

/** Deployments with this tag take requests that fit no other deployment's tags. */
const DEFAULT_TAG = 'default';

/**
 * Returns the deployments that fit a request's tags: one of them, or all; `!tag` excludes, `&tag`
 * is required. If none fits, those tagged `default`. A request without tags gets those tagged
 * `default` or, if there are none, all.
 */
export function matchingTags(placed: readonly Placed[], tags: readonly string[], matchAll: boolean): readonly Placed[] {
  const excluded = tags.filter((tag) => tag.startsWith('!')).map((tag) => tag.slice(1));
  const required = tags.filter((tag) => tag.startsWith('&')).map((tag) => tag.slice(1));
  const wanted = tags.filter((tag) => !/^[!&]/.test(tag));
  const has = ({ deployment }: Placed, tag: string): boolean => deployment.tags.includes(tag);
  const possible = placed.filter((entry) => !excluded.some((tag) => has(entry, tag)) && required.every((tag) => has(entry, tag)));
  const byDefault = possible.filter((entry) => has(entry, DEFAULT_TAG));
  if (wanted.length === 0) return byDefault.length > 0 && required.length === 0 ? byDefault : possible;
  const fitting = possible.filter((entry) => (matchAll ? wanted.every((tag) => has(entry, tag)) : wanted.some((tag) => has(entry, tag))));
  return fitting.length > 0 ? fitting : byDefault;
}
