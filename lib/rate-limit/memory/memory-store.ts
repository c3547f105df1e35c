import type { CapabilityHealth, MetricSample } from '../../common/capability.js';
import { measure, type CallRecorder, type CallSeries } from '../../common/recorder.js';
import type { EngineChoice } from '../../engine/engine-choice.js';
import { EngineSeries } from '../../engine/engine-series.js';
import { decisionOf, tightest } from './decision.js';
import { OpenEngines } from './engines.js';
import { DecisionField, type RateLimitEngine } from '../engine/engine.js';
import type { RateLimit } from '../limits.js';
import type { RateLimitDecision, RateLimitScope, RateLimitStore, RateLimitStoreStats, TakenRateLimit } from '../store.js';

/** Stores that nobody closed and nobody has any more: their keys would stay for good. */
const abandoned = new FinalizationRegistry<OpenEngines>((open) => open.close());

/** What a memory store takes from its surroundings. */
export interface MemoryStoreContext {
  /** Whole milliseconds that only grow. */
  readonly now: () => number;
  /** Spaces of one name share their keys across the threads of a process, in the native engine. `null` is private. */
  readonly name: string | null;
  readonly maxKeys: number;
}

/** Counters in this process's memory, by the engine that a key belongs to: a key's counters are never split between two. */
export class MemoryRateLimitStore implements RateLimitStore {
  readonly kind = 'memory';
  readonly synchronous = true;
  private chosen: EngineChoice<RateLimitEngine> | undefined = undefined;
  private readonly checks: EngineSeries;
  private readonly engines: OpenEngines;

  constructor(
    private readonly offered: EngineChoice<RateLimitEngine>,
    private readonly context: MemoryStoreContext,
    recorder?: CallRecorder,
  ) {
    this.checks = new EngineSeries(recorder, 'rate_limiting', 'check');
    this.engines = new OpenEngines(context.name, context.maxKeys);
    abandoned.register(this, this.engines, this);
  }

  /**
   * Made with the first question, and for good: where the native engine is the slower one by then, TypeScript keeps all keys. Threads share a name in the
   * native engine only.
   */
  get choice(): EngineChoice<RateLimitEngine> {
    return (this.chosen ??= this.context.name === null ? this.offered.forWhole() : this.offered);
  }

  /** The same, for those who only want to know: it may still change until the first question. */
  get prospect(): EngineChoice<RateLimitEngine> {
    return this.chosen ?? this.offered;
  }

  check(scopes: readonly RateLimitScope[], cost: number, tokens: number): RateLimitDecision {
    if (scopes.length > 1) return this.checkScopes(scopes, cost, tokens);
    const { limit, key } = scopes[0];
    const engine = this.checkKey(limit, key, cost, tokens);
    return engine === null ? this.checkAssigned(scopes, cost, tokens, this.context.now()) : decisionOf(engine, limit);
  }

  /**
   * `check` of one key for those who make no object of the answer: gives the engine that has decided, and has it in its `lastDecision`. `null`, and nothing was
   * asked, while the engine depends on the key.
   */
  checkKey(limit: RateLimit, key: string, cost: number, tokens: number): RateLimitEngine | null {
    const engine = this.choice.always;
    if (engine === null) return null;
    const nowMs = this.context.now();
    const series = this.checks.of(engine);
    if (series.sampled()) return this.measureKey(series, engine, limit, key, cost, tokens, nowMs);
    return this.checkKeyBy(engine, limit, key, cost, tokens, nowMs);
  }

  peek(scopes: readonly RateLimitScope[], cost: number, tokens: number): RateLimitDecision {
    const nowMs = this.context.now();
    const decisions = scopes.map((scope) => this.run('peek', scope.key, (engine) => this.peekOne(engine, scope, cost, tokens, nowMs)));
    if (decisions.length === 1) return decisions[0];
    const standings = decisions.map((decision) => decision.standings[0]);
    let worst = -1;
    decisions.forEach((decision, index) => {
      if (!decision.allowed && (worst < 0 || decision.retryAfterMs > decisions[worst].retryAfterMs)) worst = index;
    });
    const scope = worst < 0 ? tightest(standings) : worst;
    return { ...decisions[scope], standings, scope };
  }

