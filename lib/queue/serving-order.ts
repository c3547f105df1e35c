import { QUEUE_CLASSES, rankOf, type QueueClass } from './queue-class.js';
import { Tenants, type Waiting } from './tenants.js';

/** A waiting call with its class. */
export interface Classed extends Waiting {
  readonly queueClass: QueueClass;
  readonly promptTokens: number;
}

/** Calls of more urgent classes before one of a lower class, which so gets 9 % of all calls. */
const MOST_PASSED = 9;
/** Share of a full queue's places that each class keeps. */
const OWN_PLACES = 0.1;

/** Waiting calls in serving order: by class, and within a class by deficit round robin. */
export class ServingOrder<T extends Classed> {
  private readonly classes = QUEUE_CLASSES.map(() => new Tenants<T>());
  /** For each class: calls of more urgent classes served since its last one, while it waited. */
  private readonly passed = QUEUE_CLASSES.map(() => 0);
  private readonly tokensOf = QUEUE_CLASSES.map(() => 0);

  get size(): number {
    return this.classes.reduce((sum, { size }) => sum + size, 0);
  }

  get promptTokens(): number {
    return this.tokensOf.reduce((sum, tokens) => sum + tokens, 0);
  }

  /** Waiting calls of a tenant, in all classes. */
  sizeOf(tenant: string): number {
    return this.classes.reduce((sum, each) => sum + each.sizeOf(tenant), 0);
  }

  of(name: QueueClass): Tenants<T> {
    return this.classes[rankOf(name)];
  }

  add(call: T): void {
    const rank = rankOf(call.queueClass);
    this.classes[rank].add(call);
    this.tokensOf[rank] += call.promptTokens;
  }

  /** Removes a call that leaves without being served. */
  remove(call: T): void {
    const rank = rankOf(call.queueClass);
    this.classes[rank].remove(call);
    this.tokensOf[rank] -= call.promptTokens;
  }

  /** The next call; `undefined` if every call is blocked. */
  next(isBlocked: (call: T) => boolean): T | undefined {
    return this.overdue(isBlocked) ?? this.mostUrgent(isBlocked);
  }

  /** Removes the call that `next` returned. */
  serve(call: T): void {
    const rank = rankOf(call.queueClass);
    this.classes[rank].serve(call);
    this.tokensOf[rank] -= call.promptTokens;
    this.passed[rank] = 0;
    for (let lower = rank + 1; lower < this.classes.length; lower++)
      this.passed[lower] = this.classes[lower].size > 0 ? this.passed[lower] + 1 : 0;
  }

  /**
   * The calls to remove so that one with this class and prompt fits: the newest of the lowest class
   * first. Each class keeps a tenth of the places, so calls of the same class or above are removed
   * only for a class that has less. `undefined`: it would not fit.
   */
  victimsFor(call: T, most: { readonly calls: number; readonly promptTokens: number }): readonly T[] | undefined {
    const rank = rankOf(call.queueClass);
    let calls = this.size + 1 - most.calls;
    let tokens = this.promptTokens + call.promptTokens - most.promptTokens;
    const victims: T[] = [];
    const own = Math.floor(most.calls * OWN_PLACES);
    const hasLess = this.classes[rank].size < own && this.tokensOf[rank] + call.promptTokens <= Math.floor(most.promptTokens * OWN_PLACES);
    for (let other = this.classes.length - 1; other >= 0 && (calls > 0 || tokens > 0); other--) {
      if (other === rank || (other < rank && !hasLess)) continue;
      const newestFirst = [...this.classes[other].values()].reverse();
      for (const victim of newestFirst.slice(0, Math.max(0, newestFirst.length - own))) {
        if (calls <= 0 && tokens <= 0) break;
        victims.push(victim);
        calls--;
        tokens -= victim.promptTokens;
      }
    }
    return calls > 0 || tokens > 0 ? undefined : victims;
  }

  /** The call to remove if a call's tenant has no place left; by the same rules. */
  victimInTenant(call: T, mostCalls: number): T | undefined {
    const rank = rankOf(call.queueClass);
    const own = Math.floor(mostCalls * OWN_PLACES);
    const hasLess = this.classes[rank].sizeOf(call.tenant) < own;
    for (let other = this.classes.length - 1; other >= 0; other--) {
      if (other === rank || (other < rank && !hasLess) || this.classes[other].sizeOf(call.tenant) <= own) continue;
      return this.classes[other].newestOf(call.tenant);
    }
    return undefined;
  }

  *[Symbol.iterator](): IterableIterator<T> {
    for (const each of this.classes) yield* each.values();
  }

  /** A call of the lower class that others have passed most often, once often enough. */
  private overdue(isBlocked: (call: T) => boolean): T | undefined {
    let [most, found]: [number, T | undefined] = [MOST_PASSED - 1, undefined];
    for (let rank = 1; rank < this.classes.length; rank++) {
      if (this.passed[rank] <= most) continue;
      const call = this.classes[rank].next(isBlocked);
      if (call !== undefined) [most, found] = [this.passed[rank], call];
    }
    return found;
  }

  private mostUrgent(isBlocked: (call: T) => boolean): T | undefined {
    for (const each of this.classes) {
      const call = each.next(isBlocked);
      if (call !== undefined) return call;
    }
    return undefined;
  }
}
