import type { EngineName } from '../../common/capability.js';
import type { ExceededLimit } from '../limits.js';

/**
 * What a key may do; at least one limit is set, and all that are set must allow a request. Checked by the service: numbers are finite and not
 * negative, windows of whole milliseconds. A limit of 0 refuses everything; of a fraction, windows admit the whole part.
 */
export interface PolicySpec {
  /**
   * Policies of one scope share a key's state, so a key whose limits change keeps its history as long as the same limits are set;
   * policies of different scopes never meet, even under the same key. Default `''`.
   */
  readonly scope?: string;
  /** Token bucket: what flows in per second, fractions included. */
  readonly requestsPerSecond?: number;
  /** What the bucket holds. Default: `requestsPerSecond`, at least 1. */
  readonly burst?: number;
  readonly requestsPerMinute?: number;
  readonly requestsPerHour?: number;
  readonly requestsPerDay?: number;
  /** A window of any length, to go with `windowMs`. */
  readonly requestsPerWindow?: number;
  /** Length of that window: 1 ms to 30 days. */
  readonly windowMs?: number;
  readonly tokensPerMinute?: number;
  /** Requests that are under way at once: taken by an allowed `check`, given back by `release`. */
  readonly maxConcurrent?: number;
}

/** Answers of `check`: 0 is allowed, the others say which limit refuses (of several, the one that has to be waited for longest; of equals the first of second, minute, hour, day, window, tokens). */
export const DecisionCode = { allowed: 0, second: 1, minute: 2, hour: 3, day: 4, tokens: 5, concurrency: 6, window: 7 } as const;
export type DecisionCode = (typeof DecisionCode)[keyof typeof DecisionCode];

/** Which limit refuses, by `DecisionCode`; none where it is allowed. */
export const EXCEEDED: Readonly<Record<number, ExceededLimit | undefined>> = {
  [DecisionCode.second]: 'second',
  [DecisionCode.minute]: 'minute',
  [DecisionCode.hour]: 'hour',
  [DecisionCode.day]: 'day',
  [DecisionCode.tokens]: 'tokens',
  [DecisionCode.concurrency]: 'concurrency',
  [DecisionCode.window]: 'window',
};

/** Where `lastDecision` holds what. */
export const DecisionField = {
  /** A `DecisionCode`. */
  code: 0,
  /** The limit that refuses or, when allowed, the request limit with the least left (without one: that of tokens, then of concurrency). For a bucket its burst. */
  limit: 1,
  /** Whole requests that the tightest request limit still admits; without a request limit the free places of `maxConcurrent`, without one `Infinity`. */
  remainingRequests: 2,
  /** `Infinity` without `tokensPerMinute`. */
  remainingTokens: 3,
  /** 0 when allowed. When refused, the time after which this very request passes if nobody else takes; `Infinity` if no time is known: it is larger than the limit, or waits for a `release`. */
  retryAfterMs: 4,
  /** Time until the limit in `limit` is whole again if nobody takes; 0 for concurrency. */
  resetMs: 5,
  /** The same for `tokensPerMinute`; 0 without it. */
  tokensResetMs: 6,
  /** The time of this decision, to be kept for `settle`. */
  atMs: 7,
  /** Of `checkAll`: index of the scope that refuses or, when allowed, has the least requests left; otherwise 0. What remains is then the least of all scopes, the rest is that scope's. */
  index: 8,
} as const;
export const DECISION_FIELDS = 9;

/** What a space has done. */
export interface SpaceStats {
  /** Keys held now; idle ones are dropped when their place is needed or a sweep comes by. */
  readonly keys: number;
  /** Decisions of `check`, `checkAll` and `checkHandle`: `allowed + denied`. */
  readonly checks: number;
  readonly allowed: number;
  readonly denied: number;
  /** Keys that were dropped, not idle, because `maxKeys` was reached. */
  readonly evicted: number;
}

