import { InvalidArgumentError } from '../../common/errors.js';
import type { Deployment } from './deployment.js';
import { Group, type GroupContext } from './group.js';
import type { Placed } from './priority-tier.js';
import { Wildcard } from './wildcard.js';

/** How a name leads to deployments. */
export type Route = 'alias' | 'id' | 'name' | 'wildcard' | 'model' | 'any' | 'default_fallback';

/** Where requests for a name go. */
export interface Destination {
  readonly group: Group;
  /** What was looked for in the end: behind an alias, or a default fallback. */
  readonly name: string;
  readonly route: Route;
  /** What stands in the place of the `*` of a deployment's model. */
  readonly captures: readonly string[];
}

interface Pattern {
  readonly group: Group;
  readonly wildcard: Wildcard;
}

/** Names that were asked for and are remembered: they come with requests. */
const MOST_KNOWN = 1_000;
/** No model has a longer name; a longer one is not held against patterns, nor remembered. */
const LONGEST_NAME = 512;
const ANY = '*';
const NO_CAPTURES: readonly string[] = [];

/** All deployments, and the names by which requests reach them. Made once per change of the list or the settings. */
export class Catalogue {
  readonly groups = new Map<string, Group>();
  readonly byId = new Map<string, Placed>();
  private readonly known = new Map<string, Destination | null>();
  private lastName = '';
  private last: Destination | null;
  private readonly singles = new Map<string, Group>();
  private readonly byModel = new Map<string, Group>();
  private readonly patterns: readonly Pattern[];

  constructor(
    placed: readonly Placed[],
    private readonly context: GroupContext,
  ) {
    const byName = new Map<string, Placed[]>();
    const byModel = new Map<string, Placed[]>();
    for (const entry of placed) {
      this.byId.set(entry.deployment.id, entry);
      append(byName, entry.deployment.modelName, entry);
      append(byModel, entry.deployment.model, entry);
    }
    for (const [name, entries] of byName) this.groups.set(name, this.groupOf(name, entries));
    for (const [model, entries] of byModel) {
      if (!model.includes('*')) this.byModel.set(model, this.groupOf(model, entries));
    }
    this.patterns = [...this.groups.values()]
      .filter(({ name }) => name.includes('*') && name !== ANY)
      .sort((a, b) => b.name.length - a.name.length || specials(b.name) - specials(a.name))
      .map((group) => ({ group, wildcard: new Wildcard(group.name) }));
    this.last = this.look(this.lastName) ?? this.fallBack();
  }

  /** Where requests for this name go; `null` when nobody knows it. */
  find(name: string): Destination | null {
    return name === this.lastName ? this.last : this.search(name);
  }

  private search(name: string): Destination | null {
    if (typeof name !== 'string') throw new InvalidArgumentError('model', name, 'must be a string');
    if (name.length > LONGEST_NAME) return this.look(name) ?? this.fallBack();
    let found = this.known.get(name);
    if (found === undefined) {
      found = this.look(name) ?? this.fallBack();
      if (this.known.size >= MOST_KNOWN) this.known.delete(this.known.keys().next().value as string);
      this.known.set(name, found);
    }
    this.lastName = name;
    this.last = found;
    return found;
  }

  /** The names that requests may ask for, groups and aliases that are not hidden, of which a deployment can be called. */
  callableNames(): readonly string[] {
    const aliases = [...this.context.settings.aliases].filter(([, { hidden }]) => !hidden).map(([name]) => name);
    const isCallable = (name: string): boolean =>
      this.find(name)?.group.placed.some(({ deployment }) => deployment.uncallable === undefined) !== false;
    return [...new Set([...this.groups.keys(), ...aliases])].filter(isCallable);
  }

  /** How many deployments share the requests of this one: those that cannot be called share none. */
  sizeOf({ modelName }: Deployment): number {
    return this.groups.get(modelName)?.placed.filter(({ deployment }) => deployment.uncallable === undefined).length ?? 0;
  }

  private look(name: string): Destination | null {
    const alias = this.context.settings.aliases.get(name);
    if (alias !== undefined) {
      const target = this.named(alias.model);
      if (target !== null) return { ...target, route: 'alias' };
    }
    return this.named(name);
  }

  private named(name: string): Destination | null {
    const single = this.byId.get(name);
    if (single !== undefined) return { group: this.single(single), name, route: 'id', captures: NO_CAPTURES };
    const exact = this.groups.get(name);
    if (exact !== undefined) return { group: exact, name, route: 'name', captures: NO_CAPTURES };
    if (name.length <= LONGEST_NAME) {
      for (const { group, wildcard } of this.patterns) {
        const captures = wildcard.capturesOf(name);
        if (captures !== null) return { group, name, route: 'wildcard', captures };
      }
    }
    const model = this.byModel.get(name);
    if (model !== undefined) return { group: model, name, route: 'model', captures: NO_CAPTURES };
    const any = this.groups.get(ANY);
    return any === undefined ? null : { group: any, name, route: 'any', captures: [name] };
  }

  private fallBack(): Destination | null {
    for (const model of this.context.settings.defaultFallbacks) {
      const destination = this.look(model);
      if (destination !== null) return { ...destination, route: 'default_fallback' };
    }
    return null;
  }

  private single(entry: Placed): Group {
    const { id, modelName } = entry.deployment;
    let group = this.singles.get(id);
    if (group === undefined) this.singles.set(id, (group = this.groupOf(modelName, [entry])));
    return group;
  }

  private groupOf(name: string, entries: readonly Placed[]): Group {
    const { settings } = this.context;
    // Of several that say something, the one with the lowest id decides.
    const [own] = entries
      .filter(({ deployment }) => deployment.strategy !== undefined)
      .sort((a, b) => (a.deployment.id < b.deployment.id ? -1 : 1));
    const strategy = own?.deployment.strategy ?? settings.strategyOfModel.get(name) ?? settings.strategy;
    return new Group(name, entries, strategy, this.context);
  }
}

/** A deployment's model for a request: what was captured by its group's pattern stands in the place of each `*`. */
export function targetOf({ model }: Deployment, captures: readonly string[]): string {
  if (captures.length === 0 || !model.includes('*')) return model;
  let next = 0;
  return model.replace(/\*/g, () => captures[Math.min(next++, captures.length - 1)]);
}

function append(map: Map<string, Placed[]>, key: string, entry: Placed): void {
  const entries = map.get(key);
  if (entries === undefined) map.set(key, [entry]);
  else entries.push(entry);
}

function specials(pattern: string): number {
  return pattern.replace(/[^*]/g, '').length;
}
