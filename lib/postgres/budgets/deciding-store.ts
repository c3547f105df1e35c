import { randomBytes } from 'node:crypto';
import { samplesOf, type CapabilityHealth, type MetricSample } from '../../common/capability.js';
import { steadyNow } from '../../common/clock.js';
import { FastLiteLLMError, InvalidArgumentError } from '../../common/errors.js';
import type { LogSink } from '../../common/log-sink.js';
import { hasBudgets, type RateLimit } from '../../rate-limit/limits.js';
import { decideRates } from '../../rate-limit/memory/budget-decisions.js';
import { LocalDecisions } from '../../rate-limit/outage/local-decisions.js';
import { OpenHolds, renewalMs } from '../../rate-limit/outage/open-holds.js';
import { GONE_AFTER_MS, ProcessCount } from '../../rate-limit/outage/process-count.js';
import type { StoreFailure } from '../../rate-limit/outage/store-failure.js';
import { StoreOutage, type StoreAsk } from '../../rate-limit/outage/store-outage.js';
import type {
  BudgetChange,
  BudgetKeys,
  CrashName,
  CrashSettlements,
  Extension,
  HeldMoney,
  MoreTokens,
  RateLimitDecision,
  RateLimitScope,
  RateLimitStore,
  RateLimitStoreStats,
  Settled,
  TakenRateLimit,
  TokenDenial,
} from '../../rate-limit/store.js';
import { borrowDatabase, type BorrowedDatabase } from '../postgres-store.js';
import { BudgetFunctions, type HoldAnswer, type HoldRequest, type PostgresHold } from './budget-functions.js';
import { DatabaseCircuit } from './circuit.js';
import type { ResolvedPostgresRateLimitStoreOptions } from './options.js';

const CURSOR = 'must be a cursor from an earlier page';

/** Decides budgets in PostgreSQL and all other limits in this process. */
export class PostgresRateLimitStore implements RateLimitStore {
  readonly kind = 'postgres';
  readonly keepsBudgets = true;
  readonly settlesCrashes = true;

  private readonly borrowed: BorrowedDatabase;
  private readonly circuit: DatabaseCircuit;
  private readonly budgets: BudgetFunctions;
  private readonly outage: StoreOutage;
  private readonly money: OpenHolds<PostgresHold>;
  /** With `onStoreError: 'local'`. */
  private readonly local: LocalDecisions | undefined;
  private readonly processes: ProcessCount | undefined;
  /** Settles the holds of dead processes. */
  private readonly sweeper: NodeJS.Timeout;
  private readonly process = randomBytes(9).toString('base64url');
  private taken = 0;
  /** For each limit, its parts other than budgets. */
  private readonly rateLimits = new WeakMap<RateLimit, RateLimit>();

  constructor(
    { store, onStoreError, holdTtlMs }: ResolvedPostgresRateLimitStoreOptions,
    private readonly memory: RateLimitStore,
    log?: LogSink,
  ) {
    this.borrowed = borrowDatabase(store);
    this.circuit = new DatabaseCircuit(this.borrowed.database);
    this.budgets = new BudgetFunctions(this.circuit, holdTtlMs);
    this.outage = new StoreOutage(onStoreError, memory, 'PostgreSQL', log, 'requests are allowed without budget checks');
    this.money = new OpenHolds({
      ttlMs: holdTtlMs,
      settle: (settlement) => this.budgets.settle(settlement),
      renew: (holds) => void this.budgets.keep(holds).catch((failure: StoreFailure) => this.outage.count(failure)),
      onFailure: (failure) => this.outage.count(failure),
    });
    // If it is unavailable, the next run retries.
    this.sweeper = setInterval(() => void this.clean().catch(() => {}), renewalMs(holdTtlMs));
    this.sweeper.unref();
    if (onStoreError !== 'local') return;
    const processes = new ProcessCount({
      beat: () => this.budgets.beat(this.process, GONE_AFTER_MS),
      leave: () => this.budgets.leave(this.process),
      isOpen: () => this.circuit.refusal() === undefined,
      onFailure: () => {},
      onBeat: () => void this.local?.merge(),
    });
    this.processes = processes;
    this.local = new LocalDecisions({
      memory,
      outage: this.outage,
      store: 'PostgreSQL',
      log,
      nextId: () => this.nextId(),
      processesAt: (outageMs) => processes.countAt(outageMs),
      send: async (spend) => {
        await this.budgets.merge(spend);
        // The next outage starts from the current remainder.
        await this.look({ scopes: [spend.scope], cost: 0, tokens: 0, nanoUsd: 0 });
      },
    });
  }

