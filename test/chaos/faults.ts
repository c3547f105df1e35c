import { WELL_BEHAVED, type ProviderBehaviour } from '../support/local-provider/provider-behaviour.js';
import type { ProviderProcess } from './provider-processes.js';

/** Something that befalls a provider, until it is mended. */
export interface Fault {
  readonly name: string;
  begin(provider: ProviderProcess): Promise<unknown> | void;
  repair(provider: ProviderProcess): Promise<unknown> | void;
}

const behaving = (name: string, behaviour: Partial<ProviderBehaviour>): Fault => ({
  name,
  begin: (provider) => provider.behave(behaviour),
  repair: (provider) => provider.behave({ ...WELL_BEHAVED, ...USUAL }),
});

/** How a provider answers when nothing is wrong with it. */
export const USUAL: Partial<ProviderBehaviour> = { latencyMs: 2, chunkDelayMs: 1, tokens: 20 };

export const FAULTS: readonly Fault[] = [
  behaving('500', { fault: 'status', status: 500 }),
  behaving('429', { fault: 'status', status: 429, retryAfter: '1' }),
  behaving('half of them 503', { fault: 'status', status: 503, faultRate: 0.5 }),
  behaving('400', { fault: 'status', status: 400 }),
  behaving('401', { fault: 'status', status: 401 }),
  behaving('hangs', { fault: 'hang' }),
  behaving('resets', { fault: 'reset' }),
  behaving('garbage', { fault: 'garbage' }),
  behaving('no HTTP', { fault: 'protocol' }),
  behaving('cuts', { fault: 'cut', faultRate: 0.5 }),
  behaving('slow', { latencyMs: 900 }),
  behaving('wrong usage', { usage: 'wrong' }),
  behaving('no usage', { usage: 'none' }),
  { name: 'frozen', begin: (provider) => provider.freeze(), repair: (provider) => provider.thaw() },
  { name: 'killed', begin: (provider) => provider.kill(), repair: (provider) => provider.start(USUAL) },
];
