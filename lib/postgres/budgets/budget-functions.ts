import type { BudgetSpending, BudgetStanding } from '../../rate-limit/budget/account.js';
import {
  BUDGET_REPLY_LENGTH,
  BUDGET_STANDING_LENGTH,
  readDenial,
  readSpendings,
  readStandings,
  staleWindows,
  StaleWindows,
} from '../../rate-limit/budget/budget-reply.js';
import { BudgetWindows, MOST_TRIES } from '../../rate-limit/budget/budget-windows.js';
import type { LocalSpend } from '../../rate-limit/outage/local-budgets.js';
import type { HoldSettlement } from '../../rate-limit/outage/open-holds.js';
import { StoreFailure } from '../../rate-limit/outage/store-failure.js';
import {
  MOST_SHOWN_HOLDS,
  type BudgetChange,
  type BudgetDenial,
  type CrashName,
  type CrashSettlement,
  type HeldMoney,
  type RateLimitScope,
} from '../../rate-limit/store.js';
import type { SqlRow } from '../sql-client.js';
import { BatchQueue } from './batch-queue.js';
import { BudgetLines, numbers, readNumbers, storedKey, texts } from './budget-lines.js';
import type { DatabaseCircuit } from './circuit.js';

/** The holds of one decision. */
export interface PostgresHold {
  readonly id: string;
  /** Those with budgets. */
  readonly scopes: readonly RateLimitScope[];
  /** Amount that is charged if this process dies; `undefined` for the whole hold. */
  expectedNanoUsd: number | undefined;
}

/** A request for a hold; without an id, only checks whether it would be allowed. */
export interface HoldRequest {
  readonly id: string;
  readonly scopes: readonly RateLimitScope[];
  readonly nanoUsd: number;
  readonly expectedNanoUsd?: number;
  /** Whether the keys of its scopes were read from the database. */
  readonly isStored?: boolean;
}

/** The answer: the budget that denies, with its scope, and the standings of all scopes. */
export interface HoldAnswer {
  readonly denial: (BudgetDenial & { readonly scope: number; readonly waitMs: number }) | undefined;
  readonly standings: readonly (readonly BudgetStanding[] | undefined)[];
}

/** Decisions in flight hold row locks, so more at once would only wait for them. */
const DECISIONS_IN_FLIGHT = 2;
const SETTLEMENTS_IN_FLIGHT = 1;
/** Maximum number of statements per sweep. */
const MOST_SWEEPS = 1_000;
const SWEPT = 64;

const SQL = {
  hold: `SELECT $schema.budget_hold($1::text::text[], $2::text::bigint[], $3::text::bigint[], $4::text::int[], $5::text::int[],
    $6::text::text[], $7::text::text[], $8::text::text[], $9::text::bigint[], $10::text::bigint)::text AS reply`,
  settle: `SELECT $schema.budget_settle($1::text::text[], $2::text::bigint[], $3::text::int[], $4::text::int[], $5::text::text[],
    $6::text::text[], $7::text::text[], $8::text::bigint[])::text AS reply`,
  cancel: 'SELECT $schema.budget_cancel($1::text, $2::text::bigint)::text AS reply',
  extend: `SELECT $schema.budget_extend($1::text, $2::text::bigint, $3::text::bigint, $4::text::bigint, $5::text::bigint,
    $6::text::int[], $7::text::text[], $8::text::text[], $9::text::text[], $10::text::bigint[])::text AS reply`,
  change: `SELECT $schema.budget_change($1::text, $2::text::bigint, $3::text, $4::text, $5::text, $6::text::bigint[])::text AS reply`,
  merge: `SELECT $schema.budget_merge($1::text, $2::text::bigint, $3::text::bigint, $4::text::text[], $5::text::text[],
    $6::text::text[], $7::text::bigint[])::text AS reply`,
  keep: 'SELECT $schema.budget_keep($1::text::text[], $2::text::bigint[], $3::text::bigint)::text AS reply',
  sweep: 'SELECT $schema.budget_sweep()::text AS reply',
  prune: 'SELECT to_json($schema.budget_prune($1::text, $2::text, $3::text))::text AS last',
  refund: 'SELECT $schema.budget_refund($1::text, $2::text, $3::text, $4::text::int, $5::text::bigint)::text AS reply',
  reset: 'SELECT $schema.budget_reset($1::text, $2::text)::text AS reply',
  beat: 'SELECT $schema.budget_beat($1::text, $2::text::bigint)::text AS reply',
  leave: 'DELETE FROM $schema.budget_processes WHERE process = $1::text',
  holds: `SELECT held::text AS held, ($schema.budget_now() - taken_at)::text AS age, (count(*) OVER ())::text AS count
    FROM $schema.budget_holds WHERE limit_name = $1::text AND key = $2::text AND charged IS NULL ORDER BY taken_at LIMIT ${MOST_SHOWN_HOLDS}`,
  keys: `SELECT DISTINCT key FROM $schema.budget_accounts WHERE limit_name = $1::text AND key > $2::text ORDER BY key
    LIMIT $3::text::bigint`,
  crashes: `SELECT id, place::text AS place, limit_name, key, held::text AS held, charged::text AS charged, taken_at::text AS taken_at
    FROM $schema.budget_holds WHERE crashed AND (id, place) > ($1::text, $2::text::int) ORDER BY id, place LIMIT $3::text::bigint`,
} as const;

