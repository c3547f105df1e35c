import { FastLiteLLM } from '../../fast-litellm.js';
import { spendLimitsOf, type AccountKind } from '../../keys/spending.js';
import { postgresRateLimitStore } from '../../postgres/budgets/rate-limit-store.js';
import type { PostgresStore } from '../../postgres/postgres-store.js';
import type { RateLimits } from '../../rate-limit/limits.js';
import type { RateLimiterService } from '../../rate-limit/rate-limit.service.js';
import { redisRateLimitStore } from '../../rate-limit/redis/redis-store.js';
import { CommandError } from '../command.js';
import type { ImportedSpend } from './imported-limits.js';

/** Where the gateway counts what keys spend. */
export interface SpendTargetOptions {
  readonly redis?: { readonly url: string; readonly prefix: string | undefined };
  /** `rateLimit.budgets.snapshotFile` */
  readonly file?: string;
  /** A store whose budgets are decided in PostgreSQL. */
  readonly postgres?: PostgresStore;
}

/** A key, a team or a user, with the limits that count its spend. */
export interface SpendAccount {
  readonly kind: AccountKind;
  readonly id: string;
  readonly limits: RateLimits | undefined;
  readonly spend: ImportedSpend;
}

const TIMEOUT_MS = 10_000;

/** The budgets of the gateway's rate limiter. */
export class SpendTarget {
  private readonly llm: FastLiteLLM;
  private readonly limiter: RateLimiterService;

  /** @throws FastLiteLLMError if the store cannot be opened. */
  constructor({ redis, file, postgres }: SpendTargetOptions) {
    const logger = { log() {}, warn() {}, error() {} };
    const inPostgres = postgres === undefined ? undefined : postgresRateLimitStore({ store: postgres, onStoreError: 'deny' });
    const store = redis === undefined ? inPostgres : redisRateLimitStore({ ...redis, onStoreError: 'deny', timeoutMs: TIMEOUT_MS });
    this.llm = new FastLiteLLM({ rateLimit: { store, budgets: { snapshotFile: file } }, logger }, { logger });
    this.limiter = this.llm.rateLimiter;
  }

  /**
   * Raises the spend of an account in each window to its spend in LiteLLM, and never lowers it, so
   * that an import can be repeated.
   * @returns the USD that were added
   */
  async raise({ kind, id, limits, spend }: SpendAccount): Promise<number> {
    const key = `${kind.prefix}${id}`;
    const choice = { limit: kind.name, limits: spendLimitsOf(limits) };
    let added = 0;
    const budgets = await this.limiter.getBudgetsAsync(key, choice);
    if (budgets.length === 0) throw new CommandError('the spend store does not respond; run the import again');
    for (const { period, spentUsd } of budgets) {
      const { [period]: usd } = spend;
      // Under `onDataLoss: 'refuse'` a total that was never written counts as lost.
      const isNew = period === 'total' && limits?.usdTotal !== undefined && spentUsd === 0;
      if (usd === undefined || (usd <= spentUsd && !isNew)) continue;
      await this.limiter.setSpent(key, usd, { ...choice, period });
      added += usd - spentUsd;
    }
    return added;
  }

  async close(): Promise<void> {
    await this.llm.close();
  }
}
