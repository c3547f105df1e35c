import type { Principal } from './principal.js';

/** The model that a name stands for: another one if the sender has an alias of this name. */
export function aliasedModel({ modelAliases }: Pick<Principal, 'modelAliases'>, model: string): string {
  return modelAliases !== undefined && Object.hasOwn(modelAliases, model) ? modelAliases[model] : model;
}

/** Replaces the name of a model in a body that is an alias of the sender's own. */
export function resolveModelAlias({ modelAliases }: Principal, body: unknown): void {
  if (modelAliases === undefined || typeof body !== 'object' || body === null) return;
  const { model } = body as { model?: unknown };
  if (typeof model === 'string' && Object.hasOwn(modelAliases, model)) (body as { model: unknown }).model = modelAliases[model];
}
