import type { CapabilityHealth, MetricSample } from '../../common/capability.js';
import type { LogSink } from '../../common/log-sink.js';

/** Hash tag of all keys in Redis: in a Cluster they are on one node. */
export const HASH_TAG = 'router';

/** Spending of this process against a budget. */
export interface UnreportedSpending {
  readonly key: string;
  /** Not reported yet. */
  readonly usd: number;
  readonly periodMs: number;
  /** Spending of all processes in this period, as far as known: restores a Redis that lost it. */
  readonly totalUsd?: number;
  /** Time left in the period. */
  readonly leftMs?: number;
}

/** The part of a router that a shared state reads and writes. */
export interface StateOfRouter {
  /** Routers of one group (threads of this process) share memory; `null`: this router is alone. */
  group(): string | null;
  /** The ids of all deployments. */
  ids(): readonly string[];
  /** Requests of this process in flight at a deployment. */
  inFlight(id: string): number;
  /**
   * Requests and tokens of this process in a minute, not reported yet; counts as reported
   * afterwards.
   */
  takeUsage(id: string, minute: number): { readonly requests: number; readonly tokens: number };
  /** Requests in flight of all other processes, and their usage in a minute. */
  elsewhere(id: string, inFlight: number, minute: number, requests: number, tokens: number): void;
  /** Another process put a deployment into cooldown. */
  cool(id: string, untilMs: number): void;
  /** All budgets, with the unreported spending of this process; counts as reported afterwards. */
  takeSpending?(): readonly UnreportedSpending[];
  /** Returns spending that could not be reported. */
  putSpendingBack?(key: string, usd: number): void;
  /** Total spending of all processes against a budget, and the time left in its period. */
  spent?(key: string, totalUsd: number, leftMs: number): void;
  /** The router's clock, in milliseconds. */
  now(): number;
  /** Receives a line when the exchange fails, and one when it succeeds again. */
  readonly log?: Pick<LogSink, 'log' | 'warn'>;
}

/**
 * State of deployments that several processes share: cooldowns, usage of the minute, requests in
 * flight, spending.
 */
export interface RouterSharedState {
  /** Starts the exchange. After `close` it can be started for another router. */
  start(router: StateOfRouter): void;
  /** A deployment entered cooldown here: sent at once. */
  cooled?(id: string, untilMs: number): void;
  /** Metrics of the connection to the other processes. */
  metrics?(): readonly MetricSample[];
  /** `degraded` while the exchange fails. */
  health(): Partial<CapabilityHealth>;
  /** Closes the connection and stops the timer. */
  close(): Promise<void>;
}
