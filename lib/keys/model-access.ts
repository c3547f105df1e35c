import { ModelNotAllowedError } from '../common/http-errors.js';
import type { Principal } from '../http/principal.js';

/**
 * Checks the `model` that a body asks for. Nothing else is read from a body, and never who asks.
 * @throws ModelNotAllowedError where the principal may not call it.
 */
export function checkModelAccess(principal: Principal, body: unknown): void {
  const { model } = (body ?? {}) as { readonly model?: unknown };
  if (typeof model === 'string' && !principal.mayCall(model)) throw new ModelNotAllowedError(model);
}
