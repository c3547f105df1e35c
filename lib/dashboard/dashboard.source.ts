import type { CapabilityHealth, MetricSample } from '../common/capability.js';
import type { EngineState } from '../engine/switching-engine.js';
import type { FeatureStatus } from '../feature-flags/feature-flag.js';
import type { LimitWatch } from '../rate-limit/metrics/near-limits.js';

/** Figures of some calls, from the performance monitor. */
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

/** Comparison of two implementations; ratios are `null` without enough samples. */
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

/** Columns of intervals, the oldest first. */
export interface HistorySeries {
  readonly component: string;
  readonly operation: string;
  readonly calls: readonly number[];
  readonly p50DurationMs: readonly (number | null)[];
  readonly p95DurationMs: readonly (number | null)[];
  readonly p99DurationMs: readonly (number | null)[];
}

export interface History {
  /** Ends of the intervals, in milliseconds since 1970. */
  readonly endMs: readonly number[];
  readonly series: readonly HistorySeries[];
}

/** The part of the performance monitor that the dashboard reads. */
export interface MonitorSource {
  getPerformanceStats(): Readonly<Record<string, { readonly operations: Readonly<Record<string, { readonly window: CallFigures }>> }>>;
  compareImplementations(rustComponent: string, typescriptComponent: string): Comparison;
  getRecommendations(): readonly Recommendation[];
  history(): History;
}

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
  /** Requests answered since the start, and those of them that failed. */
  readonly answered: number;
  readonly failures: number;
  /** Requests in flight. */
  readonly inFlight: number;
  /** 0: unknown. */
  readonly latencyMs: number;
  readonly timeToFirstTokenMs: number;
  /** Usage of this minute, and limits. */
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
  readonly limits: Pick<LimitWatch, 'nearest'>;
  readonly monitor?: MonitorSource;
  deployments?(): readonly DeploymentState[];
  pool?(): PoolState;
}
