import { fieldsOf, type Fields } from '../common/objects.js';
import type { WithProviderOptions } from './specification.js';

/** The name of this provider in `providerOptions` and `providerMetadata`. */
export const OWN_NAME = 'fastLiteLLM';
/** Providers whose options apps have set already when they change to model groups. */
const READ = [OWN_NAME, 'anthropic', 'openai'] as const;

/** This provider's options: fields of the request's body, in OpenAI's and LiteLLM's words. */
export function ownOptions({ providerOptions }: WithProviderOptions): Fields {
  return fieldsOf(providerOptions?.[OWN_NAME]);
}

/** An option of a message or a part, this provider's before those of others. */
export function optionOf({ providerOptions }: WithProviderOptions, name: string): unknown {
  if (providerOptions === undefined) return undefined;
  return READ.map((provider) => fieldsOf(providerOptions[provider])[name]).find((value) => value !== undefined && value !== null);
}
