import { ModelNotAllowedError } from '../common/http-errors.js';
import { checkNamedModels } from '../http/named-models.js';
import { MAY_CALL_ANY, type Principal } from '../http/principal.js';

/**
 * Checks the `model` of a body. Calls of `LlmClient` check all other models that it names.
 * @throws ModelNotAllowedError if the principal may not call it.
 */
export function checkModelAccess({ mayCall }: Principal, body: unknown): void {
  const { model } = (body ?? {}) as { readonly model?: unknown };
  if (typeof model === 'string' && !mayCall(model)) throw new ModelNotAllowedError(model);
}

/**
 * Checks every model that a body names for a provider.
 * @throws ModelNotAllowedError if the principal may not call one of them.
 */
export function checkModelsAccess({ mayCall }: Principal, body: unknown): void {
  if (mayCall !== MAY_CALL_ANY && typeof body === 'object' && body !== null) checkNamedModels(body, mayCall);
}
