import { Injectable, type CanActivate } from '@nestjs/common';
import Anthropic from '@anthropic-ai/sdk';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import type { LocalProvider } from '../../support/local-provider/local-provider.js';
import { ADAPTERS, GatewayApp, type AdapterName, type AppAround } from '../../support/gateway-app.js';
import { deploymentOf, provider, stopProviders } from '../../support/llm-client-providers.js';

const KEY = 'sk-of-the-operator';
const MESSAGES = [{ role: 'user' as const, content: 'Hello' }];

@Injectable()
class OpenGuard implements CanActivate {
  canActivate(): boolean {
    return true;
  }
}

describe.each(Object.keys(ADAPTERS) as AdapterName[])('the master key of a config.yaml on %s', (adapter) => {
  let folder: string;
  let configPath: string;
  let upstream: LocalProvider;
  let gateway: GatewayApp;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'gateway-'));
    configPath = join(folder, 'config.yaml');
    upstream = await provider('one');
    const config = {
      model_list: [
        { model_name: 'gpt-4o', litellm_params: { model: 'openai/gpt-4o', api_base: upstream.apiBase, api_key: 'sk-upstream' } },
      ],
      general_settings: { master_key: KEY },
    };
    writeFileSync(configPath, JSON.stringify(config));
  });
  afterEach(() => gateway.stop());
  afterAll(async () => {
    rmSync(folder, { recursive: true });
    await stopProviders();
  });

  const start = async (options: object = {}, handledSettings: string[] = []): Promise<void> => {
    const around: AppAround = { module: { router: { configPath, handledSettings } } };
    gateway = await GatewayApp.start(adapter, options, around);
  };
  const chat = (apiKey: string) =>
    new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey, maxRetries: 0 }).chat.completions.create({ model: 'gpt-4o', messages: MESSAGES });

  it('is asked for, before a body is read, in the shape of the API', async () => {
    await start();
    const before = upstream.requests;
    await expect(chat('sk-other')).rejects.toMatchObject({ status: 401, code: 'invalid_api_key' });
    const anthropic = new Anthropic({ baseURL: gateway.url, apiKey: 'sk-other', maxRetries: 0 });
    await expect(anthropic.messages.create({ model: 'gpt-4o', max_tokens: 9, messages: MESSAGES })).rejects.toMatchObject({
      status: 401,
      error: { type: 'error', error: { type: 'authentication_error' } },
    });
    const large = { model: 'gpt-4o', messages: [{ role: 'user', content: 'x'.repeat(30 * 2 ** 20) }] };
    const refused = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(large),
    }).then(
      ({ status }) => status,
      // The connection may be closed while the body is still being sent.
      () => 401,
    );
    expect(refused).toBe(401);
    expect((await fetch(`${gateway.url}/v1/models`)).status).toBe(401);
    expect(upstream.requests).toBe(before);
  });

  it('opens the gateway, as a Bearer token or as x-api-key; probes need none', async () => {
    await start();
    expect((await chat(KEY)).choices[0].message.content).not.toBe('');
    const anthropic = new Anthropic({ baseURL: gateway.url, apiKey: KEY, maxRetries: 0 });
    expect((await anthropic.messages.create({ model: 'gpt-4o', max_tokens: 9, messages: MESSAGES })).content).toHaveLength(1);
    expect((await fetch(`${gateway.url}/health/liveliness`)).status).toBe(200);
  });

  it('is what limits count by, whatever other headers say', async () => {
    gateway = await GatewayApp.start(adapter, {}, { module: { router: { configPath }, rateLimit: { requestsPerMinute: 1 } } });
    const body = { model: 'gpt-4o', messages: MESSAGES };
    const headers = (other: string) => ({ 'x-litellm-api-key': KEY, authorization: `Bearer ${other}` });
    expect((await gateway.post('/v1/chat/completions', body, headers('sk-one'))).status).toBe(200);
    expect((await gateway.post('/v1/chat/completions', body, headers('sk-two'))).status).toBe(429);
  });

  it.each<[string, object, string[]]>([
    ['guards of its own', { guards: [OpenGuard] }, []],
    ['an app that enforces the setting', {}, ['general_settings.master_key']],
  ])('is left to %s', async (_, options, handled) => {
    await start(options, handled);
    expect((await chat('sk-any')).choices).toHaveLength(1);
  });

  it('comes from the environment where the app has no config.yaml', async () => {
    process.env.LITELLM_MASTER_KEY = KEY;
    try {
      gateway = await GatewayApp.start(adapter, {}, { module: { router: { modelList: [deploymentOf('gpt-4o', upstream)] } } });
    } finally {
      delete process.env.LITELLM_MASTER_KEY;
    }
    await expect(chat('sk-other')).rejects.toMatchObject({ status: 401 });
    expect((await chat(KEY)).choices).toHaveLength(1);
  });

  it.each<[string, object, object, boolean]>([
    ['names an open gateway', {}, {}, true],
    ['says nothing of one with a key', { masterKey: KEY }, {}, false],
    ['says nothing of one with guards', { guards: [OpenGuard] }, {}, false],
  ])('the log %s', async (_, options, router, isNamed) => {
    const lines: string[] = [];
    const logger = { log: (line: string) => void lines.push(line), warn: () => {}, error: () => {} };
    gateway = await GatewayApp.start(adapter, options, { module: { logger, router } });
    expect(lines.some((line) => line.startsWith('Gateway: requests need no key'))).toBe(isNamed);
  });

  it('may be another one', async () => {
    await start({ masterKey: 'sk-second' });
    await expect(chat(KEY)).rejects.toMatchObject({ status: 401 });
    expect((await chat('sk-second')).choices).toHaveLength(1);
  });
});
