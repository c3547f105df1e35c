import { LARGEST_AMOUNT } from '../rate-limit/arguments.js';
import type { RateLimiterService } from '../rate-limit/rate-limit.service.js';
import { Reservation } from '../rate-limit/reservation.js';

/** One reservation of a request, and the limiter that settles it. */
export interface HeldReservation {
  readonly limiter: RateLimiterService;
  readonly reservation: Reservation;
  /** Whether it holds money in budgets. */
  readonly holdsMoney: boolean;
}

/** Usage and cost that the reservations of a request are settled with. */
export interface SettledUsage {
  /** `undefined`: not known. */
  readonly tokens: number | undefined;
  /** Cost in nano-USD; `undefined`: not known. */
  readonly nanoUsd: number | undefined;
  /** The same without the assumption that a failed request without usage cost nothing. */
  readonly knownNanoUsd: number | undefined;
  /** Part of the tokens that failed attempts have lost, on top of the reserved ones. */
  readonly lostTokens: number;
}

/**
 * The usage of one request: the last report of its handler, and the sum of its calls. Amounts are
 * in nano-USD.
 */
export class RequestUsage {
  /** Tokens of the last report. */
  reportedTokens: number | undefined = undefined;
  /** Tokens of calls. */
  usedTokens: number | undefined = undefined;
  /** Lost tokens of calls without a known usage, settled in addition to the known usage. */
  lostTokens = 0;
  /** Whether a sent prompt was not counted: then its reservation is not returned. */
  isUncounted = false;
  /** Cost that the app has reported. */
  reportedCost: number | undefined = undefined;
  /** Cost of the reported usage. */
  pricedCost: number | undefined = undefined;
  /** Cost of attempts that have ended. */
  spent: number | undefined = undefined;

  /**
   * Returns the usage to settle. Reports and calls can describe the same tokens, so the larger of
   * both counts, not the sum.
   * @param hasFailed Whether the request has failed: without any usage it used nothing.
   */
  settled(hasFailed: boolean): SettledUsage {
    const { reportedTokens, usedTokens, reportedCost, spent, lostTokens } = this;
    const isUnused = hasFailed && !this.isUncounted;
    // The larger one, because a report can cover some of the calls, or tokens outside of calls.
    const isKnown = reportedTokens !== undefined || usedTokens !== undefined;
    const known = isKnown ? Math.max(reportedTokens ?? 0, usedTokens ?? 0) : isUnused ? 0 : undefined;
    const tokens = known === undefined || lostTokens === 0 ? known : boundedTokens(known + lostTokens);
    const counted = spent ?? this.pricedCost;
    const knownNanoUsd = reportedCost === undefined ? counted : Math.max(reportedCost, counted ?? 0);
    return { tokens, nanoUsd: knownNanoUsd ?? (known === 0 && hasFailed ? 0 : undefined), knownNanoUsd, lostTokens };
  }
}

/**
 * Settles the reservations of a request: charges its limits with the tokens and its budgets with
 * the cost, and releases the rest of the reservations and holds.
 *
 * @returns the reservations that stay charged, until their usage is known
 */
export function settleReservations(held: readonly HeldReservation[], used: SettledUsage): HeldReservation[] {
  const { tokens, nanoUsd, lostTokens } = used;
  /** Settled counters: guards and GraphQL fields can share some, and usage counts once. */
  const settled = new Set<string>();
  const charged: HeldReservation[] = [];
  for (const each of held) {
    const { limiter, reservation, holdsMoney } = each;
    const counters = held.length === 1 ? '' : countersOf(reservation);
    const isFirst = !settled.has(counters);
    settled.add(counters);
    // Failed attempts are added to the reservation for the answer.
    const reserved = lostTokens > 0 ? Reservation.tokensOf(reservation) + lostTokens : undefined;
    const isPaid = nanoUsd !== undefined && holdsMoney;
    if (tokens === undefined && !isPaid && (reserved === undefined || !isFirst)) {
      limiter.charge(reservation);
      limiter.release(reservation);
      charged.push(each);
    } else if (isFirst) limiter.settleHeld(reservation, tokens ?? reserved, nanoUsd);
    else limiter.settleHeld(reservation, 0, 0);
  }
  return charged;
}

/** The counters of a reservation, as text. */
export function countersOf(reservation: Reservation): string {
  return JSON.stringify(Reservation.scopesOf(reservation).map(({ limit, key }) => [limit.name, key]));
}

/** A whole number of tokens within a limiter's range. */
export function boundedTokens(tokens: number): number {
  return Math.min(Math.max(0, Math.ceil(tokens)), LARGEST_AMOUNT);
}
