import { createHmac, randomBytes } from 'node:crypto';
import { performance as nodePerformance, type EventLoopUtilization } from 'node:perf_hooks';
import { COMPARISON } from '../engine/comparison.js';
import type { EngineState } from '../engine/engine-choice.js';
import type { FeatureStatus } from '../feature-flags/feature-flag.js';
import type { PerformanceComparison } from '../monitor/comparison.js';
import type { PerformanceRecommendation } from '../monitor/recommendations.js';
import type { CallFigures, PerformanceHistory } from '../monitor/series/performance-series.js';
import type { NearBudget, NearLimit } from '../rate-limit/metrics/near-limits.js';
import type { ModelCount } from '../token-counter/token-counter.service.js';
import type { AttemptWindow } from './calls/attempt-window.js';
import type { ConfigurationVersion } from '../configuration/configuration-version.js';
import type {
  DashboardSource,
  DeploymentState,
  GuardrailStates,
  HealthReport,
  KeyState,
  LeftOutState,
  PoolState,
  QueueState,
  SpendingOverTime,
} from './dashboard.source.js';

/** A key that a limit counts. */
export interface LimitedKey {
  /** The limit's name. */
  readonly limit: string;
  /** Identifies a key within this process, and does not reveal it. */
  readonly keyHash: string;
  /** Of an API key, a team or a user that the dashboard shows. */
  readonly keyName?: string;
}

/** A limit near exhaustion. */
export type LimitState = Omit<NearLimit, 'key'> & LimitedKey;

/** A budget near exhaustion. */
export type BudgetState = Omit<NearBudget, 'key'> & LimitedKey;

/** Cost of a model group since startup. */
export interface SpendingState {
  readonly group: string;
  readonly provider: string;
  /** With `llmClient.costByTeam`; empty without a team. */
  readonly team?: string;
  readonly totalUsd: number;
  /** Since the last snapshot; missing in the first one. */
  readonly usdPerHour?: number;
}

/** One operation over the rolling window. */
export interface OperationState {
  readonly component: string;
  readonly operation: string;
  readonly figures: CallFigures;
}

/** A counter since the start. `perSecond` is missing in the first snapshot. */
export interface Tally {
  readonly label: string;
  /** Its name in the metrics. */
  readonly metric: string;
  readonly unit: 'count' | 'usd';
  readonly total: number;
  readonly perSecond?: number;
}

/** The content of the dashboard at one moment. */
export interface DashboardSnapshot {
  readonly atMs: number;
  readonly version: string;
  readonly node: string;
  readonly platform: string;
  readonly uptimeMs: number;
  readonly residentBytes: number;
  /** Share of the time since the last snapshot in which the event loop was busy. */
  readonly loopBusy?: number;
  readonly health: HealthReport;
  readonly engines: readonly EngineState[];
  readonly features: Readonly<Record<string, FeatureStatus>>;
  readonly tallies: readonly Tally[];
  readonly comparisons: readonly PerformanceComparison[];
  readonly operations: readonly OperationState[];
  readonly history: PerformanceHistory;
  readonly recommendations: readonly PerformanceRecommendation[];
  /** `null` without a router. */
  readonly deployments: readonly DeploymentState[] | null;
  /** Models of the store that are not in use; `null` in an app without a store. */
  readonly leftOutModels: readonly LeftOutState[] | null;
  /** Attempts by model group, in the last five minutes. */
  readonly groupWindows: Readonly<Record<string, AttemptWindow | undefined>>;
  /** Finished calls of the last five minutes, at most 1,000; `null` without any. */
  readonly callWindow: AttemptWindow | null;
  /** The newest first; `null` without a configuration file. */
  readonly configurations: readonly ConfigurationVersion[] | null;
  /** Why the last change of the configuration was rejected. */
  readonly rejectedConfiguration: string | null;
  readonly limits: readonly LimitState[];
  readonly budgets: readonly BudgetState[];
  /** The dearest first. */
  readonly spending: readonly SpendingState[];
  /** How models are counted, those with most answers first. */
  readonly counts: readonly ModelCount[];
  /** `null` without a client of models. */
  readonly spendingOverTime: SpendingOverTime | null;
  /** `null` without a pool. */
  readonly pool: PoolState | null;
  /** `null` if calls do not wait. */
  readonly queue: QueueState | null;
  /** Absent in an app without guardrails. */
  readonly guardrails?: GuardrailStates | undefined;
  /** The one used last first; `null` in an app without API keys. */
  readonly keys: readonly KeyState[] | null;
}

