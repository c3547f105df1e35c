import {
  DecisionCode,
  DecisionField,
  EXCEEDED,
  type Ask,
  type PolicyKey,
  type RateLimitEngine,
  type Settlement,
} from '../engine/engine.js';
import type { RateLimit } from '../limits.js';
import type { RateLimitDecision, RateLimitScope, RateLimitStanding, RateLimitStoreStats } from '../store.js';

/** The handles of a memory store in one engine: a space for its keys, and a policy per limit. */
export class EngineSpace {
  private readonly space: number;
  private readonly policies = new WeakMap<RateLimit, number>();
  private readonly open = new Set<number>();
  /** Most apps decide under one limit, and a weak map takes 20 ns. */
  private latestLimit: RateLimit | undefined = undefined;
  private latestPolicy = 0;

  constructor(
    private readonly engine: RateLimitEngine,
    name: string | null,
    maxKeys: number,
  ) {
    this.space = engine.open(name, maxKeys);
  }

  check(scopes: readonly RateLimitScope[], ask: Ask): RateLimitDecision {
    if (scopes.length === 1) {
      this.engine.check(this.space, this.policyKey(scopes[0]), ask);
      return this.lastDecision(0, [this.lastStanding(scopes[0].limit)]);
    }
    const keys = new Array<PolicyKey>(scopes.length);
    for (let i = 0; i < scopes.length; i++) keys[i] = this.policyKey(scopes[i]);
    this.engine.checkAll(this.space, keys, ask);
    const standings = new Array<RateLimitStanding>(scopes.length);
    const decision = this.lastDecision(this.engine.lastDecision[DecisionField.index], standings);
    const nothing = { cost: 0, tokens: 0, nowMs: ask.nowMs };
    for (let i = 0; i < scopes.length; i++) {
      this.engine.peek(this.space, keys[i], nothing);
      standings[i] = this.lastStanding(scopes[i].limit);
    }
    return decision;
  }

  peek(scope: RateLimitScope, ask: Ask): RateLimitDecision {
    this.engine.peek(this.space, this.policyKey(scope), ask);
    return this.lastDecision(0, [this.lastStanding(scope.limit)]);
  }

  settle(scope: RateLimitScope, settlement: Settlement): void {
    this.engine.settle(this.space, this.policyKey(scope), settlement);
  }

  release(scope: RateLimitScope, takenAtMs: number): void {
    this.engine.release(this.space, this.policyKey(scope), takenAtMs);
  }

  reset(scope: RateLimitScope): void {
    this.engine.reset(this.space, this.policyKey(scope));
  }

  stats(): Required<RateLimitStoreStats> {
    return this.engine.stats(this.space);
  }

  close(): void {
    for (const policy of this.open) this.engine.closePolicy(policy);
    this.engine.close(this.space);
  }

  private policyKey({ limit, key }: RateLimitScope): PolicyKey {
    let policy = limit === this.latestLimit ? this.latestPolicy : this.policies.get(limit);
    if (policy === undefined) this.policies.set(limit, (policy = this.openPolicy(limit)));
    this.latestLimit = limit;
    this.latestPolicy = policy;
    return { policy, key };
  }

  private openPolicy(limit: RateLimit): number {
    const policy = this.engine.policy({ scope: limit.name, ...limit.limits });
    // One handle per policy; otherwise, limits created for every call would open any number of
    // them.
    if (this.open.has(policy)) this.engine.closePolicy(policy);
    else this.open.add(policy);
    return policy;
  }

  /** Returns the state of a limit after the last decision. */
  private lastStanding({ bucket, windows, tokensPerMinute }: RateLimit): RateLimitStanding {
    const { lastDecision: last } = this.engine;
    const hasRequests = bucket !== undefined || windows.length > 0;
    const hasTokens = tokensPerMinute !== undefined;
    return {
      limit: hasRequests ? last[DecisionField.limit] : Infinity,
      remainingRequests: hasRequests ? last[DecisionField.remainingRequests] : Infinity,
      remainingTokens: hasTokens ? last[DecisionField.remainingTokens] : undefined,
      resetMs: last[DecisionField.resetMs],
      tokensResetMs: hasTokens ? last[DecisionField.tokensResetMs] : undefined,
      budgets: undefined,
    };
  }

  private lastDecision(scope: number, standings: readonly RateLimitStanding[]): RateLimitDecision {
    const { lastDecision: last } = this.engine;
    const code = last[DecisionField.code];
    return {
      allowed: code === DecisionCode.allowed,
      scope,
      exceeded: code === DecisionCode.allowed ? undefined : EXCEEDED[code],
      retryAfterMs: last[DecisionField.retryAfterMs],
      standings,
      atMs: last[DecisionField.atMs],
      // Filled in later with budgets: adding fields would be slow and create a second object shape.
      hold: undefined,
      budget: undefined,
    };
  }
}
