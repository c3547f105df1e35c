import { DecisionCode, DecisionField } from '../engine/engine.js';
import type { KeyHash } from './key-hash.js';
import { Line, LINE_NUMBERS } from './key-table.js';
import type { KeySpace } from './key-space.js';
import type { KeyState } from './key-state.js';
import type { Policy, WindowLimit } from './policy.js';
import { Verdict } from './decision-builder.js';

// V8 compiles functions into their callers by the length of their code, of which a field of an import is much and a constant little.
const { mergesUntilMs: MERGES_UNTIL, newestMs: NEWEST, requests: REQUESTS, tokens: TOKENS } = Line;
const STRIDE = LINE_NUMBERS;
const { remainingRequests: REMAINING_REQUESTS, remainingTokens: REMAINING_TOKENS, atMs: AT } = DecisionField;
const ALLOWED = DecisionCode.allowed;

/** One of several keys that are decided together. */
export interface JudgedScope {
  readonly policy: Policy;
  readonly low: number;
  readonly high: number;
  /** `null`: nothing was taken under the key. */
  readonly state: KeyState | null;
  /** How often this key was named, up to this scope. */
  readonly times: number;
}

/** Decides on keys of a `KeySpace`, and writes what it decides into one array. */
export class Judge {
  private readonly verdict = new Verdict();
  /** The policy whose constant figures the decision still holds. */
  private described: Policy | null = null;

  constructor(readonly decision: Float64Array) {}

  /** Decides and, if allowed, takes: under a key that is not held. */
  checkNew(keys: KeySpace, policy: Policy, { low, high }: KeyHash, cost: number, tokens: number, nowMs: number): number {
    const code = this.answer(keys, policy, null, cost, tokens, nowMs);
    keys.count(code);
    if (code === DecisionCode.allowed) keys.insert(policy, low, high, nowMs).take(policy, cost, tokens, nowMs);
    return code;
  }

  /** The same under a key that is held, by its line. Short enough to be compiled into those who call it: what is rare is elsewhere. */
  checkHeld(keys: KeySpace, policy: Policy, line: number, cost: number, tokens: number, nowMs: number): number {
    const { numbers } = keys.lines;
    const at = line * STRIDE;
    const requests = numbers[at + REQUESTS] + cost;
    const allTokens = numbers[at + TOKENS] + tokens * policy.tokenWeight;
    if (requests > policy.plainRequests || allTokens > policy.mostTokens || nowMs >= numbers[at + MERGES_UNTIL] || cost === 0) {
      return this.checkBeginning(keys, policy, line, cost, tokens, nowMs);
    }
    numbers[at + NEWEST] = nowMs;
    numbers[at + REQUESTS] = requests;
    numbers[at + TOKENS] = allTokens;
    return this.allow(keys, policy, requests, allTokens, nowMs);
  }

  /** The decision was written by somebody else. */
  forget(): void {
    this.described = null;
  }

  /** What `check` would answer. */
  answer(keys: KeySpace, policy: Policy, state: KeyState | null, cost: number, tokens: number, nowMs: number): number {
    this.described = null;
    state?.pruneAll(nowMs);
    this.verdict.decide(policy, state, nowMs, cost, tokens, 1);
    this.verdict.write(this.decision, keys.toEpoch(nowMs), 0);
    return this.verdict.code;
  }

  /** The same for several scopes, all or nothing. */
  checkAll(keys: KeySpace, scopes: readonly JudgedScope[], cost: number, tokens: number, nowMs: number): number {
    const code = this.answerAll(keys, scopes, cost, tokens, nowMs);
    keys.count(code);
    if (code !== DecisionCode.allowed) return code;
    for (const { policy, low, high } of scopes) {
      (keys.findState(policy, low, high) ?? keys.insert(policy, low, high, nowMs)).take(policy, cost, tokens, nowMs);
    }
    return code;
  }

