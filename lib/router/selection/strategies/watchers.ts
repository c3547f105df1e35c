import type { Watcher } from './watcher.js';

interface Watching {
  readonly watcher: Watcher;
  readonly position: number;
}

const NO_OTHERS: readonly Watching[] = [];

/** Those who order deployments, and which of these each of them has. */
export class Watchers {
  /** Of every slot one watcher, and its position there; the few others, of which most slots have none. */
  private readonly first: (Watcher | undefined)[];
  private readonly firstPositions: Int32Array;
  private readonly others = new Map<number, Watching[]>();
  private hasOthers = false;
  private readonly listeners = new Set<Pick<Watcher, 'forget'>>();

  constructor(capacity: number) {
    this.first = new Array<Watcher | undefined>(capacity).fill(undefined);
    this.firstPositions = new Int32Array(capacity);
  }

  /** Tells `watcher` of changes of these slots, by their position. */
  watch(watcher: Watcher, slots: Int32Array): void {
    for (const [position, slot] of slots.entries()) {
      if (this.first[slot] === undefined) {
        this.first[slot] = watcher;
        this.firstPositions[slot] = position;
      } else {
        this.others.set(slot, [...(this.others.get(slot) ?? []), { watcher, position }]);
        this.hasOthers = true;
      }
    }
    this.listen(watcher);
  }

  /** Tells `listener` when anything may have changed. */
  listen(listener: Pick<Watcher, 'forget'>): void {
    this.listeners.add(listener);
  }

  unwatch(watcher: Pick<Watcher, 'forget'>): void {
    if (!this.listeners.delete(watcher)) return;
    for (const [slot, first] of this.first.entries()) {
      if (first !== watcher) continue;
      const next = this.others.get(slot)?.shift();
      this.first[slot] = next?.watcher;
      this.firstPositions[slot] = next?.position ?? 0;
    }
    for (const [slot, others] of this.others) {
      const left = others.filter((other) => other.watcher !== watcher);
      if (left.length > 0) this.others.set(slot, left);
      else this.others.delete(slot);
    }
    this.hasOthers = this.others.size > 0;
  }

  /** Anything may have changed. */
  forget(): void {
    for (const listener of this.listeners) listener.forget();
  }

  /** The deployment in this slot has changed. */
  tell(slot: number, nowMs: number): void {
    const first = this.first[slot];
    if (first === undefined) return;
    first.update(this.firstPositions[slot], nowMs);
    if (this.hasOthers) this.tellOthers(slot, nowMs);
  }

  private tellOthers(slot: number, nowMs: number): void {
    for (const { watcher, position } of this.others.get(slot) ?? NO_OTHERS) watcher.update(position, nowMs);
  }
}
