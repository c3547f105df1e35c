import type { BudgetDenialReason } from '../../lib/rate-limit/budget/account.js';

/** A budget as the model sees it. */
export interface ModelBudget {
  readonly kind: 'day' | 'month' | 'sliding' | 'firstUse' | 'total';
  readonly limit: number;
  /** Of `sliding` and `firstUse`. */
  readonly lengthMs: number;
  readonly timeZone: string;
}

/** A limit: its budgets, and concurrent requests. */
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
  /** One for each scope. */
  readonly holds: readonly ModelHold[];
  readonly atMs: number;
  readonly expected: number;
  asked: number;
  isOver: boolean;
  /** Of the last renewal: nothing else renews a hold in a history. */
  renewedMs: number;
}

/** The hold of one scope: settled by its taking, or for it, where its process seems to be dead. */
export interface ModelHold {
  readonly scope: ModelScope;
  readonly entries: readonly Entry[];
  state: 'open' | 'crashed' | 'closed';
  /** What it was settled with. */
  charged: number;
  /** What its room was taken for. */
  covered: number;
  keptUntilMs: number;
}

/** A settlement of a dead process, as it is listed. */
export interface ModelCrash {
  readonly hold: ModelHold;
  readonly text: string;
}

/** Until when such a settlement can be corrected. */
const CRASH_KEPT_MS = 7 * 86_400_000;

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

  /**
   * @param ttlMs After it a hold is settled at its expected cost; its slot too, in a shared store.
   * @param decidesRatesFirst Whether slots are counted apart from money: denied first, until they
   * are released.
   */
  constructor(
    private readonly ttlMs = Infinity,
    private readonly decidesRatesFirst = false,
  ) {}

  reserve(
    scopes: readonly ModelScope[],
    { asked, expected }: { asked: number; expected: number },
    nowMs: number,
  ): ModelTaking | ModelAnswer {
    this.sweep(nowMs);
    const isFull = scopes.some((scope) => this.isFull(scope, scopes, nowMs));
    if (isFull && this.decidesRatesFirst) return 'concurrency';
    const denial = this.budgetDenial(scopes, asked, nowMs);
    if (denial === 'budget_exhausted' || denial === 'request_exceeds_budget') return denial;
    if (isFull) return 'concurrency';
    if (denial !== undefined) return denial;
    const holds = scopes.map((scope): ModelHold => {
      const { limit, key } = scope;
      const entries = limit.budgets.map((budget): Entry => {
        const name = nameOf(limit, budget, key);
        return { name, atMs: nowMs, window: this.windowOf(name, budget, nowMs, true), isForgotten: false, spent: 0, held: asked };
      });
      return { scope, entries, state: 'open', charged: 0, covered: asked, keptUntilMs: Infinity };
    });
    const taking = { holds, atMs: nowMs, expected, asked, isOver: false, renewedMs: nowMs };
    this.entries.push(...holds.flatMap(({ entries }) => entries));
    this.takings.push(taking);
    return taking;
  }

  extend(taking: ModelTaking, asked: number, nowMs: number): boolean {
    this.sweep(nowMs);
    const { holds } = taking;
    if (taking.isOver || asked <= taking.asked) return true;
    const known = holds.filter(({ state }) => state !== 'closed');
    const last = known.at(-1);
    const taken = last?.state === 'crashed' ? last.charged : taking.asked;
    const scopes = holds.map(({ scope }) => scope);
    if (asked > taken && this.budgetDenial(scopes, asked - taken, nowMs) !== undefined) return false;
    taking.asked = asked;
    if (asked <= taken) return true;
    for (const hold of known) {
      for (const entry of hold.entries) Object.assign(entry, { held: asked, spent: 0 });
      Object.assign(hold, { state: 'open', covered: asked });
    }
    taking.renewedMs = nowMs;
    return true;
  }

  settle(taking: ModelTaking, actual: number, nowMs: number): void {
    this.sweep(nowMs);
    if (taking.isOver) return;
    taking.isOver = true;
    for (const hold of taking.holds) close(hold, actual);
  }

  /** What can be refunded. */
  crashes(nowMs: number): readonly ModelCrash[] {
    this.sweep(nowMs);
    return this.takings.flatMap(({ holds, asked, atMs }) =>
      holds
        .filter(({ state }) => state === 'crashed')
        .map((hold) => ({ hold, text: [hold.scope.limit.name, hold.scope.key, asked, hold.charged, atMs].join(' ') })),
    );
  }

  refund({ hold }: ModelCrash, actual: number): void {
    close(hold, actual);
  }

  /** Settles what was not renewed in time, and forgets such settlements after a week. */
  private sweep(nowMs: number): void {
    for (const { holds, renewedMs, asked, expected } of this.takings) {
      for (const hold of holds) {
        if (hold.state === 'crashed' && hold.keptUntilMs <= nowMs) hold.state = 'closed';
        if (hold.state !== 'open' || renewedMs + this.ttlMs > nowMs) continue;
        const charged = Math.min(asked, expected);
        close(hold, charged);
        Object.assign(hold, { state: 'crashed', charged, covered: charged, keptUntilMs: nowMs + CRASH_KEPT_MS });
      }
    }
  }

  reset({ limit, key }: ModelScope): void {
    const names = new Set(limit.budgets.map((budget) => nameOf(limit, budget, key)));
    for (const entry of this.entries) if (names.has(entry.name)) entry.isForgotten = true;
    const isSame = ({ scope }: ModelHold): boolean => scope.limit === limit && scope.key === key;
    for (const hold of this.takings.flatMap(({ holds }) => holds)) if (isSame(hold)) hold.state = 'closed';
    for (const name of names) this.firstUses.delete(name);
  }

  standing({ limit, key }: ModelScope, budget: ModelBudget, nowMs: number): ModelStanding {
    this.sweep(nowMs);
    const counted = this.counted(nameOf(limit, budget, key), budget, nowMs);
    return { spent: sum(counted.map(({ spent }) => spent)), held: sum(counted.map(({ held }) => held)) };
  }

  /** What calls of the window have cost above what was held for them: the bound of the overshoot. */
  excess({ limit, key }: ModelScope, budget: ModelBudget, nowMs: number): number {
    const counted = new Set(this.counted(nameOf(limit, budget, key), budget, nowMs));
    const holds = this.takings.flatMap((taking) => taking.holds);
    return sum(
      holds.map(({ entries, charged, covered }) => entries.filter((entry) => counted.has(entry)).length * Math.max(0, charged - covered)),
    );
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

  private isFull({ limit, key }: ModelScope, scopes: readonly ModelScope[], nowMs: number): boolean {
    const same = (other: ModelScope): boolean => other.limit === limit && other.key === key;
    const running = this.takings.filter(({ isOver, atMs }) => !isOver && (this.decidesRatesFirst || atMs + this.ttlMs > nowMs));
    const inFlight = running.flatMap(({ holds }) => holds.filter(({ scope }) => same(scope))).length;
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

function close(hold: ModelHold, actual: number): void {
  if (hold.state === 'closed') return;
  for (const entry of hold.entries) Object.assign(entry, { held: 0, spent: actual });
  Object.assign(hold, { state: 'closed', charged: actual });
}

function nameOf(limit: ModelLimit, budget: ModelBudget, key: string): string {
  return `${limit.name} ${limit.budgets.indexOf(budget)} ${key}`;
}

function sum(amounts: readonly number[]): number {
  return amounts.reduce((total, amount) => total + amount, 0);
}
