import type { Scan } from '../eligibility.js';

/** Strategy for selecting one of several deployments. */
export type RoutingStrategy = 'simple_shuffle' | 'least_busy' | 'latency_based' | 'cost_based' | 'usage_based';

/**
 * A strategy, as the TypeScript engine runs it. native/core/src/router/strategy.rs has the same
 * ones under the same numbers.
 */
export interface Strategy {
  readonly name: RoutingStrategy;
  /** Number in a question to an engine, and in test/vectors/router.json. */
  readonly number: number;
  /** LiteLLM's names for it. */
  readonly aliases: readonly string[];
  /** Whether rpm and tpm limit without `enablePreCallChecks`. */
  readonly respectsLimits: boolean;
  /** Whether figures within `lowestLatencyBuffer` of the lowest count as equal. */
  readonly isBuffered: boolean;
  /** Whether deployments without a price of their own have to be priced first. */
  readonly needsPrices: boolean;
  /**
   * Returns the score of the member at `position`, in `slot` of the memory: the lowest is selected.
   * `null`: members are drawn by weight.
   */
  readonly figure: ((scan: Scan, slot: number, position: number) => number) | null;
}
