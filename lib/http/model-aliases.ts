import type { Principal } from './principal.js';

/** Replaces the name of a model in a body that is an alias of the sender's own. */
export function resolveModelAlias({ modelAliases }: Principal, body: unknown): void {
  if (modelAliases === undefined || typeof body !== 'object' || body === null) return;
  const { model } = body as { model?: unknown };
  if (typeof model === 'string' && Object.hasOwn(modelAliases, model)) (body as { model: unknown }).model = modelAliases[model];
}
