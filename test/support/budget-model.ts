import type { BudgetDenialReason } from '../../lib/rate-limit/budget/account.js';

/** A budget as the model sees it. */
export interface ModelBudget {
  readonly kind: 'day' | 'month' | 'sliding' | 'firstUse' | 'total';
  readonly limit: number;
  /** Of `sliding` and `firstUse`. */
  readonly lengthMs: number;
  readonly timeZone: string;
}

/** A limit: its budgets, and requests at a time. */
export interface ModelLimit {
  readonly name: string;
  readonly budgets: readonly ModelBudget[];
  readonly maxConcurrent?: number;
}

export interface ModelScope {
  readonly limit: ModelLimit;
  readonly key: string;
}

/** What one allowed decision took. */
export interface ModelTaking {
  readonly scopes: readonly ModelScope[];
  readonly entries: readonly Entry[];
  asked: number;
  actual: number | undefined;
  isOver: boolean;
}

/** One amount in one budget. Never forgotten, except by a reset. */
interface Entry {
  readonly name: string;
  readonly atMs: number;
  /** The window that it belongs to, by name. */
  readonly window: string;
  /** Where it was reset, nothing finds it any more. */
  isForgotten: boolean;
  spent: number;
  held: number;
}

export interface ModelStanding {
  readonly spent: number;
  readonly held: number;
}

export type ModelAnswer = 'allowed' | 'concurrency' | BudgetDenialReason;

const dates = new Map<string, Intl.DateTimeFormat>();

/**
 * Budgets from first principles, slow: a journal of every amount, read from the start each time. A
 * calendar's window is its date as `Intl` writes it; no boundaries are computed.
 */
export class BudgetModel {
  private readonly entries: Entry[] = [];
  private readonly takings: ModelTaking[] = [];
  private readonly firstUses = new Map<string, number>();

  reserve(scopes: readonly ModelScope[], asked: number, nowMs: number): ModelTaking | ModelAnswer {
    const denial = this.budgetDenial(scopes, asked, nowMs);
    if (denial === 'budget_exhausted' || denial === 'request_exceeds_budget') return denial;
    if (scopes.some((scope) => this.isFull(scope, scopes))) return 'concurrency';
    if (denial !== undefined) return denial;
    const entries = scopes.flatMap(({ limit, key }) =>
      limit.budgets.map((budget): Entry => {
        const name = nameOf(limit, budget, key);
        return { name, atMs: nowMs, window: this.windowOf(name, budget, nowMs, true), isForgotten: false, spent: 0, held: asked };
      }),
    );
    const taking = { scopes, entries, asked, actual: undefined, isOver: false };
    this.entries.push(...entries);
    this.takings.push(taking);
    return taking;
  }

  extend(taking: ModelTaking, asked: number, nowMs: number): boolean {
    if (taking.actual !== undefined || asked <= taking.asked) return true;
    const more = asked - taking.asked;
    if (this.budgetDenial(taking.scopes, more, nowMs) !== undefined) return false;
    for (const entry of taking.entries) entry.held += more;
    taking.asked = asked;
    return true;
  }

  settle(taking: ModelTaking, actual: number): void {
    if (taking.actual !== undefined) return;
    taking.actual = actual;
    taking.isOver = true;
    for (const entry of taking.entries) Object.assign(entry, { held: 0, spent: actual });
  }

  reset({ limit, key }: ModelScope): void {
    const names = new Set(limit.budgets.map((budget) => nameOf(limit, budget, key)));
    for (const entry of this.entries) if (names.has(entry.name)) entry.isForgotten = true;
    for (const name of names) this.firstUses.delete(name);
  }

  standing({ limit, key }: ModelScope, budget: ModelBudget, nowMs: number): ModelStanding {
    const counted = this.counted(nameOf(limit, budget, key), budget, nowMs);
    return { spent: sum(counted.map(({ spent }) => spent)), held: sum(counted.map(({ held }) => held)) };
  }

  /** What calls of the window have cost above what was held for them: the bound of the overshoot. */
  excess({ limit, key }: ModelScope, budget: ModelBudget, nowMs: number): number {
    const counted = new Set(this.counted(nameOf(limit, budget, key), budget, nowMs));
    const excesses = this.takings.map(
      ({ entries, actual, asked }) => entries.filter((entry) => counted.has(entry)).length * Math.max(0, (actual ?? 0) - asked),
    );
    return sum(excesses);
  }

  private budgetDenial(scopes: readonly ModelScope[], asked: number, nowMs: number): BudgetDenialReason | undefined {
    const asks = new Map<string, number>();
    const reasons = scopes.flatMap(({ limit, key }) =>
      limit.budgets.map((budget): BudgetDenialReason | undefined => {
        const name = nameOf(limit, budget, key);
        const ask = (asks.get(name) ?? 0) + asked;
        asks.set(name, ask);
        const { spent, held } = this.standing({ limit, key }, budget, nowMs);
        if (ask > budget.limit) return 'request_exceeds_budget';
        if (spent + ask > budget.limit) return 'budget_exhausted';
        return spent + held + ask > budget.limit ? 'budget_held' : undefined;
      }),
    );
    return (['request_exceeds_budget', 'budget_exhausted', 'budget_held'] as const).find((reason) => reasons.includes(reason));
  }

  private isFull({ limit, key }: ModelScope, scopes: readonly ModelScope[]): boolean {
    const same = (other: ModelScope): boolean => other.limit === limit && other.key === key;
    const inFlight = this.takings.filter(({ isOver }) => !isOver).flatMap((taking) => taking.scopes.filter(same)).length;
    return inFlight + scopes.filter(same).length > (limit.maxConcurrent ?? Infinity);
  }

  private counted(name: string, budget: ModelBudget, nowMs: number): Entry[] {
    const window = this.windowOf(name, budget, nowMs, false);
    return this.entries.filter((entry) => {
      if (entry.name !== name || entry.isForgotten) return false;
      if (budget.kind !== 'sliding') return entry.window === window;
      // Amounts of a 60th of the window leave it together, a window's length after its end.
      const step = Math.ceil(budget.lengthMs / 60);
      return nowMs < (Math.floor(entry.atMs / step) + 1) * step + budget.lengthMs;
    });
  }

  private windowOf(name: string, budget: ModelBudget, nowMs: number, isTaken: boolean): string {
    const { kind, lengthMs, timeZone } = budget;
    if (kind === 'sliding' || kind === 'total') return '';
    if (kind === 'firstUse') {
      const begun = this.firstUses.get(name);
      const isOpen = begun !== undefined && nowMs < begun + lengthMs;
      if (!isOpen && isTaken) this.firstUses.set(name, nowMs);
      return String(isOpen ? begun : nowMs);
    }
    let format = dates.get(timeZone);
    if (format === undefined) dates.set(timeZone, (format = new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short' })));
    return format.format(nowMs).slice(0, kind === 'day' ? 10 : 7);
  }
}

function nameOf(limit: ModelLimit, budget: ModelBudget, key: string): string {
  return `${limit.name} ${limit.budgets.indexOf(budget)} ${key}`;
}

function sum(amounts: readonly number[]): number {
  return amounts.reduce((total, amount) => total + amount, 0);
}
