import {
  Controller,
  Injectable,
  Post,
  UnauthorizedException,
  type CanActivate,
  type ExecutionContext,
  type INestApplication,
} from '@nestjs/common';
import type { FastifyAdapter } from '@nestjs/platform-fastify';
import type { IncomingMessage, Server } from 'node:http';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import OpenAI from 'openai';
import type { LocalProvider } from '../../support/local-provider/local-provider.js';
import { ADAPTERS, GatewayApp, type AdapterName } from '../../support/gateway-app.js';
import { deploymentOf, HELLO, provider, stopProviders } from '../../support/llm-client-providers.js';
import {
  boundJsonHook,
  FastLiteLLMGatewayModule,
  type FastLiteLLMOptions,
  type GatewayMount,
  type GatewayOptions,
} from 'nestjs-fast-litellm';
import { until } from '../../support/until.js';

afterAll(stopProviders);

interface ErrorBody {
  readonly type?: string;
  readonly error: { readonly message: string; readonly type: string; readonly code?: string | null; readonly param?: string | null };
}
const errorIn = ({ text }: { readonly text: string }): ErrorBody => JSON.parse(text) as ErrorBody;
const CHAT = { model: 'gpt-4o', messages: HELLO };

@Injectable()
class KeyGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, string> }>();
    if (headers.authorization !== 'Bearer sk-team') throw new UnauthorizedException('Incorrect API key provided.');
    return true;
  }
}

@Controller('own')
class OwnController {
  @Post('chat/completions')
  answer(): object {
    return { own: true };
  }
}