  check(
    scopes: readonly RateLimitScope[],
    cost: number,
    tokens: number,
    nanoUsd = 0,
    expectedNanoUsd?: number,
  ): RateLimitDecision | Promise<RateLimitDecision> {
    const ask = { scopes, cost, tokens, nanoUsd, expectedNanoUsd };
    return hasBudgets(scopes) ? this.take(ask) : this.rates('check', ask);
  }

  peek(scopes: readonly RateLimitScope[], cost: number, tokens: number, nanoUsd = 0): RateLimitDecision | Promise<RateLimitDecision> {
    const ask = { scopes, cost, tokens, nanoUsd };
    return hasBudgets(scopes)
      ? this.look(ask).catch((failure: StoreFailure) => this.orOutage('peek', ask, failure))
      : this.rates('peek', ask);
  }

  settle(taken: TakenRateLimit, actualTokens: number, actualNanoUsd = taken.nanoUsd, isProvisional = false): Settled | Promise<Settled> {
    if (taken.outage === 'local') this.local?.change(taken.hold, actualNanoUsd ?? 0);
    if (taken.outage === 'deny') return undefined;
    const settled = this.memory.settle(taken, actualTokens, actualNanoUsd, isProvisional);
    return isHold(taken.hold) ? this.settleMoney(taken.scopes, taken.hold, actualNanoUsd ?? 0, isProvisional) : settled;
  }

  reserveMore(taken: TakenRateLimit, tokens: number): MoreTokens | TokenDenial | Promise<MoreTokens | TokenDenial> {
    return this.memory.reserveMore?.(taken, tokens) ?? { tokens: 0, atMs: taken.atMs };
  }

  async extend(taken: TakenRateLimit, nanoUsd: number, expectedNanoUsd?: number): Promise<Extension> {
    const { hold, nanoUsd: known = 0 } = taken;
    if (taken.outage === 'local') {
      const denial = await this.memory.extend?.(taken, nanoUsd);
      if (denial === undefined) this.local?.change(hold, nanoUsd);
      return denial;
    }
    if (!isHold(hold)) return undefined;
    // Sent with the extension, or with the next renewal.
    hold.expectedNanoUsd = expectedNanoUsd ?? hold.expectedNanoUsd;
    if (nanoUsd <= known) return undefined;
    try {
      const denial = await this.budgets.extend(hold, nanoUsd, known);
      if (denial !== undefined)
        return { reason: denial.reason, standing: denial.standing, limitName: hold.scopes[denial.scope].limit.name };
      // A charged hold is held again.
      this.money.add(hold);
      return undefined;
    } catch (failure) {
      this.outage.count(failure as StoreFailure);
      return this.outage.mode === 'deny' ? { limitName: hold.scopes[0].limit.name, outage: 'deny' } : undefined;
    }
  }

  release(taken: TakenRateLimit): void | Promise<void> {
    return taken.outage === 'deny' ? undefined : this.memory.release(taken);
  }

  async reset(scope: RateLimitScope): Promise<void> {
    await this.memory.reset(scope);
    if (scope.limit.budgets === undefined) return;
    await this.budgets.reset(scope).catch((failure: StoreFailure) => this.outage.count(failure));
  }

  /** @throws FastLiteLLMError (`STORE_UNAVAILABLE`) while the database is unavailable. */
  async changeBudget(scope: RateLimitScope, change: BudgetChange): Promise<void> {
    await this.budgets.change(scope, change).catch(unavailable);
  }

  /** @throws FastLiteLLMError (`STORE_UNAVAILABLE`) while the database is unavailable. */
  async holds(scope: RateLimitScope): Promise<HeldMoney> {
    if (scope.limit.budgets === undefined) return { count: 0, oldest: [] };
    return this.budgets.holds(scope).catch(unavailable);
  }

