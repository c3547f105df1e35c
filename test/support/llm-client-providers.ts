import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { startProvider, type ProviderProtocol, type StartProviderOptions, type TestProvider } from 'nestjs-fast-litellm/testing';
import type { ModelListEntry } from '../../lib/router/deployments/deployment.js';
import { LocalProvider } from './local-provider/local-provider.js';
import type { ProviderBehaviour } from './local-provider/provider-behaviour.js';

const opened: (() => Promise<unknown>)[] = [];

/** A local provider, until `stopProviders`. */
export async function provider(name: string, behaviour: Partial<ProviderBehaviour> = {}): Promise<LocalProvider> {
  const started = await LocalProvider.start(name, behaviour);
  opened.push(() => started.stop());
  return started;
}

/** A provider of the testing kit, until `stopProviders`. */
export async function testProvider(protocol: ProviderProtocol, options: StartProviderOptions = {}): Promise<TestProvider> {
  const started = await startProvider(protocol, options);
  opened.push(() => started.close());
  return started;
}

/** A server that answers as `listener` says; its `api_base`. */
export async function scripted(listener: RequestListener): Promise<string> {
  const server: Server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  opened.push(() => {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    return closed;
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
}

export async function stopProviders(): Promise<void> {
  await Promise.all(opened.splice(0).map((stop) => stop()));
}

/** A deployment of `group` at a provider; its id is the provider's name. */
export function deploymentOf(
  group: string,
  { name, apiBase }: { readonly name: string; readonly apiBase: string },
  params: Readonly<Record<string, unknown>> = {},
): ModelListEntry {
  return {
    model_name: group,
    litellm_params: { model: 'openai/gpt-4o', api_base: apiBase, api_key: 'sk-secret-key', ...params },
    model_info: { id: name },
  };
}

export const HELLO = [{ role: 'user', content: 'Hello' }] as const;