const NEAREST_LIMITS = 8;
const SHOWN_KEYS = 20;
const SHOWN_OPERATIONS = 20;
const SHOWN_GROUPS = 12;
const SHOWN_MODELS = 12;
const GROUP_COST = 'llm_client_group_cost_usd_total';
const MS_PER_HOUR = 3_600_000;

/** The tiles: label, unit, and metric. */
const TALLIES: readonly (readonly [label: string, unit: Tally['unit'], metric: string])[] = [
  ['Calls to models', 'count', 'llm_client_calls_total'],
  ['Tokens counted', 'count', 'token_counting_tokens_total'],
  ['Requests allowed', 'count', 'rate_limit_allowed_total'],
  ['Requests denied', 'count', 'rate_limit_denied_total'],
  ['Selections', 'count', 'router_picks_total'],
  ['Fallbacks', 'count', 'llm_client_fallbacks_total'],
  ['Spent', 'usd', 'llm_client_cost_usd_total'],
];

/** Keeps others from finding a key by hashing guesses. */
const secret = randomBytes(32);

/** A snapshot, and its time by the monotonic clock. */
export interface TakenSnapshot {
  readonly snapshot: DashboardSnapshot;
  readonly takenMs: number;
  readonly loop: EventLoopUtilization;
}

/** Takes a snapshot. Rates are computed from `before`. */
export async function takeSnapshot(source: DashboardSource, before?: TakenSnapshot): Promise<TakenSnapshot> {
  const { limits } = source;
  const [health, near, budgets, keys] = await Promise.all([
    source.health(),
    // A store that is unavailable is shown as unhealthy.
    limits.nearest(NEAREST_LIMITS).catch(() => []),
    limits.nearestBudgets(NEAREST_LIMITS).catch(() => []),
    source.keys?.(SHOWN_KEYS).catch(() => []) ?? null,
  ]);
  const [atMs, takenMs, loop] = [Date.now(), performance.now(), nodePerformance.eventLoopUtilization()];
  const names = namesOf(keys ?? []);
  const { monitor, recent, configuration } = source;
  const deployments = source.deployments?.() ?? null;
  const stats = monitor?.getPerformanceStats() ?? {};
  const snapshot = {
    atMs,
    version: source.version,
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    uptimeMs: Math.round(process.uptime() * 1000),
    residentBytes: process.memoryUsage.rss(),
    ...(before !== undefined && { loopBusy: nodePerformance.eventLoopUtilization(loop, before.loop).utilization }),
    health,
    engines: source.engines(),
    features: source.features(),
    tallies: tally(source, takenMs, before),
    comparisons: monitor === undefined ? [] : compared(Object.keys(stats), monitor),
    spending: spendingOf(source, takenMs, before),
    spendingOverTime: source.spendingOverTime?.() ?? null,
    operations: busiest(stats),
    history: monitor?.history() ?? { endMs: [], series: [] },
    recommendations: monitor?.getRecommendations() ?? [],
    deployments: deployments?.map((each) => ({ ...each, window: recent?.windowOf([each.id]) })) ?? null,
    leftOutModels: source.leftOutModels?.() ?? null,
    groupWindows: groupWindowsOf(deployments ?? [], recent),
    callWindow: recent?.window() ?? null,
    configurations: configuration?.history() ?? null,
    rejectedConfiguration: configuration?.rejected()?.message ?? null,
    limits: near.map(({ key, ...limit }) => ({ ...limit, ...shownKey(key, names) })),
    budgets: budgets.map(({ key, ...budget }) => ({ ...budget, ...shownKey(key, names) })),
    counts: source.counts?.(SHOWN_MODELS) ?? [],
    pool: source.pool?.() ?? null,
    queue: source.queue?.() ?? null,
    guardrails: source.guardrails?.(),
    keys,
  };
  return { snapshot, takenMs, loop };
}

