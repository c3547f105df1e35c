import { samplesOf, type CapabilityHealth, type MetricSample } from '../../common/capability.js';
import type { LogSink } from '../../common/log-sink.js';
import { staleWindows, StaleWindows } from '../budget/budget-reply.js';
import { BudgetWindows, MOST_TRIES } from '../budget/budget-windows.js';
import { RedisCircuitBreaker } from '../../common/redis/circuit-breaker.js';
import { openRedisClient, type OwnedRedisClient, type RedisClient, type SharedRedis } from '../../common/redis/client.js';
import { countsRates, hasBudgets, type RateLimit } from '../limits.js';
import { RedisHold, RedisHolds, staleFailure } from './budget-holds.js';
import { LocalDecisions } from '../outage/local-decisions.js';
import type { LocalSpend } from '../outage/local-budgets.js';
import type { ProcessCount } from '../outage/process-count.js';
import { StoreFailure } from '../outage/store-failure.js';
import { StoreOutage, type StoreAsk } from '../outage/store-outage.js';
import { countRedisProcesses } from './processes.js';
import { RedisCrashes } from './crash-settlements.js';
import { RedisKeyScan, unavailable } from './key-scan.js';
import { joinDecisions, readDecision, readBudgetDecision, readHolds } from './decision.js';
import { RedisKeys, type TaggedScope } from './keys.js';
import type { ResolvedRedisOptions } from './options.js';
import { OperationKind, withoutConcurrency, type RedisOperation, type RedisScope } from './protocol.js';
import { RedisScriptQueue } from './script-queue.js';
import { RedisSlots } from './concurrency-slots.js';
import { RedisWriteTest } from './write-test.js';
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
} from '../store.js';

/** Scopes in one slot of a Cluster, and their indexes among all. */
interface Group {
  readonly tag: string;
  readonly places: readonly number[];
  readonly scopes: readonly RateLimitScope[];
  readonly redis: readonly TaggedScope[];
}

type Amounts = Pick<StoreAsk, 'cost' | 'tokens' | 'nanoUsd' | 'expectedNanoUsd'>;
type BudgetReply = RateLimitDecision | StaleWindows;

/** Amounts that a settlement returns, and the part of the hold that counts as spent. */
interface Undone {
  readonly cost: number;
  readonly tokens: number;
  readonly spentNanoUsd?: number;
}

const CHANGES = { spent: OperationKind.setSpent, added: OperationKind.addSpent, raise: OperationKind.raiseBudget } as const;
const NOTHING: Amounts = { cost: 0, tokens: 0, nanoUsd: 0 };

/** One operation on the scopes of a group. */
interface Run<R> {
  readonly group: Group;
  readonly kind: OperationKind;
  readonly values: RedisOperation['values'];
  readonly read: (reply: Float64Array, at: number) => R;
  /** Receives a reply after the timeout. */
  readonly late?: (reply: Float64Array, at: number) => void;
}

/** Decides in Redis; during an outage according to `onStoreError`. */
export class RedisRateLimitStore implements RateLimitStore {
  readonly kind = 'redis';
  readonly keepsBudgets = true;
  readonly settlesCrashes = true;
  readonly redis: SharedRedis;

  private readonly own: OwnedRedisClient | undefined;
  private readonly circuit: RedisCircuitBreaker;
  private readonly queue: RedisScriptQueue;
  private readonly keys: RedisKeys;
  private readonly outage: StoreOutage;
  private readonly slots: RedisSlots;
  private readonly windows = new BudgetWindows();
  private readonly money: RedisHolds;
  private readonly scan: RedisKeyScan;
  private readonly crashes: RedisCrashes;
  /** With `onStoreError: 'local'`. */
  private readonly local: LocalDecisions | undefined;
  private readonly processes: ProcessCount | undefined;
  private readonly isCluster: boolean;
  private connectionError: string | undefined = undefined;
  private readonly writeTest: RedisWriteTest;

