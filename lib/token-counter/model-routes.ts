import { frozenLimits, type ModelLimits } from './pricing/pricing.js';

/** A deployment, as the token counter needs it. */
export interface RoutedDeployment {
  /** Names of its model, the base model first. */
  readonly models: readonly string[];
  /** Where the deployment states it. */
  readonly maxInputTokens?: number;
  readonly maxOutputTokens?: number;
}

/** Where requests for a name go. */
export interface ModelRoute {
  /** The name of the model group. */
  readonly group: string;
  readonly deployments: readonly RoutedDeployment[];
}

/** Finds the deployments for a name; `undefined` for a name that the router does not know. */
export type FindRoute = (name: string) => ModelRoute | undefined;

/** The smallest limits of deployments, of those that are known. */
export function limitsOfRoute({ deployments }: ModelRoute, limitsOf: (model: string) => ModelLimits): ModelLimits {
  const smallest = (stated: 'maxInputTokens' | 'maxOutputTokens', limit: 'contextWindow' | 'maxOutputTokens'): number | null => {
    const known = deployments.flatMap(
      (each) => each[stated] ?? each.models.map((model) => limitsOf(model)[limit]).find((value) => value !== null) ?? [],
    );
    return known.length === 0 ? null : Math.min(...known);
  };
  const [contextWindow, maxOutputTokens] = [smallest('maxInputTokens', 'contextWindow'), smallest('maxOutputTokens', 'maxOutputTokens')];
  const sourceOf = (value: number | null): string | null => (value === null ? null : 'router');
  return frozenLimits({
    contextWindow,
    maxOutputTokens,
    sources: { contextWindow: sourceOf(contextWindow), maxOutputTokens: sourceOf(maxOutputTokens) },
  });
}
