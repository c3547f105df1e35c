import { DecisionCode } from './rate-limit.engine.js';
import type { RateLimit } from './rate-limit.limits.js';

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
/** A `take` of one key with no more values than `cost` and `tokens`: said in short. */
const USUAL = 0;
const REPLY_LENGTH = 6;
const STANDING_LENGTH = 5;

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
  return lengthMs * 8 + code;
}

/** The key that says that Redis remembers, and for how long requests that run are unknown when it is gone. */
export interface RedisMark {
  readonly key: string;
  readonly slotTtlMs: number;
}

/**
 * Keys and the one argument of a call: all limits and all operations as JSON, naming keys and limits by their number from 1. Operations stand one behind
 * the other in one array, which Redis reads faster than one for each: kind, count of values, values, count of scopes, and of each its key, slots and limit.
 */
export function encodeOperations(operations: readonly RedisOperation[], mark?: RedisMark): string[] {
  const keys = new Numbering<string>();
  const limits = new Numbering<readonly number[]>();
  const encoded: (number | string)[] = [];
  for (const { kind, values, scopes } of operations) {
    const [{ stateKey, slotsKey, limits: numbers }] = scopes;
    if (kind === OperationKind.take && scopes.length === 1 && values.length === 2 && slotsKey === '') {
      encoded.push(USUAL, values[0], values[1], keys.of(stateKey), limits.of(numbers));
      continue;
    }
    encoded.push(kind, values.length, ...values, scopes.length);
    for (const scope of scopes) {
      encoded.push(keys.of(scope.stateKey), scope.slotsKey === '' ? 0 : keys.of(scope.slotsKey), limits.of(scope.limits));
    }
  }
  const marked = mark === undefined ? [] : [keys.of(mark.key), mark.slotTtlMs];
  return [...keys.all, JSON.stringify([limits.all, encoded, ...marked])];
}

class Numbering<T> {
  readonly all: T[] = [];
  private readonly numbers = new Map<T, number>();

  of(value: T): number {
    let number = this.numbers.get(value);
    if (number === undefined) this.numbers.set(value, (number = this.all.push(value)));
    return number;
  }
}

/** The bytes of a reply as numbers. */
export function decodeReply(reply: unknown): Float64Array {
  const bytes = reply as Uint8Array;
  return new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer);
}