  constructor(
    options: ResolvedRedisOptions,
    private readonly memory: RateLimitStore,
    log?: LogSink,
  ) {
    const { url, timeoutMs } = options;
    if (url !== undefined) {
      this.own = openRedisClient(url, {
        purpose: 'the Redis store of the rate limiter',
        connectionName: 'fast-litellm',
        timeoutMs,
        onError: (error) => (this.connectionError = error.message),
      });
    }
    const client = (options.client ?? this.own) as RedisClient;
    this.redis = { client, prefix: options.prefix, timeoutMs };
    this.isCluster = client.isCluster === true;
    this.circuit = new RedisCircuitBreaker(client, timeoutMs);
    this.keys = new RedisKeys(options.prefix, options.oneSlot, this.windows);
    this.scan = new RedisKeyScan(client, timeoutMs);
    this.crashes = new RedisCrashes(client, timeoutMs);
    this.writeTest = new RedisWriteTest(client, this.keys, timeoutMs);
    const mark = options.onDataLoss === 'refuse' ? { key: this.keys.mark, slotTtlMs: options.slotTtlMs } : undefined;
    const outage = new StoreOutage(options.onStoreError, memory, 'Redis', log);
    this.outage = outage;
    this.queue = new RedisScriptQueue({ client, circuit: this.circuit, timeoutMs, mark, onSuccess: (wrote) => outage.succeeded(wrote) });
    this.slots = new RedisSlots(this.queue, options.slotTtlMs);
    const onFailure = (failure: StoreFailure): void => outage.count(failure);
    this.money = new RedisHolds({ queue: this.queue, keys: this.keys, windows: this.windows, ttlMs: options.slotTtlMs, onFailure });
    if (outage.mode === 'local') {
      const processes = countRedisProcesses({
        client,
        timeoutMs,
        key: this.keys.processes,
        name: this.slots.process,
        isOpen: () => (outage.refusal() ?? this.circuit.refusal(this.isCluster ? 'all' : undefined)) === undefined,
        onRefusal: (reason) => outage.count(new StoreFailure('reply', reason, 'all')),
        onBeat: () => void this.local?.merge(),
      });
      this.processes = processes;
      this.local = new LocalDecisions({
        memory,
        outage,
        store: 'Redis',
        log,
        nextId: () => this.slots.next(),
        processesAt: (outageMs) => processes.countAt(outageMs),
        send: (spend) => this.sendSpend(spend),
      });
    }
  }

  check(
    scopes: readonly RateLimitScope[],
    cost: number,
    tokens: number,
    nanoUsd = 0,
    expectedNanoUsd?: number,
  ): Promise<RateLimitDecision> {
    const ask = { scopes, cost, tokens, nanoUsd, expectedNanoUsd };
    const groups = this.groups(scopes);
    if (groups.length > 1) return this.takeInTurn(groups, ask);
    return this.take(groups[0], ask).catch((failure: StoreFailure) => this.orOutage('check', ask, failure));
  }

  peek(scopes: readonly RateLimitScope[], cost: number, tokens: number, nanoUsd = 0): Promise<RateLimitDecision> {
    const ask = { scopes, cost, tokens, nanoUsd };
    const groups = this.groups(scopes);
    const parts = groups.map((group) => this.peekGroup(group, ask));
    const joined = parts.length === 1 ? parts[0] : Promise.all(parts).then((all) => join(all, groups, scopes.length));
    return joined.catch((failure: StoreFailure) => this.orOutage('peek', ask, failure));
  }

  async settle(taken: TakenRateLimit, actualTokens: number, actualNanoUsd = taken.nanoUsd, isProvisional = false): Promise<Settled> {
    if (taken.outage === 'local') {
      this.local?.change(taken.hold, actualNanoUsd ?? 0);
      await this.memory.settle(taken, actualTokens, actualNanoUsd, isProvisional);
      return;
    }
    if (taken.outage !== undefined) return;
    const limited = taken.tokens === actualTokens ? [] : taken.scopes.filter(({ limit }) => limit.tokensPerMinute !== undefined);
    const [, ...spendings] = await Promise.all([
      limited.length > 0 && this.giveBack(this.groups(limited), 0, taken.tokens - actualTokens, taken.atMs),
      ...holdsOf(taken).map((hold) => this.money.settle(hold, actualNanoUsd ?? 0, isProvisional)),
    ]);
    if (spendings.length === 0) return undefined;
    const settled = spendings.flatMap((each) => each ?? []);
    this.local?.seeSpendings(taken.scopes, settled);
    return settled;
  }

