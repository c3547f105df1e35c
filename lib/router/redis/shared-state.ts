import type { CapabilityHealth, MetricSample } from '../../common/capability.js';
import type { LogSink } from '../../common/log-sink.js';

/** Hash tag of all keys in Redis: in a Cluster they are on one node. */
export const HASH_TAG = 'router';

/** Spend of this process against a budget. */
export interface UnreportedSpending {
  readonly key: string;
  /** Not yet reported. */
  readonly usd: number;
  readonly periodMs: number;
  /** Known spend of all processes in this period, which restores a Redis that has lost it. */
  readonly totalUsd?: number;
  /** Time left in the period. */
  readonly leftMs?: number;
}

/** The part of a router that a shared state reads and writes. */
export interface StateOfRouter {
  /**
   * Routers in one group (threads of this process) share memory; `null`: this router has no group.
   */
  group(): string | null;
  /** The ids of all deployments. */
  ids(): readonly string[];
  /** Returns the requests of this process in flight at a deployment. */
  inFlight(id: string): number;
  /**
   * Returns the requests and tokens of this process in a minute that are not yet reported, and
   * marks them as reported.
   */
  takeUsage(id: string, minute: number): { readonly requests: number; readonly tokens: number };
  /** Sets the requests in flight of all other processes, and their usage in a minute. */
  elsewhere(id: string, inFlight: number, minute: number, requests: number, tokens: number): void;
  /** Puts a deployment into cooldown, as another process has done. */
  cool(id: string, untilMs: number): void;
  /** Returns all budgets with the unreported spend of this process, and marks it as reported. */
  takeSpending?(): readonly UnreportedSpending[];
  /** Returns spend that could not be reported. */
  putSpendingBack?(key: string, usd: number): void;
  /** Sets the total spend of all processes against a budget, and the time left in its period. */
  spent?(key: string, totalUsd: number, leftMs: number): void;
  /** The router's clock, in milliseconds. */
  now(): number;
  /** Receives a log line when the exchange fails, and another when it succeeds again. */
  readonly log?: Pick<LogSink, 'log' | 'warn'>;
}

/**
 * State of deployments that several processes share: cooldowns, usage of the minute, requests in
 * flight, spend.
 */
export interface RouterSharedState {
  /** Starts the exchange. After `close`, it can be started for another router. */
  start(router: StateOfRouter): void;
  /** Called when a deployment enters cooldown in this process; sent at once. */
  cooled?(id: string, untilMs: number): void;
  /** Metrics of the connection to the other processes. */
  metrics?(): readonly MetricSample[];
  /** `degraded` while the exchange fails. */
  health(): Partial<CapabilityHealth>;
  /** Closes the connection and stops the timer. */
  close(): Promise<void>;
}