/** Calls the functions of migration 0005; those that requests wait for have queues. */
export class BudgetFunctions {
  private readonly windows: BudgetWindows;
  private readonly sql: Readonly<Record<keyof typeof SQL, string>>;
  private readonly decisions: BatchQueue<HoldRequest, HoldAnswer | StaleWindows>;
  private readonly settlements: BatchQueue<HoldSettlement<PostgresHold>, readonly BudgetSpending[]>;
  private prunedUntil: readonly string[] = ['', '', ''];

  constructor(
    private readonly circuit: DatabaseCircuit,
    private readonly ttlMs: number,
  ) {
    this.windows = new BudgetWindows();
    const { database } = circuit;
    this.sql = Object.fromEntries(Object.entries(SQL).map(([name, text]) => [name, database.sql(text)])) as typeof this.sql;
    this.decisions = new BatchQueue({ send: (requests) => this.sendHolds(requests), mostInFlight: DECISIONS_IN_FLIGHT });
    this.settlements = new BatchQueue({ send: (settlements) => this.sendSettlements(settlements), mostInFlight: SETTLEMENTS_IN_FLIGHT });
  }

  /** Decides on a hold. Like all methods, rejects with a `StoreFailure`. */
  hold(request: HoldRequest): Promise<HoldAnswer> {
    return this.inWindows(() => this.decisions.ask(request));
  }

  /** Settles a hold, once. */
  async settle(settlement: HoldSettlement<PostgresHold>): Promise<readonly BudgetSpending[]> {
    if (!settlement.isUnanswered) return this.settlements.ask(settlement);
    await this.rows('cancel', [settlement.hold.id, String(settlement.nanoUsd)]);
    return [];
  }

  /** Raises a hold to `nanoUsd`. @param knownNanoUsd What it holds, for a database that lost it. */
  extend({ id, scopes, expectedNanoUsd = -1 }: PostgresHold, nanoUsd: number, knownNanoUsd: number): Promise<HoldAnswer['denial']> {
    return this.inWindows(async () => {
      const lines = new BudgetLines(this.windows).add(scopes);
      const amounts = [nanoUsd, knownNanoUsd, expectedNanoUsd, this.ttlMs].map(String);
      const reply = await this.numbers('extend', [id, ...amounts, lines.places, ...lines.params]);
      return readRefusal(reply, 0, scopes);
    });
  }

