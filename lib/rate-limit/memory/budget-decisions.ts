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

const NOTHING: BudgetedAsk = { cost: 0, tokens: 0, nanoUsd: 0 };
const UNLIMITED: RateLimitStanding = { limit: Infinity, remainingRequests: Infinity, resetMs: 0 };

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
    const { ledger } = this;
    const asked = ledger.ask(scopes, ask.nanoUsd);
    const decision = this.decide('check', asked, ask, nowMs);
    if (!decision.allowed || decision.outage !== undefined) return decisionOf(decision, this.standings(scopes, decision, nowMs, 0));
    ledger.hold(asked, nowMs);
    const budgets = ledger.standingsOf(asked, nowMs);
    let next = 0;
    const standings = decision.standings.map((standing, index) => {
      const count = scopes[index].limit.budgets?.length ?? 0;
      return count === 0 ? standing : standingWith(standing, budgets.slice(next, (next += count)));
    });
    return decisionOf(decision, standings, asked);
  }

  peek(scopes: readonly RateLimitScope[], ask: BudgetedAsk): RateLimitDecision {
    const nowMs = this.now();
    const decision = this.decide('peek', this.ledger.ask(scopes, ask.nanoUsd), ask, nowMs);
    return decisionOf(decision, this.standings(scopes, decision, nowMs, decision.allowed ? ask.nanoUsd : 0));
  }

  private decide(how: 'check' | 'peek', asked: BudgetHold, ask: BudgetedAsk, nowMs: number): RateLimitDecision {
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
  private onRates(
    how: 'check' | 'peek',
    scopes: readonly RateLimitScope[],
    { cost, tokens }: BudgetedAsk,
    nowMs: number,
  ): RateLimitDecision {
    if (scopes.every(({ limit }) => countsRates(limit))) return this.rates[how](scopes, cost, tokens);
    const places = scopes.flatMap(({ limit }, index) => (countsRates(limit) ? [index] : []));
    const allowed = { allowed: true, scope: 0, retryAfterMs: 0, standings: scopes.map(() => UNLIMITED), atMs: nowMs };
    if (places.length === 0) return allowed;
    const decision = this.rates[how](
      places.map((place) => scopes[place]),
      cost,
      tokens,
    );
    if (decision.standings.length === 0) return decision;
    const standings = [...allowed.standings];
    places.forEach((place, index) => (standings[place] = decision.standings[index]));
    return { ...decision, scope: places[decision.scope], standings };
  }

  private standings(
    scopes: readonly RateLimitScope[],
    { standings }: RateLimitDecision,
    nowMs: number,
    pending: number,
  ): RateLimitStanding[] {
    return standings.map((standing, index) => {
      const budgets = this.ledger.standings(scopes[index], nowMs, pending);
      return budgets === undefined ? standing : standingWith(standing, budgets);
    });
  }
}

/** The fields by name: a spread takes microseconds. */
function decisionOf(
  { allowed, scope, exceeded, retryAfterMs, atMs, lease, budget, outage }: RateLimitDecision,
  standings: readonly RateLimitStanding[],
  hold?: BudgetHold,
): RateLimitDecision {
  return { allowed, scope, exceeded, retryAfterMs, standings, atMs, lease, hold, budget, outage };
}

function standingWith(
  { limit, remainingRequests, remainingTokens, resetMs, tokensResetMs }: RateLimitStanding,
  budgets: readonly BudgetStanding[],
): RateLimitStanding {
  return { limit, remainingRequests, remainingTokens, resetMs, tokensResetMs, budgets };
}

function denied({ reason, standing, scope, waitMs }: LedgerDenial, left: RateLimitDecision): RateLimitDecision {
  return { ...left, allowed: false, scope, exceeded: 'usd', retryAfterMs: waitMs, budget: { reason, standing } };
}
