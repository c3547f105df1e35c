import { createHash } from 'node:crypto';
import { BudgetAccount, type AccountRecord, type BudgetSpending, type BudgetStanding, type Denial } from '../budget/account.js';
import { crosses } from '../budget/alert-marks.js';
import type { BudgetLimit } from '../budget/budget-limits.js';
import { FigureSpace } from '../budget/figure-space.js';
import type { RateLimit } from '../limits.js';
import { UnsettledHolds } from './unsettled-holds.js';
import { join, leave, membersOf, RingHead, type Linked } from './ring.js';
import { MOST_SHOWN_HOLDS, type BudgetChange, type BudgetDenial, type Extension, type HeldMoney, type RateLimitScope } from '../store.js';

/** Accounts that a new one makes the ledger look at, so that idle ones go. */
const SWEPT = 4;
/** A use within that time does not move an account among all others, which takes four more. */
const MOVED_AFTER_MS = 1_000;
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

/** One budget that a request needs and, once it is allowed, the account that was charged. */
interface BudgetLine {
  readonly scope: RateLimitScope;
  readonly budget: BudgetLimit;
  /** Not kept where the key has none. */
  account: LedgerAccount;
  /** Beginning of the part of the window that it was taken from. */
  partStartMs: number;
}

/** The amounts that a decision checks against budgets, and holds if it is allowed. */
export class BudgetHold {
  place = -1;
  /** Amount of the settlement. */
  charged: number | undefined = undefined;

  constructor(
    readonly scopes: readonly RateLimitScope[],
    readonly lines: readonly BudgetLine[],
    public nanoUsd: number,
    /** When it was asked for, by the ledger's time. */
    readonly atMs: number,
  ) {}
}

/** Where `describe` writes how the budgets of a scope stand. */
export interface Described {
  budgets?: readonly BudgetStanding[];
}

/** A denied request: the scope whose budget denies, and why. */
export interface LedgerDenial extends BudgetDenial {
  readonly scope: number;
  readonly waitMs: number;
}

const NO_BOOKS = { limit: undefined, books: [] };

/**
 * The budgets of a memory store: spend and holds of every key. It is apart from the key table
 * because money is kept for a month, in a file, and under the key's own text.
 */
export class BudgetLedger {
  evicted = 0;
  /** Whether something has changed since it was last written. */
  isDirty = false;
  size = 0;
  /** Those with accounts. */
  private readonly books = new Map<string, Book>();
  /** Replaced whenever a book comes or goes, so that no limit keeps one of another limit's name. */
  private booksOfLimit = new WeakMap<RateLimit, readonly Book[]>();
  /** Most apps ask under one limit, and a weak map takes 20 ns. */
  private latest: { readonly limit: RateLimit | undefined; readonly books: readonly Book[] } = NO_BOOKS;
  private readonly figures = new FigureSpace();
  /** Head of the ring of all accounts, by their last use. */
  private readonly byUse: Linked = new RingHead();
  private readonly open = new UnsettledHolds<BudgetHold>();
  /** Of `alertAt`; `Infinity` without any. */
  private readonly lowestMark: number;
  private latestMs = 0;

  /** @param alertAt Shares of a budget whose crossing a settlement reports. */
  constructor(
    private readonly maxAccounts: number,
    private readonly alertAt: readonly number[],
  ) {
    this.lowestMark = Math.min(...alertAt);
  }

