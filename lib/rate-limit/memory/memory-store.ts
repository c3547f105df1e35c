import type { CapabilityHealth, MetricSample } from '../../common/capability.js';
import { measure, type CallRecorder } from '../../common/recorder.js';
import type { StateFile } from '../../common/state-file.js';
import type { EngineChoice } from '../../engine/engine-choice.js';
import type { Ask, RateLimitEngine } from '../engine/engine.js';
import { InvalidArgumentError } from '../../common/errors.js';
import type { LogSink } from '../../common/log-sink.js';
import { countsRates, hasBudgets, type RateLimit } from '../limits.js';
import type {
  BudgetChange,
  BudgetKeys,
  Extension,
  HeldMoney,
  MoreTokens,
  RateLimitDecision,
  RateLimitScope,
  RateLimitStanding,
  RateLimitStore,
  RateLimitStoreStats,
  Settled,
  TakenRateLimit,
  TokenDenial,
} from '../store.js';
import { BudgetDecisions, type RateDecisions } from './budget-decisions.js';
import { BudgetHold, BudgetLedger } from './budget-ledger.js';
import { openBudgetSnapshot } from './budget-snapshot.js';
import { EngineSpace } from './engine-space.js';
import { engineSeries, type EngineSeries } from '../../engine/engine-recorder.js';

/** When to try again after a decision at which the native engine failed. */
const RETRY_AFTER_FAULT_MS = 1_000;

/** Closes the spaces of stores that were collected without close(): their keys would leak. */
const abandoned = new FinalizationRegistry<Map<RateLimitEngine, EngineSpace>>((spaces) => spaces.forEach((space) => space.close()));

/** Dependencies of a memory store. */
export interface MemoryStoreContext {
  /** Whole milliseconds that only grow. */
  readonly now: () => number;
  /** Name of a space whose keys all threads share (native engine); `null`: private. */
  readonly name: string | null;
  readonly maxKeys: number;
  /** Shares of a budget whose crossing a settlement reports. */
  readonly alertAt: readonly number[];
  /** Where budgets are kept over a restart. */
  readonly snapshotFile?: string;
  /** Where a failed write of that file is logged. */
  readonly log?: Pick<LogSink, 'warn'>;
}

/**
 * Counters in the memory of this process. A key stays in one engine for the life of the store, even
 * if the circuit breaker trips: the engine of the flag at the first decision, or of the key's share
 * of a rollout. If the native engine fails, the request is denied, because only it has the key's
 * counters.
 */
export class MemoryRateLimitStore implements RateLimitStore {
  readonly kind = 'memory';
  readonly synchronous = true;
  readonly keepsBudgets = true;
  private readonly ledger: BudgetLedger;
  private readonly budgets: BudgetDecisions;
  private readonly snapshot: StateFile | undefined;
  private readonly checks: EngineSeries;
  private readonly spaces = new Map<RateLimitEngine, EngineSpace>();
  /** Engine of all keys; `null`: it depends on the key; `undefined`: before the first decision. */
  private engineOfAll: RateLimitEngine | null | undefined = undefined;

  constructor(
    private readonly choice: EngineChoice<RateLimitEngine>,
    private readonly context: MemoryStoreContext,
    recorder?: CallRecorder,
  ) {
    this.checks = engineSeries(recorder, 'rate_limiting', 'check');
    abandoned.register(this, this.spaces, this);
    this.ledger = new BudgetLedger(context.maxKeys, context.alertAt);
    const rates: RateDecisions = {
      check: (scopes, ask) => this.checkRates(scopes, ask),
      peek: (scopes, ask) => this.peekAt(scopes, ask),
    };
    this.budgets = new BudgetDecisions(this.ledger, rates);
    this.snapshot = context.snapshotFile === undefined ? undefined : openBudgetSnapshot(this.ledger, context.snapshotFile, context.log);
  }

  /** The engine that decides; in a rollout or a shadow run, that of a request without a key. */
  get engine(): RateLimitEngine {
    return this.engineOfAll ?? this.choice.activeEngine;
  }

  check(scopes: readonly RateLimitScope[], cost: number, tokens: number, nanoUsd = 0): RateLimitDecision {
    const ask = { cost, tokens, nowMs: this.context.now() };
    return hasBudgets(scopes) ? this.budgets.check(scopes, ask, nanoUsd) : this.checkRates(scopes, ask);
  }

  peek(scopes: readonly RateLimitScope[], cost: number, tokens: number, nanoUsd = 0): RateLimitDecision {
    const ask = { cost, tokens, nowMs: this.context.now() };
    return hasBudgets(scopes) ? this.budgets.peek(scopes, ask, nanoUsd) : this.peekAt(scopes, ask);
  }

