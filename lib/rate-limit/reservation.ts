import { InvalidArgumentError } from '../common/errors.js';
import { DecisionCode, DecisionField, EXCEEDED, type RateLimitEngine } from './engine/engine.js';
import { countsRequests, type ExceededLimit, type RateLimit } from './limits.js';
import type { RateLimitDecision, RateLimitStanding, TakenRateLimit } from './store.js';

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

/** What was taken, and what has been done about it since. */
interface Taken extends TakenRateLimit {
  isSettled: boolean;
  isReleased: boolean;
}

function takenOf(
  scopes: TakenRateLimit['scopes'],
  tokens: number,
  atMs: number,
  lease: string | undefined,
  outage: RateLimitDecision['outage'],
): Taken {
  return { scopes, tokens, atMs, lease, outage, isSettled: false, isReleased: false };
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
  // One field: V8 gives each a step of its own.
  #taken: Taken | undefined;

  // Fact by fact: objects to hand them over in would take longer than the decision.
  private constructor(
    allowed: boolean,
    exceeded: ExceededLimit | undefined,
    limit: number,
    remainingRequests: number,
    remainingTokens: number | undefined,
    retryAfterMs: number,
    resetMs: number,
    scope: number,
    outage: RateLimitDecision['outage'],
    taken: Taken | undefined,
  ) {
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
    this.#taken = taken;
  }

  /** `asked`: what was to be taken; nothing by a peek. */
  static of(decision: RateLimitDecision, asked?: Pick<TakenRateLimit, 'scopes' | 'tokens'>): Reservation {
    const { allowed, exceeded, standings, retryAfterMs, scope, outage, atMs, lease } = decision;
    const { limit = 0, remainingRequests = 0, remainingTokens, resetMs = 0 }: Partial<RateLimitStanding> = standings[scope] ?? {};
    const taken = allowed && asked !== undefined ? takenOf(asked.scopes, asked.tokens, atMs, lease, outage) : undefined;
    return new Reservation(allowed, exceeded, limit, remainingRequests, remainingTokens, retryAfterMs, resetMs, scope, outage, taken);
  }

  /** Of what `engine` has just decided on one key. */
  static ofKey({ engine, lastDecision: last }: RateLimitEngine, limit: RateLimit, key: string, tokens: number): Reservation {
    const code = last[DecisionField.code];
    const allowed = code === DecisionCode.allowed;
    const hasRequests = countsRequests(limit);
    return new Reservation(
      allowed,
      EXCEEDED[code],
      hasRequests ? last[DecisionField.limit] : Infinity,
      hasRequests ? last[DecisionField.remainingRequests] : Infinity,
      limit.tokensPerMinute === undefined ? undefined : last[DecisionField.remainingTokens],
      last[DecisionField.retryAfterMs],
      last[DecisionField.resetMs],
      0,
      undefined,
      allowed ? takenOf([{ limit, key }], tokens, last[DecisionField.atMs], engine, undefined) : undefined,
    );
  }

  /** @throws InvalidArgumentError for what no `check` or `reserve` has answered, a copy of an answer among it. */
  static checked(path: string, value: unknown): Reservation {
    if (typeof value === 'object' && value !== null && #taken in value) return value;
    throw new InvalidArgumentError(path, value, 'must be what check or reserve answered, itself and no copy');
  }

  /** Tokens that it holds until it is settled; 0 for a refusal. */
  static tokensOf(reservation: Reservation): number {
    return reservation.#taken?.tokens ?? 0;
  }

  /** The scopes that it was taken from; none for a denial. */
  static scopesOf(reservation: Reservation): TakenRateLimit['scopes'] {
    return reservation.#taken?.scopes ?? [];
  }

  /** What has to be settled, the first time; `undefined` after that, and for a refusal. */
  static takeForSettlement(reservation: Reservation): TakenRateLimit | undefined {
    const taken = reservation.#taken;
    if (taken === undefined || taken.isSettled) return undefined;
    taken.isSettled = true;
    return taken;
  }

  /** What has to be released, the first time; `undefined` after that, and for a refusal. */
  static takeForRelease(reservation: Reservation): TakenRateLimit | undefined {
    const taken = reservation.#taken;
    if (taken === undefined || taken.isReleased) return undefined;
    taken.isReleased = true;
    return taken;
  }
}
