import { randomBytes, randomFillSync } from 'node:crypto';
import type { EngineName } from '../../common/capability.js';
import { InvalidArgumentError } from '../../common/errors.js';
import { DECISION_FIELDS, RateLimitEngine } from './engine.js';
import type { PolicySpec, SpaceStats } from './engine.js';
import { HASH_SECRETS, KeyHash, sha256Hash } from '../algorithm/key-hash.js';
import { Judge, judgedScopes, settleTokens } from '../algorithm/decide.js';
import { KeySpace } from '../algorithm/key-space.js';
import type { KeyState } from '../algorithm/key-state.js';
import { Numbers } from '../algorithm/handle-allocator.js';
import { MOST_FAMILIES, policyOf, tooManyPolicies } from '../algorithm/policy.js';
import type { Policy } from '../algorithm/policy.js';

interface KeyHandle {
  readonly keys: KeySpace;
  readonly policy: Policy;
  readonly key: string;
  state: KeyState | null;
}

/** The reference engine: a table of keys, and what was taken under each. */
export class TypeScriptRateLimitEngine extends RateLimitEngine {
  readonly engine: EngineName = 'typescript';
  readonly lastDecision = new Float64Array(DECISION_FIELDS);
  private readonly policies: Policy[] = [];
  private readonly policyHandles = new Numbers(true);
  /** Never used again: keys of a family that is gone may still be held. */
  private readonly families = new Numbers(false);
  private readonly spaces: (KeySpace | undefined)[] = [];
  private readonly handles: (KeyHandle | undefined)[] = [];
  private readonly freeHandles: number[] = [];
  private readonly judge = new Judge(this.lastDecision);
  private readonly hash = new KeyHash(randomFillSync(new Int32Array(HASH_SECRETS)), sha256Hash(randomBytes(32)));

  policy(spec: PolicySpec): number {
    const policy = policyOf(
      spec,
      (common) => {
        if (this.families.size >= MOST_FAMILIES && !this.families.has(common)) throw tooManyPolicies(spec);
        return this.families.open(common);
      },
      (identity) => this.policyHandles.open(identity),
    );
    this.policies[policy.handle] = policy;
    return policy.handle;
  }

  closePolicy(policy: number): void {
    const { common, identity } = this.policies[policy];
    this.families.close(common);
    this.policyHandles.close(identity);
  }

  open(name: string | null, maxKeys: number): number {
    const handle = name === null ? -1 : this.spaces.findIndex((space) => space?.name === name);
    if (handle < 0) return this.spaces.push(new KeySpace(name, maxKeys)) - 1;
    const space = this.space(handle);
    space.opened += 1;
    space.maxKeys = maxKeys;
    return handle;
  }

  close(space: number): void {
    const opened = this.space(space);
    opened.opened -= 1;
    if (opened.opened === 0) this.spaces[space] = undefined;
  }

  check(space: number, policy: number, key: string, cost: number, tokens: number, nowMs: number): number {
    const keys = this.space(space);
    const governing = this.policies[policy];
    const { hash } = this;
    hash.of(key);
    const line = keys.find(governing, hash.low, hash.high);
    if (line >= 0) return this.judge.checkHeld(keys, governing, line, cost, tokens, keys.at(nowMs));
    return this.judge.checkNew(keys, governing, hash, cost, tokens, keys.at(nowMs));
  }

  checkAll(space: number, policies: Uint32Array, keys: readonly string[], cost: number, tokens: number, nowMs: number): number {
    const held = this.space(space);
    const governing = Array.from(policies, (policy) => this.policies[policy]);
    return this.judge.checkAll(held, judgedScopes(held, governing, keys, this.hash), cost, tokens, held.at(nowMs));
  }

  peek(space: number, policy: number, key: string, cost: number, tokens: number, nowMs: number): number {
    const keys = this.space(space);
    return this.judge.answer(keys, this.policies[policy], this.find(space, policy, key), cost, tokens, keys.at(nowMs));
  }

  settle(space: number, policy: number, key: string, reservedTokens: number, actualTokens: number, atMs: number, nowMs: number): void {
    const keys = this.space(space);
    const now = keys.at(nowMs);
    const state = this.find(space, policy, key);
    const governing = this.policies[policy];
    if (state === null || keys.hasForgotten(governing, state.low, state.high, atMs)) return;
    settleTokens(governing, state, actualTokens - reservedTokens, keys.fromEpoch(atMs), now);
  }

  release(space: number, policy: number, key: string, atMs: number): void {
    this.hash.of(key);
    this.space(space).release(this.policies[policy], this.hash.low, this.hash.high, atMs);
  }

  reset(space: number, policy: number, key: string): void {
    this.hash.of(key);
    this.space(space).reset(this.policies[policy], this.hash.low, this.hash.high);
  }

  stats(space: number): SpaceStats {
    const { size, allowed, denied, evicted } = this.space(space);
    return { keys: size, checks: allowed + denied, allowed, denied, evicted };
  }

  handle(space: number, policy: number, key: string): number {
    const handle = this.freeHandles.pop() ?? this.handles.length;
    this.handles[handle] = { keys: this.space(space), policy: this.policies[policy], key, state: null };
    return handle;
  }

  checkHandle(handle: number, cost: number, tokens: number, nowMs: number): number {
    const known = handle < this.handles.length ? this.handles[handle] : undefined;
    if (known === undefined) throw new InvalidArgumentError('handle', handle, 'must be open');
    const { keys, policy, state } = known;
    const now = keys.at(nowMs);
    if (state !== null && !state.dropped) {
      keys.touch(state.line);
      return this.judge.checkHeld(keys, policy, state.line, cost, tokens, now);
    }
    this.hash.of(known.key);
    const { low, high } = this.hash;
    known.state = keys.findState(policy, low, high);
    if (known.state !== null) return this.judge.checkHeld(keys, policy, known.state.line, cost, tokens, now);
    return this.judge.checkNew(keys, policy, this.hash, cost, tokens, now);
  }

  closeHandle(handle: number): void {
    if (this.handles[handle] === undefined) return;
    this.handles[handle] = undefined;
    this.freeHandles.push(handle);
  }

  private find(space: number, policy: number, key: string): KeyState | null {
    this.hash.of(key);
    return this.space(space).findState(this.policies[policy], this.hash.low, this.hash.high);
  }

  private space(handle: number): KeySpace {
    const space = this.spaces[handle];
    if (space === undefined) throw new InvalidArgumentError('space', handle, 'must be open');
    return space;
  }
}
