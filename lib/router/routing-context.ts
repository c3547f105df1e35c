import type { Deployment } from './deployments/deployment.js';
import type { RoutingExplanation } from './selection/explain.js';
import type { RoutingStrategy } from './selection/strategies/strategies.js';

/** What a choice can depend on besides the model. */
export interface RoutingContext {
  /** Tokens of the input: held against context windows and tpm, and booked until the usage is known. */
  readonly inputTokens?: number;
  /** Tokens that the answer may have. */
  readonly maxTokens?: number;
  /** Counted by the module's token counter, or the router's `countTokens`, where `inputTokens` is not given. */
  readonly messages?: readonly unknown[];
  /** With tag filtering: deployments that have one of them. `!tag` excludes, `&tag` is required. */
  readonly tags?: readonly string[];
  /** Another strategy for this request. */
  readonly strategy?: RoutingStrategy | (string & {});
  /** Whether the answer is streamed: the strategy by latency then goes by the time to the first token. */
  readonly stream?: boolean;
  /** Not these: ids, models of deployments (`azure/gpt-4`) or names of groups. */
  readonly blockedModels?: readonly string[];
  /** Not these ids: those that have failed this request. */
  readonly excludeIds?: readonly string[];
  readonly requestId?: string;
  /** Whether the pick is to say why each deployment was taken or not: its `explanation`. */
  readonly explain?: boolean;
}

/** A deployment chosen for a request, to be given back by `succeeded`, `failed` or `cancelled`. */
export interface Pick {
  readonly deployment: Deployment;
  /** What to call there: the deployment's model, with the captured part in the place of its `*`. */
  readonly model: string;
  /** The name of its group. */
  readonly group: string;
  /** Under this order it was chosen. */
  readonly strategy: RoutingStrategy | 'custom';
  /** With `explain: true`: how the deployments stood when this one was chosen. */
  readonly explanation?: RoutingExplanation;
}
