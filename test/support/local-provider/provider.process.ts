import { LocalProvider } from './local-provider.js';
import type { ProviderBehaviour } from './provider-behaviour.js';

/** Messages between this process and its parent. */
export type ProviderMessage =
  { readonly behave: Partial<ProviderBehaviour> } | { readonly listening: number } | { readonly facts: ProviderFacts };

/** Counters of a provider. */
export interface ProviderFacts {
  readonly requests: number;
  readonly abandoned: number;
  readonly inFlight: number;
  readonly connections: number;
}

/**
 * Runs a local provider: `node provider.process.js NAME [PORT] [BEHAVIOUR as JSON]`. Ends with its
 * parent.
 */
async function main([name = 'provider', port = '0', behaviour = '{}']: string[]): Promise<void> {
  const provider = await LocalProvider.start(name, JSON.parse(behaviour) as Partial<ProviderBehaviour>, Number(port));
  process.on('message', (message: { readonly behave?: Partial<ProviderBehaviour> }) => {
    if (message.behave !== undefined) provider.behave(message.behave);
    const { requests, abandoned, inFlight, connections } = provider;
    process.send?.({ facts: { requests, abandoned, inFlight, connections } } satisfies ProviderMessage);
  });
  process.on('disconnect', () => process.exit());
  // Ctrl-C reaches the whole process group; the parent decides when this process ends.
  process.on('SIGINT', () => {});
  process.send?.({ listening: provider.port } satisfies ProviderMessage);
}

void main(process.argv.slice(2));
