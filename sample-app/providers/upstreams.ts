import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { fork, type ChildProcess } from 'node:child_process';
import { extname, join } from 'node:path';
import type { ModelListEntry, RouterOptions } from 'nestjs-fast-litellm';
import { ENFORCED_SETTINGS, ignoredSettings } from '../access/gateway-settings.js';
import { LocalProvider } from './local-provider.js';
import type { ProviderMessage } from './provider.process.js';

/** A running local provider. */
export interface RunningProvider {
  readonly name: string;
  readonly apiBase: string;
  /** Process id of the provider; this process's id if it runs here. */
  readonly pid: number;
  stop(): Promise<void>;
}

const NAMES = ['local-one', 'local-two'];
/** Models of the local providers: both serve each, but one that only the first has. */
const SHARED_MODELS = ['gpt-4o-mini', 'text-embedding-3-small'];
const MODEL_OF_THE_FIRST = 'gpt-4o';
/** One model of each other protocol, which the first provider answers. */
const OTHER_PROTOCOLS: Readonly<Record<string, string>> = {
  'claude-opus-4-8': 'anthropic/claude-opus-4-8',
  'gemini-2.5-flash': 'gemini/gemini-2.5-flash',
  'nova-lite': 'bedrock/amazon.nova-lite-v1:0',
};

/**
 * Upstreams of the gateway: the deployments of `LITELLM_CONFIG` (LiteLLM's `config.yaml`), or two
 * local providers on loopback.
 */
@Injectable()
export class Upstreams implements OnApplicationShutdown {
  private constructor(
    readonly router: RouterOptions,
    readonly providers: readonly RunningProvider[],
  ) {}

  static async open(env: Readonly<Record<string, string | undefined>>): Promise<Upstreams> {
    const configPath = env.LITELLM_CONFIG?.trim();
    if (configPath) return new Upstreams({ configPath, handledSettings: [...ENFORCED_SETTINGS, ...ignoredSettings(env)] }, []);
    const providers = await Promise.all(NAMES.map(startProvider));
    return new Upstreams(routerOver(providers), providers);
  }

  async onApplicationShutdown(): Promise<void> {
    await Promise.all(this.providers.map((provider) => provider.stop()));
  }
}

function routerOver(providers: readonly RunningProvider[]): RouterOptions {
  const deployment = (model: string, { name, apiBase }: RunningProvider, called = `openai/${model}`): ModelListEntry => ({
    model_name: model,
    litellm_params: { model: called, api_base: apiBase, api_key: 'sk-local' },
    model_info: { id: `${name}/${model}` },
  });
  return {
    modelList: [
      ...SHARED_MODELS.flatMap((model) => providers.map((provider) => deployment(model, provider))),
      deployment(MODEL_OF_THE_FIRST, providers[0]),
      ...Object.entries(OTHER_PROTOCOLS).map(([model, called]) => deployment(model, providers[0], called)),
    ],
    fallbacks: [{ [MODEL_OF_THE_FIRST]: [SHARED_MODELS[0]] }],
    // A killed provider refuses connections, which puts its deployment into cooldown like a 500.
    countConnectionErrors: true,
  };
}

/** Starts a provider: as a child process when the app is compiled, otherwise in this process. */
async function startProvider(name: string): Promise<RunningProvider> {
  if (extname(__filename) === '.js') return startProcess(name);
  const provider = await LocalProvider.start(name);
  return { name, apiBase: provider.apiBase, pid: process.pid, stop: () => provider.stop() };
}

async function startProcess(name: string): Promise<RunningProvider> {
  const child = fork(join(__dirname, 'provider.process.js'), [name]);
  const port = await listening(child);
  const logger = new Logger('Providers');
  const ended = (): void => logger.warn(`${name} has ended`);
  child.once('exit', ended);
  const stop = async (): Promise<void> => {
    child.off('exit', ended);
    child.kill();
  };
  return { name, apiBase: `http://127.0.0.1:${port}/v1`, pid: child.pid ?? 0, stop };
}

function listening(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`a local provider ended with ${code}`)));
    child.on('message', (message: ProviderMessage) => {
      if ('listening' in message) resolve(message.listening);
    });
  });
}