  settle({ scopes, tokens, atMs, lease }: TakenRateLimit, actualTokens: number): void {
    if (tokens === actualTokens) return;
    const nowMs = this.context.now();
    scopes.forEach(({ limit, key }, index) => {
      if (limit.tokensPerMinute === undefined) return;
      this.giveBack('settle', key, takerOf(lease, index), (engine) =>
        engine.settle(this.space(engine), this.policy(engine, limit), key, tokens, actualTokens, atMs, nowMs),
      );
    });
  }

  release({ scopes, atMs, lease }: TakenRateLimit): void {
    scopes.forEach(({ limit, key }, index) => {
      if (limit.maxConcurrent === undefined) return;
      this.giveBack('release', key, takerOf(lease, index), (engine) =>
        engine.release(this.space(engine), this.policy(engine, limit), key, atMs),
      );
    });
  }

  reset({ limit, key }: RateLimitScope): void {
    this.run('reset', key, (engine) => engine.reset(this.space(engine), this.policy(engine, limit), key));
  }

  stats(): RateLimitStoreStats {
    const spaces = this.engines.all().map(({ engine, space }) => engine.stats(space));
    return {
      keys: spaces.reduce((sum, { keys }) => sum + keys, 0),
      evicted: spaces.reduce((sum, { evicted }) => sum + evicted, 0),
    };
  }

  metrics(): readonly MetricSample[] {
    return [];
  }

  health(): Partial<CapabilityHealth> {
    return {};
  }

  close(): void {
    this.engines.close();
  }

  private checkKeyBy(engine: RateLimitEngine, limit: RateLimit, key: string, cost: number, tokens: number, nowMs: number): RateLimitEngine {
    try {
      return this.checkKeyOn(engine, limit, key, cost, tokens, nowMs);
    } catch (error) {
      return this.recoverKey(error, engine, limit, key, cost, tokens, nowMs);
    }
  }

  private checkKeyOn(engine: RateLimitEngine, limit: RateLimit, key: string, cost: number, tokens: number, nowMs: number): RateLimitEngine {
    const opened = this.engines.of(engine);
    engine.check(opened.space, opened.policy(limit), key, cost, tokens, nowMs);
    return engine;
  }

  // Functions of their own: one that makes a closure puts what that needs into an object, even where it comes to no closure.
  private measureKey(
    series: CallSeries,
    engine: RateLimitEngine,
    limit: RateLimit,
    key: string,
    cost: number,
    tokens: number,
    nowMs: number,
  ): RateLimitEngine {
    return measure(series, () => this.checkKeyBy(engine, limit, key, cost, tokens, nowMs), 1);
  }

  private recoverKey(
    error: unknown,
    engine: RateLimitEngine,
    limit: RateLimit,
    key: string,
    cost: number,
    tokens: number,
    nowMs: number,
  ): RateLimitEngine {
    return this.choice.recover(error, engine, (other) => this.checkKeyOn(other, limit, key, cost, tokens, nowMs));
  }

  private checkScopes(scopes: readonly RateLimitScope[], cost: number, tokens: number): RateLimitDecision {
    const nowMs = this.context.now();
    const engine = this.choice.always;
    if (engine === null) return this.checkAssigned(scopes, cost, tokens, nowMs);
    const series = this.checks.of(engine);
    const check = (): RateLimitDecision => this.run('check', undefined, (each) => this.checkAll(each, scopes, cost, tokens, nowMs));
    return series.sampled() ? measure(series, check, scopes.length) : check();
  }

