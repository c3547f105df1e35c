import type { CapabilityHealth, MetricSample } from '../common/capability.js';
import type { BudgetPeriod } from '../common/nano-usd.js';
import type { EngineState } from '../engine/engine-choice.js';
import type { FeatureStatus } from '../feature-flags/feature-flag.js';
import type { PerformanceMonitorService } from '../monitor/performance-monitor.service.js';
import type { LimitWatch } from '../rate-limit/metrics/near-limits.js';

type MonitorMethod = 'getPerformanceStats' | 'compareImplementations' | 'getRecommendations' | 'history';

/** One deployment of the router, without address and key. */
export interface DeploymentState {
  readonly id: string;
  readonly group: string;
  readonly model: string;
  /** `available`, or why it gets no requests. */
  readonly state: 'available' | 'cooling' | 'over_budget' | 'unhealthy' | 'blocked' | 'uncallable';
  /** Why it cannot be called, and how to mend it. */
  readonly uncallable?: { readonly reason: string; readonly mend: string };
  /** Remaining cooldown in milliseconds. */
  readonly coolingForMs: number;
  /** Attempts since the start, and those of them that failed. */
  readonly answered: number;
  readonly failures: number;
  /** The last one that failed. */
  readonly lastFailure?: { readonly cause: string; readonly agoMs: number };
  /** Requests in flight. */
  readonly inFlight: number;
  /** Per output token where a call reports tokens, as LiteLLM's; 0: unknown. */
  readonly latencyMs: number;
  readonly timeToFirstTokenMs: number;
  /** Usage of this minute, and limits. */
  readonly rpm: number;
  readonly rpmLimit?: number;
  readonly tpm: number;
  readonly tpmLimit?: number;
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
  /** Also where no budget limits it; absent where that is not known. */
  readonly spentUsd?: number;
  readonly budgets: readonly { readonly period: BudgetPeriod; readonly spentUsd: number; readonly limitUsd: number }[];
}

/** Connections to one origin. */
export interface EndpointState {
  readonly origin: string;
  readonly leased: number;
  readonly idle: number;
  readonly waiting: number;
  readonly maxConnections: number;
}

export interface PoolState {
  readonly maxConnections: number;
  readonly leased: number;
  readonly idle: number;
  readonly waiting: number;
  readonly endpoints: readonly EndpointState[];
}

/** Calls of one class that wait. */
export interface QueueClassState {
  readonly name: string;
  readonly length: number;
  /** How long the oldest has waited. */
  readonly oldestMs: number;
  /** How long those have waited that went lately; `undefined` where none did. */
  readonly p50WaitMs?: number;
  readonly p95WaitMs?: number;
}

/** Calls that wait for a deployment. */
export interface QueueState {
  readonly length: number;
  readonly most: number;
  readonly promptTokens: number;
  readonly drainPerSecond: number;
  /** Since the start: refused or pushed out, and not served in time. */
  readonly refused: number;
  readonly late: number;
  readonly classes: readonly QueueClassState[];
}

/** How the prompts of a model are counted. */
export interface ModelCountState {
  /** As requests name it. */
  readonly model: string;
  /** For a model group: the model of its deployments by which it is counted. */
  readonly countedAs?: string;
  /** The encoding or tokenizer that counts. */
  readonly encoding: string;
  /** `false`: estimated, and corrected by what the provider reports. */
  readonly isExact: boolean;
  /** Answers whose reported usage corrected the estimates. */
  readonly answers: number;
  /** Mean share by which the last reports differ from their estimates; missing without answers. */
  readonly meanError?: number;
  /** Factor on the estimate that 95 of 100 reports stay below; missing without answers. */
  readonly bound?: number;
  /** The option and the file that would make it exact. */
  readonly exactWith?: string;
}

/** Spending in intervals of `binMs`, the oldest first; the last one is not over yet. */
export interface SpendingOverTime {
  readonly binMs: number;
  readonly series: readonly { readonly group: string; readonly team?: string; readonly usd: readonly number[] }[];
}

/** The data of the dashboard; it does not show what is missing. */
export interface DashboardSource {
  readonly version: string;
  health(): Promise<{
    readonly status: CapabilityHealth['status'];
    readonly rustAvailable: boolean;
    readonly reason?: string;
    readonly components: Readonly<Record<string, CapabilityHealth>>;
  }>;
  engines(): readonly EngineState[];
  features(): Readonly<Record<string, FeatureStatus>>;
  metrics(): readonly MetricSample[];
  readonly limits: Pick<LimitWatch, 'nearest' | 'nearestBudgets'>;
  readonly monitor?: Pick<PerformanceMonitorService, MonitorMethod>;
  deployments?(): readonly DeploymentState[];
  pool?(): PoolState;
  /** `null` where calls do not wait. */
  queue?(): QueueState | null;
  /** Models that were counted, those with most answers first. */
  counts?(most: number): readonly ModelCountState[];
  spendingOverTime?(): SpendingOverTime;
  /** Those used last, of an app with API keys. */
  keys?(most: number): Promise<readonly KeyState[]>;
}
