import type { EngineName } from '../../common/capability.js';
import { InvalidArgumentError } from '../../common/errors.js';
import type { NativeBinding } from '../../engine/native-binding.js';
import { DECISION_FIELDS, RateLimitEngine } from './engine.js';
import type { PolicySpec, SpaceStats } from './engine.js';
import { RateLimitExchange } from './native-abi.js';
import { Front, FRONT_KEYS, SMALL_SPACE } from './front.js';
import { Judge, judgedScopes, settleTokens } from '../algorithm/decide.js';
import { HASH_SECRETS, KeyHash } from '../algorithm/key-hash.js';
import { KeySpace } from '../algorithm/key-space.js';
import type { KeyState } from '../algorithm/key-state.js';
import { Numbers } from '../algorithm/handle-allocator.js';
import { policyOf, TOO_MANY_POLICIES, tooManyPolicies, type Policy } from '../algorithm/policy.js';

/** A space, and the keys of it that are kept in JavaScript. */
interface OpenSpace {
  readonly number: number;
  /** `null`: none, as other threads may share it. */
  readonly keys: KeySpace | null;
  /** `null`: all of its keys are there, or none. */
  readonly front: Front | null;
  /** Whether it is known that no key is in front. */
  isBehind: boolean;
  isOpen: boolean;
}

interface KeyHandle {
  readonly space: OpenSpace;
  readonly policy: Policy;
  readonly low: number;
  readonly high: number;
  /** Where its key is in front, and `null` where it is not, or not known to be. */
  keys: KeySpace | null;
  state: KeyState | null;
}

/**
 * The engine in Rust. Spaces of a name are all there: every thread of the process shares them. A space without one is there once it has more than some
 * thousand keys: fewer are decided in JavaScript for less than a call costs, and so are those that have a handle.
 */
export class NativeRateLimitEngine extends RateLimitEngine {
  readonly engine: EngineName = 'native';
  readonly lastDecision: Float64Array;
  private readonly exchange: RateLimitExchange;
  private readonly hash: KeyHash;
  private readonly judge: Judge;
  private readonly policies: Policy[] = [];
  /** Of what is kept in JavaScript. Never used again: keys of a family that is gone may still be held. */
  private readonly families = new Numbers(false);
  /** By the addon's number. */
  private readonly spaces: OpenSpace[] = [];
  private readonly handles: (KeyHandle | undefined)[] = [];
  private readonly freeHandles: number[] = [];

  /** @param frontKeys Keys of a space that are kept in JavaScript at most, where others are in the addon. */
  constructor(
    private readonly binding: NativeBinding,
    private readonly frontKeys = FRONT_KEYS,
  ) {
    super();
    this.exchange = new RateLimitExchange(binding);
    this.lastDecision = this.exchange.numbers.subarray(0, DECISION_FIELDS);
    this.judge = new Judge(this.lastDecision);
    this.hash = new KeyHash(Int32Array.from(binding.rateLimitSecrets(HASH_SECRETS)), (key, hash) => this.exchange.hash(key, hash));
  }

  policy(spec: PolicySpec): number {
    const handle = this.intern(spec);
    this.policies[handle] = policyOf(
      spec,
      (common) => this.families.open(common),
      () => handle,
    );
    return handle;
  }

  closePolicy(policy: number): void {
    this.binding.rateLimitClosePolicy(policy);
    this.families.close(this.policies[policy].common);
  }

  open(name: string | null, maxKeys: number): number {
    const number = this.binding.rateLimitOpen(name, maxKeys);
    const isLarge = maxKeys > SMALL_SPACE * this.frontKeys;
    const front = name === null && isLarge ? new Front(this.exchange.behind(number), this.frontKeys) : null;
    const keys = front?.keys ?? (name === null ? new KeySpace(null, maxKeys) : null);
    this.spaces[number] = { number, keys, front, isBehind: false, isOpen: true };
    return number;
  }

  close(space: number): void {
    this.binding.rateLimitClose(space);
    this.spaces[space].isOpen = false;
  }

