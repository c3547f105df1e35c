import type { EngineName } from '../common/capability.js';
import type { NativeBinding } from '../engine/native-binding.js';
import { DECISION_FIELDS, DecisionField, RateLimitEngine } from './rate-limit.engine.js';
import type { PolicySpec, SpaceStats } from './rate-limit.engine.js';

/** Where the addon reads what it is asked with: behind the fields of the decision. */
const COST = DECISION_FIELDS;
const TOKENS = COST + 1;
const NOW = COST + 2;

/** The engine in Rust, whose spaces all threads of the process share: hands over and converts, nothing else. */
export class NativeRateLimitEngine extends RateLimitEngine {
  readonly engine: EngineName = 'native';
  readonly lastDecision: Float64Array;
  /** Numbers cross in this array, which the addon reads and writes: as arguments and results they would take longer than some decisions. */
  private readonly numbers: Float64Array;

  constructor(private readonly binding: NativeBinding) {
    super();
    this.numbers = binding.rateLimitExchange();
    this.lastDecision = this.numbers.subarray(0, DECISION_FIELDS);
  }

  policy(spec: PolicySpec): number {
    return this.binding.rateLimitPolicy(spec);
  }

  open(name: string | null, maxKeys: number): number {
    return this.binding.rateLimitOpen(name, maxKeys);
  }

  close(space: number): void {
    this.binding.rateLimitClose(space);
  }

  check(space: number, policy: number, key: string, cost: number, tokens: number, nowMs: number): number {
    this.ask(cost, tokens, nowMs);
    this.binding.rateLimitCheck(space, policy, key);
    return this.numbers[DecisionField.code];
  }

  checkAll(space: number, policies: Uint32Array, keys: readonly string[], cost: number, tokens: number, nowMs: number): number {
    this.ask(cost, tokens, nowMs);
    this.binding.rateLimitCheckAll(space, policies, keys);
    return this.numbers[DecisionField.code];
  }

  peek(space: number, policy: number, key: string, cost: number, tokens: number, nowMs: number): number {
    this.ask(cost, tokens, nowMs);
    this.binding.rateLimitPeek(space, policy, key);
    return this.numbers[DecisionField.code];
  }

  settle(space: number, policy: number, key: string, reservedTokens: number, actualTokens: number, atMs: number, nowMs: number): void {
    this.ask(actualTokens - reservedTokens, atMs, nowMs);
    this.binding.rateLimitSettle(space, policy, key);
  }

  release(space: number, policy: number, key: string): void {
    this.binding.rateLimitRelease(space, policy, key);
  }

  reset(space: number, policy: number, key: string): void {
    this.binding.rateLimitReset(space, policy, key);
  }

  stats(space: number): SpaceStats {
    const { keys, allowed, denied, evicted } = this.binding.rateLimitStats(space);
    return { keys, checks: allowed + denied, allowed, denied, evicted };
  }

  handle(space: number, policy: number, key: string): number {
    return this.binding.rateLimitHandle(space, policy, key);
  }

  checkHandle(handle: number, cost: number, tokens: number, nowMs: number): number {
    this.ask(cost, tokens, nowMs);
    this.binding.rateLimitCheckHandle(handle);
    return this.numbers[DecisionField.code];
  }

  closeHandle(handle: number): void {
    this.binding.rateLimitCloseHandle(handle);
  }

  private ask(cost: number, tokens: number, nowMs: number): void {
    const { numbers } = this;
    numbers[COST] = cost;
    numbers[TOKENS] = tokens;
    numbers[NOW] = nowMs;
  }
}
