import type { EngineName } from '../../common/capability.js';
import type { NativeBinding } from '../../engine/native-binding.js';
import { TOO_MANY_POLICIES, tooManyPolicies } from '../algorithm/policy.js';
import { DECISION_FIELDS, DecisionField, RateLimitEngine } from './engine.js';
import type { Ask, PolicyKey, PolicySpec, Settlement, SpaceStats } from './engine.js';

/** Indices of a call's results in the exchange, after the fields of the decision. */
const Argument = {
  space: DECISION_FIELDS,
  policy: DECISION_FIELDS + 1,
  cost: DECISION_FIELDS + 2,
  tokens: DECISION_FIELDS + 3,
  nowMs: DECISION_FIELDS + 4,
  takenAtMs: DECISION_FIELDS + 5,
  difference: DECISION_FIELDS + 6,
} as const;

/**
 * The engine in Rust: every key's state and every decision is there. Numbers cross in an array that
 * both sides see.
 */
export class NativeRateLimitEngine extends RateLimitEngine {
  readonly engine: EngineName = 'native';
  readonly lastDecision: Float64Array;
  private readonly exchange: Float64Array;

  constructor(private readonly binding: NativeBinding) {
    super();
    this.exchange = binding.rateLimitExchange();
    this.lastDecision = this.exchange.subarray(0, DECISION_FIELDS);
  }

  policy(spec: PolicySpec): number {
    try {
      return this.binding.rateLimitPolicy(spec);
    } catch (error) {
      throw (error as { code?: unknown }).code === TOO_MANY_POLICIES ? tooManyPolicies(spec) : error;
    }
  }

  closePolicy(policy: number): void {
    this.binding.rateLimitClosePolicy(policy);
  }

  open(name: string | null, maxKeys: number): number {
    return this.binding.rateLimitOpen(name, maxKeys);
  }

  close(space: number): void {
    this.binding.rateLimitClose(space);
  }

  check(space: number, scope: PolicyKey, ask: Ask): number {
    this.write(space, scope.policy, ask);
    this.binding.rateLimitCheck(scope.key);
    return this.exchange[DecisionField.code];
  }

  checkAll(space: number, scopes: readonly PolicyKey[], ask: Ask): number {
    // Policies are in a separate list.
    this.write(space, 0, ask);
    const keys = new Array<string>(scopes.length);
    const policies = new Uint32Array(scopes.length);
    for (let i = 0; i < scopes.length; i++) {
      keys[i] = scopes[i].key;
      policies[i] = scopes[i].policy;
    }
    this.binding.rateLimitCheckAll(keys, policies);
    return this.exchange[DecisionField.code];
  }

  peek(space: number, scope: PolicyKey, ask: Ask): number {
    this.write(space, scope.policy, ask);
    this.binding.rateLimitPeek(scope.key);
    return this.exchange[DecisionField.code];
  }

  settle(space: number, scope: PolicyKey, { reservedTokens, actualTokens, takenAtMs, nowMs }: Settlement): void {
    this.exchange[Argument.space] = space;
    this.exchange[Argument.policy] = scope.policy;
    this.exchange[Argument.nowMs] = nowMs;
    this.exchange[Argument.takenAtMs] = takenAtMs;
    this.exchange[Argument.difference] = actualTokens - reservedTokens;
    this.binding.rateLimitSettle(scope.key);
  }

  release(space: number, scope: PolicyKey, takenAtMs: number): void {
    this.exchange[Argument.space] = space;
    this.exchange[Argument.policy] = scope.policy;
    this.exchange[Argument.takenAtMs] = takenAtMs;
    this.binding.rateLimitRelease(scope.key);
  }

  reset(space: number, scope: PolicyKey): void {
    this.exchange[Argument.space] = space;
    this.exchange[Argument.policy] = scope.policy;
    this.binding.rateLimitReset(scope.key);
  }

  stats(space: number): SpaceStats {
    const { keys, allowed, denied, evicted } = this.binding.rateLimitStats(space);
    return { keys, checks: allowed + denied, allowed, denied, evicted };
  }

  handle(space: number, { policy, key }: PolicyKey): number {
    return this.binding.rateLimitHandle(space, policy, key);
  }

  checkHandle(handle: number, ask: Ask): number {
    this.write(0, 0, ask);
    this.binding.rateLimitCheckHandle(handle);
    return this.exchange[DecisionField.code];
  }

  closeHandle(handle: number): void {
    this.binding.rateLimitCloseHandle(handle);
  }

  private write(space: number, policy: number, { cost, tokens, nowMs }: Ask): void {
    const { exchange } = this;
    exchange[Argument.space] = space;
    exchange[Argument.policy] = policy;
    exchange[Argument.cost] = cost;
    exchange[Argument.tokens] = tokens;
    exchange[Argument.nowMs] = nowMs;
  }
}