  check(space: number, policy: number, key: string, cost: number, tokens: number, nowMs: number): number {
    const opened = this.space(space);
    const { keys } = opened;
    if (keys === null || opened.isBehind) return this.checkByKey(opened, policy, key, cost, tokens, nowMs);
    this.hash.of(key);
    return this.checkHashed(opened, keys, this.policies[policy], cost, tokens, nowMs);
  }

  checkAll(space: number, policies: Uint32Array, keys: readonly string[], cost: number, tokens: number, nowMs: number): number {
    const { keys: held, front } = this.space(space);
    const governing = Array.from(policies, (policy) => this.policies[policy]);
    const scopes = judgedScopes(held, governing, keys, this.hash);
    const now = held?.at(nowMs) ?? 0;
    front?.retreat(now);
    const areHere = front === null || front.isGrowing || scopes.every(({ state }) => state !== null && !state.dropped);
    if (held !== null && areHere) return this.judge.checkAll(held, scopes, cost, tokens, now);
    // All or nothing is decided in one place.
    if (front !== null) for (const { policy, low, high } of scopes) front.giveBack(policy, low, high, now);
    this.judge.forget();
    return this.exchange.checkAll(space, scopes, cost, tokens, held?.toEpoch(now) ?? nowMs);
  }

  peek(space: number, policy: number, key: string, cost: number, tokens: number, nowMs: number): number {
    const { keys, front } = this.space(space);
    const state = this.find(keys, policy, key);
    const now = keys?.at(nowMs) ?? 0;
    if (keys !== null && (state !== null || front === null)) {
      return this.judge.answer(keys, this.policies[policy], state, cost, tokens, now);
    }
    this.judge.forget();
    this.exchange.ask(cost, tokens, keys?.toEpoch(now) ?? nowMs);
    return this.exchange.peek(space, policy, this.hash.low, this.hash.high);
  }

  settle(space: number, policy: number, key: string, reservedTokens: number, actualTokens: number, atMs: number, nowMs: number): void {
    const { keys, front } = this.space(space);
    const state = this.find(keys, policy, key);
    const now = keys?.at(nowMs) ?? 0;
    const difference = actualTokens - reservedTokens;
    const governing = this.policies[policy];
    if (keys?.hasForgotten(governing, this.hash.low, this.hash.high, atMs) === true) return;
    if (keys !== null && state !== null) settleTokens(governing, state, difference, keys.fromEpoch(atMs), now);
    if (keys !== null && (state !== null || front === null)) return;
    this.exchange.settle(space, policy, this.hash.low, this.hash.high, difference, atMs, keys?.toEpoch(now) ?? nowMs);
  }

  release(space: number, policy: number, key: string, atMs: number): void {
    const { keys, front } = this.space(space);
    const { hash } = this;
    hash.of(key);
    if (keys !== null && (keys.release(this.policies[policy], hash.low, hash.high, atMs) || front === null)) return;
    this.exchange.release(space, policy, hash.low, hash.high, atMs);
  }

  reset(space: number, policy: number, key: string): void {
    const { keys, front } = this.space(space);
    const { hash } = this;
    hash.of(key);
    const governing = this.policies[policy];
    // In one place, which then knows what was forgotten.
    front?.bring(governing, hash.low, hash.high);
    keys?.reset(governing, hash.low, hash.high);
    if (keys === null || front !== null) this.exchange.reset(space, policy, hash.low, hash.high);
  }

  stats(space: number): SpaceStats {
    const { keys: held } = this.space(space);
    const behind = this.binding.rateLimitStats(space);
    const allowed = behind.allowed + (held?.allowed ?? 0);
    const denied = behind.denied + (held?.denied ?? 0);
    const keys = behind.keys + (held?.size ?? 0);
    return { keys, checks: allowed + denied, allowed, denied, evicted: behind.evicted + (held?.evicted ?? 0) };
  }

  handle(space: number, policy: number, key: string): number {
    const opened = this.space(space);
    this.hash.of(key);
    const { low, high } = this.hash;
    const handle = this.freeHandles.pop() ?? this.handles.length;
    this.handles[handle] = { space: opened, policy: this.policies[policy], low, high, keys: null, state: null };
    return handle;
  }

