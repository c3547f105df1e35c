import { Test } from '@nestjs/testing';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { FastLiteLLM } from 'nestjs-fast-litellm';
import { register } from 'prom-client';
import { AppModule } from '../../../sample-app/app.module.js';
import { createHttpAdapter } from '../../../sample-app/start.js';
import { LocalProviders } from '../../../sample-app/providers/local-providers.js';
import type { LocalProvider } from '../../support/local-provider/local-provider.js';
import type { ProviderBehaviour } from '../../support/local-provider/provider-behaviour.js';
import { HELLO, provider, stopProviders } from '../../support/llm-client-providers.js';
import { until } from '../../support/until.js';

const messages = [...HELLO];
let app: NestFastifyApplication;
let url: string;
let providers: LocalProvider[];
let sdk: OpenAI;
const folder = mkdtempSync(join(tmpdir(), 'gateway-'));

beforeAll(async () => {
  providers = await Promise.all([provider('one'), provider('two'), provider('rescue')]);
  const [one, two, rescue] = providers.map(({ apiBase }) => apiBase);
  const config = `
model_list:
  - model_name: chat
    litellm_params: { model: openai/gpt-4o, api_base: ${one}, api_key: os.environ/GATEWAY_TEST_KEY, order: 1 }
    model_info: { id: one }
  - model_name: chat
    litellm_params: { model: openai/gpt-4o, api_base: ${two}, api_key: sk-two, order: 2 }
    model_info: { id: two }
  - model_name: lonely
    litellm_params: { model: openai/gpt-4o, api_base: ${one}, api_key: sk-one }
    model_info: { id: lonely }
  - model_name: rescued
    litellm_params: { model: openai/gpt-4o, api_base: ${one}, api_key: sk-one }
    model_info: { id: rescued }
  - model_name: rescue
    litellm_params: { model: openai/gpt-4o, api_base: ${rescue}, api_key: sk-rescue }
    model_info: { id: rescue }
  - model_name: 通义
    litellm_params: { model: openai/gpt-4o, api_base: ${one}, api_key: sk-one }
    model_info: { id: é 1 }
router_settings:
  num_retries: 1
  disable_cooldowns: true
  fallbacks: [{ rescued: [rescue] }]
  model_group_alias: { gpt-4: chat }
`;
  writeFileSync(join(folder, 'config.yaml'), config);
  process.env.GATEWAY_TEST_KEY = 'sk-from-environment';
  process.env.LITELLM_CONFIG = join(folder, 'config.yaml');
  const testing = await Test.createTestingModule({ imports: [AppModule] }).compile();
  testing.useLogger(false);
  app = testing.createNestApplication<NestFastifyApplication>(createHttpAdapter());
  await app.listen(0, '127.0.0.1');
  url = await app.getUrl();
  sdk = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'sk-pro-demo', maxRetries: 0 });
});
afterAll(async () => {
  delete process.env.LITELLM_CONFIG;
  delete process.env.GATEWAY_TEST_KEY;
  await app.close();
  await stopProviders();
  register.clear();
  rmSync(folder, { recursive: true });
});
afterEach(() => providers.forEach((each) => each.behave()));

const underWay = (): number[] => {
  const { router, connectionPool } = app.get(FastLiteLLM);
  return [router.status().reduce((sum, { inFlight }) => sum + inFlight, 0), connectionPool.stats().activeConnections];
};

