import type { EngineChoice } from '../../engine/engine-choice.js';
import type { Deployment } from '../deployments/deployment.js';
import type { RouterEngine } from '../engine/engine.js';

/** What a `Routing` is made with. */
export interface RoutingEnvironment {
  readonly choice: EngineChoice<RouterEngine>;
  readonly sharedAs: string | null;
  readonly maxDeployments: number;
  readonly now: () => number;
  /** From 0 to 1, without 1. */
  readonly random: () => number;
  readonly countTokens?: (messages: readonly unknown[], model: string) => number;
  /** Whether what is used here is told to others. */
  readonly reports?: boolean;
  /** A deployment begins to cool. */
  readonly onCooldown?: (deployment: Deployment, untilMs: number, status: number) => void;
}
