import { createHash } from 'node:crypto';
import { addNanoUsd } from '../../common/nano-usd.js';
import { BudgetAccount, type BudgetPart, type BudgetSpending, type BudgetStanding, type Denial } from '../budget/account.js';
import { crosses } from '../budget/alert-marks.js';
import type { BudgetLimit } from '../budget/budget-limits.js';
import type { RateLimit } from '../limits.js';
import { isMember, join, leave, membersOf, RingHead, type Linked } from './ring.js';
import { MOST_SHOWN_HOLDS, type BudgetDenial, type Extension, type HeldMoney, type RateLimitScope } from '../store.js';

/** Accounts that a new one makes the ledger look at, so that idle ones go. */
const SWEPT = 4;
/** Longer keys are kept as their hash: clients may choose them. */
const LONGEST_KEY = 200;
const SEPARATOR = '/';
const GRAVITY = { budget_held: 0, budget_exhausted: 1, request_exceeds_budget: 2 } as const;

/** The accounts of one budget of one limit, by key. */
interface Book {
  /** `LIMIT/BUDGET`. */
  readonly name: string;
  readonly accounts: Map<string, LedgerAccount>;
}

/** An account, and its place in the ring of all by their last use. */
class LedgerAccount extends BudgetAccount implements Linked {
  older: Linked = this;
  newer: Linked = this;
  /** Head of the ring of lines that were taken and are not settled. */
  readonly open: Linked = new RingHead();

  constructor(
    readonly book: Book,
    readonly key: string,
  ) {
    super();
  }

  get name(): string {
    return this.book.name + SEPARATOR + this.key;
  }
}

/** One budget that a request asks and, once it is allowed, what was taken from. */
class BudgetLine implements Linked {
  older: Linked = this;
  newer: Linked = this;
  hold: BudgetHold | undefined = undefined;
  part: BudgetPart = NO_PART;

  constructor(
    readonly scope: RateLimitScope,
    readonly budget: BudgetLimit,
    readonly book: Book,
    readonly key: string,
    public account: LedgerAccount,
  ) {}
}

/** What one decision asks of budgets, and takes if it is allowed. */
export class BudgetHold {
  /** What it was settled with. */
  charged: number | undefined = undefined;
  atMs = 0;

  constructor(
    readonly scopes: readonly RateLimitScope[],
    readonly lines: readonly BudgetLine[],
    public nanoUsd: number,
  ) {}
}

/** Which lines of a decision to describe. */
export interface AskedStandings {
  readonly line: number;
  readonly count: number;
  readonly nowMs: number;
  /** What the decision would hold on top. */
  readonly pending: number;
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
  /** Whether something has changed since it was last written. */
  isDirty = false;
  size = 0;
  private readonly books = new Map<string, Book>();
  private readonly booksOfLimit = new WeakMap<RateLimit, readonly Book[]>();
  /** Head of the ring of all accounts, by their last use. */
  private readonly byUse: Linked = new RingHead();
  private latestMs = 0;

  /** @param alertAt Shares of a budget whose crossing a settlement tells. */
  constructor(
    private readonly maxAccounts: number,
    private readonly alertAt: readonly number[],
  ) {}

  /** What a request asks of the budgets of its scopes. */
  ask(scopes: readonly RateLimitScope[], nanoUsd: number): BudgetHold {
    let count = 0;
    for (let i = 0; i < scopes.length; i++) count += scopes[i].limit.budgets?.length ?? 0;
    const lines = new Array<BudgetLine>(count);
    let next = 0;
    for (let i = 0; next < count; i++) {
      const scope = scopes[i];
      const { budgets } = scope.limit;
      if (budgets === undefined) continue;
      const books = this.booksOf(scope.limit);
      const key = shortKey(scope.key);
      for (let j = 0; j < budgets.length; j++) {
        const account = books[j].accounts.get(key) ?? NEVER_USED;
        lines[next++] = new BudgetLine(scope, budgets[j], books[j], key, account);
      }
    }
    return new BudgetHold(scopes, lines, nanoUsd);
  }

  /** Whether some budget denies: of several the gravest, then the one that denies for longest. */
  denial({ scopes, lines, nanoUsd }: BudgetHold, nowMs: number): LedgerDenial | undefined {
    const atMs = this.at(nowMs);
    let gravest: LedgerDenial | undefined;
    for (let i = 0; i < lines.length; i++) {
      const { scope, budget, account } = lines[i];
      const asked = nanoUsd * (1 + timesBefore(lines, i));
      const denial = account.prune(atMs).denial(budget, asked, atMs);
      if (denial !== undefined && (gravest === undefined || isGraver(denial, gravest)))
        gravest = { ...denial, scope: scopes.indexOf(scope), standing: account.standing(budget, atMs) };
    }
    return gravest;
  }