describe('the unmodified OpenAI SDK', () => {
  const weather: OpenAI.ChatCompletionTool = {
    type: 'function',
    function: { name: 'get_weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } },
  };

  it('completes a chat', async () => {
    const { data, response } = await sdk.chat.completions.create({ model: 'chat', messages }).withResponse();
    expect(data.choices[0].message.content).toMatch(/^one: the quick/);
    expect(data.usage?.completion_tokens).toBe(12);
    expect(providers[0].latest?.headers.authorization).toBe('Bearer sk-from-environment');
    const header = (name: string): string | null => response.headers.get(`x-litellm-${name}`);
    expect(['model-id', 'model-group', 'attempted-retries', 'attempted-fallbacks'].map(header)).toEqual(['one', 'chat', '0', '0']);
    expect(Number(header('overhead-duration-ms'))).toBeGreaterThan(0);
    expect(Number(header('response-duration-ms'))).toBeGreaterThanOrEqual(Number(header('overhead-duration-ms')));
    expect(response.headers.get('x-ratelimit-remaining-tokens')).toMatch(/^\d+$/);
  });

  it('streams a chat with an alias, with and without usage', async () => {
    let text = '';
    const named = { headers: { 'x-request-id': 'mine' } };
    const { data: stream, request_id } = await sdk.chat.completions
      .create({ model: 'gpt-4', messages, stream: true }, named)
      .withResponse();
    expect(request_id).toBe('mine');
    for await (const chunk of stream) text += chunk.choices[0].delta.content ?? '';
    expect(text).toMatch(/^one: the quick/);
    const options = { stream: true, stream_options: { include_usage: true } } as const;
    let usage: OpenAI.CompletionUsage | null | undefined;
    for await (const chunk of await sdk.chat.completions.create({ model: 'chat', messages, ...options })) usage = chunk.usage ?? usage;
    expect(usage?.completion_tokens).toBe(12);
  });

  it.each([false, true])('gets an answer for any model name, streamed: %p', async (stream) => {
    const { response } = await sdk.chat.completions.create({ model: '通义', messages, stream }).withResponse();
    const names = ['id', 'group'].map((name) => response.headers.get(`x-litellm-model-${name}`));
    expect(names).toEqual(['%C3%A9 1', '%E9%80%9A%E4%B9%89']);
    expect(names.map((name) => decodeURIComponent(name ?? ''))).toEqual(['é 1', '通义']);
  });

  it('receives tool calls, streamed and not', async () => {
    const { choices } = await sdk.chat.completions.create({ model: 'chat', messages, tools: [weather] });
    expect(choices[0].finish_reason).toBe('tool_calls');
    expect(choices[0].message.tool_calls).toMatchObject([{ function: { name: 'get_weather', arguments: '{"city":"Oslo"}' } }]);
    const runner = sdk.chat.completions.stream({ model: 'chat', messages, tools: [weather] });
    expect((await runner.finalChatCompletion()).choices[0].message.tool_calls).toMatchObject([
      { function: { name: 'get_weather', arguments: '{"city":"Oslo"}' } },
    ]);
  });

  it('receives embeddings and models', async () => {
    const { data } = await sdk.embeddings.create({ model: 'chat', input: ['a', 'b'], encoding_format: 'float' });
    expect(data.map(({ embedding }) => embedding.length)).toEqual([8, 8]);
    const models = await sdk.models.list();
    expect(models.data.map(({ id }) => id).sort()).toEqual(['chat', 'gpt-4', 'lonely', 'rescue', 'rescued', '通义']);
  });

  it('leaves no request in flight after an abort', async () => {
    providers[0].behave({ chunkDelayMs: 20, tokens: 1000 });
    const before = providers[0].abandoned;
    const stream = await sdk.chat.completions.create({ model: 'chat', messages, stream: true });
    for await (const chunk of stream) {
      expect(chunk.object).toBe('chat.completion.chunk');
      break;
    }
    await until(() => providers[0].abandoned === before + 1);
    providers[0].behave({ fault: 'hang' });
    const controller = new AbortController();
    const whole = sdk.chat.completions.create({ model: 'lonely', messages }, { signal: controller.signal });
    await until(() => providers[0].inFlight === 1);
    controller.abort();
    await expect(whole).rejects.toBeInstanceOf(OpenAI.APIUserAbortError);
    await until(() => providers[0].inFlight === 0);
    await until(() => underWay().every((count) => count === 0));
  });

  it.each<[string, Partial<ProviderBehaviour>, new (...args: never[]) => Error, object]>([
    ['400', { status: 400 }, OpenAI.BadRequestError, { status: 400 }],
    [
      '400, a long prompt',
      { status: 400, errorCode: 'context_length_exceeded' },
      OpenAI.BadRequestError,
      { code: 'context_length_exceeded' },
    ],
    ['401', { status: 401 }, OpenAI.InternalServerError, { status: 503, code: 'provider_authentication' }],
    ['402', { status: 402 }, OpenAI.InternalServerError, { status: 503, code: 'provider_authentication' }],
    ['403', { status: 403 }, OpenAI.InternalServerError, { status: 503, code: 'provider_authentication' }],
    ['404', { status: 404 }, OpenAI.NotFoundError, { status: 404 }],
    ['409', { status: 409 }, OpenAI.ConflictError, { status: 409 }],
    ['413', { status: 413 }, OpenAI.APIError, { status: 413 }],
    ['422', { status: 422 }, OpenAI.UnprocessableEntityError, { status: 422 }],
    ['429', { status: 429, retryAfter: '0.05' }, OpenAI.RateLimitError, { status: 429, code: 'rate_limit_exceeded' }],
    ['500', { status: 500 }, OpenAI.InternalServerError, { status: 500, type: 'server_error' }],
    ['503', { status: 503 }, OpenAI.InternalServerError, { status: 503 }],
    ['529', { status: 529 }, OpenAI.InternalServerError, { status: 529 }],
    ['999', { status: 999 }, OpenAI.InternalServerError, { status: 502 }],
    ['garbage', { fault: 'garbage' }, OpenAI.InternalServerError, { status: 502 }],
    ['no answer', { fault: 'reset' }, OpenAI.InternalServerError, { status: 502 }],
  ])('throws the matching error class for %s', async (_, behaviour, type, facts) => {
    providers[0].behave({ fault: 'status', ...behaviour });
    for (const stream of [false, true]) {
      // Retries would wait a second each.
      const once = { model: 'lonely', messages, stream, num_retries: 0 };
      const error: unknown = await sdk.chat.completions.create(once).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(type);
      expect(error).toMatchObject(facts);
    }
  });

  it('retries after the time of the retry-after header', async () => {
    providers[0].behave({ fault: 'status', status: 429, retryAfter: '7' });
    const options = { maxRetries: 0, headers: {}, timeout: 1000 };
    const error: unknown = await sdk.chat.completions
      .create({ model: 'lonely', messages, num_retries: 0 } as never, options)
      .catch((thrown: unknown) => thrown);
    const { headers } = error as InstanceType<typeof OpenAI.RateLimitError>;
    expect([headers.get('retry-after'), headers.get('retry-after-ms')]).toEqual(['7', '7000']);
  });

  it('throws if a stream breaks', async () => {
    providers[0].behave({ fault: 'cut', chunkDelayMs: 2 });
    const read = async (): Promise<void> => {
      for await (const chunk of await sdk.chat.completions.create({ model: 'chat', messages, stream: true })) expect(chunk.id).toBeTruthy();
    };
    await expect(read()).rejects.toBeInstanceOf(OpenAI.APIError);
    expect(providers[1].requests).toBe(0);
  });

  it('receives its answer although a deployment or a model group fails', async () => {
    providers[0].behave({ fault: 'status', status: 500 });
    const retried = await sdk.chat.completions.create({ model: 'chat', messages }).withResponse();
    expect(retried.data.choices[0].message.content).toMatch(/^two:/);
    expect(retried.response.headers.get('x-litellm-attempted-retries')).toBe('1');
    const rescued = await sdk.chat.completions.create({ model: 'rescued', messages }).withResponse();
    expect(rescued.response.headers.get('x-litellm-attempted-fallbacks')).toBe('1');
    expect(rescued.response.headers.get('x-litellm-model-group')).toBe('rescue');
  });
});

describe('the gateway', () => {
  const post = (body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });

  it.each<[string, unknown, number, object]>([
    ['no model', { messages }, 400, { param: 'model', code: 'invalid_argument', type: 'invalid_request_error' }],
    ['no object', [], 400, { param: 'body' }],
    ['an unknown model', { model: 'unknown', messages }, 404, { code: 'model_not_found' }],
  ])('rejects %s in the error format of OpenAI', async (_, body, status, error) => {
    const response = await post(body);
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ error });
  });

  it('settles the reservation of the guard with the actual usage', async () => {
    const key = { authorization: 'Bearer sk-pro-demo' };
    const remaining = async (body: object): Promise<number> => {
      const response = await post({ model: 'chat', messages, ...body }, key);
      await response.text();
      return Number(response.headers.get('x-ratelimit-remaining-tokens'));
    };
    await remaining({});
    // Each reserves far more than it uses: without settling, the rest would shrink by that.
    const before = await remaining({ max_tokens: 100_000 });
    await until(() => underWay().every((count) => count === 0));
    const after = await remaining({ max_tokens: 100_000, stream: true });
    expect(Math.abs(before - after)).toBeLessThan(1000);
    await until(() => underWay().every((count) => count === 0));
    expect(Math.abs((await remaining({ max_tokens: 100_000 })) - before)).toBeLessThan(1000);
  });

  it('forwards the bytes of the provider unchanged but for the model', async () => {
    const anonymous = (text: string): string => text.replace(/one-\d+/g, 'id');
    const direct = await fetch(`${providers[0].apiBase}/chat/completions`, {
      method: 'POST',
      body: JSON.stringify({ model: 'gpt-4o', messages }),
    });
    const through = await post({ model: 'chat', messages });
    expect(anonymous(await through.text())).toBe(anonymous(await direct.text()).replace('"model":"gpt-4o"', '"model":"chat"'));
    expect(through.headers.get('content-type')).toBe('application/json');
  });

  it('shows no provider key on any page', async () => {
    providers[0].behave({ fault: 'status', status: 401 });
    const pages = await Promise.all([
      post({ model: 'lonely', messages }).then((response) => response.text()),
      ...['/', '/health', '/metrics', '/v1/models'].map(async (path) => (await fetch(url + path)).text()),
    ]);
    for (const page of pages) expect(page).not.toMatch(/sk-(one|two|rescue|from-environment)/);
  });
});

describe('the gateway without a configuration', () => {
  it('starts two local providers, and works with one of them', async () => {
    delete process.env.LITELLM_CONFIG;
    register.clear();
    const testing = await Test.createTestingModule({ imports: [AppModule] }).compile();
    testing.useLogger(false);
    const own = testing.createNestApplication<NestFastifyApplication>(createHttpAdapter());
    await own.listen(0, '127.0.0.1');
    const client = new OpenAI({ baseURL: `${await own.getUrl()}/v1`, apiKey: 'any', maxRetries: 0 });
    const ask = async (model: string): Promise<string> => {
      const { choices } = await client.chat.completions.create({ model, messages });
      return choices[0].message.content?.split(':')[0] ?? '';
    };
    const [first] = own.get(LocalProviders, { strict: false }).running;
    expect(await ask('gpt-4o')).toBe('local-one');
    await first.stop();
    for (let i = 0; i < 10; i++) expect(await ask('gpt-4o-mini')).toBe('local-two');
    expect(await ask('gpt-4o')).toBe('local-two');
    await own.close();
  });
});
