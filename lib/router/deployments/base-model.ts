import type { Fields } from '../../common/objects.js';

/** The model behind a deployment's name. LiteLLM reads it in both places, in this order. */
export function namedBaseModel({ params, info }: { readonly params: Fields; readonly info: Fields }): string | undefined {
  return [params.base_model, info.base_model].find((value): value is string => typeof value === 'string' && value !== '');
}