describe.each(Object.keys(ADAPTERS) as AdapterName[])('the gateway on %s', (adapter) => {
  let upstream: LocalProvider;
  let gateway: GatewayApp;
  beforeAll(async () => (upstream = await provider('one')));
  afterEach(async () => {
    upstream.behave();
    await gateway.stop();
  });

  const start = async (
    options: GatewayOptions & GatewayMount = {},
    module: FastLiteLLMOptions = {},
    around: Omit<Parameters<typeof GatewayApp.start>[2] & object, 'module'> = {},
  ): Promise<GatewayApp> => {
    const router = {
      modelList: [
        deploymentOf('gpt-4o', upstream),
        deploymentOf('org/team/model', { ...upstream, name: 'two', apiBase: upstream.apiBase }),
      ],
    };
    gateway = await GatewayApp.start(adapter, options, {
      module: { router, rateLimit: { requestsPerMinute: 100_000 }, ...module },
      ...around,
    });
    return gateway;
  };
  const openai = (path = '/v1') => new OpenAI({ baseURL: gateway.url + path, apiKey: 'sk-team', maxRetries: 0 });

  it('serves chat, streams and embeddings to the OpenAI SDK', async () => {
    await start();
    const whole = await openai().chat.completions.create({ model: 'gpt-4o', messages: [...HELLO] });
    expect(whole.choices[0].message.content).toMatch(/^one: /);
    let text = '';
    for await (const chunk of await openai().chat.completions.create({ model: 'gpt-4o', messages: [...HELLO], stream: true })) {
      text += chunk.choices[0]?.delta.content ?? '';
    }
    expect(text).toBe(whole.choices[0].message.content);
    const { data } = await openai().embeddings.create({ model: 'gpt-4o', input: ['a', 'b'], encoding_format: 'float' });
    expect(data).toHaveLength(2);
  });

  it('lists and retrieves models, with slashes in their ids', async () => {
    await start();
    const ids: string[] = [];
    for await (const { id } of await openai().models.list()) ids.push(id);
    expect(ids).toEqual(['gpt-4o', 'org/team/model']);
    expect(await openai().models.retrieve('org/team/model')).toMatchObject({ id: 'org/team/model', object: 'model' });
    expect((await gateway.ask('/v1/models/org/team/model', { method: 'GET' })).text).toContain('"id":"org/team/model"');
    await expect(openai().models.retrieve('gpt-5')).rejects.toMatchObject({ status: 404, code: 'model_not_found' });
    const anthropics = await gateway.ask('/v1/models', { method: 'GET', headers: { 'anthropic-version': '2023-06-01' } });
    expect(JSON.parse(anthropics.text)).toMatchObject({ data: [{ type: 'model', id: 'gpt-4o' }, {}], has_more: false, first_id: 'gpt-4o' });
  });

  it('states the headers of a call, and settles its usage', async () => {
    await start({}, { rateLimit: { tokensPerMinute: 10_000 } });
    const { headers, status } = await gateway.post('/v1/chat/completions', CHAT);
    expect(status).toBe(200);
    expect(headers).toMatchObject({
      'content-type': expect.stringMatching(/^application\/json/),
      'x-content-type-options': 'nosniff',
      'x-litellm-model-id': 'one',
      'x-litellm-attempted-fallbacks': '0',
      'x-ratelimit-limit-tokens': '10000',
    });
    const { client } = gateway.llm;
    expect(client.metrics().find(({ name, labels }) => name === 'llm_client_tokens_total' && labels?.direction === 'output')?.value).toBe(
      12,
    );
  });

  it('answers counts of tokens', async () => {
    await start();
    const messages = JSON.parse((await gateway.post('/v1/messages/count_tokens', CHAT)).text) as { input_tokens: number };
    expect(messages.input_tokens).toBeGreaterThan(0);
    const responses = JSON.parse((await gateway.post('/v1/responses/input_tokens', { model: 'gpt-4o', input: 'Hello' })).text) as object;
    expect(responses).toMatchObject({ object: 'response.input_tokens', input_tokens: expect.any(Number) });
  });

  it('answers probes and model info as LiteLLM does', async () => {
    await start();
    expect((await gateway.ask('/health/liveliness', { method: 'GET' })).text).toBe('"I\'m alive!"');
    expect(JSON.parse((await gateway.ask('/health/readiness', { method: 'GET' })).text)).toMatchObject({ status: 'healthy' });
    const { text } = await gateway.ask('/model/info', { method: 'GET' });
    expect(JSON.parse(text)).toMatchObject({ data: [{ model_name: 'gpt-4o', model_info: { id: 'one' } }, {}] });
    expect(text).not.toContain('sk-secret-key');
    expect((await gateway.ask('/v1/model/info?litellm_model_id=two', { method: 'GET' })).text).toContain('org/team/model');
  });

  it('lists deployments in pages, and model groups', async () => {
    await start();
    const get = async (path: string): Promise<Record<string, unknown>> =>
      JSON.parse((await gateway.ask(path, { method: 'GET' })).text) as Record<string, unknown>;
    const { total_count, ...first } = await get('/v2/model/info?size=1&sortBy=model_name');
    expect(first).toMatchObject({ current_page: 1, size: 1, total_pages: total_count, data: [{}] });
    expect(await get('/v2/model/info?search=GPT-4&modelId=one')).toMatchObject({ total_count: 1, data: [{ model_name: 'gpt-4o' }] });
    expect(await get('/v2/model/info?search=unknown')).toMatchObject({ total_count: 0, total_pages: 0, data: [] });
    for (const query of ['size=0', 'size=1001', 'page=-1', 'page=1.5', 'page=', 'sortBy=costs']) {
      const refused = await gateway.ask(`/v2/model/info?${query}`, { method: 'GET' });
      expect([refused.status, errorIn(refused).error.param]).toEqual([400, query.slice(0, query.indexOf('='))]);
    }
    const { data } = await get('/model_group/info?model_group=gpt-4o');
    expect(data).toMatchObject([{ model_group: 'gpt-4o', mode: 'chat', max_input_tokens: 128_000 }]);
    expect((data as object[]).length).toBe(1);
  });

  it('counts prompts as /utils/token_counter does', async () => {
    await start();
    const count = (body: object): ReturnType<typeof gateway.post> => gateway.post('/utils/token_counter', body);
    const messages = [{ role: 'user', content: 'Hello world' }];
    const [chat, prompt, contents] = await Promise.all([
      count({ model: 'gpt-4o', messages }),
      count({ model: 'gpt-4o', prompt: 'Hello world' }),
      count({ model: 'gpt-4o', contents: [{ role: 'user', parts: [{ text: 'Hello ' }, { text: 'world' }] }] }),
    ]);
    expect(JSON.parse(chat.text)).toMatchObject({ total_tokens: 9, request_model: 'gpt-4o', tokenizer_type: 'openai_tokenizer' });
    expect(JSON.parse(prompt.text)).toMatchObject({ total_tokens: 2 });
    expect(JSON.parse(contents.text)).toMatchObject({ total_tokens: 10 });
    const wrong = await Promise.all([
      count({ messages }),
      count({ model: 'gpt-4o' }),
      count({ model: 'gpt-4o', messages, prompt: 'x' }),
      count({ model: 'gpt-4o', messages: [1] }),
    ]);
    expect(wrong.map(({ status }) => status)).toEqual([400, 400, 400, 400]);
    expect(wrong.map((answer) => errorIn(answer).error.param)).toEqual(['model', 'body', 'prompt', 'messages[0]']);
  });

  it('refuses wrong bodies in the shape of the API', async () => {
    await start();
    const [text, none, list, broken, model] = await Promise.all([
      gateway.ask('/v1/chat/completions', { headers: { 'content-type': 'text/plain' }, body: JSON.stringify(CHAT) }),
      gateway.ask('/v1/chat/completions', { headers: {}, body: '' }),
      gateway.post('/v1/chat/completions', []),
      gateway.ask('/v1/chat/completions', { headers: { 'content-type': 'application/json' }, body: '{"model":' }),
      gateway.post('/v1/messages', { messages: HELLO }),
    ]);
    expect([text, none, list, broken, model].map(({ status }) => status)).toEqual([415, 415, 400, 400, 400]);
    expect(errorIn(text).error).toMatchObject({ type: 'invalid_request_error', code: null });
    expect(errorIn(list).error).toMatchObject({ param: 'body' });
    expect(errorIn(broken).error.type).toBe('invalid_request_error');
    expect(errorIn(model)).toMatchObject({
      type: 'error',
      error: { type: 'invalid_request_error', message: expect.stringContaining('model') },
    });
  });

  it('refuses bodies above the limit before and while they are read, and takes large ones below it', async () => {
    await start({ maxBodyBytes: 300_000 });
    const large = { ...CHAT, messages: [{ role: 'user', content: 'x'.repeat(200_000) }] };
    expect((await gateway.post('/v1/chat/completions', large)).status).toBe(200);
    const over = JSON.stringify({ ...CHAT, user: 'x'.repeat(400_000) });
    const stated = await gateway.ask('/v1/chat/completions', { headers: { 'content-type': 'application/json' }, body: over });
    expect([stated.status, errorIn(stated).error.code]).toEqual([413, 'request_too_large']);
    const chunked = await gateway.ask('/v1/messages', {
      headers: { 'content-type': 'application/json', 'transfer-encoding': 'chunked' },
      body: over,
    });
    expect([chunked.status, errorIn(chunked).error.type]).toEqual([413, 'request_too_large']);
  });

  it.each([
    ['deep JSON', `{"model":"gpt-4o","messages":${'['.repeat(20_000)}${']'.repeat(20_000)}}`, 'body_out_of_bounds'],
    ['many keys', `{${Array.from({ length: 30_000 }, (_, i) => `"k${i}":1`).join()}}`, 'body_out_of_bounds'],
    ['a text in place of the model', `{"model":"${'m'.repeat(9_000)}","messages":[]}`, 'invalid_argument'],
    ['a short body with it', `{"model":"${'m'.repeat(5_000)}","messages":[]}`, 'invalid_argument'],
    ['a key __proto__', '{"model":"gpt-4o","__proto__":{"stream":true}}', null],
    ['bytes that are no UTF-8', Buffer.from([123, 255, 254, 125]), null],
    ['a text', '"gpt-4o"', 'invalid_argument'],
    ['null', 'null', 'invalid_argument'],
    ['nothing', '', 'invalid_argument'],
  ])('refuses %s', async (_, body, code) => {
    await start();
    const answer = await gateway.ask('/v1/chat/completions', { headers: { 'content-type': 'application/json' }, body });
    expect([answer.status, errorIn(answer).error.code]).toEqual([400, code]);
    expect((await gateway.post('/v1/chat/completions', CHAT)).status).toBe(200);
  });

  it('refuses compressed bodies, which could be larger than they say', async () => {
    await start();
    const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' };
    expect((await gateway.ask('/v1/chat/completions', { headers, body: gzipSync(JSON.stringify(CHAT)) })).status).toBe(415);
  });

  it.each([
    ['charset=iso-8859-1', 415],
    ['charset="UTF-16"', 415],
    ['charset="utf-8"', 200],
    ['charset=UTF8', 200],
  ])('reads JSON in UTF-8 alone: %s', async (charset, status) => {
    await start();
    const headers = { 'content-type': `application/json; ${charset}`, 'content-encoding': 'Identity' };
    expect((await gateway.ask('/v1/chat/completions', { headers, body: JSON.stringify(CHAT) })).status).toBe(status);
  });

  it('is mounted beside another gateway with options of its own', async () => {
    const second = FastLiteLLMGatewayModule.forRoot({
      path: 'team/v1',
      endpoints: ['chat', 'models'],
      guards: [KeyGuard],
      maxBodyBytes: 1000,
    });
    await start({ path: 'v1' }, {}, { imports: [second] });
    expect((await gateway.post('/v1/chat/completions', CHAT)).status).toBe(200);
    expect((await gateway.post('/team/v1/chat/completions', CHAT)).status).toBe(401);
    const large = { ...CHAT, user: 'x'.repeat(2000) };
    expect((await gateway.post('/team/v1/chat/completions', large)).status).toBe(413);
    expect((await gateway.post('/v1/chat/completions', large)).status).toBe(200);
  });

  it('keeps its limits for its own routes', async () => {
    await start({}, {}, { controllers: [OwnController] });
    const large = { text: 'x'.repeat(1_500_000) };
    expect((await gateway.post('/own/chat/completions', { ok: true })).text).toContain('own');
    expect((await gateway.post('/own/chat/completions', large)).status).toBe(413);
    expect((await gateway.post('/v1/chat/completions', { ...CHAT, user: large.text })).status).toBe(200);
  });

  it('has all routes without the path, too', async () => {
    await start({ unprefixed: true });
    for (const path of ['/v1/model/info', '/model/info', '/v1/models', '/models', '/health/liveliness']) {
      expect(await gateway.ask(path, { method: 'GET' })).toMatchObject({ status: 200 });
    }
  });

  it('has only the endpoints that are asked for, at the path and prefix of the app', async () => {
    await start({ path: 'llm/v1', endpoints: ['chat'], unprefixed: true }, {}, { prepare: (app) => app.setGlobalPrefix('api') });
    expect((await openai('/api/llm/v1').chat.completions.create({ model: 'gpt-4o', messages: [...HELLO] })).object).toBe('chat.completion');
    expect((await gateway.post('/api/chat/completions', { ...CHAT, user: 'x'.repeat(200_000) })).status).toBe(200);
    const others = ['/api/llm/v1/embeddings', '/api/llm/v1/messages', '/v1/chat/completions'];
    const answers = await Promise.all(others.map((path) => gateway.post(path, CHAT)));
    expect(answers.map(({ status }) => status)).toEqual([404, 404, 404]);
    expect((await gateway.ask('/api/health/liveliness', { method: 'GET' })).status).toBe(404);
  });

  it('asks the guards of the app before the limits, and in the shape of the API', async () => {
    await start({ guards: [KeyGuard] });
    const wrong = await gateway.post('/v1/chat/completions', CHAT);
    expect([wrong.status, errorIn(wrong).error.code, wrong.headers['www-authenticate']]).toEqual([401, 'invalid_api_key', 'Bearer']);
    expect(wrong.headers['ratelimit-policy']).toBeUndefined();
    expect(errorIn(await gateway.post('/v1/messages', CHAT))).toMatchObject({ error: { type: 'authentication_error' } });
    expect((await gateway.ask('/v1/models', { method: 'GET' })).status).toBe(401);
    expect((await gateway.ask('/health/liveliness', { method: 'GET' })).status).toBe(200);
    expect((await gateway.post('/v1/chat/completions', CHAT, { authorization: 'Bearer sk-team' })).status).toBe(200);
  });

  it('limits each endpoint by its own rules', async () => {
    const limits = { chat: [{ requestsPerMinute: 1 }], embeddings: false, default: [{ requestsPerMinute: 2 }] } as const;
    await start({ rateLimit: limits });
    const statuses = async (path: string, body: object, count: number): Promise<number[]> => {
      const found: number[] = [];
      for (let i = 0; i < count; i++) found.push((await gateway.post(path, body)).status);
      return found;
    };
    expect(await statuses('/v1/chat/completions', CHAT, 2)).toEqual([200, 429]);
    expect(await statuses('/v1/embeddings', { model: 'gpt-4o', input: 'a' }, 3)).toEqual([200, 200, 200]);
    expect(await statuses('/v1/messages/count_tokens', CHAT, 2)).toEqual([200, 200]);
    // Unnamed rules of the default count all of its endpoints together.
    const denied = await gateway.post('/v1/responses/input_tokens', { model: 'gpt-4o', input: 'a' });
    expect([denied.status, errorIn(denied).error.code]).toEqual([429, 'rate_limit_exceeded']);
    expect(denied.headers['retry-after']).toBeDefined();
    const early = await gateway.post('/v1/chat/completions', { ...CHAT, user: 'x'.repeat(100_000) });
    expect([early.status, errorIn(early).error.code]).toEqual([429, 'rate_limit_exceeded']);
    expect(early.headers['retry-after']).toBeDefined();
  });

  it('refuses pages of other sites unless the app allows them by CORS', async () => {
    const page = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' };
    await start();
    const refused = await gateway.post('/v1/chat/completions', CHAT, page);
    expect([refused.status, errorIn(refused).error.code]).toEqual([403, 'cross_site_request']);
    expect((await gateway.post('/v1/chat/completions', CHAT, { 'sec-fetch-site': 'same-origin' })).status).toBe(200);
    await gateway.stop();
    await start({}, {}, { prepare: (app) => app.enableCors({ origin: ['https://app.example'] }) });
    expect((await gateway.post('/v1/chat/completions', CHAT, page)).status).toBe(403);
    const allowed = await gateway.post('/v1/chat/completions', CHAT, { ...page, origin: 'https://app.example' });
    expect([allowed.status, allowed.headers['access-control-allow-origin']]).toEqual([200, 'https://app.example']);
  });

  it('refuses names of other sites for this machine where names are given', async () => {
    await start({ allowedHosts: ['Gateway.Example'] });
    const statuses = await Promise.all(
      ['evil.example', 'gateway.example:80', 'localhost'].map(
        async (host) => (await gateway.post('/v1/chat/completions', CHAT, { host })).status,
      ),
    );
    expect(statuses).toEqual([403, 200, 200]);
  });

  it('cancels the call when its client disconnects', async () => {
    await start();
    upstream.behave({ fault: 'hang' });
    const before = upstream.abandoned;
    const controller = new AbortController();
    const call = openai().chat.completions.create({ model: 'gpt-4o', messages: [...HELLO] }, { signal: controller.signal });
    await until(() => upstream.inFlight > 0);
    controller.abort();
    await expect(call).rejects.toThrow();
    await until(() => upstream.abandoned > before);
  });

  it('survives clients that leave in the middle of a body, behind hooks of the app', async () => {
    const prepare = (app: INestApplication): void => {
      if (adapter === 'Fastify') (app.getHttpAdapter() as FastifyAdapter).getInstance().addHook('preParsing', boundJsonHook());
    };
    await start({}, {}, { prepare });
    const head = 'POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n';
    for (const more of ['Content-Length: 100000\r\n\r\n{"model":', 'Transfer-Encoding: chunked\r\n\r\n9\r\n{"model":\r\n']) {
      const socket = connect(gateway.port, '127.0.0.1');
      socket.write(head + more);
      const server = gateway.app.getHttpServer() as Server;
      const request = await new Promise<IncomingMessage>((resolve) => server.once('request', resolve));
      const closed = new Promise((resolve) => request.once('close', resolve));
      await until(() => request.listenerCount('data') > 0 || request.readableLength > 0);
      socket.destroy();
      await closed;
    }
    expect((await gateway.post('/v1/chat/completions', CHAT)).status).toBe(200);
  });

  it('passes the errors of providers on, with their wait', async () => {
    await start({}, { router: { modelList: [deploymentOf('gpt-4o', upstream)], numRetries: 0 } });
    upstream.behave({ fault: 'status', status: 429, retryAfter: '7' });
    const { status, headers, text } = await gateway.post('/v1/chat/completions', CHAT);
    expect([status, headers['retry-after']]).toEqual([429, '7']);
    expect(errorIn({ text }).error.code).toBe('rate_limit_exceeded');
  });

  it('takes the options of calls from the request', async () => {
    const callOptions = (request: { headers: Record<string, string> }) => ({
      mayCall: (model: string) => model !== request.headers['x-not'],
    });
    await start({ callOptions });
    const body = { ...CHAT, model: 'gpt-4o', fallbacks: ['org/team/model'] };
    expect((await gateway.post('/v1/chat/completions', body)).status).toBe(200);
    expect((await gateway.post('/v1/chat/completions', body, { 'x-not': 'org/team/model' })).status).toBe(400);
  });

  it('is configured by a factory, beside the mount', async () => {
    const module = FastLiteLLMGatewayModule.forRootAsync({
      path: 'factory',
      endpoints: ['models'],
      useFactory: () => Promise.resolve({ maxBodyBytes: 1000 }),
    });
    gateway = await GatewayApp.start(adapter, module, { module: { router: { modelList: [deploymentOf('gpt-4o', upstream)] } } });
    expect((await gateway.ask('/factory/models', { method: 'GET' })).status).toBe(200);
  });

  it.each([
    [{ path: '/v 1' }, 'gateway.path'],
    [{ endpoints: ['chats'] }, 'gateway.endpoints[0]'],
    [{ endpoints: [] }, 'gateway.endpoints'],
    [{ maxBodyBytes: 0 }, 'gateway.maxBodyBytes'],
    [{ rateLimit: { chats: [] } }, 'gateway.rateLimit.chats'],
    [{ bodyBytes: 1 }, 'gateway.bodyBytes'],
  ])('names the wrong option %j', async (options, path) => {
    await start();
    await expect((async () => (await GatewayApp.start(adapter, options as never)).stop())()).rejects.toThrow(path);
  });
});
