import { createHash } from 'node:crypto';
import { addNanoUsd } from '../../common/nano-usd.js';
import { BudgetAccount, type AccountRecord, type BudgetSpending, type BudgetStanding, type Denial } from '../budget/account.js';
import { crosses, type SpendingStep } from '../budget/alert-marks.js';
import type { BudgetLimit } from '../budget/budget-limits.js';
import { FigureSpace } from '../budget/figure-space.js';
import type { RateLimit } from '../limits.js';
import { isMember, join, leave, membersOf, RingHead, type Linked } from './ring.js';
import { MOST_SHOWN_HOLDS, type BudgetDenial, type Extension, type HeldMoney, type RateLimitScope } from '../store.js';

/** Accounts that a new one makes the ledger look at, so that idle ones go. */
const SWEPT = 4;
/** A use within that time does not move an account among all others, which takes four more. */
const MOVED_AFTER_MS = 1_000;
/** Holds that are remembered to be shown: an app may reserve and never settle. */
const MOST_OPEN_HOLDS = 100_000;
/** Longer keys are kept as `~` and their hash: clients may choose them. */
const LONGEST_KEY = 200;
const HASHED = '~'.charCodeAt(0);
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
class BudgetLine {
  /** Beginning of the part of the window that it was taken from. */
  partStartMs = 0;

  constructor(
    readonly scope: RateLimitScope,
    readonly budget: BudgetLimit,
    /** Not kept where the key has none. */
    public account: LedgerAccount,
  ) {}
}

