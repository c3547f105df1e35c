import { makeRoom } from '../../common/collections.js';
import type { BudgetStanding } from '../budget/account.js';
import type { RateLimit } from '../limits.js';
import type { BudgetChange, RateLimitScope } from '../store.js';

/** Most keys whose last state in the store is remembered: those that were used last. */
const MOST_SEEN = 10_000;
/** Most amounts that wait for the store. */
const MOST_WAITING = 100_000;
/** How long calls that end after an outage are still corrected. */
const CORRECTED_MS = 900_000;

/** As of sliding windows. */
const PARTS = 60;

/** The last state of a key's budgets in the store. */
interface SeenKey {
  readonly standings: readonly BudgetStanding[] | undefined;
  /** The outage for which its local budgets were prepared. */
  outage: number;
}

/** Spend without the store in one window of each budget of a key. */
export interface LocalSpend {
  /** Its name in the store, so that an amount that is sent twice counts once. */
  readonly id: string;
  readonly scope: RateLimitScope;
  readonly atMs: number;
  nanoUsd: number;
  /** The amount that the store has counted. */
  mergedNanoUsd: number;
  changedMs: number;
}

/** The amount that one call has added. */
interface Added {
  readonly spends: readonly LocalSpend[];
  nanoUsd: number;
}

/** Changes a budget of this process. */
export type ChangeBudget = (scope: RateLimitScope, change: BudgetChange) => unknown;

/**
 * Budgets of this process while the store is unreachable: an equal share of the rest. Their spend,
 * calls in flight included, waits for the store as one amount for each key and window, which
 * replaces the amount sent before.
 */
export class LocalBudgets {
  private readonly seen = new Map<string, SeenKey>();
  private readonly waiting = new Map<string, LocalSpend>();
  private readonly added = new WeakMap<object, Added>();
  private readonly parts = new WeakMap<RateLimit, { readonly count: number; readonly limit: RateLimit }>();

  constructor(private readonly nextId: () => string) {}

  /** Remembers the state of a key's budgets that the store has returned. */
  see({ limit, key }: RateLimitScope, standings: readonly BudgetStanding[] | undefined): void {
    if (standings === undefined) return;
    const name = nameOf(limit, key);
    this.remember(name, { standings, outage: this.seen.get(name)?.outage ?? 0 });
  }

  /**
   * The scopes with the budgets of one of `count` processes.
   * @param outage Number of the outage; each one divides the budgets again.
   * @param change Changes a budget of this process.
   */
  divided(scopes: readonly RateLimitScope[], { count, outage, nowMs }: Outage, change: ChangeBudget): readonly RateLimitScope[] {
    return scopes.map((scope) => {
      const { limit, key } = scope;
      if (limit.budgets === undefined) return scope;
      const part = { limit: this.partOf(limit, count), key };
      const name = nameOf(limit, key);
      const seen = this.remember(name, this.seen.get(name) ?? { standings: undefined, outage: 0 });
      if (seen.outage === outage) return part;
      seen.outage = outage;
      const own = this.unmergedOf(scope);
      for (const budget of limit.budgets.keys()) {
        const standing = seen.standings?.[budget];
        const isOver = standing === undefined || standing.resetsAtMs <= nowMs;
        const taken = isOver ? 0 : standing.spentNanoUsd + standing.heldNanoUsd;
        change(part, { budget, kind: 'spent', nanoUsd: Math.ceil(taken / count) + own });
      }
      return part;
    });
  }

  /** Its key is the last one that is forgotten. */
  private remember(name: string, seen: SeenKey): SeenKey {
    if (!this.seen.delete(name)) makeRoom(this.seen, MOST_SEEN);
    this.seen.set(name, seen);
    return seen;
  }

  /** Counts a call that was allowed without the store. @param hold its name for `change` */
  add(hold: object, scopes: readonly RateLimitScope[], { nanoUsd, atMs }: { readonly nanoUsd: number; readonly atMs: number }): void {
    const spends = scopes.filter(({ limit }) => limit.budgets !== undefined).map((scope) => this.spendOf(scope, atMs));
    const added = { spends, nanoUsd: 0 };
    this.added.set(hold, added);
    this.set(added, nanoUsd);
  }

  /** Replaces the amount that a call holds or has cost. */
  change(hold: unknown, nanoUsd: number): void {
    const added = typeof hold === 'object' && hold !== null ? this.added.get(hold) : undefined;
    if (added !== undefined) this.set(added, nanoUsd);
  }

  /** Amounts that the store has not counted. */
  get unmerged(): readonly LocalSpend[] {
    const nowMs = performance.now();
    const found: LocalSpend[] = [];
    for (const [name, spend] of this.waiting) {
      if (spend.nanoUsd !== spend.mergedNanoUsd) found.push(spend);
      else if (nowMs - spend.changedMs > CORRECTED_MS) this.waiting.delete(name);
    }
    return found;
  }

  /** Nano-USD that the store has not counted. */
  get unmergedNanoUsd(): number {
    return this.unmerged.reduce((sum, { nanoUsd, mergedNanoUsd }) => sum + Math.abs(nanoUsd - mergedNanoUsd), 0);
  }

  private set(added: Added, nanoUsd: number): void {
    const more = nanoUsd - added.nanoUsd;
    added.nanoUsd = nanoUsd;
    for (const spend of added.spends) {
      spend.nanoUsd = Math.max(0, spend.nanoUsd + more);
      spend.changedMs = performance.now();
    }
  }

  private spendOf(scope: RateLimitScope, atMs: number): LocalSpend {
    const { limit, key } = scope;
    const starts = limit.budgets?.map(({ window }) =>
      // A window from the first use can begin in any of its parts.
      window.kind === 'firstUse' ? Math.floor(atMs / Math.ceil(window.lengthMs / PARTS)) : window.partAt(atMs).startMs,
    );
    const name = JSON.stringify([limit.name, key, starts]);
    let spend = this.waiting.get(name);
    if (spend === undefined) {
      makeRoom(this.waiting, MOST_WAITING);
      spend = { id: this.nextId(), scope, atMs, nanoUsd: 0, mergedNanoUsd: 0, changedMs: performance.now() };
      this.waiting.set(name, spend);
    }
    return spend;
  }

  private unmergedOf({ limit, key }: RateLimitScope): number {
    let sum = 0;
    for (const { scope, nanoUsd, mergedNanoUsd } of this.waiting.values())
      if (scope.limit.name === limit.name && scope.key === key) sum += Math.max(0, nanoUsd - mergedNanoUsd);
    return sum;
  }

  private partOf(limit: RateLimit, count: number): RateLimit {
    if (count === 1) return limit;
    const known = this.parts.get(limit);
    if (known?.count === count) return known.limit;
    const budgets = limit.budgets?.map((budget) => ({ ...budget, nanoUsd: Math.floor(budget.nanoUsd / count) }));
    const part = { ...limit, budgets };
    this.parts.set(limit, { count, limit: part });
    return part;
  }
}

/** An outage, and the processes that share budgets in it. */
export interface Outage {
  readonly count: number;
  readonly outage: number;
  readonly nowMs: number;
}

function nameOf(limit: RateLimit, key: string): string {
  return `${limit.name}/${key}`;
}
