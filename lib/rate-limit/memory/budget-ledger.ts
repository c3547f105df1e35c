import { createHash } from 'node:crypto';
import { addNanoUsd } from '../../common/nano-usd.js';
import { BudgetAccount, type BudgetPart, type BudgetSpending, type BudgetStanding, type Denial } from '../budget/account.js';
import type { BudgetLimit } from '../budget/budget-limits.js';
import { MOST_SHOWN_HOLDS, type BudgetDenial, type Extension, type HeldMoney, type RateLimitScope } from '../store.js';

/** Accounts that a new one makes the ledger look at, so that idle ones go. */
const SWEPT = 4;
/** Longer keys are kept as their hash: clients may choose them. */
const LONGEST_KEY = 200;
const SEPARATOR = '/';
const GRAVITY = { budget_held: 0, budget_exhausted: 1, request_exceeds_budget: 2 } as const;

/** One budget that a hold was taken from. */
interface HeldLine {
  readonly scope: RateLimitScope;
  readonly budget: BudgetLimit;
  readonly account: BudgetAccount;
  readonly part: BudgetPart;
}

/** What one decision took from budgets. A reset or a new window has other parts. */
export class BudgetHold {
  /** What it was settled with. */
  charged: number | undefined = undefined;

  constructor(
    readonly lines: readonly HeldLine[],
    public nanoUsd: number,
    readonly atMs: number,
  ) {}
}

/** A denied request: the scope whose budget denies, and why. */
export interface LedgerDenial extends BudgetDenial {
  readonly scope: number;
  readonly waitMs: number;
}

/**
 * The budgets of a memory store: what every key has spent and holds. It is apart from the key table
 * because money is kept for a month, in a file, and under the key's own text.
 */
export class BudgetLedger {
  evicted = 0;
  /** Sum of what calls cost above what was held for them. */
  overshootNanoUsd = 0;
  /** Whether anything has changed since `saved()`. */
  isDirty = false;
  /** The least recently used first. */
  private readonly accounts = new Map<string, BudgetAccount>();
  private readonly openHolds = new WeakMap<BudgetAccount, Set<BudgetHold>>();
  private latestMs = 0;

  constructor(private readonly maxAccounts: number) {}

  get size(): number {
    return this.accounts.size;
  }

  /** Whether some budget denies: of several the gravest, then the one that denies for longest. */
  denial(scopes: readonly RateLimitScope[], nanoUsd: number, nowMs: number): LedgerDenial | undefined {
    const atMs = this.at(nowMs);
    // A scope that is named twice is taken from twice.
    const asked = scopes.length > 1 ? new Map<string, number>() : undefined;
    let gravest: LedgerDenial | undefined;
    scopes.forEach((scope, index) => {
      for (const budget of scope.limit.budgets ?? []) {
        const name = nameOf(scope, budget);
        const ask = (asked?.get(name) ?? 0) + nanoUsd;
        asked?.set(name, ask);
        const account = this.find(name, atMs) ?? new BudgetAccount();
        const denial = account.denial(budget, ask, atMs);
        if (denial !== undefined && (gravest === undefined || isGraver(denial, gravest)))
          gravest = { ...denial, scope: index, standing: account.standing(budget, atMs) };
      }
    });
    return gravest;
  }

  /** Holds an amount in every budget, which `denial` has allowed. */
  hold(scopes: readonly RateLimitScope[], nanoUsd: number, nowMs: number): BudgetHold {
    const atMs = this.at(nowMs);
    const lines = scopes.flatMap((scope) =>
      (scope.limit.budgets ?? []).map((budget): HeldLine => {
        const account = this.account(nameOf(scope, budget), atMs);
        const part = account.part(budget, atMs);
        part.held = addNanoUsd(part.held, nanoUsd);
        return { scope, budget, account, part };
      }),
    );
    this.isDirty = true;
    const hold = new BudgetHold(lines, nanoUsd, atMs);
    this.open(hold);
    return hold;
  }

  /**
   * Raises a hold to `nanoUsd` if every budget allows it; a lower amount changes nothing. One that
   * was charged is held again.
   */
  extend(hold: BudgetHold, nanoUsd: number, nowMs: number): Extension {
    const { charged } = hold;
    const more = nanoUsd - (charged ?? hold.nanoUsd);
    if (more <= 0) return undefined;
    const scopes = [...new Set(hold.lines.map(({ scope }) => scope))];
    const denial = this.denial(scopes, more, nowMs);
    if (denial !== undefined) return { ...denial, limitName: scopes[denial.scope].limit.name };
    for (const { account, part } of hold.lines) {
      part.held = addNanoUsd(part.held, charged === undefined ? more : nanoUsd);
      part.spent = addNanoUsd(part.spent, -(charged ?? 0));
      account.total = addNanoUsd(account.total, -(charged ?? 0));
    }
    hold.nanoUsd = nanoUsd;
    hold.charged = undefined;
    this.open(hold);
    this.isDirty = true;
    return undefined;
  }

  /** Replaces a hold by what was spent, in the window of the hold; later calls correct it. */
  settle(hold: BudgetHold, nanoUsd: number, nowMs: number): readonly BudgetSpending[] {
    const atMs = this.at(nowMs);
    const { charged, lines } = hold;
    const [returned, more] = charged === undefined ? [hold.nanoUsd, nanoUsd] : [0, nanoUsd - charged];
    this.overshootNanoUsd = addNanoUsd(this.overshootNanoUsd, overshoot(hold, nanoUsd) - overshoot(hold, charged ?? 0));
    hold.charged = nanoUsd;
    this.isDirty = true;
    for (const { account } of lines) this.openHolds.get(account)?.delete(hold);
    return lines.map(({ scope, budget, account, part }) => {
      const beforeNanoUsd = account.prune(atMs).spent;
      part.held = addNanoUsd(part.held, -returned);
      part.spent = addNanoUsd(part.spent, more);
      account.total = addNanoUsd(account.total, more);
      return { limitName: scope.limit.name, key: scope.key, beforeNanoUsd, standing: account.standing(budget, atMs) };
    });
  }

