import { InvalidArgumentError } from '../common/errors.js';
import type { ExceededLimit } from './rate-limit.limits.js';
import type { RateLimitDecision, TakenRateLimit } from './rate-limit.store.js';

/** What `check` answers. */
export interface RateLimitResult {
  readonly allowed: boolean;
  readonly reason: 'ok' | 'rate_limit_exceeded';
  /** The limit that refused; otherwise the one with the least left. Of several scopes, that of `scope`. */
  readonly limit: number;
  readonly remainingRequests: number;
  /** Under `tokensPerMinute` only. */
  readonly remainingTokens?: number;
  /** When refused: the time until this request would pass, if nobody else takes. Absent where no time helps: it is larger than the limit, or waits for a `release`. */
  readonly retryAfterMs?: number;
  /** Until the limit is whole again, if nobody takes. */
  readonly resetMs: number;
  /** Which limit refused. */
  readonly exceeded?: ExceededLimit;
  /** Index of the scope that the figures are of. */
  readonly scope: number;
  /** The store was away: this is the configured answer, not a decision. */
  readonly outage?: RateLimitDecision['outage'];
}

/** What `reserve` answers: to be handed to `settle` or `release` of the service that gave it. */
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

  // Private to the language: nobody can make up a reservation and have somebody else's tokens given back.
  #taken: TakenRateLimit | undefined;
  #settled = false;
  #released = false;

  /** `asked`: what was to be taken; nothing by a peek. */
  constructor(decision: RateLimitDecision, asked: Pick<TakenRateLimit, 'scopes' | 'tokens'> | undefined) {
    const standing = decision.standings[decision.scope];
    this.allowed = decision.allowed;
    this.reason = decision.allowed ? 'ok' : 'rate_limit_exceeded';
    this.limit = standing?.limit ?? 0;
    this.remainingRequests = standing?.remainingRequests ?? 0;
    this.remainingTokens = standing?.remainingTokens;
    this.retryAfterMs = decision.allowed || decision.retryAfterMs === Infinity ? undefined : decision.retryAfterMs;
    this.resetMs = standing?.resetMs ?? 0;
    this.exceeded = decision.exceeded;
    this.scope = decision.scope;
    this.outage = decision.outage;
    if (decision.allowed && asked !== undefined) {
      const { atMs, lease, outage } = decision;
      this.#taken = { scopes: asked.scopes, tokens: asked.tokens, atMs, lease, outage };
    }
  }

  /** @throws InvalidArgumentError for what no `check` or `reserve` has answered, a copy of an answer among it. */
  static checked(path: string, value: unknown): Reservation {
    if (typeof value === 'object' && value !== null && #taken in value) return value;
    throw new InvalidArgumentError(path, value, 'must be what check or reserve answered, itself and no copy');
  }

  /** What has to be settled, the first time; `undefined` after that, and for a refusal. */
  static takeForSettlement(reservation: Reservation): TakenRateLimit | undefined {
    if (reservation.#settled) return undefined;
    reservation.#settled = true;
    return reservation.#taken;
  }

  /** What has to be released, the first time; `undefined` after that, and for a refusal. */
  static takeForRelease(reservation: Reservation): TakenRateLimit | undefined {
    if (reservation.#released) return undefined;
    reservation.#released = true;
    return reservation.#taken;
  }
}
