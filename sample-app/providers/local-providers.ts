import { Injectable, Logger, Module, type OnApplicationShutdown } from '@nestjs/common';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { extname, join } from 'node:path';
import type { ModelListEntry, RouterOptions } from 'nestjs-fast-litellm';
import { startProvider } from './provider.process.js';

/** A running provider, which answers at several addresses: one for each protocol. */
export interface RunningProvider {
  readonly name: string;
  /** Process id of the provider; this process's id if it runs here. */
  readonly pid: number;
  /** Its deployments, for the router. */
  readonly deployments: readonly ModelListEntry[];
  stop(): unknown;
}

/** Two providers on loopback, so that the gateway works without a configuration. */
@Injectable()
export class LocalProviders implements OnApplicationShutdown {
  running: readonly RunningProvider[] = [];

  /** Starts the providers: each in a process of its own when the app is compiled. */
  async start(): Promise<RouterOptions> {
    const isCompiled = extname(__filename) === '.js';
    this.running = await Promise.all(['local-one', 'local-two'].map(isCompiled ? startProcess : startProvider));
    return {
      modelList: this.running.flatMap(({ deployments }) => deployments),
      fallbacks: [{ 'gpt-4o': ['gpt-4o-mini'] }],
      // A killed provider refuses connections, which puts its deployment into cooldown like a 500.
      countConnectionErrors: true,
    };
  }

  async onApplicationShutdown(): Promise<void> {
    await Promise.all(this.running.map((provider) => provider.stop()));
  }
}

@Module({ providers: [LocalProviders], exports: [LocalProviders] })
export class LocalProvidersModule {}

async function startProcess(name: string): Promise<RunningProvider> {
  const child = fork(join(__dirname, 'provider.process.js'), [name]);
  const [deployments] = (await once(child, 'message')) as [ModelListEntry[]];
  const warn = (): void => new Logger('Providers').warn(`Provider ${name}: exited; calls to it fail`);
  child.once('exit', warn);
  return { name, pid: child.pid ?? 0, deployments, stop: () => child.off('exit', warn).kill() };
}
