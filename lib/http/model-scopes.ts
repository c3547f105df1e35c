import { checkNamedModels } from './named-models.js';
import type { PrincipalScope } from './principal.js';

/**
 * The limits of each model that a body names, fallbacks included: any of them may answer. A scope
 * that several of them have counts once.
 */
export function scopesOfModels(body: unknown, scopesOf: (model: string) => readonly PrincipalScope[]): readonly PrincipalScope[] {
  if (typeof body !== 'object' || body === null) return [];
  const found = new Map<string, PrincipalScope>();
  checkNamedModels(body, (model) => {
    for (const scope of scopesOf(model)) found.set(scope.key, scope);
    return true;
  });
  return [...found.values()];
}
