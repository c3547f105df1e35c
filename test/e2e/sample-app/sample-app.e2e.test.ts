import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { countMessages, countTokens, TokenCounterService, VERSION } from 'nestjs-fast-litellm';
import { register } from 'prom-client';
import { AppModule, MAX_BODY_BYTES } from '../../../sample-app/app.module.js';
import { createHttpAdapter } from '../../../sample-app/start.js';
import { EXPECTED_HEALTH, EXPECTED_TERMINUS } from '../observability/expected-health.js';
import { cpuTimer } from '../../support/cpu-time.js';

const engine = process.env.TEST_ENGINE || expect.stringMatching(/^(native|typescript)$/);
let app: NestFastifyApplication;
let url: string;

beforeAll(async () => {
  const testing = await Test.createTestingModule({ imports: [AppModule] }).compile();
  testing.useLogger(false);
  app = testing.createNestApplication<NestFastifyApplication>(createHttpAdapter());
  await app.listen(0, '127.0.0.1');
  url = await app.getUrl();
});
afterAll(async () => {
  await app.close();
  register.clear();
});

interface Answer {
  readonly prompt_tokens: number;
  readonly engine: string;
  readonly tokens: readonly { readonly text: string; readonly ids: readonly number[] }[];
}

async function post(body: unknown, headers: Record<string, string> = { 'content-type': 'application/json' }) {
  const response = await fetch(`${url}/v1/tokens/count`, {
    method: 'POST',
    headers,
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return { status: response.status, headers: response.headers, body: (await response.json()) as Answer };
}

/** An error in OpenAI's shape, with nothing beside it. */
const openAIError = (param: string | null, message: unknown, code: string | null) => ({
  error: { message, type: 'invalid_request_error', param, code },
});
const invalid = (param: string) => openAIError(param, expect.stringMatching(/^\S+: (must|can) /), 'invalid_argument');
const refused = openAIError(null, expect.any(String), null);

describe('POST /v1/tokens/count', () => {
  const messages = [{ role: 'user', content: 'Hello, how are you?' }];

  it('counts a chat', async () => {
    expect(await post({ model: 'gpt-4o', messages })).toMatchObject({
      status: 200,
      body: {
        model: 'gpt-4o',
        encoding: 'o200k_base',
        prompt_tokens: 13,
        approximate: false,
        engine,
        estimated_input_cost_usd: expect.closeTo(13 * 2.5e-6, 12),
        context_window: 128_000,
      },
    });
  });

  it('counts the tools of a chat', async () => {
    const parameters = { type: 'object', properties: { place: { type: 'string', description: 'Town', enum: ['Ulm', 'Bonn'] } } };
    const tools = [{ type: 'function', function: { name: 'weather', description: 'What the weather is', parameters } }];
    const tool_choice = { type: 'function', function: { name: 'weather' } };
    const { body } = await post({ model: 'gpt-4', messages, tools, tool_choice });
    expect(body.prompt_tokens).toBe(countMessages(messages, { model: 'gpt-4', tools, toolChoice: tool_choice }));
    expect(body.prompt_tokens).toBeGreaterThan(countMessages(messages, { model: 'gpt-4', tools }));
  });

  it.each([
    ['a text', { input: 'Hello world' }, 2],
    ['texts', { input: ['Hello world', 'Hello'] }, 3],
    ['token ids', { input: [1, 2, 3, 4] }, 4],
    ['nothing', { input: '' }, 0],
    ['a completion prompt', { prompt: 'Hello world' }, 2],
  ])('counts %s', async (_, prompt, tokens) => {
    expect((await post({ model: 'gpt-4o', ...prompt })).body).toMatchObject({ prompt_tokens: tokens });
  });

  it('marks the count of an unknown model as an estimate', async () => {
    for (const model of ['no-such-model', '__proto__', 'constructor', 'x'.repeat(1000)]) {
      expect((await post({ model, input: 'Hello' })).body).toEqual({
        model,
        encoding: 'cl100k_base',
        prompt_tokens: 1,
        approximate: true,
        engine,
        estimated_input_cost_usd: null,
        context_window: null,
      });
    }
  });

  it('returns the duration of the count', async () => {
    const { headers } = await post({ model: 'gpt-4o', input: 'Hello' });
    expect(headers.get('server-timing')).toMatch(/^count;dur=\d+\.\d{3}$/);
  });

  it('returns the tokens of the text on request', async () => {
    const { body } = await post({ model: 'gpt-4o', input: 'Hello wörld 🦀', include: ['tokens'] });
    const { tokens } = body;
    expect(tokens.map(({ text }) => text).join('')).toBe('Hello wörld 🦀');
    expect(tokens.flatMap(({ ids }) => ids)).toHaveLength(body.prompt_tokens);
    expect(tokens[0].text).toBe('Hello');
    const lone = await post('{"model":"gpt-4o","input":"a\\ud800b","include":["tokens"]}');
    expect(lone.body.tokens.map(({ text }) => text).join('')).toBe('a\ufffdb');
    const long = await post({ model: 'gpt-4o', prompt: 'word '.repeat(5000), include: ['tokens'] });
    expect(long.body.tokens).toHaveLength(2000);
  });

  it.each([
    ['model', { messages }],
    ['model', { model: '', messages }],
    ['model', { model: 4, messages }],
    ['model', { model: { toString: 'gpt-4o' }, messages }],
    ['messages', { model: 'gpt-4o' }],
    ['messages', { model: 'gpt-4o', messages: 'Hello' }],
    ['messages', { model: 'gpt-4o', messages: null }],
    ['messages[1]', { model: 'gpt-4o', messages: [...messages, null] }],
    ['messages[0].tool_calls[0]', { model: 'gpt-4o', messages: [{ role: 'assistant', tool_calls: [{}] }] }],
    ['tools', { model: 'gpt-4o', messages, tools: {} }],
    ['tools[0].name', { model: 'gpt-4o', messages, tools: [{}] }],
    ['input', { model: 'gpt-4o', input: 7 }],
    ['input[1]', { model: 'gpt-4o', input: ['a', null] }],
    ['prompt[0]', { model: 'gpt-4o', prompt: [-1] }],
    ['include', { model: 'gpt-4o', input: 'a', include: 'tokens' }],
    ['include', { model: 'gpt-4o', input: 'a', include: ['tokens', 'all'] }],
    ['include', { model: 'gpt-4o', messages, include: ['tokens'] }],
    ['include', { model: 'gpt-4o', input: ['a'], include: ['tokens'] }],
    ['body', '[]'],
    ['body', '"text"'],
    ['body', 'null'],
  ])('answers 400 with the parameter %s for %j', async (param, body) => {
    expect(await post(body)).toMatchObject({ status: 400, body: invalid(param) });
  });

  it('answers with the path of an unknown message part', async () => {
    const content = [{ type: 'text', text: 'a' }, { type: 'hologram' }];
    const { status, body } = await post({ model: 'gpt-4o', messages: [{ role: 'user', content }] });
    expect(status).toBe(400);
    expect(body).toEqual(openAIError('messages[0].content[1].type', expect.stringContaining('got "hologram"'), 'unknown_content_type'));
  });

  it.each([
    ['nothing', '', 400],
    ['half a body', '{"model":', 400],
    ['NaN', '{"model":"gpt-4o","input":NaN}', 400],
    ['__proto__', '{"model":"gpt-4o","input":"a","__proto__":{"polluted":true}}', 400],
    ['a nested __proto__', '{"model":"gpt-4o","messages":[{"role":"user","content":"a","__proto__":{"polluted":true}}]}', 400],
    ['constructor.prototype', '{"model":"gpt-4o","input":"a","constructor":{"prototype":{"polluted":true}}}', 400],
  ])('rejects %s', async (_, body, status) => {
    expect(await post(body)).toMatchObject({ status, body: refused });
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  it('rejects a body that is not JSON', async () => {
    expect(await post('model: gpt-4o', { 'content-type': 'application/yaml' })).toMatchObject({ status: 415, body: refused });
    expect(await post('gpt-4o', { 'content-type': 'text/plain' })).toMatchObject({ status: 415, body: refused });
    expect(await post('"gpt-4o"')).toMatchObject({ status: 400, body: invalid('body') });
  });

  it('rejects a body above the limit with 413', async () => {
    const body = `{"model":"gpt-4o","input":"${'a'.repeat(MAX_BODY_BYTES)}"}`;
    const error = { message: expect.stringContaining('too large') as string, code: 'request_too_large' };
    expect(await post(body)).toMatchObject({ status: 413, body: { error } });
  });

  it('returns the request id of the client, otherwise a new one', async () => {
    const idOf = async (id: string): Promise<string | null> =>
      (await fetch(`${url}/health`, { headers: { 'x-request-id': id } })).headers.get('x-request-id');
    expect(await idOf('trace-7:a')).toBe('trace-7:a');
    expect(await idOf('a b')).toMatch(/^[\da-f-]{36}$/);
    expect(await idOf('x'.repeat(129))).toMatch(/^[\da-f-]{36}$/);
  });

  it('accepts ids of stored responses in paths, which are longer than the default of Fastify', async () => {
    const answer = await fetch(`${url}/v1/responses/resp_fl1${'a'.repeat(700)}`);
    expect(answer.status).toBe(404);
    expect(await answer.text()).toContain('Response with id');
  });

  it('answers an unknown path in the same error format', async () => {
    const response = await fetch(`${url}/v1/tokens/nothing`);
    expect(response.status).toBe(404);
    const message = expect.stringContaining('GET /v1/tokens/nothing');
    expect(await response.json()).toEqual(openAIError(null, message, 'unknown_url'));
  });

  it('hides the details of an internal error', async () => {
    const broken = jest.spyOn(app.get(TokenCounterService), 'countRequestAsync').mockImplementation(() => {
      throw new Error('secret');
    });
    const { status, body } = await post({ model: 'gpt-4o', input: 'a' });
    broken.mockRestore();
    expect(status).toBe(500);
    expect(body).toEqual({ error: { message: expect.not.stringContaining('secret'), type: 'server_error', param: null, code: null } });
  });

  it('counts a megabyte, ten thousand messages and a deep structure', async () => {
    const text = 'The quick brown fox. '.repeat(50_000);
    expect((await post({ model: 'gpt-4o', input: text })).body.prompt_tokens).toBe(countTokens(text, 'gpt-4o'));
    const many = Array.from({ length: 10_000 }, (_, i) => ({ role: 'user', content: `message ${i}` }));
    expect((await post({ model: 'gpt-4o', messages: many })).body.prompt_tokens).toBe(countMessages(many, 'gpt-4o'));
    const deep = `{"model":"gpt-4o","messages":[{"role":"user","content":${'['.repeat(100_000)}${']'.repeat(100_000)}}]}`;
    expect(await post(deep)).toMatchObject({ status: 400 });
  });

  it.each(['a', ' ', '\n', "'", '\u0301', '🦀'])('counts a hundred thousand times %j without a stall', async (unit) => {
    const cpuMs = cpuTimer();
    const { body } = await post({ model: 'gpt-4o', input: unit.repeat(100_000 / unit.length) });
    expect(body.prompt_tokens).toBeGreaterThan(0);
    expect(cpuMs()).toBeLessThan(5000);
  });
});

describe('GET /health', () => {
  it('reports health with the engine and its reason', async () => {
    const response = await fetch(`${url}/health`);
    expect(response.status).toBe(200);
    const components = { token_counting: { status: 'ok', engine, reason: expect.stringMatching(/./) } };
    expect(await response.json()).toMatchObject({
      status: EXPECTED_HEALTH,
      details: { fast_litellm: { status: EXPECTED_TERMINUS, components } },
    });
  });

  it('answers 503 in the format of Terminus if counting fails', async () => {
    const health = { status: 'down', engine: 'typescript', reason: 'gives a wrong answer' } as const;
    const broken = jest.spyOn(app.get(TokenCounterService), 'health').mockReturnValue(health);
    const response = await fetch(`${url}/health`);
    broken.mockRestore();
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ status: 'error', error: { fast_litellm: { components: { token_counting: health } } } });
  });
});

describe('GET /metrics', () => {
  const read = async (name: string) => {
    const response = await fetch(`${url}/metrics`);
    expect(response.headers.get('content-type')).toContain('text/plain');
    const text = await response.text();
    return Number(new RegExp(`^fast_litellm_${name} (\\d+)$`, 'm').exec(text)?.[1]);
  };

  it('exposes the number of calls and tokens', async () => {
    const [calls, tokens] = [await read('token_counting_calls_total'), await read('token_counting_tokens_total')];
    await post({ model: 'gpt-4o', input: 'Hello world' });
    expect(await read('token_counting_calls_total')).toBe(calls + 1);
    expect(await read('token_counting_tokens_total')).toBe(tokens + 2);
  });

  it('exposes the engine in use', async () => {
    const { body } = await post({ model: 'gpt-4o', input: 'Hello' });
    expect(await read(`engine_info\\{capability="token_counting",engine="${body.engine}"\\}`)).toBe(1);
  });
});

describe('GET /', () => {
  it('serves a page under a strict content security policy', async () => {
    const response = await fetch(url);
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    const policy = response.headers.get('content-security-policy');
    expect(policy).toContain("default-src 'none'; script-src 'self'");
    expect(policy).not.toContain('unsafe');
    const html = await response.text();
    expect(html).not.toMatch(/<script(?! src="\/)|<style| style=| on\w+="|https?:/);
  });

  it('serves its script, styles and icon', async () => {
    const kinds = { 'app.js': 'text/javascript', 'app.css': 'text/css', 'icon.svg': 'image/svg+xml' };
    for (const [name, kind] of Object.entries(kinds)) {
      const response = await fetch(`${url}/${name}`);
      expect([name, response.status, response.headers.get('content-type')]).toEqual([name, 200, expect.stringContaining(kind)]);
      expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    }
  });

  it('reports what runs', async () => {
    const state: unknown = await (await fetch(`${url}/state`)).json();
    const { body } = await post({ model: 'gpt-4o', input: 'Hello' });
    expect(state).toMatchObject({
      version: VERSION,
      engine: body.engine,
      why: expect.stringMatching(/./) as string,
      deployments: expect.arrayContaining([{ id: 'local-one/gpt-4o', group: 'gpt-4o', state: 'available', inFlight: 0 }]) as object,
      features: { rust_token_counting: { state: 'enabled', enabled: true } },
    });
    expect(JSON.stringify(state)).not.toContain('sk-');
  });

  it('does not handle errors of other paths', async () => {
    const response = await fetch(`${url}/nothing`);
    expect([response.status, await response.json()]).toEqual([404, expect.objectContaining({ statusCode: 404 })]);
  });
});
