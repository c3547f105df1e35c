import {
  DecisionCode,
  DecisionField,
  EXCEEDED,
  type Ask,
  type PolicyKey,
  type RateLimitEngine,
  type Settlement,
} from '../engine/engine.js';
import { countsRequests, type RateLimit } from '../limits.js';
import type { RateLimitDecision, RateLimitScope, RateLimitStanding, RateLimitStoreStats } from '../store.js';

/** The handles of a memory store in one engine: a space for its keys, and a policy per limit. */
export class EngineSpace {
  private readonly space: number;
  private readonly policies = new WeakMap<RateLimit, number>();
  private readonly open = new Set<number>();

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
      return this.lastDecision(scopes[0].limit);
    }
    this.engine.checkAll(
      this.space,
      scopes.map((scope) => this.policyKey(scope)),
      ask,
    );
    const scope = this.engine.lastDecision[DecisionField.index];
    const decision = this.lastDecision(scopes[scope].limit);
    const nothing = { cost: 0, tokens: 0, nowMs: ask.nowMs };
    return { ...decision, standings: scopes.map((each) => this.peek(each, nothing).standings[0]), scope };
  }

  peek(scope: RateLimitScope, ask: Ask): RateLimitDecision {
    this.engine.peek(this.space, this.policyKey(scope), ask);
    return this.lastDecision(scope.limit);
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
    let policy = this.policies.get(limit);
    if (policy === undefined) this.policies.set(limit, (policy = this.openPolicy(limit)));
    return { policy, key };
  }

  private openPolicy(limit: RateLimit): number {
    const policy = this.engine.policy({ scope: limit.name, ...limit.limits });
    // One handle for each policy: limits created for every call would otherwise open without bound.
    if (this.open.has(policy)) this.engine.closePolicy(policy);
    else this.open.add(policy);
    return policy;
  }

  private lastDecision(limit: RateLimit): RateLimitDecision {
    const { lastDecision: last } = this.engine;
    const code = last[DecisionField.code];
    const hasRequests = countsRequests(limit);
    const hasTokens = limit.tokensPerMinute !== undefined;
    const standing: RateLimitStanding = {
      limit: hasRequests ? last[DecisionField.limit] : Infinity,
      remainingRequests: hasRequests ? last[DecisionField.remainingRequests] : Infinity,
      remainingTokens: hasTokens ? last[DecisionField.remainingTokens] : undefined,
      resetMs: last[DecisionField.resetMs],
      tokensResetMs: hasTokens ? last[DecisionField.tokensResetMs] : undefined,
      budgets: undefined,
    };
    return {
      allowed: code === DecisionCode.allowed,
      scope: 0,
      exceeded: EXCEEDED[code],
      retryAfterMs: last[DecisionField.retryAfterMs],
      standings: [standing],
      atMs: last[DecisionField.atMs],
      // Filled in under budgets: an object grows slowly, and its readers then meet two shapes.
      hold: undefined,
      budget: undefined,
    };
  }
}