  private answerAll(keys: KeySpace, scopes: readonly JudgedScope[], cost: number, tokens: number, now: number): number {
    const { verdict, decision } = this;
    this.described = null;
    for (const { state } of scopes) state?.pruneAll(now);
    const decide = ({ policy, state, times }: JudgedScope): void => verdict.decide(policy, state, now, cost * times, tokens * times, times);
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
    verdict.write(decision, keys.toEpoch(now), chosen);
    decision[DecisionField.remainingRequests] = requests;
    decision[DecisionField.remainingTokens] = left;
    decision[DecisionField.tokensResetMs] = leftResetMs;
    return verdict.code;
  }

  /** What `policy.only` lets pass, which leaves so much under a key. */
  private allow(keys: KeySpace, policy: Policy, requests: number, tokens: number, nowMs: number): number {
    const { decision } = this;
    if (this.described !== policy) this.describe(policy);
    decision[REMAINING_REQUESTS] = policy.requests - requests;
    decision[REMAINING_TOKENS] = policy.tokensPerMinute - tokens;
    decision[AT] = keys.toEpoch(nowMs);
    keys.allowed += 1;
    return ALLOWED;
  }

  /** The same where a new instant may begin, or places are limited. */
  private checkBeginning(keys: KeySpace, policy: Policy, line: number, cost: number, tokens: number, nowMs: number): number {
    const { lines } = keys;
    const counted = tokens * policy.tokenWeight;
    const requests = lines.get(line, Line.requests) + cost;
    const allTokens = lines.get(line, Line.tokens) + counted;
    const fits = requests <= policy.mostRequests && allTokens <= policy.mostTokens && nowMs < lines.get(line, Line.expiresMs);
    if (!fits || cost === 0) return this.checkWhole(keys, policy, line, cost, tokens, nowMs);
    const state = keys.state(line);
    if (policy.limitsPlaces && !state.occupy(policy.maxConcurrent)) return this.checkWhole(keys, policy, line, cost, tokens, nowMs);
    state.add(nowMs, cost, counted);
    return this.allow(keys, policy, requests, allTokens, nowMs);
  }

  private checkWhole(keys: KeySpace, policy: Policy, line: number, cost: number, tokens: number, nowMs: number): number {
    const state = keys.state(line);
    const code = this.answer(keys, policy, state, cost, tokens, nowMs);
    keys.count(code);
    if (code === DecisionCode.allowed) state.take(policy, cost, tokens, nowMs);
    return code;
  }

  /** What is the same for each request that such a policy lets pass. */
  private describe(policy: Policy): void {
    const { requests, lengthMs } = policy.only as WindowLimit;
    const { decision } = this;
    decision[DecisionField.code] = DecisionCode.allowed;
    decision[DecisionField.limit] = requests;
    decision[DecisionField.retryAfterMs] = 0;
    decision[DecisionField.resetMs] = lengthMs;
    decision[DecisionField.tokensResetMs] = policy.tokensPerMinute === Infinity ? 0 : lengthMs;
    decision[DecisionField.index] = 0;
    this.described = policy;
  }
}

/** The scopes of a decision, with what `space` holds under each. */
export function judgedScopes(space: KeySpace | null, policies: readonly Policy[], keys: readonly string[], hash: KeyHash): JudgedScope[] {
  return keys.map((key, index) => {
    const policy = policies[index];
    hash.of(key);
    const { low, high } = hash;
    let times = 1;
    for (let before = 0; before < index; before++) {
      if (keys[before] === key && policies[before].family === policy.family) times += 1;
    }
    return { policy, low, high, state: space === null ? null : space.findState(policy, low, high), times };
  });
}

/** Corrects what was taken at `atMs` from the tokens of a minute. */
export function settleTokens(policy: Policy, state: KeyState, difference: number, atMs: number, nowMs: number): void {
  const [minute] = policy.windows;
  if (minute?.code !== DecisionCode.minute) return;
  state.pruneAll(nowMs);
  if (nowMs - atMs < minute.lengthMs) state.log(0).adjust(atMs, difference);
}
