import { DecisionCode } from '../engine/engine.js';
import type { RateLimit } from '../limits.js';

/** What the script does, and what each operation takes as `values`. */
export const OperationKind = {
  /**
   * `cost, tokens`: decides and takes. `slot, slotTtlMs` follow where requests at a time are limited; and for a lease `leaseMs, sureRequests, sureTokens,
   * moreRequests, moreTokens, share`: it also takes what may be spent until then, of what is left the sure, and of the rest a `share`th, up to the more.
   */
  take: 1,
  /** `cost, tokens`: decides only. */
  peek: 2,
  /** `requests, tokens, atMs`: what was taken at that instant comes back; less than nothing takes more. */
  give: 3,
  /** `slot`: the request is over. */
  release: 4,
  /** `slot, slotTtlMs`: the request goes on. */
  keep: 5,
  /** Forgets the keys. */
  reset: 6,
} as const;
export type OperationKind = (typeof OperationKind)[keyof typeof OperationKind];

/** Numbers in a reply: of the decision, then of each scope. */
export const ReplyField = { code: 0, scope: 1, retryAfterMs: 2, atMs: 3, moreRequests: 4, moreTokens: 5 } as const;
export const StandingField = { limit: 0, remainingRequests: 1, remainingTokens: 2, resetMs: 3, tokensResetMs: 4 } as const;
const REPLY_LENGTH = 6;
const STANDING_LENGTH = 5;
const CODES = 8;

/** The state of one key under one limit, as the script knows it. */
export interface RedisScope {
  /** The string that holds what was taken. */
  readonly stateKey: string;
  /** The sorted set that holds the slots of running requests; empty where these are not limited. */
  readonly slotsKey: string;
  readonly limits: readonly number[];
}

/** One operation. All its keys carry the same hash tag. */
export interface RedisOperation {
  readonly kind: OperationKind;
  readonly tag: string;
  readonly scopes: readonly RedisScope[];
  readonly values: readonly (number | string)[];
}

export function replyLength({ kind, scopes }: RedisOperation): number {
  return kind === OperationKind.take || kind === OperationKind.peek ? REPLY_LENGTH + STANDING_LENGTH * scopes.length : 0;
}

/** Where the standing of a scope begins. */
export function standingAt(scope: number): number {
  return REPLY_LENGTH + STANDING_LENGTH * scope;
}

/**
 * A limit as the script wants it: rate and capacity of the bucket, tokens per minute, requests at a time, then id and limit of each window; -1 is no
 * limit. Tokens are counted in the window of a minute, which is there if either is limited.
 */
export function limitNumbers(limit: RateLimit): readonly number[] {
  const { bucket, windows, tokensPerMinute, maxConcurrent } = limit;
  // As in the engines: what nothing flows into holds nothing.
  const capacity = bucket?.perSecond === 0 ? 0 : bucket?.capacity;
  const numbers = [bucket?.perSecond ?? -1, capacity ?? -1, tokensPerMinute ?? -1, maxConcurrent ?? -1];
  const inMinute = windows.some(({ exceeded }) => exceeded === 'minute');
  if (tokensPerMinute !== undefined && !inMinute) numbers.push(windowId(60_000, DecisionCode.minute), -1);
  for (const { lengthMs, limit: requests, exceeded } of windows) numbers.push(windowId(lengthMs, DecisionCode[exceeded]), requests);
  return numbers;
}

/** Windows of one length and one code share what they remember. */
export function windowId(lengthMs: number, code: number): number {
  return lengthMs * CODES + code;
}

export function windowLength(id: number): number {
  return Math.floor(id / CODES);
}

/** The key that says that Redis remembers, and for how long requests that run are unknown when it is gone. */
export interface RedisMark {
  readonly key: string;
  readonly slotTtlMs: number;
}
