import Anthropic from '@anthropic-ai/sdk';
import type { GatewayOptions } from 'nestjs-fast-litellm';
import OpenAI from 'openai';
import { ADAPTERS, GatewayApp, type AdapterName } from '../../support/gateway-app.js';
import { oneOrAll } from '../../support/long.js';
import { stopProviders, testProvider } from '../../support/llm-client-providers.js';

afterAll(stopProviders);

describe.each(oneOrAll(Object.keys(ADAPTERS) as AdapterName[]))('the gateway on %s with exactTokenCounts', (adapter) => {
  let gateway: GatewayApp;
  afterEach(() => gateway.stop());

  const start = async (options: GatewayOptions) => {
    const script = { usage: { promptTokens: 4242 } };
    const [anthropic, openai] = [await testProvider('anthropic', { script }), await testProvider('openai', { script })];
    const modelList = [anthropic.deployment('claude'), openai.deployment('gpt', { model: 'openai/gpt-5' })];
    gateway = await GatewayApp.start(adapter, options, { module: { router: { modelList } } });
    const sdks = {
      claude: new Anthropic({ baseURL: gateway.url, apiKey: 'k', maxRetries: 0 }),
      gpt: new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'k', maxRetries: 0 }),
    };
    return { anthropic, openai, sdks };
  };
  const counts = async ({ claude, gpt }: { readonly claude: Anthropic; readonly gpt: OpenAI }, content: string, model?: string) => [
    (await claude.messages.countTokens({ model: model ?? 'claude', system: 'Be brief.', messages: [{ role: 'user', content }] }))
      .input_tokens,
    (await gpt.responses.inputTokens.count({ model: model ?? 'gpt', input: content })).input_tokens,
  ];

  it.each([
    ['short', 'Hello'],
    ['long', 'Hello. '.repeat(10_000)],
  ])("answers with the providers' counts of %s prompts", async (_, content) => {
    const { anthropic, openai, sdks } = await start({ exactTokenCounts: true });
    expect(await counts(sdks, content)).toEqual([4242, 4242]);
    expect(anthropic.latest.body).toEqual({ model: 'claude-sonnet-4-5', system: 'Be brief.', messages: [{ role: 'user', content }] });
    expect([openai.latest.path, openai.latest.body.input]).toEqual(['/v1/responses/input_tokens', content]);
    expect(anthropic.latest.headers['x-api-key']).toBe('sk-ant-local');
    // The other API's clients may ask for each model.
    expect(await counts(sdks, `${content}!`, 'claude')).toEqual([4242, 4242]);
    expect(await counts(sdks, `${content}!`, 'gpt')).toEqual([4242, 4242]);
    expect(gateway.llm.client.metrics()).toContainEqual(
      expect.objectContaining({ name: 'llm_client_calls_total', value: 0, labels: { outcome: 'succeeded' } }),
    );
  });

  it('estimates as without it where the providers fail', async () => {
    const { anthropic, openai, sdks } = await start({ exactTokenCounts: true });
    for (const provider of [anthropic, openai]) provider.use({ body: { input_tokens: '4242', ok: true } });
    const estimated = await counts(sdks, 'Hello, how are you?');
    await gateway.stop();
    const without = await start({});
    expect(await counts(without.sdks, 'Hello, how are you?')).toEqual(estimated);
    expect([without.anthropic, without.openai].flatMap(({ requests }) => requests)).toEqual([]);
  });

  it('asks no provider for a model that the client may not call', async () => {
    const { anthropic, sdks } = await start({ exactTokenCounts: true, callOptions: () => ({ mayCall: (model) => model === 'gpt' }) });
    await expect(counts(sdks, 'Hello')).rejects.toMatchObject({ status: 403 });
    expect(anthropic.requests).toEqual([]);
  });
});
