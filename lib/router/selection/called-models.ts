import { namedBaseModel } from '../deployments/deployment.js';
import { targetOf } from './name-resolution.js';
import type { RouterCore } from './router-core.js';

/** A deployment by what decides how its prompts are counted. */
export interface CalledModel {
  /** Its base model, if it states one, and the model that is called. */
  readonly models: readonly string[];
  /** `max_input_tokens`, its own or that of its model. */
  readonly maxInputTokens?: number;
  readonly maxOutputTokens?: number;
}

/** The models that requests for a name may call. */
export interface CalledModels {
  /** Name of the model group. */
  readonly group: string;
  readonly deployments: readonly CalledModel[];
}

/**
 * Returns the models of the deployments that requests for a name may go to, or of all of its
 * group if none can be selected; `undefined` for an unknown name.
 */
export function calledModels({ names }: RouterCore, name: string): CalledModels | undefined {
  const destination = names.find(name);
  if (destination === null) return undefined;
  const { group, captures } = destination;
  const selectable = group.placed.filter(({ deployment }) => deployment.isSelectable);
  const placed = selectable.length > 0 ? selectable : group.placed;
  const deployments = placed.map(({ deployment }): CalledModel => {
    const { maxInputTokens, info } = deployment;
    const base = namedBaseModel(deployment);
    const called = targetOf(deployment, captures);
    return {
      models: base === undefined ? [called] : [base, called],
      ...(maxInputTokens !== Infinity && { maxInputTokens }),
      ...(typeof info.max_output_tokens === 'number' && { maxOutputTokens: info.max_output_tokens }),
    };
  });
  return { group: group.name, deployments };
}
