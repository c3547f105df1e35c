import { DecisionCode, type DecisionField } from '../engine/engine.js';
import type { KeyState } from './key-state.js';
import { isLogged, type Policy } from './policy.js';
import { TokenBucket } from './token-bucket.js';

/** A decision: the fields of `DecisionField`. */
export type Decision = Record<keyof typeof DecisionField, number>;

/** What a decision takes, and how many requests in flight it adds. */
export interface Amounts {
  readonly cost: number;
  readonly tokens: number;
  readonly inFlight: number;
}

/** How a key stands under a policy, at a time for which it was pruned. */
export class Standing {
  /** @param state `null`: the key is not held. */
  constructor(
    private readonly policy: Policy,
    private readonly state: KeyState | null,
    private readonly atMs: number,
  ) {}

  /** Whether the key may take what is asked for, and what is then left. Takes nothing. */
  decide(asked: Amounts): Decision {
    return this.describe(asked) ?? this.deny(asked);
  }

  /** What is left as it is. */
  left(code: DecisionCode = DecisionCode.allowed): Decision {
    return this.describe(null, code) as Decision;
  }

  /** Of the limits that deny, the one to wait for longest counts, and the first of equals. */
  private deny({ cost, tokens }: Amounts): Decision {
    const { policy, state, atMs } = this;
    let code: DecisionCode = DecisionCode.allowed;
    let longestMs = 0;
    const deniedBy = (limit: DecisionCode, waitMs: number): void => {
      if (code === DecisionCode.allowed || waitMs > longestMs) [code, longestMs] = [limit, waitMs];
    };
    const bucketMs = policy.rate === null ? 0 : this.bucket().waitFor(policy, cost, atMs);
    if (bucketMs > 0) deniedBy(DecisionCode.second, bucketMs);
    policy.windows.forEach(({ code: window, requests }, index) => {
      const over = this.requests(index) + cost - requests;
      if (over > 0) deniedBy(window, state?.logs[index].waitFor(over, 'requests', atMs) ?? Infinity);
    });
    const over = policy.tokensPerMinute === Infinity ? 0 : this.tokens() + tokens - policy.tokensPerMinute;
    if (over > 0) deniedBy(DecisionCode.tokens, state?.logs[0].waitFor(over, 'tokens', atMs) ?? Infinity);
    if (code === DecisionCode.allowed) deniedBy(DecisionCode.concurrency, Infinity);
    return { ...this.left(code), code, retryAfterMs: longestMs };
  }

  /**
   * What is left once `asked` is taken, or as it is. `null`: it may not be taken.
   * @param code The limit to describe, where one denies.
   */
  private describe(asked: Amounts | null, code: DecisionCode = DecisionCode.allowed): Decision | null {
    const { policy, state, atMs } = this;
    const { windows, tokensPerMinute, maxConcurrent } = policy;
    const { cost, tokens, inFlight } = asked ?? { cost: 0, tokens: 0, inFlight: 0 };
    const takes = asked !== null;
    let [limit, remainingRequests, resetMs] = [0, Infinity, 0];
    let [remainingTokens, tokensResetMs] = [Infinity, 0];
    if (policy.rate !== null) {
      const bucket = this.bucket();
      const left = bucket.left(policy, cost, atMs);
      if (takes && left < 0) return null;
      [limit, remainingRequests] = [policy.burst, Math.max(Math.floor(left), 0)];
      resetMs = bucket.resetMs(policy, cost, atMs);
    }
    let isDescribed = code === DecisionCode.second;
    for (const [index, window] of windows.entries()) {
      const balance = window.requests - this.requests(index) - cost;
      if (takes && balance < 0) return null;
      const logged = takes && isLogged(policy, window, cost, tokens);
      const windowResetMs = logged ? window.lengthMs : Math.max((state?.logs[index].emptyAtMs ?? 0) - atMs, 0);
      const left = Math.max(balance, 0);
      if (!isDescribed && (code === window.code || left < remainingRequests)) {
        [limit, resetMs] = [window.requests, windowResetMs];
        isDescribed = code === window.code;
      }
      remainingRequests = Math.min(remainingRequests, left);
      if (index > 0 || tokensPerMinute === Infinity) continue;
      const tokenBalance = tokensPerMinute - this.tokens() - tokens;
      if (takes && tokenBalance < 0) return null;
      [remainingTokens, tokensResetMs] = [Math.max(tokenBalance, 0), windowResetMs];
    }
    const free = maxConcurrent - (state?.inFlight ?? 0) - inFlight;
    if (takes && free < 0) return null;
    const limitsRequests = remainingRequests !== Infinity;
    const describesTokens = code === DecisionCode.tokens || (!limitsRequests && code !== DecisionCode.concurrency);
    if (describesTokens && tokensPerMinute !== Infinity) [limit, resetMs] = [tokensPerMinute, tokensResetMs];
    else if (code === DecisionCode.concurrency || !limitsRequests) [limit, resetMs] = [maxConcurrent, 0];
    if (!limitsRequests) remainingRequests = Math.max(free, 0);
    return { code: 0, limit, remainingRequests, remainingTokens, retryAfterMs: 0, resetMs, tokensResetMs, atMs, index: 0 };
  }

  private bucket(): TokenBucket {
    return this.state?.bucket ?? TokenBucket.full(this.policy);
  }

  private requests(window: number): number {
    return this.state?.logs[window].requests ?? 0;
  }

  private tokens(): number {
    return this.state?.logs[0].tokens ?? 0;
  }
}

/**
 * One decision of several: that of the scope that denies for longest or, when allowed, has the least requests left.
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
