import { InvalidArgumentError } from '../../common/errors.js';
import type { Deployment } from '../deployments/deployment.js';
import type { Route } from './explanation.js';
import { ModelGroup, type GroupContext } from './model-group.js';
import type { Placed } from './priority-tier.js';
import { LONGEST_NAME, Wildcard } from './wildcard.js';

/** Where requests for a model name go. */
export interface Destination {
  readonly group: ModelGroup;
  /** The name that was looked up in the end: the target of an alias, or a default fallback. */
  readonly name: string;
  readonly route: Route;
  /** Replacements for each `*` in the deployment's model. */
  readonly captures: readonly string[];
}

interface Pattern {
  readonly group: ModelGroup;
  readonly wildcard: Wildcard;
}

/** Looked-up names that are kept: they come from requests, so there must be a bound. */
const MOST_KNOWN = 1_000;
const ANY = '*';
const NO_CAPTURES: readonly string[] = [];

/**
 * Finds the model group for the model name of a request. Rebuilt when the deployments or the
 * settings change.
 */
export class NameResolution {
  readonly groups: ReadonlyMap<string, ModelGroup>;
  readonly byId: ReadonlyMap<string, Placed>;
  private readonly known = new Map<string, Destination | null>();
  private readonly singles = new Map<string, ModelGroup>();
  private readonly byModel: ReadonlyMap<string, ModelGroup>;
  private readonly patterns: readonly Pattern[];

  constructor(
    placed: readonly Placed[],
    private readonly context: GroupContext,
  ) {
    this.byId = new Map(placed.map((entry) => [entry.deployment.id, entry]));
    this.groups = this.groupedBy(placed, ({ modelName }) => modelName);
    this.byModel = this.groupedBy(
      placed.filter(({ deployment }) => !deployment.model.includes('*')),
      ({ model }) => model,
    );
    this.patterns = [...this.groups.values()]
      .filter(({ name }) => name.includes('*') && name !== ANY)
      .sort((a, b) => b.name.length - a.name.length || starsIn(b.name) - starsIn(a.name))
      .map((group) => ({ group, wildcard: new Wildcard(group.name) }));
  }

  /** Returns where requests for this name go; `null` for an unknown name. */
  find(name: string): Destination | null {
    const known = this.known.get(name);
    if (known !== undefined) return known;
    if (typeof name !== 'string') throw new InvalidArgumentError('model', name, 'must be a string');
    const found = this.lookUp(name) ?? this.defaultFallback();
    if (name.length > LONGEST_NAME) return found;
    if (this.known.size >= MOST_KNOWN) this.known.delete(this.known.keys().next().value as string);
    this.known.set(name, found);
    return found;
  }

  /** Whether a name has deployments, without the default fallbacks. */
  has(name: string): boolean {
    return this.lookUp(name) !== null;
  }

  /**
   * Names of the model groups with a deployment that can be called, and of the aliases for them
   * that are not hidden.
   */
  callableNames(): readonly string[] {
    const aliases = [...this.context.settings.aliases].filter(([, { hidden }]) => !hidden).map(([name]) => name);
    const isCallable = (name: string): boolean =>
      this.find(name)?.group.placed.some(({ deployment }) => deployment.uncallable === undefined) !== false;
    return [...new Set([...this.groups.keys(), ...aliases])].filter(isCallable);
  }

  /** Number of callable deployments in the model group of this one. */
  groupSizeOf({ modelName }: Deployment): number {
    return this.groups.get(modelName)?.placed.filter(({ deployment }) => deployment.uncallable === undefined).length ?? 0;
  }

  private lookUp(name: string): Destination | null {
    const alias = this.context.settings.aliases.get(name);
    if (alias !== undefined) {
      const target = this.named(alias.model);
      if (target !== null) return { ...target, route: 'alias' };
    }
    return this.named(name);
  }

  private named(name: string): Destination | null {
    const single = this.byId.get(name);
    if (single !== undefined) return { group: this.groupOfOne(single), name, route: 'id', captures: NO_CAPTURES };
    const exact = this.groups.get(name);
    if (exact !== undefined) return { group: exact, name, route: 'name', captures: NO_CAPTURES };
    for (const { group, wildcard } of this.patterns) {
      const captures = wildcard.capturesOf(name);
      if (captures !== null) return { group, name, route: 'wildcard', captures };
    }
    const model = this.byModel.get(name);
    if (model !== undefined) return { group: model, name, route: 'model', captures: NO_CAPTURES };
    const any = this.groups.get(ANY);
    return any === undefined ? null : { group: any, name, route: 'any', captures: [name] };
  }

  private defaultFallback(): Destination | null {
    for (const model of this.context.settings.defaultFallbacks) {
      const destination = this.lookUp(model);
      if (destination !== null) return { ...destination, route: 'default_fallback' };
    }
    return null;
  }

  private groupOfOne(entry: Placed): ModelGroup {
    const { id, modelName } = entry.deployment;
    let group = this.singles.get(id);
    if (group === undefined) this.singles.set(id, (group = this.groupOf(modelName, [entry])));
    return group;
  }

  private groupedBy(placed: readonly Placed[], nameOf: (deployment: Deployment) => string): ReadonlyMap<string, ModelGroup> {
    const byName = new Map<string, Placed[]>();
    for (const entry of placed) {
      const name = nameOf(entry.deployment);
      const entries = byName.get(name);
      if (entries === undefined) byName.set(name, [entry]);
      else entries.push(entry);
    }
    return new Map(Array.from(byName, ([name, entries]) => [name, this.groupOf(name, entries)]));
  }

  private groupOf(name: string, entries: readonly Placed[]): ModelGroup {
    const { settings } = this.context;
    // Of several deployments that name a strategy, the one with the lowest id decides.
    const [own] = entries
      .filter(({ deployment }) => deployment.strategy !== undefined)
      .sort((a, b) => (a.deployment.id < b.deployment.id ? -1 : 1));
    const strategy = own?.deployment.strategy ?? settings.strategyOfModel.get(name) ?? settings.strategy;
    return new ModelGroup(name, entries, strategy, this.context);
  }
}

/** Returns the model to call at a deployment, with each `*` replaced by the captured part. */
export function targetOf({ model }: Deployment, captures: readonly string[]): string {
  if (captures.length === 0 || !model.includes('*')) return model;
  let next = 0;
  return model.replace(/\*/g, () => captures[Math.min(next++, captures.length - 1)]);
}

function starsIn(pattern: string): number {
  return pattern.replace(/[^*]/g, '').length;
}