  /** @throws FastLiteLLMError (`STORE_UNAVAILABLE`) while the database is unavailable. */
  async budgetKeys(limits: readonly RateLimit[], count: number, cursor = '/'): Promise<BudgetKeys> {
    const slash = cursor.indexOf('/');
    const [from, after] = [cursor.slice(0, slash), cursor.slice(slash + 1)];
    const first = from === '' ? 0 : limits.findIndex(({ name }) => name === from);
    if (slash < 0 || first < 0) throw new InvalidArgumentError('cursor', cursor, CURSOR);
    const found: RateLimitScope[] = [];
    let next: string | undefined;
    for (let i = first; i < limits.length && next === undefined; i++) {
      const limit = limits[i];
      const keys = await this.budgets.keys(limit.name, i === first ? after : '', count - found.length).catch(unavailable);
      found.push(...keys.map((key) => ({ limit, key })));
      if (found.length === count) next = `${limit.name}/${keys.at(-1) ?? after}`;
    }
    const requests = found.map((scope) => this.budgets.hold({ id: '', scopes: [scope], nanoUsd: 0, isStored: true }));
    const answers = await Promise.all(requests).catch(unavailable);
    return { keys: found.map((scope, i) => ({ ...scope, budgets: answers[i].standings[0] ?? [] })), cursor: next };
  }

  /** @throws FastLiteLLMError (`STORE_UNAVAILABLE`) while the database is unavailable. */
  async crashSettlements(count: number, cursor = '.-1'): Promise<CrashSettlements> {
    const [, id, place] = /^([\w.-]*)\.(-1|\d{1,9})$/.exec(cursor) ?? [];
    if (id === undefined) throw new InvalidArgumentError('cursor', cursor, CURSOR);
    const settlements = await this.budgets.crashes(id, place, count).catch(unavailable);
    return { settlements, cursor: settlements.length < count ? undefined : settlements.at(-1)?.id };
  }

  /** @throws FastLiteLLMError (`STORE_UNAVAILABLE`) while the database is unavailable. */
  async refundCrash(crash: CrashName, nanoUsd: number): Promise<number | undefined> {
    return this.budgets.refund(crash, nanoUsd).catch(unavailable);
  }

  stats(): RateLimitStoreStats {
    return this.memory.stats();
  }

  metrics(): readonly MetricSample[] {
    const sample = samplesOf('rate_limit_store');
    return [
      sample('up', '1 if PostgreSQL is used, 0 while its circuit breaker is open.', 'gauge', this.circuit.refusal() === undefined ? 1 : 0),
      sample('calls_total', 'Statements sent to PostgreSQL; one can decide many requests.', 'counter', this.circuit.calls),
      ...(this.local?.metrics() ?? []),
      ...this.outage.metrics(),
    ];
  }

  /** While the database fails: `down` with `onStoreError: 'deny'`, otherwise `degraded`. */
  async health(): Promise<Partial<CapabilityHealth>> {
    const unreachable = await this.circuit.fault();
    if (unreachable === undefined && this.outage.refusal() === undefined) this.outage.succeeded(false);
    const reason = unreachable ?? this.outage.recent();
    if (reason === undefined) return {};
    return { status: this.outage.mode === 'deny' ? 'down' : 'degraded', reason, onStoreError: this.outage.mode };
  }

  async close(): Promise<void> {
    clearInterval(this.sweeper);
    await this.budgets.drain();
    await Promise.all([this.money.close(), this.processes?.close(), this.local?.merge()]);
    this.local?.logLost();
    this.circuit.close();
    await this.borrowed.giveBack();
  }

  /**
   * Places the hold after checking the other limits but before charging them, because a charge
   * could not be undone. If another request exhausts them in the meantime, the hold is released.
   */
  private async take(ask: StoreAsk): Promise<RateLimitDecision> {
    const rates = this.rates('peek', ask);
    if (!rates.allowed) return rates;
    const { nanoUsd, expectedNanoUsd } = ask;
    const scopes = withBudgets(ask.scopes);
    const hold = { id: this.nextId(), scopes, expectedNanoUsd };
    let answer: HoldAnswer;
    try {
      answer = await this.ask({ id: hold.id, scopes, nanoUsd, expectedNanoUsd });
    } catch (reason) {
      const failure = reason as StoreFailure;
      // The cost of a request that `onStoreError` allows is unknown.
      if (failure.mayBeDone) this.money.settleUnanswered(hold, this.outage.mode === 'allow' ? nanoUsd : 0);
      return this.orOutage('check', ask, failure);
    }
    if (answer.denial !== undefined) return this.denied(ask, answer);
    this.outage.succeeded(true);
    const taken = this.rates('check', ask);
    if (!taken.allowed) {
      // Before the reply, so that the next request no longer sees its hold.
      await this.money.settle(hold, 0, false);
      return taken;
    }
    this.money.add(hold);
    return { ...this.described(ask.scopes, taken, answer), hold };
  }