  /** Holds what was asked, which `denial` has allowed at the same moment. */
  hold(asked: BudgetHold, nowMs: number): void {
    asked.atMs = this.at(nowMs);
    for (const line of asked.lines) {
      // A key that is named twice is opened by its first line, and an account may have been evicted
      // for another.
      if (isMember(line.account)) this.touch(line.account);
      else line.account = this.used(line.book, line.key);
      line.part = line.account.part(line.budget, asked.atMs);
      line.part.held = addNanoUsd(line.part.held, asked.nanoUsd);
    }
    this.open(asked);
    this.isDirty = true;
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
    const denial = this.denial(this.ask(scopes, more), nowMs);
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

  /**
   * Replaces a hold by what was spent, in the window of the hold; later calls correct it. Returns
   * the budgets that have crossed a mark.
   */
  settle(hold: BudgetHold, nanoUsd: number, nowMs: number): readonly BudgetSpending[] {
    const atMs = this.at(nowMs);
    const { charged } = hold;
    const returned = charged === undefined ? hold.nanoUsd : 0;
    const more = nanoUsd - (charged ?? 0);
    this.overshootNanoUsd = addNanoUsd(this.overshootNanoUsd, overshoot(hold, nanoUsd) - overshoot(hold, charged ?? 0));
    hold.charged = nanoUsd;
    this.isDirty = true;
    const told: BudgetSpending[] = [];
    for (const line of hold.lines) {
      const { scope, budget, account, part } = line;
      leave(line);
      const beforeNanoUsd = account.prune(atMs).spent;
      part.held = addNanoUsd(part.held, -returned);
      part.spent = addNanoUsd(part.spent, more);
      account.total = addNanoUsd(account.total, more);
      const step = { beforeNanoUsd, spentNanoUsd: account.spent, limitNanoUsd: account.limitOf(budget) };
      if (this.alertAt.some((mark) => crosses(mark, step)))
        told.push({ limitName: scope.limit.name, key: scope.key, beforeNanoUsd, standing: account.standing(budget, atMs) });
    }
    return told;
  }

  /** Replaces what was spent in the window of one budget. */
  setSpent(scope: RateLimitScope, budget: BudgetLimit, nanoUsd: number, nowMs: number): void {
    const atMs = this.at(nowMs);
    this.accountOf(scope, budget, atMs).setSpent(budget, nanoUsd, atMs);
  }

  /** Adds to what was spent in the window of one budget. */
  addSpent(scope: RateLimitScope, budget: BudgetLimit, nanoUsd: number, nowMs: number): void {
    const atMs = this.at(nowMs);
    this.accountOf(scope, budget, atMs).addSpent(budget, nanoUsd, atMs);
  }

  /** Raises one budget until its window is over. */
  raise(scope: RateLimitScope, budget: BudgetLimit, nanoUsd: number, nowMs: number): void {
    const atMs = this.at(nowMs);
    this.accountOf(scope, budget, atMs).raise(budget, nanoUsd, atMs);
  }

  /** Holds of a key that are not settled. */
  holds({ limit, key }: RateLimitScope, nowMs: number): HeldMoney {
    const atMs = this.at(nowMs);
    const account = this.booksOf(limit).at(0)?.accounts.get(shortKey(key));
    const open = account === undefined ? [] : [...membersOf(account.open)];
    const holds = new Set(open.map((line) => (line as BudgetLine).hold as BudgetHold));
    const oldest = [...holds].slice(0, MOST_SHOWN_HOLDS).map(({ nanoUsd, atMs: takenMs }) => ({ nanoUsd, ageMs: atMs - takenMs }));
    return { count: holds.size, oldest };
  }

  /** @param pending What the decision would hold on top. */
  standings({ limit, key }: RateLimitScope, nowMs: number, pending = 0): readonly BudgetStanding[] | undefined {
    if (limit.budgets === undefined) return undefined;
    const atMs = this.at(nowMs);
    const short = shortKey(key);
    const books = this.booksOf(limit);
    return limit.budgets.map((budget, i) => (books[i].accounts.get(short)?.prune(atMs) ?? NEVER_USED).standing(budget, atMs, pending));
  }

  /** How the budgets of some lines stand, after `denial` or `hold` at the same moment. */
  standingsOf({ lines }: BudgetHold, { line, count, nowMs, pending }: AskedStandings): readonly BudgetStanding[] {
    const atMs = this.at(nowMs);
    const standings = new Array<BudgetStanding>(count);
    for (let i = 0; i < count; i++) {
      const { account, budget } = lines[line + i];
      standings[i] = account.standing(budget, atMs, pending);
    }
    return standings;
  }

  reset({ limit, key }: RateLimitScope): void {
    const short = shortKey(key);
    for (const book of this.booksOf(limit)) {
      const account = book.accounts.get(short);
      if (account !== undefined) this.forget(account);
    }
    this.isDirty = true;
  }

  /** All accounts by name: `LIMIT/BUDGET/KEY`. */
  *entries(): Generator<[string, BudgetAccount]> {
    for (const book of this.books.values()) for (const account of book.accounts.values()) yield [account.name, account];
  }

  /** Names of limits and keys, from the account at `from` on. */
  names(from: number, count: number): readonly (readonly [limitName: string, key: string])[] {
    const names: (readonly [string, string])[] = [];
    let place = 0;
    for (const book of this.books.values()) {
      if (place + book.accounts.size <= from) {
        place += book.accounts.size;
        continue;
      }
      const [limitName] = book.name.split(SEPARATOR);
      for (const key of book.accounts.keys()) {
        if (place++ < from) continue;
        if (names.length === count) return names;
        names.push([limitName, key]);
      }
    }
    return names;
  }

  /** Takes an account over from a file. @param name `LIMIT/BUDGET/KEY` */
  restore(name: string, account: BudgetAccount): void {
    const [limitName, id, ...key] = name.split(SEPARATOR);
    const own = this.used(this.book(limitName + SEPARATOR + id), key.join(SEPARATOR));
    own.parts = account.parts;
    own.total = account.total;
    own.raisedNanoUsd = account.raisedNanoUsd;
    own.raisedUntilMs = account.raisedUntilMs;
  }

  /** As in the key table, time never runs back. */
  private at(nowMs: number): number {
    return (this.latestMs = Math.max(this.latestMs, Math.floor(nowMs)));
  }

  private open(hold: BudgetHold): void {
    for (const line of hold.lines) {
      line.hold = hold;
      leave(line);
      join(line.account.open, line);
    }
  }

  private booksOf(limit: RateLimit): readonly Book[] {
    let books = this.booksOfLimit.get(limit);
    if (books === undefined) {
      books = (limit.budgets ?? []).map(({ id }) => this.book(limit.name + SEPARATOR + id));
      this.booksOfLimit.set(limit, books);
    }
    return books;
  }

  private book(name: string): Book {
    let book = this.books.get(name);
    if (book === undefined) this.books.set(name, (book = { name, accounts: new Map() }));
    return book;
  }

  private accountOf({ limit, key }: RateLimitScope, budget: BudgetLimit, atMs: number): LedgerAccount {
    const book = this.booksOf(limit)[limit.budgets?.indexOf(budget) ?? 0];
    this.isDirty = true;
    return this.used(book, shortKey(key)).prune(atMs);
  }

  /** The account of a key, opened if it is new, which is now the one that was used last. */
  private used(book: Book, key: string): LedgerAccount {
    let account = book.accounts.get(key);
    if (account === undefined) {
      this.makeRoom();
      book.accounts.set(key, (account = new LedgerAccount(book, key)));
      this.size++;
    }
    return this.touch(account);
  }

  private touch(account: LedgerAccount): LedgerAccount {
    leave(account);
    join(this.byUse, account);
    return account;
  }

  private forget(account: LedgerAccount): void {
    leave(account);
    account.book.accounts.delete(account.key);
    this.size--;
  }

  /** An evicted account has forgotten what it spent: idle ones go first, endless ones last. */
  private makeRoom(): void {
    if (this.size < this.maxAccounts) return;
    const eldest: LedgerAccount[] = [];
    for (const member of membersOf(this.byUse)) if (eldest.push(member as LedgerAccount) === SWEPT) break;
    let evicted: LedgerAccount | undefined;
    for (const account of eldest) {
      if (account.prune(this.latestMs).isIdle) this.forget(account);
      else if (account.isEndless) this.touch(account);
      else evicted ??= account;
    }
    if (this.size < this.maxAccounts) return;
    this.forget(evicted ?? (this.byUse.newer as LedgerAccount));
    this.evicted++;
  }
}

/** Stands for an account that is not there. */
const NEVER_USED = new LedgerAccount({ name: '', accounts: new Map() }, '');
const NO_PART: BudgetPart = { startMs: 0, endMs: 0, spent: 0, held: 0 };

/** A scope that is named twice is taken from twice. */
function timesBefore(lines: readonly BudgetLine[], place: number): number {
  const { book, key } = lines[place];
  let times = 0;
  for (let i = 0; i < place; i++) if (lines[i].book === book && lines[i].key === key) times++;
  return times;
}

function shortKey(key: string): string {
  return key.length <= LONGEST_KEY ? key : `~${createHash('sha256').update(key, 'utf16le').digest('base64url')}`;
}

function isGraver(denial: Denial, other: LedgerDenial): boolean {
  const difference = GRAVITY[denial.reason] - GRAVITY[other.reason];
  return difference > 0 || (difference === 0 && denial.waitMs > other.waitMs);
}

function overshoot({ nanoUsd }: BudgetHold, charged: number): number {
  return Math.max(0, charged - nanoUsd);
}
