import type { Capability, CapabilityHealth, MetricSample } from '../common/capability.js';
import { FastLiteLLMError, InvalidArgumentError } from '../common/errors.js';
import { samplesOf } from '../common/metric-samples.js';
import { checkArray, checkInteger, checkObject, refuseArgument } from '../common/options.js';
import type { CallRecorder } from '../common/recorder.js';
import { turnClock } from '../common/turn-clock.js';
import type { EngineChoice } from '../engine/engine-choice.js';
import { faultOf } from './engine/self-test.js';
import { LimitWatch } from './metrics/near-limits.js';
import { checkAmount, LARGEST_AMOUNT, LimitTable, type CheckOptions, type LimitChoice, type ScopeList } from './arguments.js';
import { DecisionCounts } from './metrics/counts.js';
import { DecisionCode, DecisionField, EXCEEDED, type RateLimitEngine } from './engine/engine.js';
import type { RateLimit } from './limits.js';
import { MemoryRateLimitStore } from './memory/memory-store.js';
import type { ResolvedRateLimitOptions } from './rate-limit.options.js';
import type { RateLimitDecision, RateLimitScope, RateLimitStore } from './store.js';
import { Reservation, type RateLimitResult } from './reservation.js';

/** What `getStats` answers. */
export interface RateLimitStats {
  readonly totalChecks: number;
  readonly allowedCount: number;
  readonly deniedCount: number;
  /** Keys that are remembered; absent where the store does not know without asking a server. */
  readonly keys?: number;
  /** How the keys stand that were asked for. */
  readonly details?: Readonly<Record<string, RateLimitResult>>;
}

/**
 * Decides who may pass, and keeps the counters.
 * Methods without `Async` answer at once, which the store in memory does; with another one they throw (`STORE_ANSWERS_LATER`).
 * All throw `InvalidArgumentError` on arguments that can never work.
 *
 * @example
 * const { allowed, retryAfterMs } = limiter.check('user_123');
 * const reservation = limiter.reserve(['key:a1', { key: 'team:7', limit: 'team' }], { tokens: 900 });
 * if (reservation.allowed) limiter.settle(reservation, usage.total_tokens);
 */
export class RateLimiterService implements Capability {
  readonly capability = 'rate_limiting';
  /** Where the counters live. */
  readonly store: RateLimitStore;

  private readonly table: LimitTable;
  private readonly memory: MemoryRateLimitStore;
  /** The memory, where it is asked itself and nobody watches. */
  private direct: MemoryRateLimitStore | null;
  private readonly counts = new DecisionCounts();
  private limitWatch: LimitWatch | null = null;

  /** @internal Made by `FastLiteLLM`. */
  constructor(
    choice: EngineChoice<RateLimitEngine>,
    readonly options: ResolvedRateLimitOptions,
    /** Milliseconds that only grow. */
    now: () => number = turnClock(),
    recorder?: CallRecorder,
  ) {
    this.table = new LimitTable(options);
    this.memory = new MemoryRateLimitStore(choice, { now, name: options.sharedAs, maxKeys: options.maxKeys }, recorder);
    const { store = this.memory } = options;
    this.store = typeof store === 'function' ? store(this.memory) : store;
    this.direct = this.store === this.memory ? this.memory : null;
  }

  /** Asks for `cost` requests and `tokens`, and takes them if all limits allow. What `maxConcurrent` holds then is freed by `release(key)`. */
  check(key: string, options: CheckOptions = {}): RateLimitResult {
    checkKey('key', key);
    return this.reserve(key, options);
  }

  /** The same as `check`, for every store. */
  checkAsync(key: string, options: CheckOptions = {}): Promise<RateLimitResult> {
    return promised(() => this.take(checkKey('key', key), options));
  }

  /** `check(…).allowed`: it takes. */
  isAllowed(key: string, options: CheckOptions = {}): boolean {
    checkKey('key', key);
    const limit = this.table.of(options);
    const cost = checkAmount('cost', options.cost, 1);
    const engine = this.direct === null ? null : this.direct.checkKey(limit, key, cost, checkAmount('tokens', options.tokens, 0));
    if (engine === null) return this.reserve(key, options).allowed;
    const code = engine.lastDecision[DecisionField.code];
    this.counts.add(code === DecisionCode.allowed, EXCEEDED[code]);
    return code === DecisionCode.allowed;
  }

  /** Requests that would pass right now. Takes nothing. */
  getRemaining(key: string, options: LimitChoice = {}): number {
    checkObject('options', options, refuseArgument);
    return this.peek(key, { ...options, cost: 0, tokens: 0 }).remainingRequests;
  }

  /** What `check` would answer. Takes nothing. */
  peek(keys: ScopeList, options: CheckOptions = {}): RateLimitResult {
    this.checkSynchronous();
    return this.look(keys, options) as Reservation;
  }

