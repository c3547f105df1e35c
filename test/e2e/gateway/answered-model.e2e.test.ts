import Anthropic from '@anthropic-ai/sdk';
import type { TestProvider } from 'nestjs-fast-litellm/testing';
import OpenAI from 'openai';
import { GatewayApp } from '../../support/gateway-app.js';
import { scripted, stopProviders, testProvider } from '../../support/llm-client-providers.js';

// A client gets the name that it asked for, in every event; all other bytes are the provider's.

const MESSAGES = [{ role: 'user' as const, content: 'Hello' }];
const GROUPS = ['my "chät" group', 'claude'];

describe.each(['Express', 'Fastify'] as const)('the model in answers of the gateway on %s', (adapter) => {
  const providers: TestProvider[] = [];
  let gateway: GatewayApp;
  let openai: OpenAI;
  let anthropic: Anthropic;
  let stream = '';
  beforeAll(async () => {
    providers.push(await testProvider('openai'), await testProvider('anthropic'));
    const raw = await scripted((_, response) => void response.writeHead(200, { 'content-type': 'text/event-stream' }).end(stream));
    const modelList = [
      providers[0].deployment(GROUPS[0], { model: 'openai/gpt-4o-provider' }),
      providers[1].deployment(GROUPS[1], { model: 'anthropic/claude-provider' }),
      { model_name: 'raw', litellm_params: { model: 'openai/gpt-4o', api_base: raw, api_key: 'sk-1' } },
      { model_name: 'broken', litellm_params: { model: 'openai/gpt-4o', api_base: 'http://127.0.0.1:1/v1', api_key: 'sk-1' } },
    ];
    const router = { modelList, numRetries: 0, fallbacks: [{ broken: [GROUPS[1]] }] };
    gateway = await GatewayApp.start(adapter, { rateLimit: { default: false } }, { module: { router } });
    openai = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none', maxRetries: 0 });
    anthropic = new Anthropic({ baseURL: gateway.url, apiKey: 'none', maxRetries: 0 });
  });
  afterAll(async () => {
    await gateway.stop();
    await stopProviders();
  });

  it.each(GROUPS)('is the group of chat, Messages and Responses, whole and in events: %s', async (model) => {
    const chat = await openai.chat.completions.create({ model, messages: MESSAGES });
    expect(chat.model).toBe(model);
    let chunks = 0;
    for await (const chunk of await openai.chat.completions.create({ model, messages: MESSAGES, stream: true })) {
      expect(chunk.model).toBe(model);
      chunks++;
    }
    expect(chunks).toBeGreaterThan(1);
    expect((await anthropic.messages.create({ model, messages: MESSAGES, max_tokens: 99 })).model).toBe(model);
    const message = anthropic.messages.stream({ model, messages: MESSAGES, max_tokens: 99 });
    expect((await message.finalMessage()).model).toBe(model);
    expect((await openai.responses.create({ model, input: 'Hello' })).model).toBe(model);
    const seen = new Set<string>();
    for await (const event of await openai.responses.create({ model, input: 'Hello', stream: true })) {
      if (!('response' in event)) continue;
      expect(event.response.model).toBe(model);
      seen.add(event.type);
    }
    expect([...seen]).toEqual(expect.arrayContaining(['response.created', 'response.completed']));
  });

  it('is the group of completions and embeddings', async () => {
    const [model] = GROUPS;
    expect((await openai.completions.create({ model, prompt: 'Hello' })).model).toBe(model);
    for await (const chunk of await openai.completions.create({ model, prompt: 'Hello', stream: true })) expect(chunk.model).toBe(model);
    expect((await openai.embeddings.create({ model, input: 'Hello' })).model).toBe(model);
  });

  it("is the provider's in a header, and for an app", async () => {
    for (const stream of [false, true]) {
      const { headers } = await gateway.post('/v1/chat/completions', { model: 'claude', messages: MESSAGES, stream });
      expect(headers['x-litellm-model-name']).toBe('claude-provider');
    }
    const { model } = (await gateway.llm.client.chat({ model: 'claude', messages: MESSAGES })).json();
    expect(model).not.toBe('claude');
  });

  it('is the requested one after a fallback, which the headers report', async () => {
    const { text, headers } = await gateway.post('/v1/messages', { model: 'broken', messages: MESSAGES, max_tokens: 99 });
    expect((JSON.parse(text) as { readonly model: string }).model).toBe('broken');
    expect(headers).toMatchObject({ 'x-litellm-model-group': 'claude', 'x-litellm-attempted-fallbacks': '1' });
  });

  it('changes nothing else of a stream', async () => {
    const chunks = [
      `{ "id":1e2,  "model" : "gpt-4o-2024", "choices":[{"index":0,"delta":{"content":"\\u00e4 \\"model\\":\\"x\\" 🦀"},"model":"deep"}]}`,
      `{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"model":"gpt-4o-2024","x":{"model":"deep"}}`,
    ];
    stream = `: hi\n\n${chunks.map((chunk) => `data: ${chunk}\n\n`).join('')}data: [DONE]\n\n`;
    const { text } = await gateway.post('/v1/chat/completions', { model: 'raw', messages: MESSAGES, stream: true });
    expect(text).toBe(stream.replaceAll('"gpt-4o-2024"', '"raw"'));
  });
});