  async change(scope: RateLimitScope, { budget, kind, nanoUsd }: BudgetChange): Promise<void> {
    const only = scope.limit.budgets?.[budget];
    if (only === undefined) return;
    const limit = { ...scope.limit, budgets: [only] };
    await this.inWindows(async () => {
      const lines = new BudgetLines(this.windows).add([{ ...scope, limit }]);
      const params = [kind, String(nanoUsd), limit.name, storedKey(scope.key), only.id, lines.params[3]];
      return staleWindows(await this.numbers('change', params), 0);
    });
  }

  /** Adds spend of a time without the database, once. */
  async merge({ id, scope, atMs, nanoUsd }: LocalSpend): Promise<void> {
    await this.inWindows(async () => {
      const lines = new BudgetLines(this.windows).add([scope]);
      const params = [id, String(nanoUsd), String(Math.floor(atMs)), ...lines.params];
      return staleWindows(await this.numbers('merge', params), 0);
    });
  }

  /** Renews the holds of requests in flight. */
  async keep(holds: Iterable<PostgresHold>): Promise<void> {
    const all = [...holds];
    if (all.length === 0) return;
    const expected = all.map(({ expectedNanoUsd = -1 }) => expectedNanoUsd);
    await this.rows('keep', [texts(all.map(({ id }) => id)), numbers(expected), String(this.ttlMs)]);
  }

  /** Settles the holds of dead processes. */
  async sweep(): Promise<void> {
    for (let i = 0; i < MOST_SWEEPS; i++) if (Number((await this.rows('sweep', []))[0].reply) < SWEPT) return;
  }

  /** Removes some expired accounts; each call continues with the next ones. */
  async prune(): Promise<void> {
    const [{ last }] = await this.rows('prune', [...this.prunedUntil]);
    this.prunedUntil = typeof last === 'string' ? (JSON.parse(last) as readonly string[]) : ['', '', ''];
  }

  async reset({ limit, key }: RateLimitScope): Promise<void> {
    await this.rows('reset', [limit.name, storedKey(key)]);
  }

  async holds({ limit, key }: RateLimitScope): Promise<HeldMoney> {
    await this.sweep();
    const rows = await this.rows('holds', [limit.name, storedKey(key)]);
    const oldest = rows.map(({ held, age }) => ({ nanoUsd: Number(held), ageMs: Number(age) }));
    return { count: Number(rows.at(0)?.count ?? 0), oldest };
  }

  /** Returns keys with budgets under a limit, after `key`. */
  async keys(limitName: string, key: string, count: number): Promise<readonly string[]> {
    return (await this.rows('keys', [limitName, key, String(count)])).map((row) => String(row.key));
  }

  /** Returns settlements of dead processes, after a given one. */
  async crashes(id: string, place: string, count: number): Promise<readonly CrashSettlement[]> {
    await this.sweep();
    return (await this.rows('crashes', [id, place, String(count)])).map(crashOf);
  }

  /** Returns the former charge; `undefined` if there is none. */
  async refund({ limit, key, id }: CrashName, nanoUsd: number): Promise<number | undefined> {
    const [, hold, place] = /^(.+)\.(\d{1,9})$/.exec(id) ?? [];
    if (hold === undefined) return undefined;
    const keyName = /^~[\w-]{43}$/.test(key) ? key : storedKey(key);
    const [{ reply }] = await this.rows('refund', [limit, keyName, hold, place, String(nanoUsd)]);
    return Number(reply) < 0 ? undefined : Number(reply);
  }

  /**
   * Registers this process for a time. Returns the number of processes, and whether this one is
   * new.
   */
  async beat(process: string, forMs: number): Promise<readonly [count: number, isNew: boolean]> {
    const [count, isNew] = await this.numbers('beat', [process, String(forMs)]);
    return [count, isNew === 1];
  }

  async leave(process: string): Promise<void> {
    await this.rows('leave', [process]);
  }

  /** Resolves when requests and settlements are answered. */
  async drain(): Promise<void> {
    await Promise.all([this.decisions.drain(), this.settlements.drain()]);
  }

