import type { EngineName } from '../../common/capability.js';
import type { ExceededLimit } from '../limits.js';

/**
 * Limits of a key: at least one is set, and all that are set must allow a request. The service has
 * checked that numbers are finite, not negative, and windows of whole milliseconds. A limit of 0
 * denies everything; of a fraction, windows admit the whole part.
 */
export interface PolicySpec {
  /**
   * Policies of one scope share the state of a key: a key whose limits change keeps its history as
   * long as the same kinds of limits are set. Policies of different scopes have states of their
   * own, even under the same key. Default `''`.
   */
  readonly scope?: string;
  /** Token bucket: requests that flow in per second, fractions included. */
  readonly requestsPerSecond?: number;
  /** Capacity of the bucket. Default: `requestsPerSecond`, at least 1. */
  readonly burst?: number;
  readonly requestsPerMinute?: number;
  readonly requestsPerHour?: number;
  readonly requestsPerDay?: number;
  /** A window of any length, to go with `windowMs`. */
  readonly requestsPerWindow?: number;
  /** Length of that window: 1 ms to 30 days. */
  readonly windowMs?: number;
  readonly tokensPerMinute?: number;
  /** Requests in flight: counted by an allowed `check`, ended by `release`. */
  readonly maxConcurrent?: number;
}

/** A key, under the policy with this handle. */
export interface PolicyKey {
  readonly policy: number;
  readonly key: string;
}

/**
 * Amounts that a request asks for: whole numbers from 0 to 2^31, at a time in milliseconds whose
 * fraction is ignored.
 */
export interface Ask {
  readonly cost: number;
  readonly tokens: number;
  readonly nowMs: number;
}

/** Settlement of the tokens that a decision took at `takenAtMs`. */
export interface Settlement {
  readonly reservedTokens: number;
  readonly actualTokens: number;
  readonly takenAtMs: number;
  readonly nowMs: number;
}

/**
 * Answers of `check`: 0 is allowed, the others name the limit that denies. Of several, it is the
 * one to wait for longest; of equals the first of second, minute, hour, day, window, tokens. `usd`
 * is decided outside the engines, which store no budgets.
 */
export const DecisionCode = { allowed: 0, second: 1, minute: 2, hour: 3, day: 4, tokens: 5, concurrency: 6, window: 7, usd: 8 } as const;
export type DecisionCode = (typeof DecisionCode)[keyof typeof DecisionCode];

/** The limit that denies, by `DecisionCode`; none if the request is allowed. */
export const EXCEEDED: Readonly<Record<number, ExceededLimit | undefined>> = {
  [DecisionCode.second]: 'second',
  [DecisionCode.minute]: 'minute',
  [DecisionCode.hour]: 'hour',
  [DecisionCode.day]: 'day',
  [DecisionCode.tokens]: 'tokens',
  [DecisionCode.concurrency]: 'concurrency',
  [DecisionCode.window]: 'window',
  [DecisionCode.usd]: 'usd',
};

/** Places in `lastDecision`. */
export const DecisionField = {
  /** A `DecisionCode`. */
  code: 0,
  /**
   * The limit that denies or, when allowed, the request limit with the least left; without one that
   * of tokens, then of concurrency. Of a bucket its burst.
   */
  limit: 1,
  /**
   * Whole requests that the tightest request limit still admits; without one those of
   * `maxConcurrent`, otherwise `Infinity`.
   */
  remainingRequests: 2,
  /** `Infinity` without `tokensPerMinute`. */
  remainingTokens: 3,
  /**
   * 0 when allowed. When denied, the time after which this very request passes if nothing else is
   * taken; `Infinity` if no time helps: it is larger than the limit, or waits for a `release`.
   */
  retryAfterMs: 4,
  /** Time until all of `limit` is free again if nothing is taken; 0 for concurrency. */
  resetMs: 5,
  /** The same for `tokensPerMinute`; 0 without it. */
  tokensResetMs: 6,
  /** The time of this decision, for `settle` and `release`. */
  atMs: 7,
  /**
   * Of `checkAll`: index of the scope that denies or, when allowed, has the least requests left;
   * otherwise 0. What remains is then the least of all scopes, the rest is that scope's.
   */
  index: 8,
} as const;
export const DECISION_FIELDS = 9;

