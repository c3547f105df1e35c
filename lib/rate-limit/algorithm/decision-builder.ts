import { DecisionCode, DecisionField } from '../engine/engine.js';
import { isLogged, levelAt, PARTS, waitForLevel } from './key-state.js';
import type { KeyState } from './key-state.js';
import type { Policy } from './policy.js';

/** What one policy says of one key: the fields of a decision. Reused, so that deciding leaves no garbage. */
export class Verdict {
  code: DecisionCode = DecisionCode.allowed;
  limit = 0;
  remainingRequests = 0;
  remainingTokens = 0;
  retryAfterMs = 0;
  resetMs = 0;
  tokensResetMs = 0;

  /**
   * Decides whether the key may take `cost` requests, `tokens` and `places` of `maxConcurrent`, at `atMs`, for which it was pruned.
   * `state` is `null` for a key that is not held. Takes nothing.
   */
  decide(policy: Policy, state: KeyState | null, atMs: number, cost: number, tokens: number, places: number): void {
    this.code = DecisionCode.allowed;
    this.retryAfterMs = 0;
    if (this.describe(policy, state, atMs, cost, tokens, places, true)) return;
    this.findRefusal(policy, state, atMs, cost, tokens);
    this.describe(policy, state, atMs, 0, 0, 0, false);
  }

  /** What is left as it is, with nothing asked for. */
  stand(policy: Policy, state: KeyState | null, atMs: number): void {
    this.code = DecisionCode.allowed;
    this.retryAfterMs = 0;
    this.describe(policy, state, atMs, 0, 0, 0, false);
  }

  write(decision: Float64Array, atMs: number, index: number): void {
    decision[DecisionField.code] = this.code;
    decision[DecisionField.limit] = this.limit;
    decision[DecisionField.remainingRequests] = this.remainingRequests;
    decision[DecisionField.remainingTokens] = this.remainingTokens;
    decision[DecisionField.retryAfterMs] = this.retryAfterMs;
    decision[DecisionField.resetMs] = this.resetMs;
    decision[DecisionField.tokensResetMs] = this.tokensResetMs;
    decision[DecisionField.atMs] = atMs;
    decision[DecisionField.index] = index;
  }

  private findRefusal(policy: Policy, state: KeyState | null, atMs: number, cost: number, tokens: number): void {
    const { rate, windows } = policy;
    if (rate !== null) {
      const level = levelAt(policy, state, atMs);
      if (cost * PARTS > level) {
        this.refuse(DecisionCode.second, cost > policy.burst ? Infinity : waitForLevel(level, cost * PARTS, rate));
      }
    }
    for (let index = 0; index < windows.length; index++) {
      const log = state === null ? null : state.log(index);
      const over = (log === null ? 0 : log.requests) + cost - windows[index].requests;
      if (over > 0) this.refuse(windows[index].code, log === null ? Infinity : log.waitForRequests(over, atMs));
    }
    if (policy.tokensPerMinute !== Infinity) {
      const log = state === null ? null : state.log(0);
      const over = (log === null ? 0 : log.tokens) + tokens - policy.tokensPerMinute;
      if (over > 0) this.refuse(DecisionCode.tokens, log === null ? Infinity : log.waitForTokens(over, atMs));
    }
    if (this.code === DecisionCode.allowed) this.refuse(DecisionCode.concurrency, Infinity);
  }

  /** Of several limits that refuse, the one to wait for longest counts, and the first of equals. */
  private refuse(code: DecisionCode, waitMs: number): void {
    if (this.code !== DecisionCode.allowed && waitMs <= this.retryAfterMs) return;
    this.code = code;
    this.retryAfterMs = waitMs;
  }

  /** Fills in what is left once `cost`, `tokens` and `places` are taken, or as it is. Whether they may be taken is still to be seen: `false` is a refusal. */
  private describe(
    policy: Policy,
    state: KeyState | null,
    atMs: number,
    cost: number,
    tokens: number,
    places: number,
    takes: boolean,
  ): boolean {
    const { rate, windows, tokensPerMinute, maxConcurrent } = policy;
    const { code } = this;
    this.remainingRequests = Infinity;
    this.remainingTokens = Infinity;
    this.tokensResetMs = 0;
    if (rate !== null) {
      const level = levelAt(policy, state, atMs) - cost * PARTS;
      if (takes && level < 0) return false;
      this.remainingRequests = Math.max(Math.floor(level / PARTS), 0);
      this.limit = policy.burst;
      this.resetMs = waitForLevel(level, policy.burst * PARTS, rate);
    }
    let told = code === DecisionCode.second;
    for (let index = 0; index < windows.length; index++) {
      const window = windows[index];
      const log = state === null ? null : state.log(index);
      const logged = takes && isLogged(policy, index, cost, tokens);
      const resetMs = logged ? window.lengthMs : log === null ? 0 : Math.max(log.emptyAtMs() - atMs, 0);
      const balance = window.requests - (log === null ? 0 : log.requests) - cost;
      if (takes && balance < 0) return false;
      const left = Math.max(balance, 0);
      const tells = !told && (code === window.code || left < this.remainingRequests);
      if (left < this.remainingRequests) this.remainingRequests = left;
      if (tells) {
        this.limit = window.requests;
        this.resetMs = resetMs;
        told = code === window.code;
      }
      if (index === 0 && tokensPerMinute !== Infinity) {
        const tokenBalance = tokensPerMinute - (log === null ? 0 : log.tokens) - tokens;
        if (takes && tokenBalance < 0) return false;
        this.remainingTokens = Math.max(tokenBalance, 0);
        this.tokensResetMs = resetMs;
      }
    }
    const free = maxConcurrent - (state === null ? 0 : state.inFlight) - places;
    if (takes && free < 0) return false;
    const unlimited = this.remainingRequests === Infinity;
    if (code === DecisionCode.tokens || (unlimited && tokensPerMinute !== Infinity && code !== DecisionCode.concurrency)) {
      this.limit = tokensPerMinute;
      this.resetMs = this.tokensResetMs;
    } else if (code === DecisionCode.concurrency || unlimited) {
      this.limit = maxConcurrent;
      this.resetMs = 0;
    }
    if (unlimited) this.remainingRequests = Math.max(free, 0);
    return true;
  }
}
