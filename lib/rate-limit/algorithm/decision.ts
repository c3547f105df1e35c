import { DecisionCode, type DecisionField } from '../engine/engine.js';
import type { KeyState } from './key-state.js';
import { isLogged, type Policy } from './policy.js';
import { TokenBucket } from './token-bucket.js';

/** A decision: the fields of `DecisionField`. */
export type Decision = Record<keyof typeof DecisionField, number>;

/** Amounts that a decision takes, and the requests in flight that it adds. */
export interface Amounts {
  readonly cost: number;
  readonly tokens: number;
  readonly inFlight: number;
}

const NOTHING: Amounts = { cost: 0, tokens: 0, inFlight: 0 };

/** The state of a key under a policy, at the time for which it was pruned. */
export class Standing {
  /** @param state `null`: the key is not held. */
  constructor(
    private readonly policy: Policy,
    private readonly state: KeyState | null,
    private readonly atMs: number,
  ) {}

  /** Decides whether the request is allowed, and computes the remaining limits. Charges nothing. */
  decide(asked: Amounts): Decision {
    return this.describe(asked) ?? this.deny(asked);
  }

  /** The current remainder. */
  left(code: DecisionCode = DecisionCode.allowed): Decision {
    return this.describe(null, code) as Decision;
  }

  private deny({ cost, tokens }: Amounts): Decision {
    const { code, waitMs } = this.longestDenial(cost, tokens);
    const decision = this.left(code);
    decision.code = code;
    decision.retryAfterMs = waitMs;
    return decision;
  }

  /** Of the limits that deny, the one to wait for longest, and the first of equals. */
  private longestDenial(cost: number, tokens: number): { code: DecisionCode; waitMs: number } {
    const { policy, state, atMs } = this;
    const longest: { code: DecisionCode; waitMs: number } = { code: DecisionCode.allowed, waitMs: 0 };
    const deniedBy = (code: DecisionCode, waitMs: number): void => {
      if (longest.code === DecisionCode.allowed || waitMs > longest.waitMs) Object.assign(longest, { code, waitMs });
    };
    const bucketMs = policy.rate === null ? 0 : this.bucket().waitFor(policy, cost, atMs);
    if (bucketMs > 0) deniedBy(DecisionCode.second, bucketMs);
    policy.windows.forEach(({ code, requests }, index) => {
      const over = this.requests(index) + cost - requests;
      if (over > 0) deniedBy(code, state?.log(index).waitFor(over, 'requests', atMs) ?? Infinity);
    });
    const over = policy.tokensPerMinute === Infinity ? 0 : this.tokens() + tokens - policy.tokensPerMinute;
    if (over > 0) deniedBy(DecisionCode.tokens, state?.log(0).waitFor(over, 'tokens', atMs) ?? Infinity);
    if (longest.code === DecisionCode.allowed) deniedBy(DecisionCode.concurrency, Infinity);
    return longest;
  }

  /**
   * Returns the remainder after taking `asked`, or the current one. `null`: denied.
   * @param code The limit to describe, where one denies.
   */
  private describe(asked: Amounts | null, code: DecisionCode = DecisionCode.allowed): Decision | null {
    const { policy, state, atMs } = this;
    const { windows, tokensPerMinute, maxConcurrent } = policy;
    const { cost, tokens, inFlight } = asked ?? NOTHING;
    const takes = asked !== null;
    const decision: Decision = {
      code: DecisionCode.allowed,
      limit: 0,
      remainingRequests: Infinity,
      remainingTokens: Infinity,
      retryAfterMs: 0,
      resetMs: 0,
      tokensResetMs: 0,
      atMs,
      index: 0,
    };
    if (policy.rate !== null) {
      const bucket = this.bucket();
      const left = bucket.left(policy, cost, atMs);
      if (takes && left < 0) return null;
      decision.limit = policy.burst;
      decision.remainingRequests = Math.max(Math.floor(left), 0);
      decision.resetMs = bucket.resetMs(policy, cost, atMs);
    }
    let isDescribed = code === DecisionCode.second;
    for (let index = 0; index < windows.length; index++) {
      const window = windows[index];
      const balance = window.requests - this.requests(index) - cost;
      if (takes && balance < 0) return null;
      const logged = takes && isLogged(policy, window, cost, tokens);
      const resetMs = logged ? window.lengthMs : Math.max((state?.log(index).emptyAtMs ?? 0) - atMs, 0);
      const left = Math.max(balance, 0);
      if (!isDescribed && (code === window.code || left < decision.remainingRequests)) {
        decision.limit = window.requests;
        decision.resetMs = resetMs;
        isDescribed = code === window.code;
      }
      decision.remainingRequests = Math.min(decision.remainingRequests, left);
      if (index > 0 || tokensPerMinute === Infinity) continue;
      const tokenBalance = tokensPerMinute - this.tokens() - tokens;
      if (takes && tokenBalance < 0) return null;
      decision.remainingTokens = Math.max(tokenBalance, 0);
      decision.tokensResetMs = resetMs;
    }
    const free = maxConcurrent - (state?.inFlight ?? 0) - inFlight;
    if (takes && free < 0) return null;
    const limitsRequests = decision.remainingRequests !== Infinity;
    const describesTokens = code === DecisionCode.tokens || (!limitsRequests && code !== DecisionCode.concurrency);
    if (describesTokens && tokensPerMinute !== Infinity) {
      decision.limit = tokensPerMinute;
      decision.resetMs = decision.tokensResetMs;
    } else if (code === DecisionCode.concurrency || !limitsRequests) {
      decision.limit = maxConcurrent;
      decision.resetMs = 0;
    }
    if (!limitsRequests) decision.remainingRequests = Math.max(free, 0);
    return decision;
  }

  private bucket(): TokenBucket {
    return this.state?.bucket ?? TokenBucket.full(this.policy);
  }

  private requests(window: number): number {
    return this.state?.log(window).requests ?? 0;
  }

  private tokens(): number {
    return this.state?.log(0).tokens ?? 0;
  }
}

/**
 * One decision of several: that of the scope that denies for longest or, when allowed, has the
 * least requests left.
 * @param left What is left in each scope, after this decision.
 */
export function summarize(decisions: readonly Decision[], left: readonly Decision[]): Decision {
  let chosen = 0;
  decisions.forEach((decision, index) => {
    if (goesBefore(decision, decisions[chosen])) chosen = index;
  });
  const tokens = left.reduce((least, decision) => (decision.remainingTokens < least.remainingTokens ? decision : least));
  return {
    ...decisions[chosen],
    index: chosen,
    remainingRequests: Math.min(...left.map(({ remainingRequests }) => remainingRequests)),
    remainingTokens: tokens.remainingTokens,
    tokensResetMs: tokens.tokensResetMs,
  };
}

function goesBefore(decision: Decision, other: Decision): boolean {
  const [isAllowed, isOtherAllowed] = [decision.code, other.code].map((code) => code === DecisionCode.allowed);
  if (isAllowed !== isOtherAllowed) return isOtherAllowed;
  return isAllowed ? decision.remainingRequests < other.remainingRequests : decision.retryAfterMs > other.retryAfterMs;
}