  async reserveMore(taken: TakenRateLimit, tokens: number): Promise<MoreTokens | TokenDenial> {
    const none = { tokens: 0, atMs: taken.atMs };
    if (taken.outage === 'local') return (await this.memory.reserveMore?.(taken, tokens)) ?? none;
    const limited = taken.scopes.filter(({ limit }) => limit.tokensPerMinute !== undefined);
    if (taken.outage !== undefined || limited.length === 0) return none;
    const done: { readonly group: Group; readonly atMs: number }[] = [];
    const undo = (): void => done.forEach(({ group, atMs }) => void this.giveBack([group], 0, tokens, atMs));
    try {
      for (const group of this.groups(limited)) {
        const read = (reply: Float64Array, at: number): RateLimitDecision => readDecision(reply, at, group.scopes);
        const redis = group.redis.map(withoutSlots);
        const run = { group: { ...group, redis }, kind: OperationKind.take, values: [0, tokens], read };
        const { allowed, scope, retryAfterMs, atMs } = await this.run(run);
        if (!allowed) {
          undo();
          return { limit: group.scopes[scope].limit, retryAfterMs };
        }
        done.push({ group, atMs });
      }
      return { tokens, atMs: Math.min(...done.map(({ atMs }) => atMs)) };
    } catch (failure) {
      undo();
      this.outage.count(failure as StoreFailure);
      return this.outage.mode === 'deny' ? { limit: limited[0].limit, retryAfterMs: 0, outage: 'deny' } : none;
    }
  }

  async extend(taken: TakenRateLimit, nanoUsd: number, expectedNanoUsd?: number): Promise<Extension> {
    if (taken.outage === 'local') return this.extendLocal(taken, nanoUsd);
    const { nanoUsd: known = 0 } = taken;
    // Sent with the extension, otherwise with the next renewal.
    for (const hold of holdsOf(taken)) hold.expectedNanoUsd = expectedNanoUsd ?? hold.expectedNanoUsd;
    if (nanoUsd <= known) return undefined;
    const raised: RedisHold[] = [];
    try {
      for (const hold of holdsOf(taken)) {
        const denial = await this.money.extend(hold, nanoUsd, known);
        if (denial === undefined) raised.push(hold);
        else {
          await Promise.all(raised.map((each) => this.money.lower(each, known)));
          return denial;
        }
      }
      return undefined;
    } catch (failure) {
      this.outage.count(failure as StoreFailure);
      const [{ limit }] = taken.scopes.filter(({ limit: { budgets } }) => budgets !== undefined);
      return this.outage.mode === 'deny' ? { limitName: limit.name, outage: 'deny' } : undefined;
    }
  }

  private async extendLocal(taken: TakenRateLimit, nanoUsd: number): Promise<Extension> {
    const denial = await this.memory.extend?.(taken, nanoUsd);
    if (denial === undefined) this.local?.change(taken.hold, nanoUsd);
    return denial;
  }

  async release(taken: TakenRateLimit): Promise<void> {
    if (taken.outage === 'local') return this.memory.release(taken);
    if (taken.outage !== undefined) return;
    const limited = taken.scopes.filter(({ limit }) => limit.maxConcurrent !== undefined);
    if (taken.lease !== undefined) {
      await Promise.all(taken.lease.split(' ').map((slot) => this.slots.release(slot)));
      return;
    }
    for (const scope of limited) {
      const slot = this.slots.find(this.keys.scope(scope).stateKey);
      if (slot !== undefined) await this.slots.release(slot);
      // It was taken while Redis was unavailable.
      else if (this.outage.mode === 'local') await this.memory.release({ ...taken, scopes: [scope] });
    }
  }

  async reset(scope: RateLimitScope): Promise<void> {
    const [group] = this.groups([scope]);
    if (this.outage.mode === 'local') await this.memory.reset(scope);
    const kinds = [
      ...(countsRates(scope.limit) ? [OperationKind.reset] : []),
      ...(scope.limit.budgets === undefined ? [] : [OperationKind.resetBudgets]),
    ];
    await Promise.all(kinds.map((kind) => this.tell(group, kind, [])));
  }

  /** @throws FastLiteLLMError (`STORE_UNAVAILABLE`) while Redis is unavailable. */
  async changeBudget(scope: RateLimitScope, { budget, kind, nanoUsd }: BudgetChange): Promise<void> {
    const [group] = this.groups([scope]);
    const read = (reply: Float64Array, at: number): StaleWindows | undefined => staleWindows(reply, at);
    const run = { kind: CHANGES[kind], values: [budget, nanoUsd], read };
    await this.inWindows(group, (fresh) => this.run({ group: fresh, ...run })).catch(unavailable);
  }

  /** @throws FastLiteLLMError (`STORE_UNAVAILABLE`) while Redis is unavailable. */
  async holds(scope: RateLimitScope): Promise<HeldMoney> {
    if (scope.limit.budgets === undefined) return { count: 0, oldest: [] };
    const [group] = this.groups([scope]);
    return this.run({ group, kind: OperationKind.listHolds, values: [], read: readHolds }).catch(unavailable);
  }

