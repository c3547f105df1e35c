import { QUEUE_CLASSES, rankOf, type QueueClass } from './queue-class.js';
import { Tenants, type Waiting } from './tenants.js';

/** A waiting call with its class. */
export interface Classed extends Waiting {
  readonly queueClass: QueueClass;
  readonly promptTokens: number;
}

/** Calls that go in a row before one of a lower class: these have 5 % in any case. */
const IN_A_ROW = 19;

/** Waiting calls in the order in which they go: by class, in a class by deficit round robin. */
export class WaitingLine<T extends Classed> {
  private readonly classes = QUEUE_CLASSES.map(() => new Tenants<T>());
  /** Calls of each class that went since the last one of a lower class, while such calls waited. */
  private readonly inARow = QUEUE_CLASSES.map(() => 0);
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
    return this.nextFrom(0, isBlocked);
  }

  /** Takes the call out that `next` returned. */
  serve(call: T): void {
    const rank = rankOf(call.queueClass);
    this.classes[rank].serve(call);
    this.tokensOf[rank] -= call.promptTokens;
    const isLowerWaiting = this.classes.some(({ size }, other) => other > rank && size > 0);
    this.inARow[rank] = isLowerWaiting ? this.inARow[rank] + 1 : 0;
    this.inARow.fill(0, 0, rank);
  }

  /**
   * The calls to take out so that one with this class and prompt fits: the newest of the lowest
   * class first, none of its own class or above. `undefined`: it would not fit.
   */
  victimsFor(call: T, most: { readonly calls: number; readonly promptTokens: number }): readonly T[] | undefined {
    const rank = rankOf(call.queueClass);
    let calls = this.size + 1 - most.calls;
    let tokens = this.promptTokens + call.promptTokens - most.promptTokens;
    const victims: T[] = [];
    for (let lower = this.classes.length - 1; lower > rank && (calls > 0 || tokens > 0); lower--) {
      const newestFirst = [...this.classes[lower].values()].reverse();
      for (const victim of newestFirst) {
        if (calls <= 0 && tokens <= 0) break;
        victims.push(victim);
        calls--;
        tokens -= victim.promptTokens;
      }
    }
    return calls > 0 || tokens > 0 ? undefined : victims;
  }

  *[Symbol.iterator](): IterableIterator<T> {
    for (const each of this.classes) yield* each.values();
  }

  private nextFrom(rank: number, isBlocked: (call: T) => boolean): T | undefined {
    if (rank === this.classes.length) return undefined;
    const isTurnOfLower = this.inARow[rank] >= IN_A_ROW;
    const lower = isTurnOfLower ? this.nextFrom(rank + 1, isBlocked) : undefined;
    return lower ?? this.classes[rank].next(isBlocked) ?? (isTurnOfLower ? undefined : this.nextFrom(rank + 1, isBlocked));
  }
}
