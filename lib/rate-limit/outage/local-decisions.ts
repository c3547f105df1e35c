import type { LogSink } from '../../common/log-sink.js';
import { usdOf } from '../../common/nano-usd.js';
import type { BudgetSpending } from '../budget/account.js';
import type { RateLimitDecision, RateLimitScope, RateLimitStanding, RateLimitStore } from '../store.js';
import { LocalBudgets, type LocalSpend } from './local-budgets.js';
import type { StoreFailure } from './store-failure.js';
import type { StoreAsk, StoreOutage } from './store-outage.js';
import type { MetricSample } from '../../common/capability.js';

/** Amounts of an outage that are sent together. */
const MERGED_AT_ONCE = 256;

/** Dependencies of local decisions. */
export interface LocalDecisionsSettings {
  readonly memory: RateLimitStore;
  readonly outage: StoreOutage;
  /** `Redis`, `PostgreSQL`. */
  readonly store: string;
  readonly log?: Pick<LogSink, 'warn'>;
  /** A name that no other amount has. */
  readonly nextId: () => string;
  /** Processes that shared the store at that time; 0 if this one was not among them. */
  readonly processesAt: (outageMs: number) => number;
  /** Counts an amount in the store, once, and reads the budgets of its key. */
  readonly send: (spend: LocalSpend) => Promise<unknown>;
}

/** Decides with this process's share of the budgets, for `onStoreError: 'local'`. */
export class LocalDecisions {
  private readonly budgets: LocalBudgets;
  private merging: Promise<unknown> | undefined = undefined;

  constructor(private readonly settings: LocalDecisionsSettings) {
    this.budgets = new LocalBudgets(settings.nextId);
  }

  metrics(): readonly MetricSample[] {
    const help = `USD that this process spent during an outage and that ${this.settings.store} has not counted yet.`;
    return [{ name: 'rate_limit_store_unmerged_usd', help, type: 'gauge', value: usdOf(this.budgets.unmergedNanoUsd) }];
  }

  async decide(how: 'check' | 'peek', ask: StoreAsk): Promise<RateLimitDecision> {
    const { memory, outage, processesAt } = this.settings;
    const count = processesAt(outage.beganAtMs);
    if (count === 0) return outage.answer(how, ask, true);
    const scopes = this.budgets.divided(ask.scopes, { count, outage: outage.outages, nowMs: Date.now() }, (scope, change) =>
      memory.changeBudget?.(scope, change),
    );
    const decision = await outage.answer(how, { ...ask, scopes });
    if (how === 'check' && decision.allowed) {
      const { hold, atMs } = decision;
      if (typeof hold === 'object' && hold !== null) this.budgets.add(hold, ask.scopes, { nanoUsd: ask.nanoUsd, atMs });
    }
    return decision;
  }

  /** Replaces the amount that a call holds or has cost. */
  change(hold: unknown, nanoUsd: number): void {
    this.budgets.change(hold, nanoUsd);
  }

  /** Adds the spend of the outage to the store; retried until the store responds. */
  merge(): Promise<unknown> {
    const spends = this.budgets.unmerged;
    if (spends.length === 0) return this.merging ?? Promise.resolve();
    return (this.merging ??= this.mergeAll(spends).finally(() => (this.merging = undefined)));
  }

  /** Logs the spend that this process could not add to the store before it closed. */
  logLost(): void {
    const { store, log } = this.settings;
    const lost = usdOf(this.budgets.unmergedNanoUsd);
    if (lost === 0) return;
    log?.warn(
      `Rate limiter: ${store} is missing ${lost} USD of spend (${store} was unavailable at shutdown); add the amount with setSpent`,
    );
  }

  /** Remembers the state of budgets, for an outage. */
  see(scopes: readonly RateLimitScope[], standings: readonly RateLimitStanding[]): void {
    scopes.forEach((scope, place) => this.budgets.see(scope, standings[place].budgets));
  }

  /** Remembers the state of budgets after a settlement. */
  seeSpendings(scopes: readonly RateLimitScope[], spendings: readonly BudgetSpending[]): void {
    for (const scope of scopes) {
      const own = spendings.filter(({ limitName, key }) => limitName === scope.limit.name && key === scope.key);
      if (own.length !== scope.limit.budgets?.length) continue;
      this.budgets.see(
        scope,
        own.map(({ standing }) => standing),
      );
    }
  }

  /** In small groups: decisions of requests would time out while waiting for all of them. */
  private async mergeAll(spends: readonly LocalSpend[]): Promise<void> {
    for (let at = 0; at < spends.length; at += MERGED_AT_ONCE)
      await Promise.all(spends.slice(at, at + MERGED_AT_ONCE).map((spend) => this.mergeOne(spend)));
  }

  private async mergeOne(spend: LocalSpend): Promise<void> {
    const { nanoUsd } = spend;
    try {
      await this.settings.send(spend);
      spend.mergedNanoUsd = nanoUsd;
    } catch (failure) {
      this.settings.outage.count(failure as StoreFailure);
    }
  }
}
