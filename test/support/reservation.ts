import { Reservation } from '../../lib/rate-limit/reservation.js';
import type { RateLimitDecision } from '../../lib/rate-limit/store.js';

/** A reservation of tokens that no limiter knows. */
export function reservationOf(tokens: number): Reservation {
  const decision: RateLimitDecision = { allowed: true, standings: [], retryAfterMs: 0, scope: 0, atMs: 0 };
  return new Reservation(decision, { scopes: [], tokens });
}
