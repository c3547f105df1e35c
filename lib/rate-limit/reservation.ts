import { InvalidArgumentError } from '../common/errors.js';
import type { ExceededLimit } from './limits.js';
import type { RateLimitDecision, RateLimitStanding, TakenRateLimit } from './store.js';

/** What `check` returns. */
export interface RateLimitResult {
  readonly allowed: boolean;
  readonly reason: 'ok' | 'rate_limit_exceeded';
  /**
   * The limit that denied or, if allowed, the one with the least left; of several scopes, of
   * `scope`.
   */
  readonly limit: number;
  readonly remainingRequests: number;
  /** Under `tokensPerMinute` only. */
  readonly remainingTokens?: number;
  /**
   * If denied: the time until this request is allowed, provided that nothing else is taken. Absent
   * if the request exceeds the limit by itself, or waits for a `release`.
   */
  readonly retryAfterMs?: number;
  /** Until all of the limit is free again, if nothing is taken. */
  readonly resetMs: number;
  /** The limit that denied. */
  readonly exceeded?: ExceededLimit;
  /** Index of the scope that the figures describe. */
  readonly scope: number;
  /** The store could not decide: this is the configured answer. */
  readonly outage?: RateLimitDecision['outage'];
}

/** What was taken, and what has been done about it since. */
interface Taken extends TakenRateLimit {
  isSettled: boolean;
  isReleased: boolean;
}

/** The result of `reserve`, for `settle` or `release` of the same service. */
export class Reservation implements RateLimitResult {
  readonly allowed: boolean;
  readonly reason: RateLimitResult['reason'];
  readonly limit: number;
  readonly remainingRequests: number;
  readonly remainingTokens?: number;
  readonly retryAfterMs?: number;
  readonly resetMs: number;
  readonly exceeded?: ExceededLimit;
  readonly scope: number;
  readonly outage?: RateLimitDecision['outage'];

  // A private field, so that no caller can forge a reservation and return the tokens of another
  // one.
  #taken: Taken | undefined = undefined;

  private constructor(decision: RateLimitDecision, asked: Pick<TakenRateLimit, 'scopes' | 'tokens'> | undefined) {
    const { allowed, exceeded, standings, retryAfterMs, scope, outage, atMs, lease } = decision;
    const { limit = 0, remainingRequests = 0, remainingTokens, resetMs = 0 }: Partial<RateLimitStanding> = standings[scope] ?? {};
    this.allowed = allowed;
    this.reason = allowed ? 'ok' : 'rate_limit_exceeded';
    this.limit = limit;
    this.remainingRequests = remainingRequests;
    this.remainingTokens = remainingTokens;
    this.retryAfterMs = allowed || retryAfterMs === Infinity ? undefined : retryAfterMs;
    this.resetMs = resetMs;
    this.exceeded = exceeded;
    this.scope = scope;
    this.outage = outage;
    if (!allowed || asked === undefined) return;
    const { scopes, tokens } = asked;
    // A spread in place of the two fields takes 3 us.
    this.#taken = { scopes, tokens, atMs, lease, outage, isSettled: false, isReleased: false };
  }

  /** @param asked What was to be taken; nothing by a peek. */
  static of(decision: RateLimitDecision, asked?: Pick<TakenRateLimit, 'scopes' | 'tokens'>): Reservation {
    return new Reservation(decision, asked);
  }

  /** @throws InvalidArgumentError for anything but a result of `check` or `reserve` itself. */
  static checked(path: string, value: unknown): Reservation {
    if (typeof value === 'object' && value !== null && #taken in value) return value;
    throw new InvalidArgumentError(path, value, 'must be the Reservation returned by check() or reserve(), not a copy');
  }

  /** Tokens that are reserved until it is settled; 0 for a denial. */
  static tokensOf(reservation: Reservation): number {
    return reservation.#taken?.tokens ?? 0;
  }

  /** The scopes that it was taken from; none for a denial. */
  static scopesOf(reservation: Reservation): TakenRateLimit['scopes'] {
    return reservation.#taken?.scopes ?? [];
  }

  /** What is to be settled, the first time; `undefined` after that, and for a denial. */
  static takeForSettlement(reservation: Reservation): TakenRateLimit | undefined {
    const taken = reservation.#taken;
    if (taken === undefined || taken.isSettled) return undefined;
    taken.isSettled = true;
    return taken;
  }

  /** What is to be released, the first time; `undefined` after that, and for a denial. */
  static takeForRelease(reservation: Reservation): TakenRateLimit | undefined {
    const taken = reservation.#taken;
    if (taken === undefined || taken.isReleased) return undefined;
    taken.isReleased = true;
    return taken;
  }
}
