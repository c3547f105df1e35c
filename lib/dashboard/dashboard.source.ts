import type { AttemptWindow } from './calls/attempt-window.js';
import type { ConfigurationService } from '../configuration/configuration.service.js';
import type { CapabilityHealth, MetricSample } from '../common/capability.js';
import type { BudgetPeriod } from '../common/nano-usd.js';
import type { EngineState } from '../engine/engine-choice.js';
import type { FeatureStatus } from '../feature-flags/feature-flag.js';
import type { PerformanceMonitorService } from '../monitor/performance-monitor.service.js';
import type { QueueClassStatus, QueueStatus } from '../queue/queue-metrics.js';
import type { LimitWatch } from '../rate-limit/metrics/near-limits.js';
import type { DeploymentState as RouterDeployment } from '../router/selection/explanation.js';
import type { ModelCount } from '../token-counter/token-counter.service.js';

type MonitorMethod = 'getPerformanceStats' | 'compareImplementations' | 'getRecommendations' | 'history';

/** One deployment of the router, without address and key. */
export interface DeploymentState extends Omit<RouterDeployment, 'requests' | 'tokens' | 'successes' | 'failures'> {
  /** Attempts since the start, and those of them that failed. */
  readonly answered: number;
  readonly failures: number;
  /** Usage of this minute, and limits. */
  readonly rpm: number;
  readonly rpmLimit?: number;
  readonly tpm: number;
  readonly tpmLimit?: number;
  /** Most requests in flight. */
  readonly parallelLimit?: number;
  /** Absent in an app whose models cannot be changed. */
  readonly definedBy?: 'file' | 'api';
  /** Its attempts in the last five minutes, in this process; absent without any. */
  readonly window?: AttemptWindow;
}

/** A model of the store that is not in use. */
export interface LeftOutState {
  readonly id: string;
  readonly modelName: string;
  readonly reason: string;
}

/** An API key, by its public id. */
export interface KeyState {
  readonly publicId: string;
  readonly alias?: string;
  readonly user?: string;
  readonly team?: string;
  readonly state: 'active' | 'blocked' | 'expired';
  /** In ms since 1970, in this process. */
  readonly lastUsedMs: number;
  /** Also if no budget limits it; absent if that is not known. */
  readonly spentUsd?: number;
  readonly budgets: readonly { readonly period: BudgetPeriod; readonly spentUsd: number; readonly limitUsd: number }[];
}

interface Occupancy {
  readonly leased: number;
  readonly idle: number;
  readonly waiting: number;
  readonly maxConnections: number;
}

/** Connections to one origin. */
export interface EndpointState extends Occupancy {
  readonly origin: string;
}

export interface PoolState extends Occupancy {
  readonly endpoints: readonly EndpointState[];
}

/** Calls of one class that wait. */
export interface QueueClassState extends QueueClassStatus {
  readonly name: string;
  /** How long those have waited that went lately; `undefined` if none did. */
  readonly p50WaitMs?: number;
  readonly p95WaitMs?: number;
}

/** Calls that wait for a deployment. */
export interface QueueState extends Omit<QueueStatus, 'byClass'> {
  readonly classes: readonly QueueClassState[];
}

/** One guardrail in one mode, since the start. */
export interface GuardrailState {
  readonly name: string;
  readonly mode: string;
  readonly checks: number;
  readonly masked: number;
  readonly denied: number;
  /** Checks that failed, also where the request continued. */
  readonly failed: number;
  readonly meanMs: number;
}

/** Guardrails, and the time that they add to streams. */
export interface GuardrailStates {
  readonly guardrails: readonly GuardrailState[];
  /** Mean delay of the first text of a stream, and of each further event; absent without any. */
  readonly firstTextMs?: number;
  readonly laterTextMs?: number;
}

/** Of all capabilities. */
export interface HealthReport {
  readonly status: CapabilityHealth['status'];
  readonly rustAvailable: boolean;
  readonly reason?: string;
  readonly components: Readonly<Record<string, CapabilityHealth>>;
}

/** Spending in intervals of `binMs`, the oldest first; the last one is not over yet. */
export interface SpendingOverTime {
  readonly binMs: number;
  readonly series: readonly { readonly group: string; readonly team?: string; readonly usd: readonly number[] }[];
}

/** The data of the dashboard, which omits missing parts. */
export interface DashboardSource {
  readonly version: string;
  health(): Promise<HealthReport>;
  engines(): readonly EngineState[];
  features(): Readonly<Record<string, FeatureStatus>>;
  metrics(): readonly MetricSample[];
  readonly limits: Pick<LimitWatch, 'nearest' | 'nearestBudgets'>;
  readonly monitor?: Pick<PerformanceMonitorService, MonitorMethod>;
  deployments?(): readonly DeploymentState[];
  /** Models of the store that are not in use. */
  leftOutModels?(): readonly LeftOutState[];
  /** Finished calls, and the attempts of deployments, in the last five minutes. */
  readonly recent?: {
    window(): AttemptWindow | undefined;
    windowOf(deploymentIds: readonly string[]): AttemptWindow | undefined;
  };
  readonly configuration?: Pick<ConfigurationService, 'history' | 'rejected'>;
  pool?(): PoolState;
  /** `undefined`: none has run. */
  guardrails?(): GuardrailStates | undefined;
  /** `null` if calls do not wait. */
  queue?(): QueueState | null;
  /** Models that were counted, those with most answers first. */
  counts?(most: number): readonly ModelCount[];
  spendingOverTime?(): SpendingOverTime;
  /** Those used last, of an app with API keys. */
  keys?(most: number): Promise<readonly KeyState[]>;
}
