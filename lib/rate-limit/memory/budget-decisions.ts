import { countsRates } from '../limits.js';
import type { RateLimitDecision, RateLimitScope, RateLimitStanding } from '../store.js';
import type { BudgetStanding } from '../budget/account.js';
import type { BudgetHold, BudgetLedger, LedgerDenial } from './budget-ledger.js';

/** What a request asks for. */
export interface BudgetedAsk {
  readonly cost: number;
  readonly tokens: number;
  readonly nanoUsd: number;
}

/** Decides requests, tokens and concurrency alone. */
export interface RateDecisions {
  check(scopes: readonly RateLimitScope[], cost: number, tokens: number): RateLimitDecision;
  peek(scopes: readonly RateLimitScope[], cost: number, tokens: number): RateLimitDecision;
}

/** A decision that was made for this request and is completed in place. */
type OwnDecision = Omit<RateLimitDecision, 'standings' | 'hold'> & {
  readonly standings: (RateLimitStanding & { budgets?: readonly BudgetStanding[] })[];
  hold?: BudgetHold;
};

const NOTHING: BudgetedAsk = { cost: 0, tokens: 0, nanoUsd: 0 };

/**
 * Joins the decision on money with that on requests, tokens and concurrency, all or nothing: both
 * are synchronous, so nothing comes between. A budget that is spent denies before any other limit,
 * one that is only held after all of them.
 */
export class BudgetDecisions {
  constructor(
    readonly ledger: BudgetLedger,
    private readonly rates: RateDecisions,
    private readonly now: () => number,
  ) {}

  check(scopes: readonly RateLimitScope[], ask: BudgetedAsk): RateLimitDecision {
    const nowMs = this.now();
    const asked = this.ledger.ask(scopes, ask.nanoUsd);
    const decision = this.decide('check', asked, ask, nowMs);
    if (decision.allowed && decision.outage === undefined) {
      this.ledger.hold(asked, nowMs);
      decision.hold = asked;
    }
    return this.withStandings(decision, asked, nowMs, 0);
  }

  peek(scopes: readonly RateLimitScope[], ask: BudgetedAsk): RateLimitDecision {
    const nowMs = this.now();
    const asked = this.ledger.ask(scopes, ask.nanoUsd);
    const decision = this.decide('peek', asked, ask, nowMs);
    return this.withStandings(decision, asked, nowMs, decision.allowed ? ask.nanoUsd : 0);
  }

  private decide(how: 'check' | 'peek', asked: BudgetHold, ask: BudgetedAsk, nowMs: number): OwnDecision {
    const { scopes } = asked;
    const denial = this.ledger.denial(asked, nowMs);
    if (denial === undefined) return this.onRates(how, scopes, ask, nowMs);
    if (denial.reason === 'budget_held') {
      const rates = this.onRates('peek', scopes, ask, nowMs);
      if (!rates.allowed) return rates;
    }
    return denied(denial, this.onRates('peek', scopes, NOTHING, nowMs));
  }

  /** The decision on the scopes that limit anything besides money, for the places of all scopes. */
  private onRates(how: 'check' | 'peek', scopes: readonly RateLimitScope[], { cost, tokens }: BudgetedAsk, nowMs: number): OwnDecision {
    if (scopes.every(({ limit }) => countsRates(limit))) return this.decideRates(how, scopes, { cost, tokens });
    const places = scopes.flatMap(({ limit }, index) => (countsRates(limit) ? [index] : []));
    const allowed = { allowed: true, scope: 0, retryAfterMs: 0, standings: scopes.map(unlimited), atMs: nowMs };
    if (places.length === 0) return allowed;
    const limited = places.map((place) => scopes[place]);
    const decision = this.decideRates(how, limited, { cost, tokens });
    if (decision.standings.length === 0) return decision;
    const standings = [...allowed.standings];
    places.forEach((place, index) => (standings[place] = decision.standings[index]));
    return { ...decision, scope: places[decision.scope], standings };
  }

  private decideRates(
    how: 'check' | 'peek',
    scopes: readonly RateLimitScope[],
    { cost, tokens }: Omit<BudgetedAsk, 'nanoUsd'>,
  ): OwnDecision {
    const { rates } = this;
    return (how === 'check' ? rates.check(scopes, cost, tokens) : rates.peek(scopes, cost, tokens)) as OwnDecision;
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

function unlimited(): RateLimitStanding {
  return { limit: Infinity, remainingRequests: Infinity, resetMs: 0 };
}

function denied({ reason, standing, scope, waitMs }: LedgerDenial, left: OwnDecision): OwnDecision {
  return { ...left, allowed: false, scope, exceeded: 'usd', retryAfterMs: waitMs, budget: { reason, standing } };
}
