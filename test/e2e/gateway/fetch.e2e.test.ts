import Anthropic from '@anthropic-ai/sdk';
import { FastLiteLLM, type FastLiteLLMOptions } from 'nestjs-fast-litellm';
import { startProvider } from 'nestjs-fast-litellm/testing';
import OpenAI, { toFile } from 'openai';
import { PIXEL, SOUND } from '../../../lib/testing/protocols/openai-others.js';
import { hanging } from '../../support/ai-sdk-providers.js';
import { deploymentOf, HELLO, provider, stopProviders } from '../../support/llm-client-providers.js';
import { until } from '../../support/until.js';

const quiet = { log: () => {}, warn: () => {}, error: () => {} };
const opened: FastLiteLLM[] = [];
const CHAT = { model: 'm', messages: [...HELLO] };

afterAll(async () => {
  await Promise.all(opened.map((llm) => llm.close()));
  await stopProviders();
});

type FetchSettings = Parameters<FastLiteLLM['fetch']>[0];

function open(options: FastLiteLLMOptions, settings?: FetchSettings): { llm: FastLiteLLM; openai: OpenAI; fetch: typeof fetch } {
  const llm = new FastLiteLLM({ logger: quiet, ...options });
  opened.push(llm);
  const served = llm.fetch(settings);
  return { llm, openai: new OpenAI({ apiKey: 'unused', fetch: served }), fetch: served };
}

const post = (body: unknown): RequestInit => ({ method: 'POST', body: JSON.stringify(body) });

