import { errorMessage, FastLiteLLMError } from '../../common/errors.js';
import type { RouterEngine } from '../engine/engine.js';
import type { LiveVersions } from './live-versions.js';
import type { RouterMemory } from './memory.js';

const SMALLEST_CAPACITY = 8;

/**
 * Gives each deployment a slot in the memory. A deployment that is removed and added again keeps
 * its state.
 */
export class Slots {
  memory: RouterMemory;
  /** Why the state is not shared though a name is given; `undefined` otherwise. */
  readonly aloneBecause: string | undefined;
  private readonly name: string | null;
  private readonly byId = new Map<string, number>();
  /** Slots of removed deployments, with the last version of the router that had them. */
  private readonly removed = new Map<string, { readonly slot: number; readonly lastIn: number }>();
  private next = 0;

  constructor(
    private readonly engine: RouterEngine,
    name: string | null,
    private readonly maxDeployments: number,
    /** Called with a slot before another deployment gets it. */
    private readonly onReuse: (slot: number) => void,
  ) {
    try {
      this.memory = engine.open(name, name === null ? SMALLEST_CAPACITY : maxDeployments);
      this.name = name;
    } catch (error) {
      if (error instanceof FastLiteLLMError || name === null) throw error;
      // Some runtimes do not allow memory of the addon.
      this.aloneBecause = `router.sharedAs has no effect: this runtime does not support shared memory (${errorMessage(error)})`;
      this.memory = engine.open(null, SMALLEST_CAPACITY);
      this.name = null;
    }
  }

  /**
   * Checks that there is a slot for every id.
   * @throws FastLiteLLMError with the code `TOO_MANY_DEPLOYMENTS`.
   */
  reserve(ids: readonly string[]): void {
    const { name } = this;
    if (name !== null) for (const id of ids) this.sharedSlot(name, id);
  }

  /**
   * Returns a slot for every id. The memory may be replaced by a larger one.
   * @param versions Calls of earlier versions can still select the deployments of those.
   * @throws FastLiteLLMError with the code `TOO_MANY_DEPLOYMENTS`.
   */
  place(ids: readonly string[], versions: LiveVersions): number[] {
    const { name } = this;
    if (name !== null) return ids.map((id) => this.sharedSlot(name, id));
    const wanted = new Set(ids);
    for (const [id, slot] of this.byId) {
      if (wanted.has(id)) continue;
      this.byId.delete(id);
      this.removed.set(id, { slot, lastIn: versions.newest });
    }
    // Before new deployments take the slots of returning ones.
    for (const id of wanted) this.takeBack(id);
    return ids.map((id) => this.ownSlot(id, versions));
  }

  private sharedSlot(name: string, id: string): number {
    const slot = this.engine.slot(name, id);
    if (slot >= 0) return slot;
    const rule = `must be at least the number of deployments of ${name}, including removed ones, got ${this.maxDeployments}`;
    throw new FastLiteLLMError('TOO_MANY_DEPLOYMENTS', `router.maxDeployments: ${rule}`);
  }

  private takeBack(id: string): void {
    const known = this.removed.get(id);
    if (known === undefined) return;
    this.removed.delete(id);
    this.byId.set(id, known.slot);
  }

  private ownSlot(id: string, versions: LiveVersions): number {
    const slot = this.byId.get(id) ?? this.freeSlot(versions.oldest);
    this.byId.set(id, slot);
    return slot;
  }

  private freeSlot(oldestVersion: number): number {
    for (const [id, { slot, lastIn }] of this.removed) {
      // Requests in flight must still be released, and calls of that version can retry there.
      if (this.memory.inFlight[slot] > 0 || lastIn >= oldestVersion) continue;
      this.removed.delete(id);
      this.memory.clear(slot);
      this.onReuse(slot);
      return slot;
    }
    if (this.next === this.memory.capacity) this.memory = this.memory.grown(2 * this.memory.capacity);
    return this.next++;
  }
}
