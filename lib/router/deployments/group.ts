import { refuseArgument } from '../../common/options.js';
import type { EngineChoice } from '../../engine/engine-choice.js';
import type { CustomRoutingStrategy } from '../custom-strategy.js';
import type { DeploymentStates } from '../state/deployment-states.js';
import { Level, type Placed } from './priority-tier.js';
import type { OrderSettings } from '../selection/strategies/member-order.js';
import type { RouterEngine } from '../engine/engine.js';
import type { ResolvedRouterSettings } from '../settings.js';
import { orderOf, type Order, type RoutingStrategy } from '../selection/strategies/strategies.js';
import { matchingTags } from './tags.js';

/** Selections by tags and blocked names that are kept ready; those asked for longest ago go. */
const MOST_SELECTIONS = 64;
const NOTHING: readonly string[] = [];

/** What a group is made with. */
export interface GroupContext {
  readonly choice: EngineChoice<RouterEngine>;
  readonly states: DeploymentStates;
  readonly order: OrderSettings;
  readonly settings: ResolvedRouterSettings;
}

/** Deployments that share the requests for a name. */
export class Group {
  readonly levels: readonly Level[];
  /** What its own strategy orders by, and where answers are streamed; -1 for a custom strategy. */
  readonly order: Order | -1;
  readonly streamOrder: Order | -1;
  private readonly filtersTags: boolean;
  private readonly selections = new Map<string, readonly Level[]>();

  constructor(
    readonly name: string,
    /** All of them, those that are blocked by a limit of 0, too. */
    readonly placed: readonly Placed[],
    readonly strategy: RoutingStrategy | CustomRoutingStrategy,
    private readonly context: GroupContext,
  ) {
    this.filtersTags = context.settings.enableTagFiltering;
    this.levels = this.levelsOf(placed);
    const isNamed = typeof strategy === 'string';
    this.order = isNamed ? orderOf(strategy, false) : -1;
    this.streamOrder = isNamed ? orderOf(strategy, true) : -1;
  }

  /** The deployments that may answer requests with these tags, without those that are blocked: by `order`, lowest first. */
  select(tags: readonly string[] | undefined, blocked: readonly string[] | undefined): readonly Level[] {
    return this.filtersTags || blocked !== undefined ? this.filter(tags, blocked) : this.levels;
  }

  private filter(tags: readonly string[] | undefined, blocked: readonly string[] | undefined): readonly Level[] {
    const filtered = this.filtersTags;
    if (!filtered && (blocked === undefined || blocked === null || blocked.length === 0)) return this.levels;
    checkNames('context.tags', tags);
    checkNames('blockedModels', blocked);
    const key = JSON.stringify([filtered ? (tags ?? NOTHING) : NOTHING, blocked ?? NOTHING]);
    let levels = this.selections.get(key);
    if (levels === undefined) {
      levels = this.levelsOf(this.selected(tags, blocked));
      this.selections.set(key, levels);
      if (this.selections.size > MOST_SELECTIONS) {
        const [[oldest, dropped]] = this.selections;
        this.selections.delete(oldest);
        for (const level of dropped) level.close();
      }
    }
    return levels;
  }

  /** The same, as a list with those that a limit of 0 blocks. */
  selected(tags: readonly string[] | undefined, blocked: readonly string[] | undefined): readonly Placed[] {
    checkNames('blockedModels', blocked);
    const { enableTagFiltering, tagFilteringMatchAll } = this.context.settings;
    const named = new Set(blocked);
    const unblocked = this.placed.filter(({ deployment }) => !isNamed(named, deployment));
    return enableTagFiltering ? matchingTags(unblocked, tags ?? NOTHING, tagFilteringMatchAll) : unblocked;
  }

  private levelsOf(placed: readonly Placed[]): readonly Level[] {
    const { choice, states, order } = this.context;
    const byOrder = new Map<number, Placed[]>();
    for (const entry of placed) {
      if (!entry.deployment.isSelectable) continue;
      const level = byOrder.get(entry.deployment.order);
      if (level === undefined) byOrder.set(entry.deployment.order, [entry]);
      else level.push(entry);
    }
    const orders = [...byOrder.keys()].sort((a, b) => (a === b ? 0 : a - b));
    return orders.map((rank) => new Level(byOrder.get(rank) as Placed[], choice, this.name, states, order));
  }
}

function checkNames(path: string, names: unknown): void {
  if (names === undefined || names === null) return;
  if (!Array.isArray(names)) throw refuseArgument(path, names, 'must be an array');
  for (const name of names as unknown[]) if (typeof name !== 'string') throw refuseArgument(path, name, 'must have strings only');
}

/** Whether a blocked name is this deployment's: its id, the model it calls, or its group's. */
export function isNamed(names: ReadonlySet<string>, { id, model, modelName }: Placed['deployment']): boolean {
  return names.size > 0 && (names.has(id) || names.has(model) || names.has(modelName));
}
