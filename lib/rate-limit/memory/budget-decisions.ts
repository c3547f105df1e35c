import { countsRates } from '../limits.js';
import type { RateLimitDecision, RateLimitScope, RateLimitStanding } from '../store.js';
import type { Ask } from '../engine/engine.js';
import type { BudgetHold, BudgetLedger, Described, LedgerDenial } from './budget-ledger.js';

/** Decides requests, tokens and concurrency alone. */
export interface RateDecisions {
  readonly check: DecideRates;
  readonly peek: DecideRates;
}

/** Decides scopes that limit anything besides money. */
export type DecideRates = (scopes: readonly RateLimitScope[], ask: Ask) => RateLimitDecision;

/** A decision that was made for this request and is completed in place. */
type OwnDecision = Omit<RateLimitDecision, 'standings' | 'hold'> & {
  readonly standings: (RateLimitStanding & Described)[];
  hold?: BudgetHold;
};

/**
 * Joins the decision on money with that on requests, tokens and concurrency, all or nothing: both
 * are synchronous, so nothing comes between. A budget that is spent denies before any other limit,
 * one that is only held after all of them.
 */
export class BudgetDecisions {
  constructor(
    readonly ledger: BudgetLedger,
    private readonly rates: RateDecisions,
  ) {}

  check(scopes: readonly RateLimitScope[], ask: Ask, nanoUsd: number): RateLimitDecision {
    const asked = this.ledger.ask(scopes, nanoUsd, ask.nowMs);
    const decision = this.decide(this.rates.check, asked, ask);
    if (decision.allowed && decision.outage === undefined) {
      this.ledger.hold(asked);
      decision.hold = asked;
    }
    this.ledger.describe(asked, decision.standings);
    return decision;
  }

  peek(scopes: readonly RateLimitScope[], ask: Ask, nanoUsd: number): RateLimitDecision {
    const asked = this.ledger.ask(scopes, nanoUsd, ask.nowMs);
    const decision = this.decide(this.rates.peek, asked, ask);
    this.ledger.describe(asked, decision.standings, decision.allowed ? nanoUsd : 0);
    return decision;
  }

  private decide(onRates: DecideRates, asked: BudgetHold, ask: Ask): OwnDecision {
    const { scopes } = asked;
    const denial = this.ledger.denial(asked);
    if (denial === undefined) return decideRates(onRates, scopes, ask);
    if (denial.reason === 'budget_held') {
      const rates = decideRates(this.rates.peek, scopes, ask);
      if (!rates.allowed) return rates;
    }
    return denied(denial, decideRates(this.rates.peek, scopes, { cost: 0, tokens: 0, nowMs: ask.nowMs }));
  }
}

/** The decision on the scopes that limit anything besides money, for the places of all scopes. */
export function decideRates(decide: DecideRates, scopes: readonly RateLimitScope[], ask: Ask): OwnDecision {
  let count = 0;
  for (const { limit } of scopes) if (countsRates(limit)) count++;
  if (count === scopes.length) return decide(scopes, ask) as OwnDecision;
  const places = scopes.flatMap(({ limit }, index) => (countsRates(limit) ? [index] : []));
  const allowed = { allowed: true, scope: 0, retryAfterMs: 0, standings: scopes.map(unlimited), atMs: ask.nowMs };
  if (places.length === 0) return allowed;
  const limited = places.map((place) => scopes[place]);
  const decision = decide(limited, ask) as OwnDecision;
  if (decision.standings.length === 0) return decision;
  const standings = [...allowed.standings];
  places.forEach((place, index) => (standings[place] = decision.standings[index]));
  return { ...decision, scope: places[decision.scope], standings };
}

function unlimited(): RateLimitStanding {
  return { limit: Infinity, remainingRequests: Infinity, resetMs: 0 };
}

function denied({ reason, standing, scope, waitMs }: LedgerDenial, left: OwnDecision): OwnDecision {
  return { ...left, allowed: false, scope, exceeded: 'usd', retryAfterMs: waitMs, budget: { reason, standing } };
}