/** Statistics of a space. */
export interface SpaceStats {
  /** Keys held now. Idle keys are dropped when their place is needed or the sweep reaches them. */
  readonly keys: number;
  /** Decisions of `check`, `checkAll` and `checkHandle`: `allowed + denied`. */
  readonly checks: number;
  readonly allowed: number;
  readonly denied: number;
  /** Keys that were dropped before they were idle, because `maxKeys` was reached. */
  readonly evicted: number;
}

/**
 * Decides on requests: contract and injection token. Both engines give the same answers to every
 * history.
 *
 * Synchronous, and without a clock: `nowMs` is an argument. The time of a space never runs back: an
 * earlier `nowMs` than its last one counts as that one.
 *
 * Windows never admit more than the limit in any span `[t, t + length)`. A taking is counted for
 * exactly the window's length as long as four instants or fewer are remembered; of more, those
 * within a 60th of the window are counted together until the last of them is out. So nothing is
 * denied that an exact log would have admitted a 60th of the window earlier. A denied request takes
 * nothing.
 *
 * Keys are held as hashes: two keys that are taken for one, once in millions of millions, only
 * share their limits.
 */
export abstract class RateLimitEngine {
  abstract readonly engine: EngineName;

  /** The last decision of this thread, by `DecisionField`. Overwritten by the next one. */
  abstract readonly lastDecision: Float64Array;

  /**
   * The handle of a policy: the same one for equal policies, until it was closed as often as it was
   * asked for.
   * @throws InvalidArgumentError `TOO_MANY_POLICIES` where 8,192 scopes and kinds of limits are in
   * use.
   */
  abstract policy(spec: PolicySpec): number;

  /**
   * Gives back what one `policy` gave. With the last policy of a scope and its kinds of limits go
   * the keys held under them.
   */
  abstract closePolicy(policy: number): void;

  /**
   * Opens a space of keys. A name is opened once per process in the native engine, whose threads
   * share it exactly, and once per engine in the TypeScript one; `null` is private. Up to 1,024
   * keys exactly the least recently used one is evicted, above that about the least recently used
   * of its neighbours; idle ones go first. Opening a name again sets its `maxKeys`.
   */
  abstract open(name: string | null, maxKeys: number): number;

  /** Closes what one `open` opened; the last one forgets the keys. */
  abstract close(space: number): void;

  /**
   * Decides and, if allowed, takes `cost` requests and `tokens`, and counts a request in flight.
   * Returns a `DecisionCode`; the rest is in `lastDecision`.
   */
  abstract check(space: number, scope: PolicyKey, ask: Ask): number;

  /**
   * The same for several scopes at once (one at least), all or nothing. A scope that is named twice
   * is taken from twice. Of several that deny, `lastDecision` describes the one to wait for
   * longest.
   */
  abstract checkAll(space: number, scopes: readonly PolicyKey[], ask: Ask): number;

  /** Returns what `check` would decide, without taking or counting anything. */
  abstract peek(space: number, scope: PolicyKey, ask: Ask): number;

  /**
   * Corrects the charge of a decision to `tokensPerMinute`, at the time of that decision. Has no
   * effect once the charge has left the window. Called once per reservation.
   */
  abstract settle(space: number, scope: PolicyKey, settlement: Settlement): void;

  /**
   * Ends a request in flight: the one that was allowed at `takenAtMs`, or any if that is infinite.
   * A request that was allowed before the key was reset ends none of those allowed since.
   */
  abstract release(space: number, scope: PolicyKey, takenAtMs: number): void;

  /**
   * Forgets a key of the policy's scope: its requests in flight count as if they had taken nothing.
   */
  abstract reset(space: number, scope: PolicyKey): void;

  abstract stats(space: number): SpaceStats;

  /**
   * Resolves a key once: `checkHandle` needs no string. A handle stays valid while its key is
   * dropped and comes back.
   */
  abstract handle(space: number, scope: PolicyKey): number;

  /** As `check`. */
  abstract checkHandle(handle: number, ask: Ask): number;

  abstract closeHandle(handle: number): void;
}