describe('the fetch of a FastLiteLLM', () => {
  it('answers with the headers of the gateway, and falls back', async () => {
    const [down, up] = [await provider('down', { fault: 'status', status: 503 }), await provider('up')];
    const modelList = [deploymentOf('m', down), deploymentOf('n', up)];
    const { openai, llm } = open({ router: { modelList, numRetries: 0, fallbacks: [{ m: ['n'] }] } });
    const { data, response } = await openai.chat.completions.create(CHAT).withResponse();
    expect(data.choices[0].message.content).toMatch(/^up: /);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'application/json',
      'x-content-type-options': 'nosniff',
      'x-litellm-model-id': 'up',
      'x-litellm-attempted-fallbacks': '1',
    });
    const stream = await openai.chat.completions.create({ ...CHAT, stream: true }).withResponse();
    expect(stream.response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    let text = '';
    for await (const chunk of stream.data) text += chunk.choices[0]?.delta.content ?? '';
    expect(text).toBe(data.choices[0].message.content);
    expect(llm.client.metrics().find(({ name }) => name === 'llm_client_fallbacks_total')?.value).toBe(2);
  });

  it('lists and retrieves models, with slashes in their ids', async () => {
    const { openai } = open({ router: { modelList: [deploymentOf('org/m', { name: 'a', apiBase: 'http://127.0.0.1:1' })] } });
    expect((await openai.models.list()).data.map(({ id }) => id)).toEqual(['org/m']);
    expect(await openai.models.retrieve('org/m')).toMatchObject({ id: 'org/m', object: 'model' });
    await expect(openai.models.retrieve('gpt-5')).rejects.toMatchObject({ status: 404, code: 'model_not_found' });
  });

  it('answers errors in the shape of the API, which its SDK does not retry', async () => {
    const down = await provider('down', { fault: 'status', status: 503 });
    const { openai, fetch, llm } = open({ router: { modelList: [deploymentOf('m', down)], numRetries: 0, disableCooldowns: true } });
    await expect(openai.chat.completions.create(CHAT)).rejects.toBeInstanceOf(OpenAI.InternalServerError);
    const anthropic = new Anthropic({ apiKey: 'unused', fetch });
    const refused = await anthropic.messages.create({ ...CHAT, max_tokens: 9 }).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(Anthropic.InternalServerError);
    expect(refused).toMatchObject({ error: { type: 'error', error: { type: 'api_error' } } });
    expect(llm.client.metrics().find(({ name }) => name === 'llm_client_attempts_total')?.value).toBe(2);
    const answers = await Promise.all([
      fetch('https://api.openai.com/v1/threads', post({})),
      fetch('https://api.openai.com/v1/chat/completions', { method: 'POST', body: '{"model":' }),
      fetch(new Request('https://api.openai.com/v1/chat/completions', { method: 'POST', body: '[]' })),
      fetch('https://api.openai.com/v1/chat/completions'),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([404, 400, 400, 404]);
    expect(await answers[2].json()).toMatchObject({ error: { type: 'invalid_request_error', param: 'body' } });
    // No header says that the client is Anthropic's.
    const plain = await fetch('https://api.anthropic.com/v1/messages', post(null));
    expect([plain.status, plain.headers.get('x-should-retry')]).toEqual([400, 'false']);
    expect(await plain.json()).toMatchObject({ type: 'error', error: { type: 'invalid_request_error' } });
    const unavailable = await fetch('https://api.openai.com/v1/chat/completions', post(CHAT));
    expect([unavailable.status, unavailable.headers.has('llm_provider-x-request-id')]).toEqual([503, false]);
    expect(() => llm.fetch({ key: 'a' } as never)).toThrow('settings.key: is not a known option');
  });

  it.each([[null], [1], ['a text'], [[]], [true]])('refuses the body %j, which is not an object', async (body) => {
    const { fetch } = open({ router: { modelList: [deploymentOf('m', { name: 'a', apiBase: 'http://127.0.0.1:1' })] } });
    const answer = await fetch('https://api.openai.com/v1/chat/completions', post(body));
    expect([answer.status, await answer.json()]).toMatchObject([400, { error: { param: 'body' } }]);
  });

  it('counts limits, settles them by the usage, and states them in headers', async () => {
    const up = await provider('up');
    const { openai, llm } = open(
      { router: { modelList: [deploymentOf('m', up)] }, rateLimit: { limits: { team: { tokensPerMinute: 1000, maxConcurrent: 1 } } } },
      { rateLimit: { key: 'team:7', limit: 'team' } },
    );
    const { data, response } = await openai.chat.completions.create({ ...CHAT, max_tokens: 300 }).withResponse();
    expect(response.headers.get('x-ratelimit-limit-tokens')).toBe('1000');
    let used = data.usage?.total_tokens as number;
    const left = (): number | undefined => llm.rateLimiter.peek('team:7', { limit: 'team', cost: 0 }).remainingTokens;
    await until(() => left() === 1000 - used);
    const stream = await openai.chat.completions.create({
      ...CHAT,
      max_tokens: 300,
      stream: true,
      stream_options: { include_usage: true },
    });
    for await (const { usage } of stream) used += usage?.total_tokens ?? 0;
    await until(() => left() === 1000 - used);
    const denied = await openai.chat.completions.create({ ...CHAT, max_tokens: 980 }).catch((error: unknown) => error);
    expect(denied).toBeInstanceOf(OpenAI.RateLimitError);
    expect((denied as InstanceType<typeof OpenAI.RateLimitError>).headers?.get('retry-after')).toMatch(/^\d+$/);
    expect(used).toBeGreaterThan(0);
  });

  it('ends the request to the provider when it is aborted, or its stream left', async () => {
    const { apiBase, state } = await hanging('hangs');
    const { openai, llm } = open({ router: { modelList: [deploymentOf('m', { name: 'a', apiBase })] } });
    const controller = new AbortController();
    const answer = openai.chat.completions.create(CHAT, { signal: controller.signal });
    const failed = expect(answer).rejects.toBeInstanceOf(OpenAI.APIUserAbortError);
    await until(() => state.asked === 1);
    controller.abort();
    await failed;
    await until(() => state.closed === 1);
    for await (const chunk of await openai.chat.completions.create({ ...CHAT, stream: true })) if (chunk.choices.length > 0) break;
    await until(() => state.closed === 2);
    const second = new AbortController();
    const stream = await openai.chat.completions.create({ ...CHAT, stream: true }, { signal: second.signal });
    for await (const chunk of stream) if (chunk.choices.length > 0) second.abort();
    await until(() => state.closed === 3 && llm.client.callsInFlight === 0);
    await expect(openai.chat.completions.create(CHAT, { timeout: 50, maxRetries: 0 })).rejects.toBeInstanceOf(OpenAI.APIConnectionError);
    await until(() => llm.client.callsInFlight === 0);
  });

  it('tells of a stream that breaks', async () => {
    const { apiBase } = await hanging('cuts');
    const { openai } = open({ router: { modelList: [deploymentOf('m', { name: 'a', apiBase })] } });
    const read = async (): Promise<void> => {
      for await (const chunk of await openai.chat.completions.create({ ...CHAT, stream: true })) void chunk;
    };
    await expect(read()).rejects.toBeInstanceOf(OpenAI.APIError);
  });

  it('passes forms, files and sound', async () => {
    const upstream = await startProvider('openai');
    const { openai, fetch } = open({ router: { modelList: [deploymentOf('m', upstream, { model: 'openai/other' })] } });
    const image = await toFile(Buffer.from(PIXEL, 'base64'), 'dog.png', { type: 'image/png' });
    expect((await openai.images.edit({ model: 'm', prompt: 'A dog', image })).data).toHaveLength(1);
    expect((await upstream.latest.form()).get('model')).toBe('other');
    const speech = await openai.audio.speech.create({ model: 'm', voice: 'alloy', input: 'Hello' });
    expect(Buffer.from(await speech.arrayBuffer())).toEqual(SOUND);
    const file = await openai.files.retrieve('file-1', { query: { model: 'm' } });
    expect([file.id, upstream.latest.path]).toEqual(['file-1', '/v1/files/file-1']);
    const headers = { 'x-litellm-model': 'm' };
    const named = await Promise.all([
      fetch('https://api.openai.com/v1/files/file-2', { headers }),
      fetch('https://api.openai.com/v1/files/file-2?purpose=batch&model=m'),
      fetch('https://api.openai.com/v1/batches/a%2Fb/cancel', { method: 'POST', headers }),
    ]);
    expect(named.map(({ status }) => status)).toEqual([200, 200, 200]);
    const asked = upstream.requests.slice(-3).map(({ method, url, bytes }) => `${method} ${url} ${bytes.toString()}`);
    expect(asked.sort()).toEqual(['GET /v1/files/file-2 ', 'GET /v1/files/file-2?purpose=batch ', 'POST /v1/batches/a%2Fb/cancel {}']);
    upstream.use([{ status: 400 }]);
    const refused = await openai.moderations.create({ model: 'm', input: 'a' }).catch((error: unknown) => error);
    expect((refused as InstanceType<typeof OpenAI.APIError>).headers?.get('llm_provider-x-request-id')).toBe('req_local');
    await upstream.close();
  });
});
