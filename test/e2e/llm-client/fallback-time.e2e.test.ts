import type { RequestListener } from 'node:http';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LlmStream } from 'nestjs-fast-litellm';
import { deploymentOf, HELLO, provider, scripted, stopProviders } from '../../support/llm-client-providers.js';
import { clientOf, closeClients, type OpenClient } from '../../support/llm-client-setup.js';

// A group that hangs, or that asks for patience, must not keep its callers from a healthy fallback.

afterEach(async () => {
  await closeClients();
  await stopProviders();
});

const silent = (): Promise<string> => scripted(() => {});
const refusing = (status: number, headers: Record<string, string>, seen: string[] = []): Promise<string> => {
  const listener: RequestListener = (request, response) => {
    seen.push(String(request.url));
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end('{"error":{"message":"later"}}');
  };
  return scripted(listener);
};

async function withFallback(apiBase: string, router: object = {}, llmClient: object = {}): Promise<OpenClient> {
  const well = await provider('well');
  const modelList = [deploymentOf('first', { name: 'first', apiBase }), deploymentOf('second', well)];
  return clientOf({ modelList, fallbacks: [{ first: ['second'] }], numRetries: 0, ...router }, llmClient);
}

describe('a time limit in the words of LiteLLM', () => {
  it.each([
    ['router_settings.timeout', 'router_settings:\n  timeout: 0.2\n  num_retries: 1'],
    ['litellm_settings.request_timeout', 'litellm_settings:\n  request_timeout: 0.2\n  num_retries: 1'],
  ])('%s leaves the call time for its fallback', async (_, settings) => {
    const well = await provider('well');
    const file = join(mkdtempSync(join(tmpdir(), 'fallback-time-')), 'config.yaml');
    const deployment = (group: string, base: string): string =>
      `  - {model_name: ${group}, litellm_params: {model: openai/gpt-4o, api_base: '${base}', api_key: k}}\n`;
    const list = deployment('first', await silent()) + deployment('second', well.apiBase);
    writeFileSync(file, `model_list:\n${list}${settings}\n  fallbacks: [{first: [second]}]\n`);
    const { client } = clientOf({ configPath: file });
    for (const stream of [false, true]) {
      const answer = await client.chat({ model: 'first', messages: HELLO, stream });
      if (answer instanceof LlmStream) for await (const chunk of answer) void chunk;
      expect(answer.call).toMatchObject({ group: 'second', attempts: 3 });
    }
  });

  it('of a request limits each attempt, and is not counted against a deployment', async () => {
    const { client, router } = await withFallback(await silent(), { allowedFails: 0 });
    const { call } = await client.chat({ model: 'first', messages: HELLO, timeout: 0.1, num_retries: 0 } as never);
    expect(call).toMatchObject({ group: 'second', fallbacks: 1 });
    expect(router.status()[0]).toMatchObject({ state: 'available', failures: 0 });
  });

  it('ends a stream that falls silent, for which no other deployment is tried', async () => {
    const stalled = await scripted((_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n');
    });
    const { client } = await withFallback(stalled, { timeoutMs: 200 });
    const stream = await client.chat({ model: 'first', messages: HELLO, stream: true });
    await expect(
      (async () => {
        for await (const chunk of stream) void chunk;
      })(),
    ).rejects.toMatchObject({ kind: 'timeout' });
  });
});

describe('a provider that sends Retry-After', () => {
  const patient = { numRetries: 2, retryAfterMs: 0 };

  it.each([
    [429, { 'retry-after': '40' }],
    [429, { 'retry-after-ms': '30000' }],
    [503, { 'retry-after': '50' }],
    [529, { 'retry-after': '20' }],
  ])('is not waited for when a fallback can answer: %i %j', async (status, headers) => {
    const seen: string[] = [];
    const { client } = await withFallback(await refusing(status, headers, seen), patient);
    const { call } = await client.chat({ model: 'first', messages: HELLO });
    expect(call).toMatchObject({ group: 'second', attempts: 2, retries: 0 });
    expect(seen).toHaveLength(1);
  });

  it.each([{ fallbacks: ['second'] }, { fallbacks: [{ first: ['second'] }] }])('nor when the request names one: %j', async (fallbacks) => {
    const { client } = await withFallback(await refusing(429, { 'retry-after': '40' }), { ...patient, fallbacks: [] });
    const { call } = await client.chat({ model: 'first', messages: HELLO, ...fallbacks } as never);
    expect(call).toMatchObject({ group: 'second', attempts: 2 });
  });

  it.each([
    ['the only fallback is in cooldown', true],
    ['there is no fallback', false],
  ])('is waited for when %s', async (_, hasFallback) => {
    const seen: string[] = [];
    const soon = await refusing(429, { 'retry-after-ms': '20' }, seen);
    const { client, router } = await withFallback(soon, { numRetries: 1, ...(!hasFallback && { fallbacks: [] }) });
    router.failed(router.acquire('second'), { misconfigured: true });
    await expect(client.chat({ model: 'first', messages: HELLO })).rejects.toMatchObject({ providerStatus: 429 });
    expect(seen).toHaveLength(2);
  });
});
