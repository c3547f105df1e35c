import { namedBaseModel } from '../router/deployments/base-model.js';
import type { Selection } from './call-router.js';

/** Output tokens that a model can write; `null` where that is not known. */
export type MaxOutputOf = (model: string) => number | null;

/** That of a selection: `max_output_tokens` of its deployment, else the figure of its model. */
export function modelOutput({ deployment, model }: Selection, maxOutputOf: MaxOutputOf): number | null {
  const { max_output_tokens: stated } = deployment.info;
  return typeof stated === 'number' ? stated : maxOutputOf(namedBaseModel(deployment) ?? model);
}
