import type { EngineName } from '../common/capability.js';
import { InvalidArgumentError } from '../common/errors.js';
import { DECISION_FIELDS, DecisionCode, DecisionField, RateLimitEngine } from './rate-limit.engine.js';
import type { PolicySpec, SpaceStats } from './rate-limit.engine.js';
import { KeySpace } from './rate-limit.key-space.js';
import type { KeyState } from './rate-limit.key-state.js';
import { policyOf } from './rate-limit.policy.js';
import type { Policy } from './rate-limit.policy.js';
import { Verdict } from './rate-limit.verdict.js';

interface KeyHandle {
  readonly space: number;
  readonly policy: number;
  readonly key: string;
  state: KeyState | null;
}

/** One scope of `checkAll`. */
interface Scope {
  readonly policy: Policy;
  readonly key: string;
  state: KeyState | null;
  /** How often this state was named, up to this scope. */
  readonly times: number;
}

/** The reference engine: a map of keys, and what was taken under each. */
export class TypeScriptRateLimitEngine extends RateLimitEngine {
  readonly engine: EngineName = 'typescript';
  readonly lastDecision = new Float64Array(DECISION_FIELDS);
  private readonly policies: Policy[] = [];
  private readonly policyHandles = new Map<string, number>();
  private readonly families = new Map<string, number>();
  private readonly spaces: (KeySpace | undefined)[] = [];
  private readonly handles: (KeyHandle | undefined)[] = [];
  private readonly freeHandles: number[] = [];
  private readonly verdict = new Verdict();

  policy(spec: PolicySpec): number {
    const policy = policyOf(spec, (common) => numberOf(this.families, common));
    const identity = JSON.stringify(policy, (_, value: unknown) => (value === Infinity ? 'unlimited' : value));
    const handle = numberOf(this.policyHandles, identity);
    this.policies[handle] = policy;
    return handle;
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
    const now = keys.at(nowMs);
    let state = keys.find(governing, key);
    const code = this.decide(keys, governing, state, cost, tokens, now);
    if (code !== DecisionCode.allowed) return code;
    state ??= keys.insert(governing, key, now);
    state.take(governing, cost, tokens, now);
    return code;
  }

  checkAll(space: number, policies: Uint32Array, keys: readonly string[], cost: number, tokens: number, nowMs: number): number {
    const held = this.space(space);
    const now = held.at(nowMs);
    const scopes: Scope[] = keys.map((key, index) => {
      const policy = this.policies[policies[index]];
      let times = 1;
      for (let before = 0; before < index; before++) {
        if (keys[before] === key && this.policies[policies[before]].family === policy.family) times += 1;
      }
      return { policy, key, state: held.find(policy, key), times };
    });
    const code = this.decideAll(scopes, cost, tokens, now);
    if (code !== DecisionCode.allowed) {
      held.denied += 1;
      return code;
    }
    held.allowed += 1;
    for (const { policy, key } of scopes) {
      (held.find(policy, key) ?? held.insert(policy, key, now)).take(policy, cost, tokens, now);
    }
    return code;
  }

  peek(space: number, policy: number, key: string, cost: number, tokens: number, nowMs: number): number {
    const governing = this.policies[policy];
    const keys = this.space(space);
    return this.answer(governing, keys.find(governing, key), cost, tokens, keys.at(nowMs));
  }

  settle(space: number, policy: number, key: string, reservedTokens: number, actualTokens: number, atMs: number, nowMs: number): void {
    const governing = this.policies[policy];
    const keys = this.space(space);
    const now = keys.at(nowMs);
    const state = keys.find(governing, key);
    const minute = governing.windows[0];
    if (state === null || minute?.code !== DecisionCode.minute) return;
    state.prune(now);
    if (now - atMs < minute.lengthMs) state.logs[0].adjust(atMs, actualTokens - reservedTokens);
  }

  release(space: number, policy: number, key: string): void {
    const state = this.space(space).find(this.policies[policy], key);
    if (state !== null && state.inFlight > 0) state.inFlight -= 1;
  }