/** What a decision asks of budgets, and takes if it is allowed. In a ring while it holds money. */
export class BudgetHold implements Linked {
  older: Linked = this;
  newer: Linked = this;
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
  /** Those with accounts. */
  private readonly books = new Map<string, Book>();
  /** Replaced whenever a book comes or goes, so that no limit keeps one of another limit's name. */
  private booksOfLimit = new WeakMap<RateLimit, readonly Book[]>();
  private readonly figures = new FigureSpace();
  /** Head of the ring of all accounts, by their last use. */
  private readonly byUse: Linked = new RingHead();
  /** Head of the ring of holds that are not settled. */
  private readonly open: Linked = new RingHead();
  private openHolds = 0;
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
        const account = books[j].accounts.get(key) ?? new LedgerAccount(books[j], key);
        lines[next++] = new BudgetLine(scope, budgets[j], account);
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
      const denial = account.denial(budget, asked, atMs);
      if (denial !== undefined && (gravest === undefined || isGraver(denial, gravest)))
        gravest = { ...denial, scope: scopes.indexOf(scope), standing: account.standing(budget, atMs) };
    }
    return gravest;
  }

  /** Holds what was asked, which `denial` has allowed at the same moment. */
  hold(asked: BudgetHold, nowMs: number): void {
    const { lines, nanoUsd } = asked;
    const atMs = this.at(nowMs);
    asked.atMs = atMs;
    for (let i = 0; i < lines.length; i++) {
      const line = lines[i];
      // A key named twice is entered by its first line, and an account may have been evicted
      // for another.
      if (!line.account.isKept) line.account = this.used(line.account.book, line.account.key);
      else if (atMs - line.account.usedAtMs >= MOVED_AFTER_MS) this.touch(line.account);
      line.partStartMs = line.account.hold(line.budget, nanoUsd, atMs);
    }
    this.remember(asked);
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
    for (const { account, partStartMs } of hold.lines) {
      if (account.isKept) account.move(partStartMs, charged === undefined ? more : nanoUsd, -(charged ?? 0));
    }
    hold.nanoUsd = nanoUsd;
    hold.charged = undefined;
    this.remember(hold);
    this.isDirty = true;
    return undefined;
  }

  /**
   * Replaces a hold by what was spent, in the window of the hold; later calls correct it. Returns
   * the budgets that have crossed a mark.
   */
  settle(hold: BudgetHold, nanoUsd: number, nowMs: number): readonly BudgetSpending[] {
    const atMs = this.at(nowMs);
    const { charged, lines } = hold;
    const returned = charged === undefined ? hold.nanoUsd : 0;
    const more = nanoUsd - (charged ?? 0);
    this.overshootNanoUsd = addNanoUsd(this.overshootNanoUsd, overshoot(hold, nanoUsd) - overshoot(hold, charged ?? 0));
    hold.charged = nanoUsd;
    this.dismiss(hold);
    this.isDirty = true;
    let told = NOTHING_TOLD;
    for (let i = 0; i < lines.length; i++) {
      const { scope, budget, account, partStartMs } = lines[i];
      // A key was reset, or evicted.
      if (!account.isKept) continue;
      const beforeNanoUsd = account.prune(atMs).spent;
      account.move(partStartMs, -returned, more);
      const spentNanoUsd = account.spent;
      if (spentNanoUsd > beforeNanoUsd && this.isTold({ beforeNanoUsd, spentNanoUsd, limitNanoUsd: account.limitOf(budget) }))
        told = [...told, { limitName: scope.limit.name, key: scope.key, beforeNanoUsd, standing: account.standing(budget, atMs) }];
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
    const holds = [...membersOf(this.open)].filter((hold) =>
      (hold as BudgetHold).lines.some((line) => line.account === account),
    ) as BudgetHold[];
    // One that was charged and raised again is the youngest member, not the youngest hold.
    holds.sort((one, other) => one.atMs - other.atMs);
    const oldest = holds.slice(0, MOST_SHOWN_HOLDS).map(({ nanoUsd, atMs: takenMs }) => ({ nanoUsd, ageMs: atMs - takenMs }));
    return { count: holds.length, oldest };
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
  *entries(): Generator<[string, AccountRecord]> {
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
  restore(name: string, record: AccountRecord): void {
    const [limitName, id, ...key] = name.split(SEPARATOR);
    this.used(newBook(limitName + SEPARATOR + id), key.join(SEPARATOR)).restore(record);
  }

  /** As in the key table, time never runs back. */
  private at(nowMs: number): number {
    return (this.latestMs = Math.max(this.latestMs, Math.floor(nowMs)));
  }

  /** Shows a hold as one of its keys, if it holds anything. */
  private remember(hold: BudgetHold): void {
    if (hold.nanoUsd === 0 || isMember(hold)) return;
    join(this.open, hold);
    if (++this.openHolds > MOST_OPEN_HOLDS) this.dismiss(this.open.newer);
  }

  private dismiss(hold: Linked): void {
    if (!isMember(hold)) return;
    leave(hold);
    this.openHolds--;
  }

  /** Whether a settlement has crossed a mark. */
  private isTold(step: SpendingStep): boolean {
    const { alertAt } = this;
    for (let i = 0; i < alertAt.length; i++) if (crosses(alertAt[i], step)) return true;
    return false;
  }

  private booksOf(limit: RateLimit): readonly Book[] {
    let books = this.booksOfLimit.get(limit);
    if (books === undefined) {
      books = (limit.budgets ?? []).map(({ id }) => this.books.get(limit.name + SEPARATOR + id) ?? newBook(limit.name + SEPARATOR + id));
      this.booksOfLimit.set(limit, books);
    }
    return books;
  }

  private accountOf({ limit, key }: RateLimitScope, budget: BudgetLimit, atMs: number): LedgerAccount {
    const book = this.booksOf(limit)[limit.budgets?.indexOf(budget) ?? 0];
    this.isDirty = true;
    return this.used(book, shortKey(key)).prune(atMs);
  }

  /** The account of a key, opened if it is new, which is now the one that was used last. */
  private used(named: Book, key: string): LedgerAccount {
    let account = (this.books.get(named.name) ?? named).accounts.get(key);
    if (account === undefined) {
      this.makeRoom();
      const book = this.listed(named);
      book.accounts.set(key, (account = new LedgerAccount(book, key)));
      account.keepIn(this.figures.take());
      this.size++;
    }
    return this.touch(account);
  }

  /** The book of a name, which may have come or gone since `booksOf`. */
  private listed(named: Book): Book {
    const book = this.books.get(named.name);
    if (book !== undefined) return book;
    this.books.set(named.name, named);
    this.booksOfLimit = new WeakMap();
    return named;
  }

  private touch(account: LedgerAccount): LedgerAccount {
    account.usedAtMs = this.latestMs;
    leave(account);
    join(this.byUse, account);
    return account;
  }

  private forget(account: LedgerAccount): void {
    const { book, key } = account;
    leave(account);
    this.figures.giveBack(account.leave());
    book.accounts.delete(key);
    this.size--;
    if (book.accounts.size > 0) return;
    // Limits of calls may have windows without end.
    this.books.delete(book.name);
    this.booksOfLimit = new WeakMap();
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

const NEVER_USED = new BudgetAccount();
const NOTHING_TOLD: readonly BudgetSpending[] = [];

function newBook(name: string): Book {
  return { name, accounts: new Map() };
}

/** A scope that is named twice is taken from twice. */
function timesBefore(lines: readonly BudgetLine[], place: number): number {
  const { book, key } = lines[place].account;
  let times = 0;
  for (let i = 0; i < place; i++) if (lines[i].account.key === key && lines[i].account.book.name === book.name) times++;
  return times;
}

function shortKey(key: string): string {
  // Reading a character joins a concatenated key: looked up in pieces it takes 25 ns more.
  if (key.length <= LONGEST_KEY && key.charCodeAt(0) !== HASHED) return key;
  return `~${createHash('sha256').update(key, 'utf16le').digest('base64url')}`;
}

function isGraver(denial: Denial, other: LedgerDenial): boolean {
  const difference = GRAVITY[denial.reason] - GRAVITY[other.reason];
  return difference > 0 || (difference === 0 && denial.waitMs > other.waitMs);
}

function overshoot({ nanoUsd }: BudgetHold, charged: number): number {
  return Math.max(0, charged - nanoUsd);
}