  /** @throws FastLiteLLMError (`STORE_UNAVAILABLE`) while Redis is unavailable. */
  async budgetKeys(limits: readonly RateLimit[], count: number, cursor?: string): Promise<BudgetKeys> {
    const page = await this.scan.page(this.keys.budgetPattern, count, cursor);
    const found = page.keys.flatMap((key) => this.keys.budgetKey(key, limits) ?? []);
    const standings = await Promise.all(found.map(({ limit, keyName }) => this.standingNamed(limit, keyName))).catch(unavailable);
    return {
      keys: found.map(({ limit, keyName }, i) => ({ limit, key: keyName, budgets: standings[i].standings[0].budgets ?? [] })),
      cursor: page.cursor,
    };
  }

  /** @throws FastLiteLLMError (`STORE_UNAVAILABLE`) while Redis is unavailable. */
  async crashSettlements(count: number, cursor?: string): Promise<CrashSettlements> {
    const page = await this.scan.page(this.keys.budgetPattern, count, cursor);
    const books = page.keys.flatMap((key) => this.keys.bookOf(key) ?? []);
    const found = await Promise.all(
      books.map(async ({ limit, key }) => {
        const redis = this.keys.book(limit, key);
        // Settlements that are due come first.
        await this.run({ group: bookGroup(redis), kind: OperationKind.sweepHolds, values: [], read: () => undefined });
        return (await this.crashes.of(redis)).map((crash) => ({ limit, key, ...crash }));
      }),
    ).catch(unavailable);
    return { settlements: found.flat(), cursor: page.cursor };
  }

  /** @throws FastLiteLLMError (`STORE_UNAVAILABLE`) while Redis is unavailable. */
  async refundCrash({ limit, key, id }: CrashName, nanoUsd: number): Promise<number | undefined> {
    const group = bookGroup(this.keys.book(limit, key));
    const read = (reply: Float64Array, at: number): number => reply[at];
    const charged = await this.run({ group, kind: OperationKind.refundHold, values: [id, nanoUsd], read }).catch(unavailable);
    return charged < 0 ? undefined : charged;
  }

  private standingNamed(limit: RateLimit, keyName: string): Promise<RateLimitDecision> {
    const redis = this.keys.named(limit, keyName);
    return this.peekGroup({ tag: redis.tag, places: [0], scopes: [{ limit, key: keyName }], redis: [redis] }, NOTHING);
  }

  stats(): RateLimitStoreStats {
    return {};
  }

  metrics(): readonly MetricSample[] {
    const sample = samplesOf('rate_limit_store');
    return [
      sample(
        'up',
        '1 if Redis is used, 0 while its circuit breaker, or that of a node, is open.',
        'gauge',
        this.circuit.refusal() === undefined ? 1 : 0,
      ),
      sample('calls_total', 'Script calls sent to Redis; one can decide many requests.', 'counter', this.queue.calls),
      ...(this.local?.metrics() ?? []),
      ...this.outage.metrics(),
    ];
  }

  /** While Redis fails: `down` with `onStoreError: 'deny'`, otherwise `degraded`. */
  async health(): Promise<Partial<CapabilityHealth>> {
    const unreachable = await this.circuit.fault();
    if (unreachable === undefined) await this.outage.reachable((tag) => this.writeTest.failure(tag));
    const fault = unreachable ?? this.outage.recent();
    if (fault === undefined) return {};
    const cause = this.outage.refusal() ?? this.connectionError;
    const reason = cause === undefined || fault === cause ? fault : `${fault} (${cause})`;
    return { status: this.outage.mode === 'deny' ? 'down' : 'degraded', reason, onStoreError: this.outage.mode };
  }

  async close(): Promise<void> {
    this.slots.close();
    void this.money.close();
    await Promise.all([this.processes?.close(), this.local?.merge()]);
    this.local?.logLost();
    // Settlements and releases before `close` still reach Redis.
    await this.queue.drain();
    this.circuit.close();
    this.own?.disconnect();
  }

