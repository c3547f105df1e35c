import { LocalProvider } from './local-provider.js';
import type { ProviderBehaviour } from './provider-behaviour.js';

/** What a parent tells this process over its channel, and hears from it. */
export type ProviderMessage =
  { readonly behave: Partial<ProviderBehaviour> } | { readonly listening: number } | { readonly facts: ProviderFacts };

/** What a provider has seen. */
export interface ProviderFacts {
  readonly requests: number;
  readonly abandoned: number;
  readonly inFlight: number;
  readonly connections: number;
}

/** A local provider as a process of its own: `node provider.process.js NAME [PORT] [BEHAVIOUR as JSON]`. Ends with its parent. */
async function main([name = 'provider', port = '0', behaviour = '{}']: string[]): Promise<void> {
  const provider = await LocalProvider.start(name, JSON.parse(behaviour) as Partial<ProviderBehaviour>, Number(port));
  process.on('message', (message: { readonly behave?: Partial<ProviderBehaviour> }) => {
    if (message.behave !== undefined) provider.behave(message.behave);
    const { requests, abandoned, inFlight, connections } = provider;
    process.send?.({ facts: { requests, abandoned, inFlight, connections } } satisfies ProviderMessage);
  });
  process.on('disconnect', () => process.exit());
  // Ctrl-C reaches the whole group: the parent decides when this one ends.
  process.on('SIGINT', () => {});
  process.send?.({ listening: provider.port } satisfies ProviderMessage);
}

void main(process.argv.slice(2));
