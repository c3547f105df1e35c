import { Body, Controller, HttpCode, Post, UseGuards } from '@nestjs/common';
import { ApiKeyGuard, ApiKeyService, FastLiteLLMKeysModule } from 'nestjs-fast-litellm';
import { startProvider, type TestProvider } from 'nestjs-fast-litellm/testing';
import { ADAPTERS, GatewayApp, type AdapterName } from '../../support/gateway-app.js';
import { oneOrAll } from '../../support/long.js';
import { MemoryKeyStore } from '../../support/memory-key-store.js';

const messages = [{ role: 'user', content: 'Hello' }];
const schema = { type: 'object', properties: { model: { type: 'string', default: 'opus', enum: ['opus'] } }, example: { model: 'opus' } };

/** An app that sends bodies to a provider by itself. */
@Controller()
@UseGuards(ApiKeyGuard)
class OwnController {
  @Post('own')
  @HttpCode(200)
  answer(@Body() body: object): object {
    return body;
  }
}

describe.each(oneOrAll(Object.keys(ADAPTERS) as AdapterName[]))('a key that may call one model, on %s', (adapter) => {
  let provider: TestProvider;
  let gateway: GatewayApp;
  let key: string;
  beforeAll(async () => {
    provider = await startProvider('openai', { script: 'Hello.' });
    const modelList = ['small', 'opus'].map((name) => provider.deployment(name, { model: `openai/${name}-1` }));
    gateway = await GatewayApp.start(
      adapter,
      {},
      {
        module: { router: { modelList, numRetries: 0 }, rateLimit: { requestsPerMinute: 1_000 } },
        imports: [FastLiteLLMKeysModule.forRoot({ store: new MemoryKeyStore(), masterKey: 'sk-the-master-key-0123' })],
        controllers: [OwnController],
      },
    );
    key = (await gateway.app.get(ApiKeyService, { strict: false }).create({ models: ['small'] })).key;
  });
  afterAll(async () => {
    await gateway.stop();
    await provider.close();
  });

  const post = async (path: string, body: object, auth = key): Promise<{ status: number; error?: { code?: string; param?: string } }> => {
    const { status, text } = await gateway.post(path, body, { authorization: `Bearer ${auth}` });
    return { status, error: (JSON.parse(text) as { error?: { code?: string; param?: string } }).error };
  };

  const named: [string, string, object][] = [
    ['models', '/v1/chat/completions', { messages, models: ['small', 'opus'] }],
    ['Models', '/v1/chat/completions', { messages, Models: ['opus'] }],
    ['models', '/v1/chat/completions', { messages, models: [{ id: 'opus' }] }],
    ['models', '/v1/chat/completions', { messages: [{ role: 'user', content: 'x'.repeat(20_000) }], models: ['opus'] }],
    ['plugins', '/v1/chat/completions', { messages, plugins: [{ id: 'auto-router', allowed_models: ['opus'] }] }],
    ['extra_body', '/v1/chat/completions', { messages, extra_body: { models: ['opus'] } }],
    ['fallback_model', '/v1/chat/completions', { messages, fallback_model: 'opus' }],
    ['preset', '/v1/chat/completions', { messages, preset: 'opus' }],
    ['tools', '/v1/chat/completions', { messages, tools: [{ type: 'openrouter:advisor', parameters: { model: 'opus' } }] }],
    ['tools', '/v1/messages', { messages, max_tokens: 9, tools: [{ type: 'advisor_20260301', name: 'advisor', model: 'opus' }] }],
    ['tools', '/v1/responses', { input: 'Hello', tools: [{ type: 'image_generation', model: 'opus' }] }],
    ['models', '/v1/embeddings', { input: 'Hello', models: ['opus'] }],
    ['models', '/v1/completions', { prompt: 'Hello', models: ['opus'] }],
    ['models', '/v1/rerank', { query: 'Hello', documents: ['a'], models: ['opus'] }],
    ['fallback_models', '/v1/images/generations', { prompt: 'Hello', fallback_models: ['opus'] }],
    ['models', '/own', { messages, models: ['opus'] }],
    ['fallbacks', '/own', { messages, fallbacks: [{ small: ['opus'] }] }],
    ['fallbacks', '/own', { messages, fallbacks: [{ model: 'opus', max_tokens: 9 }] }],
  ];

  it.each(named)('is refused another one in %s of %s', async (field, path, body) => {
    const before = provider.requests.length;
    const { status, error } = await post(path, { model: 'small', ...body });
    expect([status, error?.code ?? 'model_not_allowed']).toEqual([403, 'model_not_allowed']);
    expect(error?.param ?? field).toMatch(new RegExp(`^${field}`, 'i'));
    expect(provider.requests.length).toBe(before);
  });

  it('may name its own in the same fields, and any as data', async () => {
    const tool = { type: 'function', function: { name: 'find', parameters: schema } };
    const content = [{ role: 'user', content: [{ type: 'text', text: 'Hello', model: 'opus' }] }];
    const format = { type: 'json_schema', json_schema: { name: 'x', schema } };
    for (const body of [
      { models: ['small'] },
      { tools: [tool] },
      { tools: [{ ...tool, input_examples: [{ model: 'opus' }] }] },
      { guided_json: schema },
      { structured_outputs: { json: schema } },
      { messages: content },
      { response_format: format },
      { metadata: { model: 'opus' } },
    ])
      expect(await post('/v1/chat/completions', { model: 'small', messages, ...body })).toMatchObject({ status: 200 });
  });

  it('does not bind the master key', async () => {
    const { status } = await post('/v1/chat/completions', { model: 'small', messages, models: ['opus'] }, 'sk-the-master-key-0123');
    expect(status).toBe(200);
  });

  it('is refused another one in the file of a batch', async () => {
    const upload = async (lines: readonly string[], purpose = 'batch'): Promise<number> => {
      const form = new FormData();
      form.set('purpose', purpose);
      form.set('model', 'small');
      form.set('file', new File([lines.join('\n')], 'batch.jsonl'));
      const { status } = await fetch(`${gateway.url}/v1/files?model=small`, {
        method: 'POST',
        body: form,
        headers: { authorization: `Bearer ${key}` },
      });
      return status;
    };
    const line = (model: string): string =>
      JSON.stringify({ custom_id: model, method: 'POST', url: '/v1/chat/completions', body: { model, messages } });
    provider.use({ body: { id: 'file-1', object: 'file' } });
    expect(await upload([line('small'), line('small-1')])).toBe(200);
    expect(await upload([line('small'), 'no request', ` ${line('opus-1')}`])).toBe(403);
    expect(await upload([line('small').replace('"model":"small"', '"\\u006dodel":"opus"')])).toBe(403);
    expect(await upload([line('opus')], 'user_data')).toBe(200);
    expect(await upload([`${line('small')}\r`, '', `{ of no API`], 'ocr')).toBe(200);
    // Some readers leave a byte order mark out, or end lines by a CR.
    expect(await upload([`${line('small')}\r`, line('small')])).toBe(200);
    for (const cut of [`\uFEFF${line('opus')}`, `${line('small')}\r${line('opus')}`, `${line('small')} ${line('opus')}`])
      expect(await upload([line('small'), cut])).toBe(400);
    provider.use('Hello.');
  });
});
