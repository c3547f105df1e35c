import type { CapabilityHealth, MetricSample } from '../common/capability.js';
import type { EngineState } from '../engine/switching-engine.js';
import type { FeatureStatus } from '../feature-flags/feature-flag.js';
import type { LimitWatch } from '../rate-limit/metrics/near-limits.js';

/** Figures of some calls, as the performance monitor has them. */
export interface CallFigures {
  readonly totalCalls: number;
  readonly measuredCalls: number;
  readonly errorRate: number;
  readonly averageDurationMs: number;
  readonly p50DurationMs: number;
  readonly p95DurationMs: number;
  readonly p99DurationMs: number;
  readonly throughputPerSecond: number;
}

/** Two implementations side by side; ratios are `null` without enough samples. */
export interface Comparison {
  readonly rustComponent: string;
  readonly typescriptComponent: string;
  readonly enoughSamples: boolean;
  readonly rust: CallFigures;
  readonly typescript: CallFigures;
  readonly speedup: number | null;
  readonly recommendation: string;
}

export interface Recommendation {
  readonly type: string;
  readonly component: string;
  readonly message: string;
  readonly priority: string;
  readonly suggestion: string;
}

/** Columns by interval; the oldest first. */
export interface HistorySeries {
  readonly component: string;
  readonly operation: string;
  readonly calls: readonly number[];
  readonly p50DurationMs: readonly (number | null)[];
  readonly p95DurationMs: readonly (number | null)[];
  readonly p99DurationMs: readonly (number | null)[];
}

export interface History {
  /** When each interval ended, milliseconds since 1970. */
  readonly endMs: readonly number[];
  readonly series: readonly HistorySeries[];
}

/** The performance monitor, as far as a dashboard asks it. */
export interface MonitorSource {
  getPerformanceStats(): Readonly<Record<string, { readonly operations: Readonly<Record<string, { readonly window: CallFigures }>> }>>;
  compareImplementations(rustComponent: string, typescriptComponent: string): Comparison;
  getRecommendations(): readonly Recommendation[];
  history(): History;
}

/** One deployment of the router. No address and no key. */
export interface DeploymentState {
  readonly id: string;
  readonly group: string;
  readonly model: string;
  /** `available`, or why it gets nothing. */
  readonly state: 'available' | 'cooling' | 'over_budget' | 'unhealthy' | 'blocked' | 'uncallable';
  /** Why it cannot be called, and what its operator can do. */
  readonly uncallable?: { readonly reason: string; readonly mend: string };
  /** Rest of the cooldown in milliseconds. */
  readonly coolingForMs: number;
  /** Requests that are over, since the start, and those of them that failed. */
  readonly answered: number;
  readonly failures: number;
  /** Requests in flight. */
  readonly inFlight: number;
  /** 0: not known. */
  readonly latencyMs: number;
  readonly timeToFirstTokenMs: number;
  /** Used in this minute, and the limits. */
  readonly rpm: number;
  readonly rpmLimit?: number;
  readonly tpm: number;
  readonly tpmLimit?: number;
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

/** What a dashboard asks. What is not there is not shown. */
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
  readonly limits: Pick<LimitWatch, 'nearest'>;
  readonly monitor?: MonitorSource;
  deployments?(): readonly DeploymentState[];
  pool?(): PoolState;
}