  /** Scopes in several slots of a Cluster: one after the other, until one denies. */
  private async takeInTurn(groups: readonly Group[], ask: StoreAsk): Promise<RateLimitDecision> {
    const taken: RateLimitDecision[] = [];
    const undo = (): void => taken.forEach((part, i) => this.undo(groups[i], part, ask));
    const count = ask.scopes.length;
    try {
      for (const group of groups) {
        const part = await this.take(group, ask);
        if (!part.allowed) {
          undo();
          const others = await Promise.all(groups.map((other) => (other === group ? Promise.resolve(part) : this.standing(other))));
          return join(others, groups, count);
        }
        taken.push(part);
      }
      const slots = taken.flatMap(({ lease }) => lease ?? []);
      const hold = taken.flatMap((part) => holdsOf(part));
      return { ...join(taken, groups, count), lease: slots.length === 0 ? undefined : slots.join(' '), hold };
    } catch (failure) {
      undo();
      return this.orOutage('check', ask, failure as StoreFailure);
    }
  }

  private async standing(group: Group): Promise<RateLimitDecision> {
    return { ...(await this.peekGroup(group, NOTHING)), allowed: true };
  }

  private peekGroup(group: Group, { cost, tokens, nanoUsd }: Amounts): Promise<RateLimitDecision> {
    if (hasBudgets(group.scopes)) {
      const read = (reply: Float64Array, at: number): BudgetReply => {
        const decision = readBudgetDecision(reply, at, group.scopes);
        if (!(decision instanceof StaleWindows)) this.local?.see(group.scopes, decision.standings);
        return decision;
      };
      const run = { kind: OperationKind.peekWithBudgets, values: [cost, tokens, nanoUsd], read };
      return this.inWindows(group, (fresh) => this.run({ group: fresh, ...run }));
    }
    const read = (reply: Float64Array, at: number): RateLimitDecision => readDecision(reply, at, group.scopes);
    return this.run({ group, kind: OperationKind.peek, values: [cost, tokens], read });
  }

  private take(group: Group, ask: Amounts): Promise<RateLimitDecision> {
    if (hasBudgets(group.scopes)) return this.inWindows(group, (fresh) => this.takeWithBudgets(fresh, ask));
    const { cost, tokens } = ask;
    const limited = group.redis.some(({ slotsKey }) => slotsKey !== '');
    const slot = limited ? this.slots.next() : '';
    const read = (reply: Float64Array, at: number): RateLimitDecision => {
      const decision = readDecision(reply, at, group.scopes);
      if (!limited || !decision.allowed) return decision;
      this.slots.hold(slot, group.tag, group.redis);
      return { ...decision, lease: slot };
    };
    const values = limited ? [cost, tokens, slot, this.slots.ttlMs] : [cost, tokens];
    const late = (reply: Float64Array, at: number): void => {
      const taken = read(reply, at);
      // `onStoreError` has already answered, but Redis counted the request after all. An allowed
      // request keeps its charge, but nothing will release this slot.
      if (taken.allowed) this.undo(group, taken, this.outage.mode === 'allow' ? NOTHING : ask);
    };
    return this.run({ group, kind: OperationKind.take, values, read, late });
  }

  private takeWithBudgets(group: Group, ask: Amounts): Promise<BudgetReply> {
    const { cost, tokens, nanoUsd, expectedNanoUsd } = ask;
    const id = this.slots.next();
    const limited = group.redis.some(({ slotsKey }) => slotsKey !== '');
    const newHold = (): RedisHold => {
      const scopes = group.scopes.filter(({ limit }) => limit.budgets !== undefined);
      return new RedisHold(id, group.tag, scopes, expectedNanoUsd);
    };
    const read = (reply: Float64Array, at: number): BudgetReply => {
      const decision = readBudgetDecision(reply, at, group.scopes);
      if (decision instanceof StaleWindows) return decision;
      this.local?.see(group.scopes, decision.standings);
      if (!decision.allowed) return decision;
      const hold = newHold();
      this.money.add(hold);
      if (limited) this.slots.hold(id, group.tag, group.redis);
      return { ...decision, lease: limited ? id : undefined, hold: [hold] };
    };
    // The cost of a request that `onStoreError` allows will be unknown.
    const runs = this.outage.mode === 'allow';
    const spentNanoUsd = runs ? nanoUsd : 0;
    const late = (reply: Float64Array, at: number): void => {
      const taken = read(reply, at);
      if (!(taken instanceof StaleWindows) && taken.allowed) this.undo(group, taken, { ...(runs ? NOTHING : ask), spentNanoUsd });
    };
    const values = [cost, tokens, nanoUsd, id, this.slots.ttlMs, expectedNanoUsd ?? -1];
    return this.run({ group, kind: OperationKind.takeWithBudgets, values, read, late }).catch((failure: StoreFailure) => {
      if (failure.mayBeDone) this.money.settleUnanswered(newHold(), spentNanoUsd);
      throw failure;
    });
  }