  /** The same as `peek`, for every store. */
  peekAsync(keys: ScopeList, options: CheckOptions = {}): Promise<RateLimitResult> {
    return promised(() => this.look(keys, options));
  }

  /**
   * Takes requests, tokens and slots of every key, or of none. Hand the result to `settle` when it is known how many tokens were really used;
   * if that never happens it stands as it is.
   */
  reserve(keys: ScopeList, options: CheckOptions = {}): Reservation {
    this.checkSynchronous();
    return this.take(keys, options) as Reservation;
  }

  /** The same as `reserve`, for every store. */
  reserveAsync(keys: ScopeList, options: CheckOptions = {}): Promise<Reservation> {
    return promised(() => this.take(keys, options));
  }

  /**
   * Replaces the reserved tokens by those that were used (0 gives all back) and frees what `maxConcurrent` holds. A second time does nothing,
   * and so does settling a refusal. A store elsewhere is told without waiting for it.
   */
  settle(reservation: Reservation, actualTokens: number): void {
    unattended(this.finish(reservation, actualTokens));
  }

  /** The same, done when the promise is. */
  async settleAsync(reservation: Reservation, actualTokens: number): Promise<void> {
    await this.finish(reservation, actualTokens);
  }

  /** Frees what `maxConcurrent` holds, once for a reservation; of a `check`, by its key. Tokens stay as they are. */
  release(held: Reservation | string, options: LimitChoice = {}): void {
    unattended(this.free(held, options));
  }

  /** The same, done when the promise is. */
  async releaseAsync(held: Reservation | string, options: LimitChoice = {}): Promise<void> {
    await this.free(held, options);
  }

  /** Forgets a key, under one limit. */
  reset(key: string, options: LimitChoice = {}): void {
    checkKey('key', key);
    unattended(this.store.reset(this.table.scopes(key, options)[0]));
  }

  /** The same, done when the promise is. */
  async resetAsync(key: string, options: LimitChoice = {}): Promise<void> {
    checkKey('key', key);
    await this.store.reset(this.table.scopes(key, options)[0]);
  }

  /** What was decided here since the start; and how `keys` stand, under the limits in the options. */
  getStats(keys: readonly string[] = []): RateLimitStats {
    const { allowed: allowedCount, denied: deniedCount } = this.counts;
    const asked = checkArray('keys', keys, checkKey, refuseArgument).map((key) => [key, this.peek(key, { cost: 0 })] as const);
    return {
      totalChecks: allowedCount + deniedCount,
      allowedCount,
      deniedCount,
      keys: this.store.stats().keys,
      ...(asked.length > 0 && { details: Object.fromEntries(asked) }),
    };
  }

  /** The limits of a name, or those given with it; for those who decide often. */
  limitOf(choice: LimitChoice): RateLimit {
    return this.table.of(choice);
  }

  /** The decision itself, at once or later as the store does. Arguments are the caller's responsibility. */
  decide(scopes: readonly RateLimitScope[], cost: number, tokens: number): RateLimitDecision | Promise<RateLimitDecision> {
    const taken = this.store.check(scopes, cost, tokens);
    return taken instanceof Promise ? taken.then((late) => this.counted(late, scopes)) : this.counted(taken, scopes);
  }

  /** Peeks; a denial counts as a decision. Arguments are the caller's responsibility. */
  precheck(scopes: readonly RateLimitScope[], cost: number, tokens: number): RateLimitDecision | Promise<RateLimitDecision> {
    const counted = (seen: RateLimitDecision): RateLimitDecision => (seen.allowed ? seen : this.counted(seen, scopes));
    const seen = this.store.peek(scopes, cost, tokens);
    return seen instanceof Promise ? seen.then(counted) : counted(seen);
  }

  /**
   * Begins to remember which keys come near to their limits; nothing is remembered before. For dashboards.
   * @internal
   */
  watch(): LimitWatch {
    this.direct = null;
    return (this.limitWatch ??= new LimitWatch(this.store));
  }

  /** Metrics of this capability at this moment, as data. */
  metrics(): readonly MetricSample[] {
    const { keys, evicted } = this.store.stats();
    const sample = samplesOf('rate_limit');
    return [
      ...this.counts.samples(),
      ...(keys === undefined ? [] : [sample('keys', 'Keys that are remembered.', 'gauge', keys)]),
      ...(evicted === undefined
        ? []
        : [sample('evicted_keys_total', 'Keys forgotten before their time: maxKeys was reached.', 'counter', evicted)]),
      ...this.store.metrics(),
    ];
  }

