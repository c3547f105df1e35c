import { countsRates } from '../limits.js';
import type { RateLimitDecision, RateLimitScope, RateLimitStanding } from '../store.js';
import type { BudgetStanding } from '../budget/account.js';
import type { Ask } from '../engine/engine.js';
import type { BudgetHold, BudgetLedger, LedgerDenial } from './budget-ledger.js';

/** Decides requests, tokens and concurrency alone. */
export interface RateDecisions {
  check(scopes: readonly RateLimitScope[], ask: Ask): RateLimitDecision;
  peek(scopes: readonly RateLimitScope[], ask: Ask): RateLimitDecision;
}

/** A decision that was made for this request and is completed in place. */
type OwnDecision = Omit<RateLimitDecision, 'standings' | 'hold'> & {
  readonly standings: (RateLimitStanding & { budgets?: readonly BudgetStanding[] })[];
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
    const { nowMs } = ask;
    const asked = this.ledger.ask(scopes, nanoUsd);
    const decision = this.decide('check', asked, ask);
    if (decision.allowed && decision.outage === undefined) {
      this.ledger.hold(asked, nowMs);
      decision.hold = asked;
    }
    return this.withStandings(decision, asked, nowMs, 0);
  }

  peek(scopes: readonly RateLimitScope[], ask: Ask, nanoUsd: number): RateLimitDecision {
    const asked = this.ledger.ask(scopes, nanoUsd);
    const decision = this.decide('peek', asked, ask);
    return this.withStandings(decision, asked, ask.nowMs, decision.allowed ? nanoUsd : 0);
  }

  private decide(how: 'check' | 'peek', asked: BudgetHold, ask: Ask): OwnDecision {
    const { scopes } = asked;
    const denial = this.ledger.denial(asked, ask.nowMs);
    if (denial === undefined) return this.onRates(how, scopes, ask);
    if (denial.reason === 'budget_held') {
      const rates = this.onRates('peek', scopes, ask);
      if (!rates.allowed) return rates;
    }
    return denied(denial, this.onRates('peek', scopes, { cost: 0, tokens: 0, nowMs: ask.nowMs }));
  }

  /** The decision on the scopes that limit anything besides money, for the places of all scopes. */
  private onRates(how: 'check' | 'peek', scopes: readonly RateLimitScope[], ask: Ask): OwnDecision {
    if (allCountRates(scopes)) return this.rates[how](scopes, ask) as OwnDecision;
    const places = scopes.flatMap(({ limit }, index) => (countsRates(limit) ? [index] : []));
    const allowed = { allowed: true, scope: 0, retryAfterMs: 0, standings: scopes.map(unlimited), atMs: ask.nowMs };
    if (places.length === 0) return allowed;
    const limited = places.map((place) => scopes[place]);
    const decision = this.rates[how](limited, ask) as OwnDecision;
    if (decision.standings.length === 0) return decision;
    const standings = [...allowed.standings];
    places.forEach((place, index) => (standings[place] = decision.standings[index]));
    return { ...decision, scope: places[decision.scope], standings };
  }

  /** @param pending What the decision would hold on top. */
  private withStandings(decision: OwnDecision, asked: BudgetHold, nowMs: number, pending: number): RateLimitDecision {
    let line = 0;
    for (let i = 0; i < decision.standings.length; i++) {
      const count = asked.scopes[i].limit.budgets?.length ?? 0;
      if (count > 0) decision.standings[i].budgets = this.ledger.standingsOf(asked, { line, count, nowMs, pending });
      line += count;
    }
    return decision;
  }
}

function allCountRates(scopes: readonly RateLimitScope[]): boolean {
  for (let i = 0; i < scopes.length; i++) if (!countsRates(scopes[i].limit)) return false;
  return true;
}

function unlimited(): RateLimitStanding {
  return { limit: Infinity, remainingRequests: Infinity, resetMs: 0 };
}

function denied({ reason, standing, scope, waitMs }: LedgerDenial, left: OwnDecision): OwnDecision {
  return { ...left, allowed: false, scope, exceeded: 'usd', retryAfterMs: waitMs, budget: { reason, standing } };
}
