import { VERSION } from './common/version.js';
import type { AttemptWindow } from './dashboard/calls/attempt-window.js';
import { RecentCalls } from './dashboard/calls/recent-calls.js';
import { DashboardAccess, tokenCredential, type Credential } from './dashboard/dashboard.access.js';
import { readAssets } from './dashboard/dashboard.assets.js';
import type { DashboardServices } from './dashboard/dashboard.services.js';
import { DashboardFeed } from './dashboard/dashboard.feed.js';
import { resolveDashboardOptions, type DashboardOptions } from './dashboard/dashboard.options.js';
import type { StoredModels } from './configuration/stored/stored-models.js';
import type { DirectoryService } from './directory/directory.service.js';
import type { FastLiteLLM } from './fast-litellm.js';
import type { ApiKeyService } from './keys/api-keys.service.js';
import type {
  DashboardSource,
  DeploymentState,
  KeyState,
  LeftOutState,
  PoolState,
  QueueState,
  SpendingOverTime,
} from './dashboard/dashboard.source.js';
import type { SpendingSource } from './dashboard/spending/spending-source.js';
import { usdOf } from './common/nano-usd.js';
import type { ComponentStats } from './monitor/series/performance-series.js';
import { readLiteLLMProxySettings } from './router/config/proxy-settings.js';

export { createDashboardController } from './dashboard/dashboard.controller.js';

/** Tokens that an address can try in a minute. */
const ATTEMPTS_PER_MINUTE = 20;
const MASTER_KEY_SETTING = 'general_settings.master_key';

/** Parts of the app that the dashboard shows. */
export interface DashboardParts {
  readonly keys?: ApiKeyService;
  readonly directory?: DirectoryService;
  readonly spend?: SpendingSource;
  readonly models?: StoredModels;
}

/**
 * Creates the dependencies of the dashboard's routes. @throws InvalidConfigurationError naming the
 * option.
 */
export function openDashboard(llm: FastLiteLLM, options?: DashboardOptions, parts: DashboardParts = {}): DashboardServices {
  const { keys, directory, spend, models } = parts;
  readAssets();
  const masterKey = masterKeyOf(llm, keys);
  const { token, intervalMs, title } = resolveDashboardOptions(options, masterKey !== undefined);
  // With a master key, the token only reads.
  const tokenOnly = token === null ? [] : [tokenCredential(token, masterKey === undefined)];
  const recent = new RecentCalls(Date.now, (ids) => currentMinute(llm, ids));
  let stop: (() => void) | undefined;
  const feed = new DashboardFeed(dashboardSource(llm, recent, { keys, models }), intervalMs, llm.log);
  models?.onChange(() => feed.expire());
  return {
    title,
    access: new DashboardAccess([...(masterKey === undefined ? [] : [masterKey]), ...tokenOnly]),
    feed,
    attempts: llm.rateLimiterUnder({ requestsPerMinute: ATTEMPTS_PER_MINUTE }),
    log: llm.log,
    audit: keys?.auditLog,
    calls: spend ?? recent,
    spending: spend,
    keys,
    directory,
    models,
    configPath: llm.liteLLMConfig.path,
    configuration: configurationOf(llm),
    viewed: () => void (stop ??= llm.client.onRecord(recent.add)),
    close: () => stop?.(),
  };
}

/** Attempts of this minute, from the router's counters: for the time before calls are recorded. */
function currentMinute({ router }: FastLiteLLM, ids: readonly string[]): AttemptWindow | undefined {
  const states = router.status().filter(({ id }) => ids.includes(id));
  const failures = states.reduce((sum, state) => sum + state.failures, 0);
  const attempts = states.reduce((sum, state) => sum + state.successes, failures);
  const { cause } = states.find(({ lastFailure }) => lastFailure !== undefined)?.lastFailure ?? {};
  return attempts === 0 ? undefined : { attempts, failures, cause, period: 'the current minute' };
}

/** An app with options only has no file to read again. */
function configurationOf(llm: FastLiteLLM): FastLiteLLM['configuration'] | undefined {
  return llm.liteLLMConfig.path === undefined ? undefined : llm.configuration;
}

/** The master key of the keys module, else that of LiteLLM's configuration and environment. */
function masterKeyOf({ liteLLMConfig }: FastLiteLLM, keys: ApiKeyService | undefined): Credential | undefined {
  if (keys !== undefined) {
    if (!keys.hasMasterKey) return undefined;
    return { matches: (text) => keys.isMasterKey(text), sign: (text) => keys.signWithMasterKey(text), canWrite: true };
  }
  const { path, handledSettings, env } = liteLLMConfig;
  if (handledSettings.includes(MASTER_KEY_SETTING)) return undefined;
  const { masterKey } = readLiteLLMProxySettings(path, env);
  return masterKey === null ? undefined : tokenCredential(masterKey, true);
}

/** The data of the dashboard. */
function dashboardSource(llm: FastLiteLLM, recent: RecentCalls, { keys, models }: DashboardParts): DashboardSource {
  return {
    version: VERSION,
    recent,
    health: () => llm.healthCheckAsync(),
    engines: () => llm.engineStates(),
    features: () => llm.featureFlags.getFeatureStatus(),
    metrics: () => llm.metrics(),
    limits: llm.rateLimiter.watch(),
    monitor: llm.monitor,
    deployments: () => deploymentsOf(llm, models),
    ...(models !== undefined && { leftOutModels: () => leftOutOf(llm, models) }),
    pool: () => poolOf(llm),
    queue: () => queueOf(llm),
    guardrails: () => llm.guardrails?.figures.states(),
    counts: (most) => llm.tokenCounter.modelCounts(most),
    spendingOverTime: () => spendingOf(llm),
    configuration: configurationOf(llm),
    ...(keys !== undefined && { keys: (most: number) => keysOf(keys, most) }),
  };
}

function deploymentsOf({ router }: FastLiteLLM, models: StoredModels | undefined): DeploymentState[] {
  const known = new Map(router.deployments().map((deployment) => [deployment.id, deployment]));
  return router.status().flatMap(({ requests, tokens, successes: _, failures: __, ...state }) => {
    const deployment = known.get(state.id);
    if (deployment === undefined) return [];
    const { outcomes, rpm, tpm, maxParallelRequests } = deployment;
    const limits = { rpmLimit: set(rpm), tpmLimit: set(tpm), parallelLimit: set(maxParallelRequests) };
    const usage = { rpm: requests, tpm: tokens, ...limits, ...(models !== undefined && { definedBy: definedBy(models, state.id) }) };
    return [{ ...state, ...usage, answered: outcomes.success + outcomes.failure, failures: outcomes.failure }];
  });
}

function definedBy(models: StoredModels, id: string): 'file' | 'api' {
  return models.find(id) !== undefined && !models.isInFile(id) ? 'api' : 'file';
}

function leftOutOf({ router }: FastLiteLLM, models: StoredModels): LeftOutState[] {
  const used = new Set(router.deployments().map(({ id }) => id));
  return models
    .list()
    .flatMap(({ id, modelName, fault }) => (fault === undefined || used.has(id) ? [] : [{ id, modelName, reason: fault }]));
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
