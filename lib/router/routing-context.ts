import type { Deployment } from './deployments/deployment.js';
import type { RoutingExplanation } from './selection/explanation.js';
import type { RoutingStrategy } from './selection/strategies/strategy.js';

/** Facts about a request, besides the model, that a selection can depend on. */
export interface RoutingContext {
  /**
   * Input tokens: checked against context windows and tpm, and reserved until the usage is known.
   */
  readonly inputTokens?: number;
  /** Upper bound of the tokens of the answer. */
  readonly maxTokens?: number;
  /**
   * Messages to count with the app's token counter, or with `router.countTokens`, if `inputTokens`
   * is not given.
   */
  readonly messages?: readonly unknown[];
  /**
   * With tag filtering: selects deployments with one of these tags. `!tag` excludes, `&tag` is
   * required.
   */
  readonly tags?: readonly string[];
  /** Overrides the strategy for this request. */
  readonly strategy?: RoutingStrategy | (string & {});
  /** Whether the answer is streamed: `latency_based` then compares the time to first token. */
  readonly stream?: boolean;
  /**
   * Deployments to exclude: ids, models of deployments (`azure/gpt-4`) or names of model groups.
   */
  readonly blockedModels?: readonly string[];
  /** Ids of deployments to exclude: those that have failed this request. */
  readonly excludeIds?: readonly string[];
  readonly requestId?: string;
  /**
   * Whether the selection records why each deployment was selected or not, in its `explanation`.
   */
  readonly explain?: boolean;
}

/** A selected deployment. Release it with `succeeded`, `failed` or `cancelled`. */
export interface RoutedSelection {
  readonly deployment: Deployment;
  /** The model to call: the deployment's, with `*` replaced by what the pattern captured. */
  readonly model: string;
  /** Name of the model group. */
  readonly group: string;
  /** The strategy that selected it. */
  readonly strategy: RoutingStrategy | 'custom';
  /** With `explain: true`: the state of all deployments when this one was selected. */
  readonly explanation?: RoutingExplanation;
}