  private checkRates(scopes: readonly RateLimitScope[], ask: Ask): RateLimitDecision {
    const owner = this.engineOfAll ?? this.ownerOf(scopes);
    if (owner === undefined) return this.checkBoth(scopes, ask);
    if (owner === null) return this.shadow('check', (space) => space.check(scopes, ask));
    const series = this.checks[owner.engine];
    return series.sampled() ? measure(series, () => this.checkIn(owner, scopes, ask), scopes.length) : this.checkIn(owner, scopes, ask);
  }

  private checkIn(owner: RateLimitEngine, scopes: readonly RateLimitScope[], ask: Ask): RateLimitDecision {
    try {
      return (this.spaces.get(owner) ?? this.openSpace(owner)).check(scopes, ask);
    } catch (error) {
      return this.choice.recover(error, owner, () => failed(ask));
    }
  }

  settle(
    { scopes, tokens: reservedTokens, atMs: takenAtMs, hold, nanoUsd }: TakenRateLimit,
    actualTokens: number,
    actualNanoUsd = nanoUsd,
  ): Settled {
    const spent = hold instanceof BudgetHold ? this.ledger.settle(hold, actualNanoUsd ?? hold.nanoUsd, this.context.now) : undefined;
    if (reservedTokens === actualTokens) return spent;
    const settlement = { reservedTokens, actualTokens, takenAtMs, nowMs: this.context.now() };
    for (const scope of scopes) {
      if (scope.limit.tokensPerMinute === undefined) continue;
      this.onOwner('settle', scope, (space) => space.settle(scope, settlement));
    }
    return spent;
  }

  reserveMore({ scopes, atMs }: TakenRateLimit, tokens: number): MoreTokens | TokenDenial {
    const nowMs = this.context.now();
    const limited = scopes.filter(({ limit }) => limit.tokensPerMinute !== undefined);
    for (const scope of limited) {
      // Its own slot can be the last one; the standing reports the remaining ones.
      const { standings } = this.peekAt([scope], { cost: 0, tokens: 0, nowMs });
      const { remainingTokens = 0, tokensResetMs = RETRY_AFTER_FAULT_MS } = standings.at(0) ?? {};
      if (remainingTokens >= tokens) continue;
      const { exceeded, retryAfterMs } = this.peekAt([scope], { cost: 0, tokens, nowMs });
      return { limit: scope.limit, retryAfterMs: exceeded === 'tokens' ? retryAfterMs : tokensResetMs };
    }
    // Charged as a settlement of 0 reserved tokens, because a check without a request leaves
    // nothing to settle.
    const settlement = { reservedTokens: 0, actualTokens: tokens, takenAtMs: atMs, nowMs };
    for (const scope of limited) this.onOwner('settle', scope, (space) => space.settle(scope, settlement));
    return { tokens, atMs };
  }

  extend({ hold }: TakenRateLimit, nanoUsd: number): Extension {
    return hold instanceof BudgetHold ? this.ledger.extend(hold, nanoUsd, this.context.now()) : undefined;
  }

  changeBudget(scope: RateLimitScope, change: BudgetChange): void {
    this.ledger.change(scope, change, this.context.now());
  }

  holds(scope: RateLimitScope): HeldMoney {
    return this.ledger.holds(scope, this.context.now());
  }

  budgetKeys(limits: readonly RateLimit[], count: number, cursor = '0'): BudgetKeys {
    if (!/^\d{1,15}$/.test(cursor)) throw new InvalidArgumentError('cursor', cursor, 'must be a cursor from an earlier page');
    const from = Number(cursor);
    const names = this.ledger.names(from, count);
    const seen = new Set<string>();
    const keys = names.flatMap(([limitName, key]) => {
      const limit = limits.find(({ name }) => name === limitName);
      // A key has an account for each of its budgets.
      if (limit === undefined || seen.has(`${limitName}/${key}`)) return [];
      seen.add(`${limitName}/${key}`);
      return [{ limit, key, budgets: this.ledger.standings({ limit, key }, this.context.now()) ?? [] }];
    });
    return { keys, cursor: names.length < count ? undefined : String(from + count) };
  }

  release({ scopes, atMs }: TakenRateLimit): void {
    for (const scope of scopes) {
      if (scope.limit.maxConcurrent !== undefined) this.onOwner('release', scope, (space) => space.release(scope, atMs));
    }
  }

  reset(scope: RateLimitScope): void {
    this.ledger.reset(scope);
    if (!countsRates(scope.limit)) return;
    this.onOwner('reset', scope, (space) => space.reset(scope));
  }

