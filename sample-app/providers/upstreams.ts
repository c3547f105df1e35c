import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { fork, type ChildProcess } from 'node:child_process';
import { extname, join } from 'node:path';
import type { RouterOptions } from 'nestjs-fast-litellm';
import { ENFORCED_SETTINGS } from '../access/gateway-settings.js';
import { LocalProvider } from './local-provider.js';
import type { ProviderMessage } from './provider.process.js';

/** A local provider that runs. */
export interface RunningProvider {
  readonly name: string;
  readonly apiBase: string;
  /** Of its own process; of this one, where it runs in it. */
  readonly pid: number;
  stop(): Promise<void>;
}

const NAMES = ['local-one', 'local-two'];
/** What they serve: each model by both, and one that only the first has. */
const SHARED_MODELS = ['gpt-4o-mini', 'text-embedding-3-small'];
const MODEL_OF_THE_FIRST = 'gpt-4o';

/** Where the gateway sends what it is asked: to the deployments of `LITELLM_CONFIG`, a LiteLLM `config.yaml`, or to two providers of its own on loopback. */
@Injectable()
export class Upstreams implements OnApplicationShutdown {
  private constructor(
    readonly router: RouterOptions,
    readonly providers: readonly RunningProvider[],
  ) {}

  static async open(env: Readonly<Record<string, string | undefined>>): Promise<Upstreams> {
    const configPath = env.LITELLM_CONFIG?.trim();
    if (configPath) return new Upstreams({ configPath, handledSettings: ENFORCED_SETTINGS }, []);
    const providers = await Promise.all(NAMES.map(startProvider));
    return new Upstreams(routerOver(providers), providers);
  }

  async onApplicationShutdown(): Promise<void> {
    await Promise.all(this.providers.map((provider) => provider.stop()));
  }
}

function routerOver(providers: readonly RunningProvider[]): RouterOptions {
  const deployment = (model: string, { name, apiBase }: RunningProvider): NonNullable<RouterOptions['modelList']>[number] => ({
    model_name: model,
    litellm_params: { model: `openai/${model}`, api_base: apiBase, api_key: 'sk-local' },
    model_info: { id: `${name}/${model}` },
  });
  return {
    modelList: [
      ...SHARED_MODELS.flatMap((model) => providers.map((provider) => deployment(model, provider))),
      deployment(MODEL_OF_THE_FIRST, providers[0]),
    ],
    fallbacks: [{ [MODEL_OF_THE_FIRST]: [SHARED_MODELS[0]] }],
    // One that was killed refuses connections: it is left alone for a while, as if it had answered 500.
    countConnectionErrors: true,
  };
}

/** As a process that can be killed, where the app is compiled; from its sources, in this process. */
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