  checkHandle(handle: number, cost: number, tokens: number, nowMs: number): number {
    const known = handle < this.handles.length ? this.handles[handle] : undefined;
    if (known === undefined) throw notOpen('handle', handle);
    const { keys, state } = known;
    if (keys === null || state === null || state.dropped) return this.checkKnown(known, cost, tokens, nowMs);
    keys.touch(state.line);
    return this.judge.checkHeld(keys, known.policy, state.line, cost, tokens, keys.at(nowMs));
  }

  closeHandle(handle: number): void {
    if (this.handles[handle] === undefined) return;
    this.handles[handle] = undefined;
    this.freeHandles.push(handle);
  }

  private intern(spec: PolicySpec): number {
    try {
      return this.binding.rateLimitPolicy(spec);
    } catch (error) {
      throw (error as { code?: unknown }).code === TOO_MANY_POLICIES ? tooManyPolicies(spec) : error;
    }
  }

  /** By the hash that was made last. */
  private checkHashed(space: OpenSpace, keys: KeySpace, policy: Policy, cost: number, tokens: number, nowMs: number): number {
    const line = keys.find(policy, this.hash.low, this.hash.high);
    const now = keys.at(nowMs);
    if (line < 0) return this.checkAbsent(space, keys, policy, cost, tokens, now);
    return this.judge.checkHeld(keys, policy, line, cost, tokens, now);
  }

  /** A key that is not in front. */
  private checkAbsent(space: OpenSpace, keys: KeySpace, policy: Policy, cost: number, tokens: number, now: number): number {
    const { front, number } = space;
    const { low, high } = this.hash;
    if (front !== null) {
      front.retreat(now);
      space.isBehind = !front.isGrowing && keys.size === 0;
      if (!front.isGrowing) return this.checkBehind(number, policy, low, high, cost, tokens, keys.toEpoch(now));
    }
    return this.judge.checkNew(keys, policy, this.hash, cost, tokens, now);
  }

  /** Where no key is in front: the addon reads and hashes one in less time than it takes to look here for its hash. */
  private checkByKey({ number, keys }: OpenSpace, policy: number, key: string, cost: number, tokens: number, nowMs: number): number {
    this.judge.forget();
    this.exchange.ask(cost, tokens, keys?.toEpoch(keys.at(nowMs)) ?? nowMs);
    return this.exchange.checkKey(number, policy, key);
  }

  private checkBehind(space: number, policy: Policy, low: number, high: number, cost: number, tokens: number, nowMs: number): number {
    this.judge.forget();
    this.exchange.ask(cost, tokens, nowMs);
    return this.exchange.check(space, policy.handle, low, high);
  }

  /** A handle's key that is not known to be in front. */
  private checkKnown(known: KeyHandle, cost: number, tokens: number, nowMs: number): number {
    const { space, policy, low, high } = known;
    if (!space.isOpen) throw notOpen('space', space.number);
    const { keys, front, number } = space;
    if (keys === null) return this.checkBehind(number, policy, low, high, cost, tokens, nowMs);
    this.hash.set(low, high);
    const code = this.checkHashed(space, keys, policy, cost, tokens, nowMs);
    // Once it is asked about by a handle, a key is kept in front.
    known.keys = keys;
    known.state = keys.findState(policy, low, high) ?? front?.fetch(policy, low, high, keys.at(nowMs)) ?? null;
    if (known.state !== null) space.isBehind = false;
    return code;
  }

  private find(keys: KeySpace | null, policy: number, key: string): KeyState | null {
    this.hash.of(key);
    return keys === null ? null : keys.findState(this.policies[policy], this.hash.low, this.hash.high);
  }

  private space(number: number): OpenSpace {
    const space = number < this.spaces.length ? this.spaces[number] : undefined;
    if (space === undefined || !space.isOpen) throw notOpen('space', number);
    return space;
  }
}

function notOpen(what: string, number: number): InvalidArgumentError {
  return new InvalidArgumentError(what, number, 'must be open');
}