  private checkOn(
    engine: RateLimitEngine,
    scopes: readonly RateLimitScope[],
    cost: number,
    tokens: number,
    nowMs: number,
  ): RateLimitDecision {
    if (scopes.length > 1) return this.checkAll(engine, scopes, cost, tokens, nowMs);
    const { limit, key } = scopes[0];
    return decisionOf(this.checkKeyOn(engine, limit, key, cost, tokens, nowMs), limit);
  }

  /** While the engine depends on the key. */
  private checkAssigned(scopes: readonly RateLimitScope[], cost: number, tokens: number, nowMs: number): RateLimitDecision {
    const native = scopes.filter(({ key }) => this.choice.assigned(key) === 'native');
    const own = scopes.filter((scope) => !native.includes(scope));
    const check = (some: readonly RateLimitScope[]): RateLimitDecision =>
      this.choice.run('check', some[0].key, (engine) => this.checkOn(engine, some, cost, tokens, nowMs));
    if (native.length === 0 || own.length === 0) return check(scopes);
    // All or nothing over two engines: only other threads can come in between, and they share the native one alone. So that one decides last of all
    // that may still refuse.
    const foreseen = this.peek(own, cost, tokens);
    const verdict = foreseen.allowed ? check(native) : foreseen;
    if (verdict.allowed) check(own);
    const { standings } = this.peek(scopes, 0, 0);
    const scope = verdict.allowed ? tightest(standings) : scopes.indexOf((verdict === foreseen ? own : native)[verdict.scope]);
    return { ...verdict, standings, scope, lease: scopes.map((each) => (native.includes(each) ? 'native' : 'typescript')).join(' ') };
  }

  private peekOne(engine: RateLimitEngine, { limit, key }: RateLimitScope, cost: number, tokens: number, nowMs: number): RateLimitDecision {
    engine.peek(this.space(engine), this.policy(engine, limit), key, cost, tokens, nowMs);
    return decisionOf(engine, limit);
  }

  private checkAll(
    engine: RateLimitEngine,
    scopes: readonly RateLimitScope[],
    cost: number,
    tokens: number,
    nowMs: number,
  ): RateLimitDecision {
    const policies = Uint32Array.from(scopes, ({ limit }) => this.policy(engine, limit));
    const keys = scopes.map(({ key }) => key);
    engine.checkAll(this.space(engine), policies, keys, cost, tokens, nowMs);
    const scope = engine.lastDecision[DecisionField.index];
    const decision = decisionOf(engine, scopes[scope].limit);
    return { ...decision, standings: scopes.map((each) => this.peekOne(engine, each, 0, 0, nowMs).standings[0]), scope };
  }

  private run<R>(operation: string, key: string | undefined, call: (engine: RateLimitEngine) => R): R {
    const engine = this.choice.always;
    if (engine === null) return this.choice.run(operation, key, call);
    try {
      return call(engine);
    } catch (error) {
      return this.choice.recover(error, engine, call);
    }
  }

  /**
   * By the engine that took: after a change of engines the other one's counters are of other requests. Where it fails there is nothing to make good elsewhere.
   */
  private giveBack(operation: string, key: string, taker: string | undefined, call: (engine: RateLimitEngine) => void): void {
    const { native, typescript, always } = this.choice;
    const engine = taker === 'native' ? native : typescript;
    // Without a mark it is a key's, of whichever request; and beside a shadow both have taken.
    const isAnybodys = taker === undefined || (taker === 'typescript' && always === null && this.choice.assigned(key) === 'both');
    if (isAnybodys || engine === null) return this.run(operation, key, call);
    try {
      call(engine);
    } catch (error) {
      this.choice.recover(error, engine, () => {});
    }
  }

  private space(engine: RateLimitEngine): number {
    return this.engines.of(engine).space;
  }

  private policy(engine: RateLimitEngine, limit: RateLimit): number {
    return this.engines.of(engine).policy(limit);
  }
}

/** The engine that took from the scope with this index: `lease` names it, or one for each scope. */
function takerOf(lease: string | undefined, scope: number): string | undefined {
  return lease?.includes(' ') === true ? lease.split(' ')[scope] : lease;
}