/**
 * Decides who may pass: contract and injection token in one. Twins give the same answers for every history.
 *
 * Synchronous, and without a clock: `nowMs` is an argument, whole milliseconds (fractions are cut). The time of a space never runs back: an earlier
 * `nowMs` than its last one counts as that one. Arguments are checked by the service: `cost` and `tokens` are whole numbers from 0 to 2^31.
 *
 * Windows never admit more than the limit in any span `[t, t + length)`. What was taken is counted for exactly the window's length, as long as four instants or fewer are
 * remembered; of more, those within a 60th of the window are counted together until the last of them is out. So nothing is refused that an exact log would have admitted
 * a 60th of the window earlier. A refused request spends nothing anywhere.
 *
 * Keys are held as a keyed 64-bit hash at most: two keys that are taken for one, once in millions of millions, only share their limits.
 */
export abstract class RateLimitEngine {
  abstract readonly engine: EngineName;

  /** Details of the last decision of this thread, at the places of `DecisionField`. Overwritten by the next one. */
  abstract readonly lastDecision: Float64Array;

  /**
   * The handle of a policy: the same one for equal policies, until it was closed as often as it was asked for.
   * @throws InvalidArgumentError `TOO_MANY_POLICIES` where 8,192 scopes and kinds of limits are in use.
   */
  abstract policy(spec: PolicySpec): number;

  /** Gives back what one `policy` gave. With the last policy of a scope and its limits go the keys that were held under them. */
  abstract closePolicy(policy: number): void;

  /**
   * Opens a space of keys. A name is opened once per process in the native engine, whose threads share it exactly, and once per engine in the TypeScript one; `null` is
   * private. Up to 1024 keys the least recently used one makes room exactly, above that about the least recently used of its neighbours does; idle ones first.
   * Opening a name again sets its `maxKeys`.
   */
  abstract open(name: string | null, maxKeys: number): number;

  /** Closes what one `open` opened; the last one forgets the keys. */
  abstract close(space: number): void;

  /** Decides and, if allowed, takes `cost` requests, `tokens` tokens and one of `maxConcurrent`. Returns a `DecisionCode`; more is in `lastDecision`. */
  abstract check(space: number, policy: number, key: string, cost: number, tokens: number, nowMs: number): number;

  /**
   * The same for several scopes at once (one at least), all or nothing: `policies[i]` governs `keys[i]`. A scope that is named twice is taken from twice.
   * Of several that refuse, `lastDecision` describes the one that has to be waited for longest.
   */
  abstract checkAll(space: number, policies: Uint32Array, keys: readonly string[], cost: number, tokens: number, nowMs: number): number;

  /** What `check` would answer. Takes nothing and is not counted. */
  abstract peek(space: number, policy: number, key: string, cost: number, tokens: number, nowMs: number): number;

  /**
   * Corrects what a decision took from `tokensPerMinute`, at the instant `atMs` of that decision: gives back or adds. Once it is out of the window, nothing is left to correct.
   * To be called once per reservation.
   */
  abstract settle(
    space: number,
    policy: number,
    key: string,
    reservedTokens: number,
    actualTokens: number,
    atMs: number,
    nowMs: number,
  ): void;

  /**
   * Gives back one of `maxConcurrent`: that of a request that was let pass at `atMs` of its decision, or any if that is infinite. A place that was taken before the key
   * was reset frees none of those taken since.
   */
  abstract release(space: number, policy: number, key: string, atMs: number): void;

  /** Forgets a key of the policy's scope: what is under way of it counts as if it had taken nothing. */
  abstract reset(space: number, policy: number, key: string): void;

  abstract stats(space: number): SpaceStats;

  /** Resolves a key once: `checkHandle` then needs no string. A handle stays good while its key is dropped and comes back. */
  abstract handle(space: number, policy: number, key: string): number;

  /** As `check`. */
  abstract checkHandle(handle: number, cost: number, tokens: number, nowMs: number): number;

  /** Gives a handle back. */
  abstract closeHandle(handle: number): void;
}