  /** Asks the engine in charge for a history of decisions that is known, and the store how it is. */
  health(): CapabilityHealth | Promise<CapabilityHealth> {
    const { active: engine, reason, native, typescript, impaired } = this.memory.prospect;
    const fault = faultOf(engine === 'native' && native !== null ? native : typescript);
    const own: CapabilityHealth =
      fault === undefined
        ? { status: impaired ? 'degraded' : 'ok', engine, reason, store: this.store.kind }
        : { status: 'down', engine, reason: `the ${engine} engine ${fault}`, store: this.store.kind };
    const merge = (store: Partial<CapabilityHealth>): CapabilityHealth =>
      own.status === 'ok' ? { ...own, ...store } : { ...store, ...own };
    const store = this.store.health();
    return store instanceof Promise ? store.then(merge) : merge(store);
  }

  /** Gives back memory and connections. More than once is safe. */
  async close(): Promise<void> {
    this.memory.close();
    if (this.store !== this.memory) await this.store.close();
  }

  private finish(reservation: Reservation, actualTokens: number): void | Promise<unknown> {
    const tokens = checkInteger('actualTokens', actualTokens, { min: 0, max: LARGEST_AMOUNT }, refuseArgument);
    const taken = Reservation.takeForSettlement(Reservation.checked('reservation', reservation));
    const counts = taken?.scopes.some(({ limit }) => limit.tokensPerMinute !== undefined);
    const settled = taken !== undefined && counts ? this.store.settle(taken, tokens) : undefined;
    const released = this.free(reservation, {});
    return settled || released ? Promise.all([settled, released]) : undefined;
  }

  private free(held: Reservation | string, options: LimitChoice): void | Promise<void> {
    if (typeof held === 'string') return this.store.release({ scopes: this.table.scopes(held, options), tokens: 0, atMs: Infinity });
    const taken = Reservation.takeForRelease(Reservation.checked('held', held));
    return taken?.scopes.some(({ limit }) => limit.maxConcurrent !== undefined) ? this.store.release(taken) : undefined;
  }

  private look(keys: ScopeList, options: CheckOptions): Reservation | Promise<Reservation> {
    const scopes = this.table.scopes(keys, options);
    const cost = checkAmount('cost', options.cost, 1);
    const seen = this.store.peek(scopes, cost, checkAmount('tokens', options.tokens, 0));
    return seen instanceof Promise ? seen.then((late) => Reservation.of(late)) : Reservation.of(seen);
  }

  private take(keys: ScopeList, options: CheckOptions): Reservation | Promise<Reservation> {
    const { direct } = this;
    const taken = direct !== null && typeof keys === 'string' ? this.takeKey(direct, keys, options) : null;
    return taken ?? this.takeAll(keys, options);
  }

  private takeKey(direct: MemoryRateLimitStore, key: string, options: CheckOptions): Reservation | null {
    const limit = this.table.of(options);
    const cost = checkAmount('cost', options.cost, 1);
    const tokens = checkAmount('tokens', options.tokens, 0);
    const engine = direct.checkKey(limit, key, cost, tokens);
    if (engine === null) return null;
    const taken = Reservation.ofKey(engine, limit, key, tokens);
    this.counts.add(taken.allowed, taken.exceeded);
    return taken;
  }

  private takeAll(keys: ScopeList, options: CheckOptions): Reservation | Promise<Reservation> {
    const scopes = this.table.scopes(keys, options);
    const cost = checkAmount('cost', options.cost, 1);
    const taken = { scopes, tokens: checkAmount('tokens', options.tokens, 0) };
    const decision = this.decide(scopes, cost, taken.tokens);
    return decision instanceof Promise ? decision.then((late) => Reservation.of(late, taken)) : Reservation.of(decision, taken);
  }

  private checkSynchronous(): void {
    if (this.direct !== null || this.store.synchronous === true) return;
    throw new FastLiteLLMError('STORE_ANSWERS_LATER', `the ${this.store.kind} store answers later: call the method that ends in Async`);
  }

  private counted(decision: RateLimitDecision, scopes: readonly RateLimitScope[]): RateLimitDecision {
    if (this.limitWatch !== null) this.limitWatch.saw(scopes, decision);
    this.counts.add(decision.allowed, decision.exceeded);
    return decision;
  }
}

function checkKey(path: string, key: unknown): string {
  if (typeof key === 'string') return key;
  throw new InvalidArgumentError(path, key, 'must be a string');
}

/** What it gives as a promise, and what it throws as one that is rejected: an async function would take three turns more for a promise that it returns. */
function promised<T>(ask: () => T | Promise<T>): Promise<T> {
  try {
    const answer = ask();
    return answer instanceof Promise ? answer : Promise.resolve(answer);
  } catch (error) {
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- what was thrown, whatever it is
    return Promise.reject(error);
  }
}

/** Nobody waits: a store counts its own failures. */
function unattended(work: void | Promise<unknown>): void {
  if (work instanceof Promise) work.catch(() => {});
}
