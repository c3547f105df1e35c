import Anthropic from '@anthropic-ai/sdk';
import { ApiKeyService, FastLiteLLMGatewayModule, FastLiteLLMKeysModule } from 'nestjs-fast-litellm';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { text as textOf } from 'node:stream/consumers';
import OpenAI, { AzureOpenAI, toFile } from 'openai';
import { ADAPTERS, GatewayApp, type AdapterName } from '../../support/gateway-app.js';
import { scripted, stopProviders } from '../../support/llm-client-providers.js';
import { oneOrAll } from '../../support/long.js';
import { MemoryKeyStore } from '../../support/memory-key-store.js';
import { sendChat, sendJson } from '../../support/responses-gateway.js';

type Json = Record<string, unknown>;
interface Received {
  readonly method: string;
  readonly url: string;
  readonly text: string;
  readonly headers: IncomingMessage['headers'];
}
const MASTER = 'sk-master-0123456789abcdef';
const messages = [{ role: 'user' as const, content: 'Hello' }];

describe.each(oneOrAll(Object.keys(ADAPTERS) as AdapterName[]))('paths of other SDKs of the gateway on %s', (adapter) => {
  let gateway: GatewayApp;
  let received: Received[] = [];
  let answer: (response: ServerResponse, request: Received) => void;
  const keys = { any: '', team: '', mate: '', gpt: '', routes: '' };
  const bodyAt = (at: number): Json => JSON.parse(received[at].text) as Json;

  beforeAll(async () => {
    const api_base = await scripted((request, response) => {
      void textOf(request).then((text) => {
        const { method = '', url = '', headers } = request;
        const seen = { method, url, text, headers };
        received.push(seen);
        answer(response, seen);
      });
    });
    const deployment = (model_name: string, model: string, id: string) => ({
      model_name,
      litellm_params: { model, api_base, api_key: 'sk-upstream' },
      model_info: { id },
    });
    const modelList = [
      deployment('gpt', 'openai/gpt-4o', 'gpt-1'),
      deployment('gpt', 'openai/gpt-4o', 'gpt-2'),
      deployment('secret', 'openai/gpt-4.1', 'secret-1'),
      deployment('team/claude:1', 'openai/claude-like', 'slash-1'),
      deployment('claude', 'anthropic/claude-sonnet-4-5', 'claude-1'),
      deployment('haiku', 'anthropic/claude-haiku-4-5', 'haiku-1'),
      deployment('reranker', 'openai/rerank-1', 'rerank-1'),
    ];
    gateway = await GatewayApp.start(adapter, FastLiteLLMGatewayModule.forRoot({ sdkPaths: true }), {
      module: {
        router: { modelList, numRetries: 0, cooldownMs: 1 },
        rateLimit: { requestsPerSecond: 100_000, requestsPerMinute: 100_000 },
      },
      imports: [FastLiteLLMKeysModule.forRoot({ store: new MemoryKeyStore(), masterKey: MASTER })],
    });
    const apiKeys = gateway.app.get(ApiKeyService, { strict: false });
    const create = async (fields: Parameters<ApiKeyService['create']>[0]): Promise<string> => (await apiKeys.create(fields)).key;
    keys.any = await create({});
    keys.team = await create({ team: 'team-1' });
    keys.mate = await create({ team: 'team-1' });
    keys.gpt = await create({ models: ['gpt'] });
    keys.routes = await create({ allowedRoutes: ['/chat/completions', '/models/*'] });
  });
  beforeEach(() => {
    received = [];
    answer = (response, { text }) => sendChat(response, JSON.parse(text || '{}') as Json, { content: 'Hi there' });
  });
  afterAll(async () => {
    await gateway.stop();
    await stopProviders();
  });
  const azure = (apiKey: string, deployment?: string): AzureOpenAI =>
    new AzureOpenAI({
      endpoint: gateway.url,
      apiKey,
      apiVersion: '2024-10-21',
      maxRetries: 0,
      ...(deployment !== undefined && { deployment }),
    });
  const openai = (apiKey: string, path = '/v1'): OpenAI => new OpenAI({ baseURL: gateway.url + path, apiKey, maxRetries: 0 });
  const anthropic = (apiKey: string, path = ''): Anthropic => new Anthropic({ baseURL: gateway.url + path, apiKey, maxRetries: 0 });

  it('serves the client of Azure OpenAI, whole and streamed', async () => {
    for (const client of [azure(keys.any), azure(keys.any, 'gpt')]) {
      const completion = await client.chat.completions.create({ model: 'gpt', messages });
      expect([completion.choices[0].message.content, completion.model]).toEqual(['Hi there', 'gpt']);
      const stream = await client.chat.completions.create({ model: 'gpt', messages, stream: true });
      let text = '';
      for await (const { choices } of stream) text += choices[0]?.delta.content ?? '';
      expect(text).toBe('Hi there');
    }
    expect(received.map(({ url }) => url)).toEqual(Array(4).fill('/v1/chat/completions'));
    expect(bodyAt(0)).toMatchObject({ model: 'gpt-4o' });
    expect(received[0].headers).toMatchObject({ authorization: 'Bearer sk-upstream' });
  });

  it('serves embeddings, images, audio, files and responses of the client of Azure OpenAI', async () => {
    const client = azure(keys.any);
    answer = (response) =>
      sendJson(response, {
        object: 'list',
        data: [{ object: 'embedding', index: 0, embedding: [0.5] }],
        usage: { prompt_tokens: 1, total_tokens: 1 },
      });
    expect((await client.embeddings.create({ model: 'gpt', input: 'a', encoding_format: 'float' })).data[0].embedding).toEqual([0.5]);
    answer = (response) => sendJson(response, { created: 1, data: [{ b64_json: 'AA==' }] });
    expect((await client.images.generate({ model: 'gpt', prompt: 'a' })).data?.[0].b64_json).toBe('AA==');
    answer = (response) => sendJson(response, { text: 'spoken' });
    const file = await toFile(Buffer.from('RIFF'), 'a.wav');
    expect((await client.audio.transcriptions.create({ model: 'gpt', file })).text).toBe('spoken');
    expect(received.at(-1)?.text).toMatch(/name="model"\r\n\r\ngpt-4o\r\n/);
    answer = (response) => sendJson(response, { id: 'resp_0123456789abcdef', object: 'response', status: 'completed', output: [] });
    expect((await client.responses.create({ model: 'gpt', input: 'a' })).status).toBe('completed');
    expect(received.at(-1)?.url).toBe('/v1/responses');
  });

  it.each(['/openai/v1', '/openai', '/engines/gpt'])('serves the client of OpenAI at %s', async (path) => {
    const completion = await openai(keys.any, path).chat.completions.create({ model: 'gpt', messages });
    expect(completion.choices[0].message.content).toBe('Hi there');
  });

  it('takes names with slashes and colons, also encoded', async () => {
    for (const name of ['team/claude:1', 'team%2Fclaude%3A1']) {
      const { status } = await gateway.post(
        `/openai/deployments/${name}/chat/completions?api-version=1`,
        { messages },
        { 'api-key': keys.any },
      );
      expect(status).toBe(200);
    }
    expect([bodyAt(0).model, bodyAt(1).model]).toEqual(['claude-like', 'claude-like']);
  });

  it('serves Anthropic at its prefix, and counts', async () => {
    answer = (response) =>
      sendJson(response, {
        id: 'msg_1',
        type: 'message',
        role: 'assistant',
        model: 'claude-sonnet-4-5',
        content: [{ type: 'text', text: 'Hi' }],
        stop_reason: 'end_turn',
        usage: { input_tokens: 1, output_tokens: 1 },
      });
    const client = anthropic(keys.any, '/anthropic');
    expect((await client.messages.create({ model: 'claude', max_tokens: 9, messages })).content).toMatchObject([{ text: 'Hi' }]);
    expect((await client.messages.countTokens({ model: 'claude', messages })).input_tokens).toBeGreaterThan(0);
    await expect(client.messages.create({ model: 'none', max_tokens: 9, messages })).rejects.toMatchObject({ error: { type: 'error' } });
    const unknown = await gateway.ask('/anthropic/v1/unknown', { headers: { 'x-api-key': keys.any } });
    expect([unknown.status, JSON.parse(unknown.text)]).toMatchObject([404, { type: 'error' }]);
  });

  it('reranks as Cohere does, at both versions', async () => {
    answer = (response) => sendJson(response, { results: [{ index: 0, relevance_score: 0.9 }] });
    const asked = { model: 'reranker', query: 'q', documents: ['a', 'b'], top_n: 1 };
    const v2 = await gateway.post('/v2/rerank', asked, { authorization: `Bearer ${keys.any}` });
    expect(JSON.parse(v2.text)).toMatchObject({ id: expect.any(String) as string, results: [{ index: 0 }], meta: {} });
    const v1 = await gateway.post('/v1/rerank', asked, { authorization: `Bearer ${keys.any}` });
    expect(JSON.parse(v1.text)).toMatchObject({ results: [{ index: 0 }] });
    expect(received.map(({ url }) => url)).toEqual(['/v1/rerank', '/v1/rerank']);
    expect(bodyAt(0)).toEqual({ ...asked, model: 'rerank-1' });
  });

  describe('limits of a key', () => {
    it.each([
      '/openai/deployments/secret/chat/completions',
      '/openai/deployments/%73ecret/chat/completions',
      '/engines/secret/chat/completions',
      '/v1beta/models/secret:generateContent',
      '/v1beta/models/secret:streamGenerateContent',
      '/v1beta/models/secret:countTokens',
      '/models/secret:generateContent',
      '/v1/models/secret%3AgenerateContent',
    ])('hold for the model in the path, whatever the body names: %s', async (path) => {
      const body = { model: 'gpt', messages, contents: [{ parts: [{ text: 'a' }] }] };
      const { status, text } = await gateway.post(path, body, { authorization: `Bearer ${keys.gpt}` });
      expect([status, text]).toEqual([403, expect.stringContaining('secret')]);
      expect(received).toEqual([]);
    });

    it('do not hold for another model in the body, which is ignored', async () => {
      const body = { model: 'secret', messages };
      const { status } = await gateway.post('/openai/deployments/gpt/chat/completions', body, { 'api-key': keys.gpt });
      expect([status, bodyAt(0).model]).toEqual([200, 'gpt-4o']);
    });

    it.each<[string, string, number]>([
      ['POST', '/openai/deployments/gpt/chat/completions', 200],
      ['POST', '/openai/v1/chat/completions', 200],
      ['POST', '/engines/gpt/completions', 403],
      ['POST', '/v1beta/models/gpt:generateContent', 403],
      ['POST', '/models/gpt:generateContent', 403],
      ['POST', '/v1/models/gpt:generateContent', 403],
      ['GET', '/v1beta/models', 403],
      ['GET', '/v1/responses/resp_1', 403],
    ])('to some routes hold for the other paths of these routes: %s %s', async (method, path, expected) => {
      const headers = { authorization: `Bearer ${keys.routes}`, 'content-type': 'application/json' };
      const body = JSON.stringify({ model: 'gpt', messages, contents: [{ parts: [{ text: 'a' }] }] });
      const { status } = await gateway.ask(path, { method, headers, ...(method === 'POST' && { body }) });
      expect(status).toBe(expected);
    });

    it('need a key on each path, which Google also takes from the query', async () => {
      for (const path of [
        '/openai/deployments/gpt/chat/completions',
        '/v1beta/models/gpt:generateContent',
        '/v2/rerank',
        '/anthropic/v1/messages',
      ])
        expect((await gateway.post(path, {})).status).toBe(401);
      const { status, text } = await gateway.post('/v1beta/models/gpt:generateContent?key=sk-wrong', {});
      expect([status, JSON.parse(text)]).toMatchObject([401, { error: { code: 401, status: 'UNAUTHENTICATED' } }]);
      const asked = await gateway.post(`/v1beta/models/gpt:generateContent?key=${keys.any}`, { contents: [{ parts: [{ text: 'a' }] }] });
      expect(asked.status).toBe(200);
      expect((await gateway.post(`/v1/chat/completions?key=${keys.any}`, { model: 'gpt', messages })).status).toBe(401);
      expect(JSON.stringify(received)).not.toContain(keys.any);
    });
  });

  describe('stored responses', () => {
    const stored = 'resp_68af0123456789abcdef0123456789abcdef0123456789ab';
    const whole = (id = stored, more: object = {}) => ({
      id,
      object: 'response',
      status: 'completed',
      model: 'gpt-4o',
      output: [],
      previous_response_id: null,
      usage: { input_tokens: 5, output_tokens: 1, total_tokens: 6 },
      ...more,
    });
    const create = async (key: string, body: object = {}) => {
      answer = (response) => sendJson(response, whole());
      return openai(key).responses.create({ model: 'gpt', input: 'a', ...body });
    };
    const servedBy = (raw: Response): string | null => raw.headers.get('x-litellm-model-id');

    it('are read, listed, cancelled and deleted at the deployment that stored them', async () => {
      answer = (response) => sendJson(response, whole());
      const client = openai(keys.any);
      for (let at = 0; at < 4; at++) {
        const { data, response } = await client.responses.create({ model: 'gpt', input: 'a' }).withResponse();
        expect(data.id).toMatch(/^resp_fl1[\w-]{60,80}$/);
        const retrieved = await client.responses.retrieve(data.id).withResponse();
        expect([retrieved.data.id, servedBy(retrieved.response)]).toEqual([data.id, servedBy(response)]);
        expect(received.at(-1)).toMatchObject({ method: 'GET', url: `/v1/responses/${stored}` });
        // Its usage counted when it was created.
        expect(Number(retrieved.response.headers.get('x-litellm-response-cost'))).toBe(0);
      }
      const { id } = await create(keys.any);
      await client.responses.cancel(id);
      expect(received.at(-1)).toMatchObject({ method: 'POST', url: `/v1/responses/${stored}/cancel` });
      answer = (response) => sendJson(response, { object: 'list', data: [{ id: 'msg_1', type: 'message' }], has_more: false });
      expect((await client.responses.inputItems.list(id, { limit: 2 })).data).toHaveLength(1);
      expect(received.at(-1)?.url).toBe(`/v1/responses/${stored}/input_items?limit=2`);
      answer = (response) => sendJson(response, { id: stored, object: 'response', deleted: true });
      await client.responses.delete(id);
      expect(received.at(-1)?.method).toBe('DELETE');
    });

    it('are continued at that deployment, and streamed by their own ids', async () => {
      const { id } = await create(keys.any);
      answer = (response, { text }) => {
        const { stream, previous_response_id: previous } = JSON.parse(text || '{}') as Json;
        const next = whole('resp_aa0123456789abcdef', { previous_response_id: previous });
        if (stream !== true) return sendJson(response, next);
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        for (const type of ['response.created', 'response.completed'])
          response.write(`event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: 0, response: next })}\n\n`);
        response.end();
      };
      const client = openai(keys.any);
      const next = await client.responses.create({ model: 'gpt', input: 'b', previous_response_id: id });
      expect([next.previous_response_id, next.model]).toEqual([id, 'gpt']);
      expect(bodyAt(1)).toMatchObject({ model: 'gpt-4o', previous_response_id: stored });
      const ids: string[] = [];
      for await (const event of await client.responses.create({ model: 'gpt', input: 'b', previous_response_id: id, stream: true }))
        if ('response' in event) ids.push(event.response.id, event.response.previous_response_id ?? '');
      expect(ids).toEqual([next.id, id, next.id, id]);
      expect((await client.responses.retrieve(next.id)).id).toBe(next.id);
    });

    it('belong to their key, or to its team', async () => {
      const { id } = await create(keys.any);
      const ofTeam = (await create(keys.team)).id;
      const before = received.length;
      for (const [key, other] of [
        [keys.team, id],
        [keys.any, ofTeam],
        [keys.any, stored],
        [keys.any, `${id.slice(0, -2)}AA`],
        [keys.any, 'resp_fl1'],
      ]) {
        await expect(openai(key).responses.retrieve(other)).rejects.toMatchObject({ status: 404 });
        await expect(openai(key).responses.delete(other)).rejects.toMatchObject({ status: 404 });
        const next = openai(key).responses.create({ model: 'gpt', input: 'b', previous_response_id: other });
        await expect(next).rejects.toMatchObject({ status: 400, code: 'previous_response_not_found' });
      }
      expect(received).toHaveLength(before);
      answer = (response) => sendJson(response, whole());
      expect((await openai(keys.mate).responses.retrieve(ofTeam)).id).toBe(ofTeam);
      expect((await openai(MASTER).responses.retrieve(id)).status).toBe('completed');
      expect((await openai(MASTER).responses.retrieve(stored, {}, { query: { model: 'gpt' } })).id).toBe(stored);
    });

    it('are not continued through extra_body', async () => {
      answer = (response) => sendJson(response, whole());
      const names = { previous_response_id: stored, conversation: 'conv_1' };
      await openai(keys.any).responses.create({ model: 'gpt', input: 'b', extra_body: names } as never);
      expect(bodyAt(0)).toEqual({ model: 'gpt-4o', input: 'b' });
    });

    it('are not read with a key that may no longer call their model', async () => {
      answer = (response) => sendJson(response, whole());
      const { id } = await openai(MASTER).responses.create({ model: 'secret', input: 'a' });
      await expect(openai(keys.gpt).responses.retrieve(id)).rejects.toMatchObject({ status: 404 });
      const own = await create(keys.gpt);
      expect((await openai(keys.gpt).responses.retrieve(own.id)).id).toBe(own.id);
    });

    it('are not named where nothing is stored', async () => {
      expect((await create(keys.any, { store: false })).id).toBe(stored);
    });

    it('are compacted by their model', async () => {
      answer = (response) =>
        sendJson(response, {
          id: 'resp_1',
          object: 'response.compaction',
          output: [],
          usage: { input_tokens: 5, output_tokens: 1, total_tokens: 6 },
        });
      const { status } = await gateway.post('/v1/responses/compact', { model: 'gpt', input: 'a' }, { authorization: `Bearer ${keys.any}` });
      expect([status, received[0].url, bodyAt(0)]).toEqual([200, '/v1/responses/compact', { model: 'gpt-4o', input: 'a' }]);
      const claude = await gateway.post('/v1/responses/compact', { model: 'claude', input: 'a' }, { authorization: `Bearer ${keys.any}` });
      expect(claude.status).toBe(400);
    });
  });

  describe('batches of messages', () => {
    const batch = { id: 'msgbatch_1', type: 'message_batch', processing_status: 'in_progress', request_counts: {} };
    const requests = (...models: string[]) =>
      models.map((model, at) => ({ custom_id: `c${at}`, params: { model, max_tokens: 9, messages } }));

    const create = async (key: string, ...models: string[]): Promise<string> => {
      answer = (response) => sendJson(response, batch);
      return (await anthropic(key).messages.batches.create({ requests: requests(...models) })).id;
    };

    it('are created, read, cancelled and deleted in the account of their models', async () => {
      const id = await create(keys.any, 'claude', 'haiku');
      expect(id).toMatch(/^msgbatch_fl1[\w-]{40,60}$/);
      expect(received[0]).toMatchObject({
        method: 'POST',
        url: '/v1/messages/batches',
        headers: { 'x-api-key': 'sk-upstream', 'anthropic-version': expect.stringMatching(/^20/) as string },
      });
      expect((bodyAt(0).requests as Json[]).map(({ params }) => (params as Json).model)).toEqual(['claude-sonnet-4-5', 'claude-haiku-4-5']);
      expect(Object.keys(bodyAt(0))).toEqual(['requests']);
      const { batches } = anthropic(keys.any).messages;
      expect(await batches.retrieve(id)).toMatchObject({ ...batch, id });
      expect((await batches.cancel(id)).id).toBe(id);
      answer = (response) => sendJson(response, { id: batch.id, type: 'message_batch_deleted' });
      expect(await batches.delete(id)).toEqual({ id, type: 'message_batch_deleted' });
      expect(received.slice(1).map(({ method, url }) => `${method} ${url}`)).toEqual([
        'GET /v1/messages/batches/msgbatch_1',
        'POST /v1/messages/batches/msgbatch_1/cancel',
        'DELETE /v1/messages/batches/msgbatch_1',
      ]);
    });

    it.each(['', '/anthropic'])('have results as lines, which clients of %j read from the gateway', async (path) => {
      const id = await create(keys.any, 'claude');
      answer = (response, { url }) => {
        const results_url = 'https://api.anthropic.example/v1/messages/batches/msgbatch_1/results';
        if (!url.endsWith('/results')) return sendJson(response, { ...batch, processing_status: 'ended', results_url });
        response.writeHead(200, { 'content-type': 'application/x-jsonl' }).end('{"custom_id":"c0","result":{"type":"canceled"}}\n');
        return undefined;
      };
      const ids: string[] = [];
      for await (const { custom_id: custom } of await anthropic(keys.any, path).messages.batches.results(id)) ids.push(custom);
      expect(ids).toEqual(['c0']);
      expect(received.at(-1)?.url).toBe('/v1/messages/batches/msgbatch_1/results');
    });

    it('belong to their key, or to its team', async () => {
      const id = await create(keys.any, 'claude');
      const ofTeam = await create(keys.team, 'claude');
      const { id: response } = await (async () => {
        answer = (to) => sendJson(to, { id: 'resp_msgbatch_1', object: 'response', status: 'completed', model: 'gpt-4o', output: [] });
        return openai(keys.team).responses.create({ model: 'gpt', input: 'a' });
      })();
      const before = received.length;
      for (const [key, other] of [
        [keys.team, id],
        [keys.any, ofTeam],
        [keys.any, 'msgbatch_1'],
        [keys.any, `${id.slice(0, -2)}AA`],
        [keys.any, 'msgbatch_fl1'],
        [keys.team, response.replace('resp_', 'msgbatch_')],
      ]) {
        const { batches } = anthropic(key).messages;
        const denied = { status: 404, error: { type: 'error', error: { type: 'not_found_error' } } };
        await expect(batches.retrieve(other)).rejects.toMatchObject(denied);
        await expect(batches.cancel(other)).rejects.toMatchObject(denied);
        await expect(batches.delete(other)).rejects.toMatchObject(denied);
        expect((await gateway.ask(`/v1/messages/batches/${other}/results`, { headers: { 'x-api-key': key } })).status).toBe(404);
      }
      expect(received).toHaveLength(before);
      answer = (to) => sendJson(to, batch);
      expect((await anthropic(keys.mate).messages.batches.retrieve(ofTeam)).id).toBe(ofTeam);
      for (const each of [id, 'msgbatch_1']) expect((await anthropic(MASTER).messages.batches.retrieve(each)).type).toBe('message_batch');
      expect(received.slice(before).map(({ url }) => url)).toEqual(Array(3).fill('/v1/messages/batches/msgbatch_1'));
    });

    it('are not read with a key that may not call their model', async () => {
      const id = await create(MASTER, 'claude');
      await expect(anthropic(keys.gpt).messages.batches.retrieve(id)).rejects.toMatchObject({ status: 404 });
    });

    it('are listed for the operator alone, page by page', async () => {
      answer = (response) => sendJson(response, { data: [batch], first_id: batch.id, last_id: batch.id, has_more: true });
      await expect(anthropic(keys.any).messages.batches.list()).rejects.toMatchObject({ status: 403, error: { type: 'error' } });
      const page = await anthropic(MASTER).messages.batches.list({ limit: 1 });
      expect([page.data[0].id, page.last_id]).toEqual([page.first_id, page.first_id]);
      expect(page.data[0].id).toMatch(/^msgbatch_fl1/);
      await page.getNextPage();
      expect(received.map(({ url }) => url)).toEqual(['/v1/messages/batches?limit=1', '/v1/messages/batches?limit=1&after_id=msgbatch_1']);
      answer = (response) => sendJson(response, batch);
      expect((await anthropic(MASTER).messages.batches.retrieve(page.data[0].id)).id).toBe(page.data[0].id);
    });

    it.each<[string, string[], number]>([
      ['a model that its key may not call', ['gpt', 'claude'], 403],
      ['a model of another account', ['claude', 'gpt'], 400],
      ['an unknown model', ['claude', 'none'], 400],
    ])('are refused with %s', async (_, models, status) => {
      const key = status === 403 ? keys.gpt : keys.any;
      await expect(anthropic(key).messages.batches.create({ requests: requests(...models) })).rejects.toMatchObject({ status });
      expect(received).toEqual([]);
    });
  });
});