  /** Replaces what was spent in the window of one budget. */
  setSpent(scope: RateLimitScope, budget: BudgetLimit, nanoUsd: number, nowMs: number): void {
    const atMs = this.at(nowMs);
    this.account(nameOf(scope, budget), atMs).setSpent(budget, nanoUsd, atMs);
    this.isDirty = true;
  }

  /** Raises one budget until its window is over. */
  raise(scope: RateLimitScope, budget: BudgetLimit, nanoUsd: number, nowMs: number): void {
    const atMs = this.at(nowMs);
    this.account(nameOf(scope, budget), atMs).raise(budget, nanoUsd, atMs);
    this.isDirty = true;
  }

  /** Holds of a key that are not settled. */
  holds(scope: RateLimitScope, nowMs: number): HeldMoney {
    const atMs = this.at(nowMs);
    const [budget] = scope.limit.budgets ?? [];
    const account = budget && this.find(nameOf(scope, budget), atMs);
    const holds = [...((account && this.openHolds.get(account)) ?? [])];
    // A set keeps the order in which holds were opened.
    const oldest = holds.slice(0, MOST_SHOWN_HOLDS).map(({ nanoUsd, atMs: takenMs }) => ({ nanoUsd, ageMs: atMs - takenMs }));
    return { count: holds.length, oldest };
  }

  private open(hold: BudgetHold): void {
    for (const { account } of hold.lines) {
      const holds = this.openHolds.get(account);
      if (holds === undefined) this.openHolds.set(account, new Set([hold]));
      else holds.add(hold);
    }
  }

  /** @param pending What the decision would hold on top. */
  standings({ limit, key }: RateLimitScope, nowMs: number, pending = 0): readonly BudgetStanding[] | undefined {
    const atMs = this.at(nowMs);
    return limit.budgets?.map((budget) =>
      (this.find(nameOf({ limit, key }, budget), atMs) ?? new BudgetAccount()).standing(budget, atMs, pending),
    );
  }

  /** The budgets that a hold was taken from, without a look at their names. */
  standingsOf({ lines }: BudgetHold, nowMs: number): ReadonlyMap<RateLimitScope, readonly BudgetStanding[]> {
    const atMs = this.at(nowMs);
    const found = new Map<RateLimitScope, BudgetStanding[]>();
    for (const { scope, budget, account } of lines) {
      const standing = account.standing(budget, atMs);
      const others = found.get(scope);
      if (others === undefined) found.set(scope, [standing]);
      // The same scope may be named twice.
      else if (others.length < (scope.limit.budgets?.length ?? 0)) others.push(standing);
    }
    return found;
  }

  reset(scope: RateLimitScope): void {
    for (const budget of scope.limit.budgets ?? []) this.accounts.delete(nameOf(scope, budget));
    this.isDirty = true;
  }

  /** The accounts by name: `LIMIT/BUDGET/KEY`. */
  entries(): IterableIterator<[string, BudgetAccount]> {
    return this.accounts.entries();
  }

  /** Names of limits and keys, from the account at `from` on. */
  names(from: number, count: number): readonly (readonly [limitName: string, key: string])[] {
    const names: (readonly [string, string])[] = [];
    let place = 0;
    for (const name of this.accounts.keys()) {
      if (place++ < from) continue;
      if (names.length === count) break;
      const [limitName, , ...key] = name.split(SEPARATOR);
      names.push([limitName, key.join(SEPARATOR)]);
    }
    return names;
  }

  restore(name: string, account: BudgetAccount): void {
    this.accounts.set(name, account);
  }

  /** As in the key table, time never runs back. */
  private at(nowMs: number): number {
    return (this.latestMs = Math.max(this.latestMs, Math.floor(nowMs)));
  }

  private find(name: string, atMs: number): BudgetAccount | undefined {
    return this.accounts.get(name)?.prune(atMs);
  }

  private account(name: string, atMs: number): BudgetAccount {
    let account = this.find(name, atMs);
    if (account === undefined) {
      this.makeRoom(atMs);
      account = new BudgetAccount();
    } else this.accounts.delete(name);
    this.accounts.set(name, account);
    return account;
  }

  /** Idle accounts go first, because an evicted one has forgotten what it spent. */
  private makeRoom(atMs: number): void {
    const { accounts } = this;
    if (accounts.size < this.maxAccounts) return;
    let looked = 0;
    for (const [name, account] of accounts) {
      if (account.prune(atMs).isIdle) accounts.delete(name);
      if (++looked >= SWEPT) break;
    }
    if (accounts.size < this.maxAccounts) return;
    accounts.delete(accounts.keys().next().value as string);
    this.evicted++;
  }
}

function nameOf({ limit, key }: RateLimitScope, { id }: BudgetLimit): string {
  const short = key.length <= LONGEST_KEY ? key : `~${createHash('sha256').update(key, 'utf16le').digest('base64url')}`;
  return limit.name + SEPARATOR + id + SEPARATOR + short;
}

function isGraver(denial: Denial, other: LedgerDenial): boolean {
  const difference = GRAVITY[denial.reason] - GRAVITY[other.reason];
  return difference > 0 || (difference === 0 && denial.waitMs > other.waitMs);
}

function overshoot({ nanoUsd }: BudgetHold, charged: number): number {
  return Math.max(0, charged - nanoUsd);
}
