import { refuseArgument } from '../common/options.js';
import { addProvided, type ProvidedProvider } from './provided.js';
import type * as ProviderTable from './endpoint/provider-table.environment.js';

/**
 * Adds a provider with the app's own protocol for all clients of this process. It serves and checks
 * deployments with `model: '<name>/…'` or `custom_llm_provider: '<name>'`. Call it before a
 * `FastLiteLLM` reads such a deployment.
 *
 * @param name prefix of its models: lower-case letters, digits, `_` and `-`
 * @returns a function that removes the provider
 * @throws InvalidArgumentError for a name that is taken, or naming the invalid part of `provider`
 */
export function provideProtocol(name: string, provider: ProvidedProvider): () => void {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- few apps have a protocol of their own
  const { isKnownProvider } = require('./endpoint/provider-table.environment.js') as typeof ProviderTable;
  if (typeof name === 'string' && isKnownProvider(name)) throw refuseArgument('name', name, 'must not be the name of a known provider');
  return addProvided(name, provider);
}