function groupWindowsOf(deployments: readonly DeploymentState[], recent: DashboardSource['recent']): DashboardSnapshot['groupWindows'] {
  const idsOf = new Map<string, string[]>();
  for (const { group, id } of deployments) idsOf.set(group, [...(idsOf.get(group) ?? []), id]);
  return Object.fromEntries([...idsOf].map(([group, ids]) => [group, recent?.windowOf(ids)]));
}

/** Names of what limits count by, as far as the table of API keys shows them. */
function namesOf(keys: readonly KeyState[]): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const { team, user } of keys) for (const name of [team, user]) if (name !== undefined) names.set(name, name);
  for (const { publicId, alias } of keys) names.set(`key:${publicId}`, alias ?? publicId);
  return names;
}

function shownKey(key: string, names: ReadonlyMap<string, string>): Omit<LimitedKey, 'limit'> {
  const keyName = names.get(key);
  const keyHash = createHmac('sha256', secret).update(key).digest('hex').slice(0, 10);
  return { keyHash, ...(keyName !== undefined && { keyName }) };
}

function tally(source: DashboardSource, takenMs: number, before?: TakenSnapshot): Tally[] {
  const sums = new Map<string, number>();
  for (const { name, value } of source.metrics()) sums.set(name, (sums.get(name) ?? 0) + value);
  const seconds = before === undefined ? 0 : (takenMs - before.takenMs) / 1000;
  return TALLIES.flatMap(([label, unit, metric]): Tally[] => {
    const total = sums.get(metric);
    if (total === undefined) return [];
    const last = before?.snapshot.tallies.find((entry) => entry.label === label)?.total;
    const perSecond = last === undefined || seconds <= 0 ? undefined : Math.max(0, total - last) / seconds;
    return [{ label, metric, unit, total, ...(perSecond !== undefined && { perSecond }) }];
  });
}

function spendingOf(source: DashboardSource, takenMs: number, before?: TakenSnapshot): SpendingState[] {
  const hours = before === undefined ? 0 : (takenMs - before.takenMs) / MS_PER_HOUR;
  return source
    .metrics()
    .filter(({ name }) => name === GROUP_COST)
    .map(({ labels = {}, value }): SpendingState => {
      const { group = '', provider = '', team } = labels;
      const last = before?.snapshot.spending.find((each) => each.group === group && each.provider === provider && each.team === team);
      const usdPerHour = last === undefined || hours <= 0 ? undefined : Math.max(0, value - last.totalUsd) / hours;
      return { group, provider, team, totalUsd: value, ...(usdPerHour !== undefined && { usdPerHour }) };
    })
    .sort((a, b) => b.totalUsd - a.totalUsd)
    .slice(0, SHOWN_GROUPS);
}

/** Compares each native component with its TypeScript one, if either was measured. */
function compared(components: readonly string[], monitor: MonitorOf): PerformanceComparison[] {
  const names = new Set(components.flatMap((component) => /^(?:rust|typescript)_(.+)$/.exec(component)?.[1] ?? []));
  return [...names].sort().map((name) => monitor.compareImplementations(`rust_${name}`, `typescript_${name}`));
}

type MonitorOf = NonNullable<DashboardSource['monitor']>;

function busiest(stats: ReturnType<MonitorOf['getPerformanceStats']>): OperationState[] {
  const all = Object.entries(stats).flatMap(([component, { operations }]) =>
    Object.entries(operations).map(([operation, { window }]) => ({ component, operation, figures: window })),
  );
  const called = all.filter(({ operation, figures }) => figures.totalCalls > 0 && !operation.startsWith(COMPARISON));
  const byCalls = (a: OperationState, b: OperationState): number => b.figures.totalCalls - a.figures.totalCalls;
  return called.sort((a, b) => rankOf(a.component) - rankOf(b.component) || byCalls(a, b)).slice(0, SHOWN_OPERATIONS);
}

/** Whole requests first: engines are called many times for each. */
export function rankOf(component: string): number {
  return /^(rust|typescript)_/.test(component) ? 1 : 0;
}