  private async look(ask: StoreAsk): Promise<RateLimitDecision> {
    const rates = this.rates('peek', ask);
    const answer = await this.ask({ id: '', scopes: withBudgets(ask.scopes), nanoUsd: rates.allowed ? ask.nanoUsd : 0 });
    if (rates.allowed && answer.denial !== undefined) return this.denied(ask, answer);
    return this.described(ask.scopes, rates, answer);
  }

  private async ask(request: HoldRequest): Promise<HoldAnswer> {
    const answer = await this.budgets.hold(request);
    this.local?.see(
      request.scopes,
      answer.standings.map((budgets) => ({ ...UNLIMITED, budgets })),
    );
    return answer;
  }

  private denied(ask: StoreAsk, answer: HoldAnswer): RateLimitDecision {
    const { reason, standing, scope, waitMs } = answer.denial as NonNullable<HoldAnswer['denial']>;
    const rates = this.rates('peek', { ...ask, cost: 0, tokens: 0 });
    return {
      ...this.described(ask.scopes, rates, answer),
      allowed: false,
      scope: placesOf(ask.scopes)[scope],
      exceeded: 'usd',
      retryAfterMs: waitMs,
      budget: { reason, standing },
    };
  }

  /** A decision with the standings of the budgets. */
  private described(scopes: readonly RateLimitScope[], decision: RateLimitDecision, { standings }: HoldAnswer): RateLimitDecision {
    if (decision.standings.length === 0) return decision;
    const all = [...decision.standings];
    placesOf(scopes).forEach((place, index) => (all[place] = { ...all[place], budgets: standings[index] }));
    return { ...decision, standings: all };
  }

  /** Decides requests, tokens and concurrency in this process. */
  private rates(how: 'check' | 'peek', { scopes, cost, tokens }: StoreAsk): RateLimitDecision {
    return decideRates(
      (limited, ask) =>
        this.memory[how](
          limited.map((scope) => this.withoutBudgets(scope)),
          ask.cost,
          ask.tokens,
        ) as RateLimitDecision,
      scopes,
      { cost, tokens, nowMs: steadyNow() },
    );
  }

  private withoutBudgets(scope: RateLimitScope): RateLimitScope {
    const { limit, key } = scope;
    if (limit.budgets === undefined) return scope;
    let rates = this.rateLimits.get(limit);
    if (rates === undefined) this.rateLimits.set(limit, (rates = { ...limit, budgets: undefined }));
    return { limit: rates, key };
  }

  private async orOutage(how: 'check' | 'peek', ask: StoreAsk, failure: StoreFailure): Promise<RateLimitDecision> {
    this.outage.count(failure);
    if (this.local !== undefined) return this.local.decide(how, ask);
    const { outage, ...answer } = await this.outage.answer(how, ask);
    return answer.allowed ? { ...this.rates(how, ask), outage } : { ...answer, outage };
  }

  private async settleMoney(
    scopes: readonly RateLimitScope[],
    hold: PostgresHold,
    nanoUsd: number,
    isProvisional: boolean,
  ): Promise<Settled> {
    const settled = await this.money.settle(hold, nanoUsd, isProvisional);
    if (settled === undefined) return [];
    this.outage.succeeded(true);
    this.local?.seeSpendings(scopes, settled);
    return settled;
  }

  private async clean(): Promise<void> {
    await this.budgets.sweep();
    await this.budgets.prune();
  }

  private nextId(): string {
    return `${this.process}.${this.taken++}`;
  }
}

const UNLIMITED = { limit: Infinity, remainingRequests: Infinity, resetMs: 0 };

function isHold(hold: unknown): hold is PostgresHold {
  return typeof hold === 'object' && hold !== null && 'expectedNanoUsd' in hold;
}

function withBudgets(scopes: readonly RateLimitScope[]): readonly RateLimitScope[] {
  return scopes.filter(({ limit }) => limit.budgets !== undefined);
}

/** Indexes of the scopes with budgets. */
function placesOf(scopes: readonly RateLimitScope[]): readonly number[] {
  return scopes.flatMap(({ limit }, place) => (limit.budgets === undefined ? [] : [place]));
}

/** Creates the error of an administrative call that the database did not answer. */
function unavailable(failure: unknown): never {
  throw new FastLiteLLMError('STORE_UNAVAILABLE', `the PostgreSQL store cannot be reached: ${(failure as StoreFailure).reason}`);
}
