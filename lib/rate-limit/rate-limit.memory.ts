import type { CapabilityHealth, EngineName, MetricSample } from '../common/capability.js';
import { measure, type CallRecorder } from '../common/recorder.js';
import type { EngineChoice } from '../engine/engine-choice.js';
import { EngineSeries } from '../engine/engine-series.js';
import { decisionOf, tightest } from './rate-limit-decision.memory.js';
import { DecisionField, type RateLimitEngine } from './rate-limit.engine.js';
import type { RateLimit } from './rate-limit.limits.js';
import type { RateLimitDecision, RateLimitScope, RateLimitStore, RateLimitStoreStats, TakenRateLimit } from './rate-limit.store.js';

/** One per engine; -1 until it is first needed. */
type Handles = Record<EngineName, number>;

/** What a store has open: apart from it, so that it can be closed when the store is gone. */
class OpenHandles {
  readonly spaces: Handles = { native: -1, typescript: -1 };
  private readonly policies = new Map<RateLimitEngine, Set<number>>();
  private readonly engines = new Set<RateLimitEngine>();

  space(engine: RateLimitEngine, { name, maxKeys }: MemoryStoreContext): number {
    const space = this.spaces[engine.engine];
    if (space >= 0) return space;
    this.engines.add(engine);
    return (this.spaces[engine.engine] = engine.open(name, maxKeys));
  }

  policy(engine: RateLimitEngine, limit: RateLimit): number {
    const policy = engine.policy({ scope: limit.name, ...limit.limits });
    let held = this.policies.get(engine);
    if (held === undefined) this.policies.set(engine, (held = new Set()));
    // Once is enough: of limits that are made anew with every call there would be no end.
    if (held.has(policy)) engine.closePolicy(policy);
    else held.add(policy);
    return policy;
  }

  close(): void {
    for (const [engine, policies] of this.policies) for (const policy of policies) engine.closePolicy(policy);
    this.policies.clear();
    for (const engine of this.engines) engine.close(this.spaces[engine.engine]);
    this.engines.clear();
    this.spaces.native = this.spaces.typescript = -1;
  }
}

/** Stores that nobody closed and nobody has any more: their keys would stay for good. */
const abandoned = new FinalizationRegistry<OpenHandles>((open) => open.close());

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
  private readonly checks: EngineSeries;
  private chosen: EngineChoice<RateLimitEngine> | undefined = undefined;

  private readonly open = new OpenHandles();
  private policies = new WeakMap<RateLimit, Handles>();

  constructor(
    private readonly offered: EngineChoice<RateLimitEngine>,
    private readonly context: MemoryStoreContext,
    recorder?: CallRecorder,
  ) {
    this.checks = new EngineSeries(recorder, 'rate_limiting', 'check');
    abandoned.register(this, this.open, this);
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
    const nowMs = this.context.now();
    const engine = this.choice.always;
    if (engine === null) return this.checkAssigned(scopes, cost, tokens, nowMs);
    const series = this.checks.of(engine);
    if (series.sampled()) return measure(series, () => this.checkBy(engine, scopes, cost, tokens, nowMs), scopes.length);
    return this.checkBy(engine, scopes, cost, tokens, nowMs);
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
    const { native, typescript } = this.prospect;
    const spaces = [native, typescript].flatMap((engine) => {
      if (engine === null || this.open.spaces[engine.engine] < 0) return [];
      return [engine.stats(this.space(engine))];
    });
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
    this.open.close();
    this.policies = new WeakMap();
  }

  private checkBy(
    engine: RateLimitEngine,
    scopes: readonly RateLimitScope[],
    cost: number,
    tokens: number,
    nowMs: number,
  ): RateLimitDecision {
    try {
      return this.checkOn(engine, scopes, cost, tokens, nowMs);
    } catch (error) {
      return this.choice.recover(error, engine, (other) => this.checkOn(other, scopes, cost, tokens, nowMs));
    }
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
    const code = engine.check(this.space(engine), this.policy(engine, limit), key, cost, tokens, nowMs);
    return decisionOf(code, engine, limit);
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
    const code = engine.peek(this.space(engine), this.policy(engine, limit), key, cost, tokens, nowMs);
    return decisionOf(code, engine, limit);
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
    const code = engine.checkAll(this.space(engine), policies, keys, cost, tokens, nowMs);
    const scope = engine.lastDecision[DecisionField.index];
    const decision = decisionOf(code, engine, scopes[scope].limit);
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
    return this.open.space(engine, this.context);
  }

  private policy(engine: RateLimitEngine, limit: RateLimit): number {
    let handles = this.policies.get(limit);
    if (handles === undefined) this.policies.set(limit, (handles = { native: -1, typescript: -1 }));
    const handle = handles[engine.engine];
    return handle >= 0 ? handle : (handles[engine.engine] = this.open.policy(engine, limit));
  }
}

/** The engine that took from the scope with this index: `lease` names it, or one for each scope. */
function takerOf(lease: string | undefined, scope: number): string | undefined {
  return lease?.includes(' ') === true ? lease.split(' ')[scope] : lease;
}
