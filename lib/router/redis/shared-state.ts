import type { CapabilityHealth, MetricSample } from '../../common/capability.js';

/** What a shared state may look at and write, of the router that uses it. */
export interface StateOfRouter {
  /** Routers of one group, threads of this process, see each other's state anyway; `null` for one that is alone. */
  group(): string | null;
  /** The ids of all deployments. */
  ids(): readonly string[];
  /** What this process has under way at a deployment. */
  inFlight(id: string): number;
  /** Requests and tokens of this process in a minute that was not reported yet; counted as reported from then on. */
  takeUsage(id: string, minute: number): { readonly requests: number; readonly tokens: number };
  /** What all other processes have under way, and have used in a minute. */
  elsewhere(id: string, inFlight: number, minute: number, requests: number, tokens: number): void;
  /** Another process has made a deployment cool. */
  cool(id: string, untilMs: number): void;
  /** All budgets, with what this process has spent since it was asked last; counted as reported from then on. */
  takeSpending?(): readonly { readonly key: string; readonly usd: number; readonly periodMs: number }[];
  /** What was taken and could not be told. */
  putSpendingBack?(key: string, usd: number): void;
  /** What all processes together have spent of a budget, and how long its time still is. */
  spent?(key: string, totalUsd: number, leftMs: number): void;
  /** The router's clock, in milliseconds. */
  now(): number;
}

/** State of deployments that several processes share: cooldowns, the usage of the minute, requests under way, spending. Without it each decides by what it sees itself. */
export interface RouterSharedState {
  /** Begins to give and take; after `close` it may for another router. */
  start(router: StateOfRouter): void;
  /** A deployment begins to cool here: worth telling at once. */
  cooled?(id: string, untilMs: number): void;
  /** Metrics of the connection to the other processes. */
  metrics?(): readonly MetricSample[];
  /** `degraded` while nothing is shared. */
  health(): Partial<CapabilityHealth>;
  /** Closes the connection and stops the timer. */
  close(): Promise<void>;
}