  /** Repeats a decision that the database rejected because its windows had changed. */
  private async inWindows<R>(ask: () => Promise<R | StaleWindows>): Promise<R> {
    for (let tries = 1; tries <= MOST_TRIES; tries++) {
      const reply = await ask();
      if (!(reply instanceof StaleWindows)) return reply;
      this.windows.learn(reply.storeMs);
    }
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- caught by the store, and no stack is wanted
    throw new StoreFailure('reply', 'the clock of PostgreSQL is outside the budget windows', '');
  }

  private async sendHolds(unordered: readonly HoldRequest[]): Promise<readonly (HoldAnswer | StaleWindows)[]> {
    // Requests that only check come first, because they need no locks.
    const requests = [...unordered].sort((one, other) => Number(one.id !== '') - Number(other.id !== ''));
    const lines = new BudgetLines(this.windows);
    const firsts = requests.map(({ scopes, isStored }) => {
      const { next } = lines;
      lines.add(scopes, isStored);
      return next;
    });
    const reply = await this.numbers('hold', [
      texts(requests.map(({ id }) => id)),
      numbers(requests.map(({ nanoUsd }) => nanoUsd)),
      numbers(requests.map(({ expectedNanoUsd = -1 }) => expectedNanoUsd)),
      numbers([...firsts, lines.next]),
      lines.places,
      ...lines.params,
      String(this.ttlMs),
    ]);
    const answers = new Map<HoldRequest, HoldAnswer | StaleWindows>();
    let at = 0;
    for (const request of requests) {
      const { scopes } = request;
      const denial = readRefusal(reply, at, scopes);
      at += BUDGET_REPLY_LENGTH;
      const standings = readStandings(reply, at, scopes);
      answers.set(request, denial instanceof StaleWindows ? denial : { denial, standings });
      at += lengthOf(scopes);
    }
    return unordered.map((request) => answers.get(request) as HoldAnswer | StaleWindows);
  }

  private async sendSettlements(settlements: readonly HoldSettlement<PostgresHold>[]): Promise<readonly (readonly BudgetSpending[])[]> {
    const lines = new BudgetLines(this.windows);
    const firsts = settlements.map(({ hold }) => {
      const { next } = lines;
      lines.add(hold.scopes);
      return next;
    });
    const reply = await this.numbers('settle', [
      texts(settlements.map(({ hold }) => hold.id)),
      numbers(settlements.map(({ nanoUsd }) => nanoUsd)),
      numbers(settlements.map(({ isProvisional }) => Number(isProvisional))),
      numbers([...firsts, lines.next]),
      ...lines.params,
    ]);
    let at = 0;
    return settlements.map(({ hold: { scopes } }) => {
      const spendings = readSpendings(reply, at, scopes);
      at += lengthOf(scopes);
      return spendings;
    });
  }

  private async numbers(name: keyof typeof SQL, params: unknown[]): Promise<readonly number[]> {
    return readNumbers((await this.rows(name, params))[0].reply);
  }

  private rows(name: keyof typeof SQL, params: unknown[]): Promise<readonly SqlRow[]> {
    return this.circuit.rows(this.sql[name], params);
  }
}

/** Numbers of the standings of scopes. */
function lengthOf(scopes: readonly RateLimitScope[]): number {
  return BUDGET_STANDING_LENGTH * scopes.reduce((sum, { limit: { budgets } }) => sum + (budgets?.length ?? 0), 0);
}

function readRefusal(reply: readonly number[], at: number, scopes: readonly RateLimitScope[]): HoldAnswer['denial'] | StaleWindows {
  const denial = readDenial(reply, at, scopes);
  return denial === undefined || denial instanceof StaleWindows ? denial : { ...denial, waitMs: reply[at + 3] };
}

function crashOf(row: SqlRow): CrashSettlement {
  return {
    limit: String(row.limit_name),
    key: String(row.key),
    id: `${String(row.id)}.${String(row.place)}`,
    heldNanoUsd: Number(row.held),
    chargedNanoUsd: Number(row.charged),
    takenAtMs: Number(row.taken_at),
  };
}