  stats(): RateLimitStoreStats {
    const spaces = [...this.spaces.values()].map((space) => space.stats());
    return {
      keys: spaces.reduce((sum, { keys }) => sum + keys, this.ledger.size),
      evicted: spaces.reduce((sum, { evicted }) => sum + evicted, this.ledger.evicted),
    };
  }

  metrics(): readonly MetricSample[] {
    return [];
  }

  health(): Partial<CapabilityHealth> {
    const failure = this.snapshot?.failure;
    return failure === undefined ? {} : { status: 'degraded', reason: `cannot write rateLimit.budgets.snapshotFile (${failure})` };
  }

  async close(): Promise<void> {
    this.spaces.forEach((space) => space.close());
    this.spaces.clear();
    await this.snapshot?.close();
  }

  /** Scopes of both engines, in a rollout. Native decides last: other threads may take from it. */
  private checkBoth(scopes: readonly RateLimitScope[], ask: Ask): RateLimitDecision {
    const native = scopes.filter(({ key }) => this.owner(key) === this.choice.native);
    const own = scopes.filter((scope) => !native.includes(scope));
    const foreseen = this.peekAt(own, ask);
    const decision = foreseen.allowed ? this.checkRates(native, ask) : foreseen;
    if (decision.outage !== undefined) return decision;
    if (decision.allowed) this.checkRates(own, ask);
    const { standings } = this.peekAt(scopes, { cost: 0, tokens: 0, nowMs: ask.nowMs });
    const scope = decision.allowed ? tightest(standings) : scopes.indexOf((decision === foreseen ? own : native)[decision.scope]);
    return { ...decision, standings, scope };
  }

  private peekAt(scopes: readonly RateLimitScope[], ask: Ask): RateLimitDecision {
    const decisions = scopes.map((scope) => this.onOwner('peek', scope, (space) => space.peek(scope, ask)) ?? failed(ask));
    const outage = decisions.find((decision) => decision.outage !== undefined);
    if (outage !== undefined || decisions.length === 1) return outage ?? decisions[0];
    const standings = decisions.map((decision) => decision.standings[0]);
    let longest = -1;
    decisions.forEach((decision, index) => {
      if (!decision.allowed && (longest < 0 || decision.retryAfterMs > decisions[longest].retryAfterMs)) longest = index;
    });
    const scope = longest < 0 ? tightest(standings) : longest;
    return { ...decisions[scope], standings, scope };
  }

  /** The engine of several keys, as `owner`; `undefined`: they have different ones. */
  private ownerOf(scopes: readonly RateLimitScope[]): RateLimitEngine | null | undefined {
    const owner = this.owner(scopes[0].key);
    return scopes.every(({ key }) => this.owner(key) === owner) ? owner : undefined;
  }

  /** The engine of a key; `null` in a shadow run, in which TypeScript decides. */
  private owner(key: string): RateLimitEngine | null {
    const { choice } = this;
    if (this.engineOfAll === undefined) this.engineOfAll = choice.impaired ? choice.typescript : choice.always;
    if (this.engineOfAll !== null) return this.engineOfAll;
    const assigned = choice.assigned(key);
    if (assigned === 'both') return null;
    return assigned === 'native' && choice.native !== null ? choice.native : choice.typescript;
  }

  /**
   * Works on a key where its counters are. `undefined`: the native engine failed, which is counted.
   */
  private onOwner<R>(operation: string, { key }: RateLimitScope, work: (space: EngineSpace) => R): R | undefined {
    const owner = this.engineOfAll ?? this.owner(key);
    if (owner === null) return this.shadow(operation, work);
    try {
      return work(this.spaces.get(owner) ?? this.openSpace(owner));
    } catch (error) {
      return this.choice.recover(error, owner, () => undefined);
    }
  }

  private shadow<R>(operation: string, work: (space: EngineSpace) => R): R {
    return this.choice.run(operation, undefined, (engine) => work(this.spaces.get(engine) ?? this.openSpace(engine)));
  }

  private openSpace(engine: RateLimitEngine): EngineSpace {
    const space = new EngineSpace(engine, this.context.name, this.context.maxKeys);
    this.spaces.set(engine, space);
    return space;
  }
}

function failed({ nowMs }: Ask): RateLimitDecision {
  return { allowed: false, scope: 0, retryAfterMs: RETRY_AFTER_FAULT_MS, standings: [], atMs: nowMs, outage: 'deny' };
}

/** Index of the scope with the least requests left. */
function tightest(standings: readonly RateLimitStanding[]): number {
  let least = 0;
  for (let i = 1; i < standings.length; i++) if (standings[i].remainingRequests < standings[least].remainingRequests) least = i;
  return least;
}