  reset(space: number, policy: number, key: string): void {
    this.space(space).delete(this.policies[policy], key);
  }

  stats(space: number): SpaceStats {
    const { size, allowed, denied, evicted } = this.space(space);
    return { keys: size, checks: allowed + denied, allowed, denied, evicted };
  }

  handle(space: number, policy: number, key: string): number {
    const handle = this.freeHandles.pop() ?? this.handles.length;
    this.handles[handle] = { space, policy, key, state: null };
    return handle;
  }

  checkHandle(handle: number, cost: number, tokens: number, nowMs: number): number {
    const known = this.handles[handle];
    if (known === undefined) throw new InvalidArgumentError('handle', handle, 'must be open');
    const keys = this.space(known.space);
    const policy = this.policies[known.policy];
    const now = keys.at(nowMs);
    let { state } = known;
    if (state === null || state.dropped) known.state = state = keys.find(policy, known.key);
    else keys.touch(state);
    const code = this.decide(keys, policy, state, cost, tokens, now);
    if (code !== DecisionCode.allowed) return code;
    known.state = state ??= keys.insert(policy, known.key, now);
    state.take(policy, cost, tokens, now);
    return code;
  }

  closeHandle(handle: number): void {
    if (this.handles[handle] === undefined) return;
    this.handles[handle] = undefined;
    this.freeHandles.push(handle);
  }

  private decide(keys: KeySpace, policy: Policy, state: KeyState | null, cost: number, tokens: number, now: number): number {
    const code = this.answer(policy, state, cost, tokens, now);
    if (code === DecisionCode.allowed) keys.allowed += 1;
    else keys.denied += 1;
    return code;
  }

  private answer(policy: Policy, state: KeyState | null, cost: number, tokens: number, now: number): number {
    state?.prune(now);
    this.verdict.decide(policy, state, now, cost, tokens, 1);
    this.verdict.write(this.lastDecision, now, 0);
    return this.verdict.code;
  }

  private decideAll(scopes: readonly Scope[], cost: number, tokens: number, now: number): number {
    const { verdict, lastDecision } = this;
    for (const { state } of scopes) state?.prune(now);
    const decide = ({ policy, state, times }: Scope): void => verdict.decide(policy, state, now, cost * times, tokens * times, times);
    let refusing = -1;
    let waitMs = -1;
    for (const [index, scope] of scopes.entries()) {
      decide(scope);
      if (verdict.code === DecisionCode.allowed || verdict.retryAfterMs <= waitMs) continue;
      refusing = index;
      waitMs = verdict.retryAfterMs;
    }
    // What is left, in all scopes: if one refuses, nothing is taken from the others.
    let chosen = refusing;
    let [requests, left, leftResetMs] = [Infinity, Infinity, 0];
    for (const [index, scope] of scopes.entries()) {
      if (refusing < 0) decide(scope);
      else verdict.stand(scope.policy, scope.state, now);
      if (refusing < 0 && (chosen < 0 || verdict.remainingRequests < requests)) chosen = index;
      requests = Math.min(requests, verdict.remainingRequests);
      if (verdict.remainingTokens < left) [left, leftResetMs] = [verdict.remainingTokens, verdict.tokensResetMs];
    }
    decide(scopes[chosen]);
    verdict.write(lastDecision, now, chosen);
    lastDecision[DecisionField.remainingRequests] = requests;
    lastDecision[DecisionField.remainingTokens] = left;
    lastDecision[DecisionField.tokensResetMs] = leftResetMs;
    return verdict.code;
  }

  private space(handle: number): KeySpace {
    const space = this.spaces[handle];
    if (space === undefined) throw new InvalidArgumentError('space', handle, 'must be open');
    return space;
  }
}

function numberOf(numbers: Map<string, number>, name: string): number {
  let number = numbers.get(name);
  if (number === undefined) numbers.set(name, (number = numbers.size));
  return number;
}
