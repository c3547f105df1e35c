import { InvalidArgumentError } from '../common/errors.js';
import type { Fields } from '../common/objects.js';
import { checkKnownKeys, checkObject, checkString, refuseArgument } from '../common/options.js';
import type { AdminServices, AdminRequest, AdminRoute } from './admin-routes.js';

/** LiteLLM's routes for guardrails. */
export const GUARDRAIL_ROUTES: readonly AdminRoute[] = [
  { method: 'get', path: 'guardrails/list', access: 'key', answer: list },
  { method: 'post', path: 'guardrails/apply_guardrail', access: 'key', answer: apply },
];

const LONGEST_TEXT = 1_000_000;

/** The guardrails that requests can select, without secrets. */
async function list({ guardrails }: AdminServices): Promise<Fields> {
  return Promise.resolve({ guardrails: guardrails()?.list() ?? [] });
}

/** Applies a guardrail to a text. A denial is an error, as for a call. */
async function apply({ guardrails }: AdminServices, { body }: AdminRequest): Promise<Fields> {
  const fields = checkObject('body', body, refuseArgument);
  checkKnownKeys('', fields, ['guardrail_name', 'text', 'language', 'entities'], refuseArgument);
  const { guardrail_name: name, text, ...extra } = fields;
  const named = checkString('guardrail_name', name, refuseArgument);
  if (typeof text !== 'string' || text.length > LONGEST_TEXT)
    throw new InvalidArgumentError('text', undefined, `must be a string of at most ${LONGEST_TEXT} characters`);
  const set = guardrails();
  if (set === undefined) throw new InvalidArgumentError('guardrail_name', named, 'must be the name of an existing guardrail');
  return { response_text: await set.apply(named, text, extra) };
}