  /** Builds the hold that a request needs in the budgets of its scopes. Reserves nothing yet. */
  ask(scopes: readonly RateLimitScope[], nanoUsd: number, nowMs: number): BudgetHold {
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
        lines[next++] = { scope, budget: budgets[j], account, partStartMs: 0 };
      }
    }
    return new BudgetHold(scopes, lines, nanoUsd, this.at(nowMs));
  }

  /** Whether some budget denies: of several the gravest, then the one that denies for longest. */
  denial({ scopes, lines, nanoUsd, atMs }: BudgetHold): LedgerDenial | undefined {
    let gravest: LedgerDenial | undefined;
    for (let i = 0; i < lines.length; i++) {
      const { scope, budget, account } = lines[i];
      const asked = i === 0 ? nanoUsd : nanoUsd * (1 + timesBefore(lines, i));
      const denial = account.denial(budget, asked, atMs);
      if (denial !== undefined && (gravest === undefined || isGraver(denial, gravest)))
        gravest = { ...denial, scope: scopes.indexOf(scope), standing: account.standing(budget, atMs) };
    }
    return gravest;
  }

  /** Creates the hold that `denial` has just allowed. */
  hold(asked: BudgetHold): void {
    const { lines, nanoUsd, atMs } = asked;
    for (let i = 0; i < lines.length; i++) {
      const line = lines[i];
      // An earlier line with the same key may have replaced the account, or it was evicted.
      if (!line.account.isKept) line.account = this.used(line.account.book, line.account.key);
      else if (atMs - line.account.usedAtMs >= MOVED_AFTER_MS) this.touch(line.account);
      line.partStartMs = line.account.hold(line.budget, nanoUsd, atMs);
    }
    this.open.add(asked);
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
    const denial = this.denial(this.ask(scopes, more, nowMs));
    if (denial !== undefined) return { ...denial, limitName: scopes[denial.scope].limit.name };
    for (const { account, partStartMs } of hold.lines) {
      if (account.isKept) account.move(partStartMs, charged === undefined ? more : nanoUsd, -(charged ?? 0));
    }
    hold.nanoUsd = nanoUsd;
    hold.charged = undefined;
    this.open.add(hold);
    this.isDirty = true;
    return undefined;
  }

  /**
   * Replaces a hold with the cost, in the window of the hold; later calls correct it. Returns the
   * budgets that have crossed a mark.
   * @param now Called only if a mark may be crossed, because reading the clock takes 60 ns.
   */
  settle(hold: BudgetHold, nanoUsd: number, now: () => number): readonly BudgetSpending[] {
    const { charged, lines } = hold;
    const returned = charged === undefined ? hold.nanoUsd : 0;
    const more = nanoUsd - (charged ?? 0);
    hold.charged = nanoUsd;
    this.open.delete(hold);
    this.isDirty = true;
    let told = NOTHING_TOLD;
    for (let i = 0; i < lines.length; i++) {
      const { account, budget, partStartMs } = lines[i];
      // The key was reset or evicted.
      if (!account.isKept) continue;
      if (account.mayReach(this.lowestMark, budget, more)) told = [...told, ...this.moveAndTell(lines[i], -returned, more, now())];
      else account.move(partStartMs, -returned, more);
    }
    return told;
  }

  /** Changes one budget of a key. */
  change({ limit, key }: RateLimitScope, { budget: index, kind, nanoUsd }: BudgetChange, nowMs: number): void {
    const budget = limit.budgets?.[index];
    if (budget === undefined) return;
    const atMs = this.at(nowMs);
    const account = this.used(this.booksOf(limit)[index], shortKey(key)).prune(atMs);
    this.isDirty = true;
    if (kind === 'added') account.addSpent(budget, nanoUsd, atMs);
    else if (kind === 'spent') account.setSpent(budget, nanoUsd, atMs);
    else account.raise(budget, nanoUsd, atMs);
  }

  /** Holds of a key that are not settled. */
  holds({ limit, key }: RateLimitScope, nowMs: number): HeldMoney {
    const atMs = this.at(nowMs);
    const account = this.booksOf(limit).at(0)?.accounts.get(shortKey(key));
    const holds = this.open.all().filter((hold) => hold.lines.some((line) => line.account === account));
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

  /**
   * Adds the state of the budgets to the standing of each scope, after `denial` or `hold`.
   * @param standings One per scope; none if the limits could not be decided.
   * @param pending What the decision would hold on top.
   */
  describe({ scopes, lines, atMs }: BudgetHold, standings: readonly Described[], pending = 0): void {
    let next = 0;
    for (let i = 0; i < standings.length; i++) {
      const { budgets } = scopes[i].limit;
      if (budgets === undefined) continue;
      const described = new Array<BudgetStanding>(budgets.length);
      for (let j = 0; j < budgets.length; j++) described[j] = lines[next++].account.standing(budgets[j], atMs, pending);
      standings[i].budgets = described;
    }
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

  /** The same as `account.move`; returns the budget if its spending crosses a mark. */
  private moveAndTell(line: BudgetLine, held: number, spent: number, nowMs: number): readonly BudgetSpending[] {
    const { scope, budget, account, partStartMs } = line;
    const atMs = this.at(nowMs);
    const beforeNanoUsd = account.prune(atMs).spent;
    account.move(partStartMs, held, spent);
    const step = { beforeNanoUsd, spentNanoUsd: account.spent, limitNanoUsd: account.limitOf(budget) };
    if (!this.alertAt.some((mark) => crosses(mark, step))) return NOTHING_TOLD;
    return [{ limitName: scope.limit.name, key: scope.key, beforeNanoUsd, standing: account.standing(budget, atMs) }];
  }

  private booksOf(limit: RateLimit): readonly Book[] {
    if (limit === this.latest.limit) return this.latest.books;
    let books = this.booksOfLimit.get(limit);
    if (books === undefined) {
      books = (limit.budgets ?? []).map(({ id }) => this.books.get(limit.name + SEPARATOR + id) ?? newBook(limit.name + SEPARATOR + id));
      this.booksOfLimit.set(limit, books);
    }
    this.latest = { limit, books };
    return books;
  }

  /** The account of a key, opened if it is new, which is now one of those used last. */
  private used(named: Book, key: string): LedgerAccount {
    const known = (this.books.get(named.name) ?? named).accounts.get(key);
    if (known !== undefined) {
      if (this.latestMs - known.usedAtMs >= MOVED_AFTER_MS) this.touch(known);
      return known;
    }
    this.makeRoom();
    const book = this.listed(named);
    const account = new LedgerAccount(book, key);
    book.accounts.set(key, account);
    account.keepIn(this.figures.take());
    this.size++;
    return this.touch(account);
  }

  /** The book of a name, which may have come or gone since `booksOf`. */
  private listed(named: Book): Book {
    const book = this.books.get(named.name);
    if (book !== undefined) return book;
    this.books.set(named.name, named);
    this.forgetBooks();
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
    // Limits passed with calls can have endless windows.
    this.books.delete(book.name);
    this.forgetBooks();
  }

  private forgetBooks(): void {
    this.booksOfLimit = new WeakMap();
    this.latest = NO_BOOKS;
  }

  /**
   * Evicting an account loses its spend, so idle accounts are evicted first and endless ones last.
   */
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