  /** Repeats decisions that the script rejected because of outdated windows. */
  private async inWindows<R>(group: Group, ask: (group: Group) => Promise<R | StaleWindows>): Promise<R> {
    let fresh = group;
    for (let tries = 1; tries <= MOST_TRIES; tries++) {
      const reply = await ask(fresh);
      if (!(reply instanceof StaleWindows)) return reply;
      this.windows.learn(reply.storeMs);
      fresh = { ...group, redis: group.redis.map((scope, i) => this.keys.refreshed(scope, group.scopes[i].limit)) };
    }
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- caught by this class, and no stack is wanted
    throw staleFailure(group.tag);
  }

  private undo(group: Group, taken: RateLimitDecision, { cost, tokens, spentNanoUsd = 0 }: Undone): void {
    const limited = this.groups(group.scopes.filter(({ limit }) => countsRates(limit)));
    if (cost > 0 || tokens > 0) void this.giveBack(limited, cost, tokens, taken.atMs);
    if (taken.lease !== undefined) void this.slots.release(taken.lease);
    for (const hold of holdsOf(taken)) void this.money.settle(hold, spentNanoUsd, false);
  }

  private async giveBack(groups: readonly Group[], requests: number, tokens: number, atMs: number): Promise<void> {
    await Promise.all(groups.map((group) => this.tell(group, OperationKind.give, [requests, tokens, atMs])));
  }

  /** An operation without an answer; a failure is only counted. */
  private tell(group: Group, kind: OperationKind, values: RedisOperation['values']): Promise<void> {
    return this.run({ group, kind, values, read: () => undefined }).catch((failure: StoreFailure) => this.outage.count(failure));
  }

  private run<R>({ group, kind, values, read, late }: Run<R>): Promise<R> {
    return this.queue.ask({ kind, tag: group.tag, scopes: group.redis, values, late }, read);
  }

  private orOutage(how: 'check' | 'peek', ask: StoreAsk, failure: StoreFailure): Promise<RateLimitDecision> {
    this.outage.count(failure);
    return this.local !== undefined && hasBudgets(ask.scopes) ? this.local.decide(how, ask) : this.outage.answer(how, ask);
  }

  /** Counts spend during an outage, once. The next outage starts from the current remainder. */
  private async sendSpend({ id, scope, atMs, nanoUsd }: LocalSpend): Promise<void> {
    const [group] = this.groups([scope]);
    const read = (reply: Float64Array, at: number): StaleWindows | undefined => staleWindows(reply, at);
    const run = { kind: OperationKind.mergeSpent, values: [id, nanoUsd, Math.floor(atMs)], read };
    await this.inWindows(group, (fresh) => this.run({ group: fresh, ...run }));
    await this.peekGroup(group, NOTHING);
  }

  /** Groups scopes by slot: one group without a Cluster. */
  private groups(scopes: readonly RateLimitScope[]): readonly Group[] {
    const redis = scopes.map((scope) => this.keys.scope(scope));
    if (scopes.length === 0) return [];
    if (scopes.length === 1 || !this.isCluster) return [{ tag: redis[0].tag, places: [...scopes.keys()], scopes, redis }];
    const tags = [...new Set(redis.map(({ tag }) => tag))];
    return tags.map((tag) => {
      const places = [...scopes.keys()].filter((place) => redis[place].tag === tag);
      return { tag, places, scopes: places.map((place) => scopes[place]), redis: places.map((place) => redis[place]) };
    });
  }
}

/** The same key for a request that has its slot. */
function withoutSlots<T extends RedisScope>(scope: T): T {
  return { ...scope, slotsKey: '', limits: withoutConcurrency(scope.limits) };
}

/** The budgets of one key, under any limit. */
function bookGroup(redis: TaggedScope): Group {
  return { tag: redis.tag, places: [], scopes: [], redis: [redis] };
}

/** The holds that a decision made. */
function holdsOf({ hold }: Pick<RateLimitDecision, 'hold'>): readonly RedisHold[] {
  return Array.isArray(hold) ? (hold as readonly RedisHold[]) : [];
}

function join(parts: readonly RateLimitDecision[], groups: readonly Group[], count: number): RateLimitDecision {
  return joinDecisions(
    parts,
    groups.map(({ places }) => places),
    count,
  );
}
