import { QUEUE_CLASSES, rankOf, type QueueClass } from './queue-class.js';
import { Tenants, type Waiting } from './tenants.js';

/** A waiting call with its class. */
export interface Classed extends Waiting {
  readonly queueClass: QueueClass;
  readonly promptTokens: number;
}

/** Calls of more urgent classes that go before one of a lower class: of all calls it has 9 %. */
const MOST_PASSED = 9;
/** Of the places in a full queue, what each class keeps for itself. */
const OWN_PLACES = 0.1;

/** Waiting calls in the order in which they go: by class, in a class by deficit round robin. */
export class WaitingLine<T extends Classed> {
  private readonly classes = QUEUE_CLASSES.map(() => new Tenants<T>());
  /** Calls of more urgent classes that went since the last one of each, while such calls waited. */
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

  /** Takes a call out that leaves without being served. */
  remove(call: T): void {
    const rank = rankOf(call.queueClass);
    this.classes[rank].remove(call);
    this.tokensOf[rank] -= call.promptTokens;
  }

  /** The call whose turn it is; `undefined` where every call is blocked. */
  next(isBlocked: (call: T) => boolean): T | undefined {
    return this.overdue(isBlocked) ?? this.mostUrgent(isBlocked);
  }

  /** Takes the call out that `next` returned. */
  serve(call: T): void {
    const rank = rankOf(call.queueClass);
    this.classes[rank].serve(call);
    this.tokensOf[rank] -= call.promptTokens;
    this.passed[rank] = 0;
    for (let lower = rank + 1; lower < this.classes.length; lower++)
      this.passed[lower] = this.classes[lower].size > 0 ? this.passed[lower] + 1 : 0;
  }

  /**
   * The calls to take out so that one with this class and prompt fits: the newest of the lowest
   * class first, of which each keeps a tenth of the places. So calls of its own class or above have
   * to leave only for a class that has less. `undefined`: it would not fit.
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

  /** The call to take out where the tenant of one has all of its places taken; the same rules. */
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

  /** A call of the lower class that others have passed most often, once that is often enough. */
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
