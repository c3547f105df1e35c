import { VERSION } from './common/version.js';
import { DashboardAccess } from './dashboard/dashboard.access.js';
import { readAssets } from './dashboard/dashboard.assets.js';
import { DashboardDesk } from './dashboard/dashboard.controller.js';
import { DashboardFeed } from './dashboard/dashboard.feed.js';
import { resolveDashboardOptions, type DashboardOptions } from './dashboard/dashboard.options.js';
import type { FastLiteLLM } from './fast-litellm.js';
import type { ApiKeyService } from './keys/api-keys.service.js';
import type { DashboardSource, DeploymentState, KeyState, PoolState, QueueState, SpendingOverTime } from './dashboard/dashboard.source.js';
import type * as Spending from './dashboard/spending/spending-pages.js';
import type { SpendingSource } from './dashboard/spending/spending-source.js';
import { lazy } from './common/lazy.js';
import { usdOf } from './common/nano-usd.js';
import type { ComponentStats } from './monitor/series/performance-series.js';

export { createDashboardController } from './dashboard/dashboard.controller.js';

/** Tokens that an address can try in a minute. */
const ATTEMPTS_PER_MINUTE = 20;

// eslint-disable-next-line @typescript-eslint/no-require-imports -- only apps with a spend log load it
const spendingPages = lazy(() => require('./dashboard/spending/spending-pages.js') as typeof Spending);

/** Parts of the app that the dashboard shows. */
export interface DashboardParts {
  readonly keys?: ApiKeyService;
  readonly spend?: SpendingSource;
}

/**
 * Creates the dependencies of the dashboard's routes. @throws InvalidConfigurationError naming the
 * option.
 */
export function openDashboard(llm: FastLiteLLM, options?: DashboardOptions, { keys, spend }: DashboardParts = {}): DashboardDesk {
  readAssets();
  const { token, intervalMs, title } = resolveDashboardOptions(options);
  const feed = new DashboardFeed(dashboardSource(llm, VERSION, keys), intervalMs, llm.log);
  const attempts = llm.rateLimiterUnder({ requestsPerMinute: ATTEMPTS_PER_MINUTE });
  const pages = spend && new (spendingPages().SpendingPages)(spend);
  return new DashboardDesk(title, new DashboardAccess(token), feed, attempts, pages);
}

/** The data of the dashboard. @param keys `undefined`: an app without API keys */
function dashboardSource(llm: FastLiteLLM, version: string, keys?: ApiKeyService): DashboardSource {
  return {
    version,
    health: () => llm.healthCheckAsync(),
    engines: () => llm.engineStates(),
    features: () => llm.featureFlags.getFeatureStatus(),
    metrics: () => llm.metrics(),
    limits: llm.rateLimiter.watch(),
    monitor: llm.monitor,
    deployments: () => deploymentsOf(llm),
    pool: () => poolOf(llm),
    queue: () => queueOf(llm),
    counts: (most) => llm.tokenCounter.modelCounts(most),
    spendingOverTime: () => spendingOf(llm),
    ...(keys !== undefined && { keys: (most: number) => keysOf(keys, most) }),
  };
}

function deploymentsOf({ router }: FastLiteLLM): DeploymentState[] {
  const known = new Map(router.deployments().map((deployment) => [deployment.id, deployment]));
  return router.status().flatMap(({ requests, tokens, successes: _, failures: __, ...state }) => {
    const deployment = known.get(state.id);
    if (deployment === undefined) return [];
    const { outcomes, rpm, tpm } = deployment;
    const usage = { rpm: requests, tpm: tokens, rpmLimit: set(rpm), tpmLimit: set(tpm) };
    return [{ ...state, ...usage, answered: outcomes.success + outcomes.failure, failures: outcomes.failure }];
  });
}

function poolOf({ connectionPool }: FastLiteLLM): PoolState {
  const { activeConnections, idleConnections, maxTotalConnections, waiting, endpoints } = connectionPool.stats();
  return {
    leased: activeConnections,
    idle: idleConnections,
    waiting,
    maxConnections: maxTotalConnections,
    endpoints: Object.entries(endpoints).map(([origin, stats]) => ({
      origin,
      leased: stats.activeConnections,
      idle: stats.availableConnections,
      waiting: stats.waiting,
      maxConnections: stats.maxConnections,
    })),
  };
}

function queueOf({ client, monitor }: FastLiteLLM): QueueState | null {
  const { queue } = client.status();
  if (queue === null) return null;
  const { length, most, promptTokens, drainPerSecond, refused, late, byClass } = queue;
  const { operations = {} }: Partial<ComponentStats> = monitor.getPerformanceStats('llm_client').llm_client ?? {};
  const classes = Object.entries(byClass).map(([name, state]) => {
    const { window } = operations[`queue_wait_${name}`] ?? {};
    const waits = window !== undefined && window.measuredCalls > 0 && { p50WaitMs: window.p50DurationMs, p95WaitMs: window.p95DurationMs };
    return { name, ...state, ...waits };
  });
  return { length, most, promptTokens, drainPerSecond, refused, late, classes };
}

function spendingOf({ client }: FastLiteLLM): SpendingOverTime {
  const { binMs, series } = client.spendingHistory();
  return { binMs, series: series.map(({ labels: { group, team }, nanoUsd }) => ({ group, team, usd: nanoUsd.map(usdOf) })) };
}

function keysOf(keys: ApiKeyService, most: number): Promise<KeyState[]> {
  return Promise.all(
    keys.lastUsed(most).map(async ({ record, usedAt }) => {
      const { publicId, alias, user, team, blocked, expiresAt } = record;
      const isExpired = expiresAt !== undefined && Date.parse(expiresAt) <= Date.now();
      const state = blocked === true ? 'blocked' : isExpired ? 'expired' : 'active';
      const [budgets, spending] = await Promise.all([keys.budgetsOf(record), keys.spendingOf(record)]);
      return { publicId, alias, user, team, state, lastUsedMs: usedAt.getTime(), budgets, spentUsd: spending?.spentUsd };
    }),
  );
}

/** A limit, or `undefined` if it is `Infinity`. */
function set(limit: number): number | undefined {
  return limit === Infinity ? undefined : limit;
}
