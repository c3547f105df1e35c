import Anthropic from '@anthropic-ai/sdk';
import { ApiKeyService, FastLiteLLMKeysModule, type GatewayOptions, type KeysMount, type ApiKeysOptions } from 'nestjs-fast-litellm';
import { startProvider, type TestProvider } from 'nestjs-fast-litellm/testing';
import OpenAI from 'openai';
import { ADAPTERS, GatewayApp, type AdapterName } from '../../support/gateway-app.js';
import { oneOrAll } from '../../support/long.js';
import { until } from '../../support/until.js';
import { MemoryKeyStore } from '../../support/memory-key-store.js';

const MASTER = 'sk-the-master-key-0123';
const messages = [{ role: 'user' as const, content: 'Hello' }];

describe.each(oneOrAll(Object.keys(ADAPTERS) as AdapterName[]))('a gateway with API keys on %s', (adapter) => {
  let provider: TestProvider;
  let store: MemoryKeyStore;
  let gateway: GatewayApp;
  let keys: ApiKeyService;
  beforeAll(async () => {
    provider = await startProvider('openai', { script: 'Hello.' });
  });
  afterAll(() => provider.close());
  beforeEach(() => start());
  afterEach(() => gateway.stop());

  async function start(options: GatewayOptions = {}, mount: KeysMount & ApiKeysOptions = {}): Promise<void> {
    store = new MemoryKeyStore();
    const modelList = ['gpt-4o', 'gpt-4o-mini', 'claude'].map((name) => provider.deployment(name, { model: 'openai/gpt-4o' }));
    gateway = await GatewayApp.start(adapter, options, {
      module: { router: { modelList, fallbacks: [{ 'gpt-4o': ['claude'] }] }, rateLimit: { requestsPerMinute: 1_000 } },
      imports: [FastLiteLLMKeysModule.forRoot({ store, masterKey: MASTER, ...mount })],
    });
    keys = gateway.app.get(ApiKeyService, { strict: false });
  }
  const sdk = (apiKey: string, maxRetries = 0) => new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey, maxRetries });
  const chat = (apiKey: string, model = 'gpt-4o') => sdk(apiKey).chat.completions.create({ model, messages });

  it('answers the OpenAI SDK with a key, and with the master key', async () => {
    const { key } = await keys.create();
    expect((await chat(key)).choices[0].message.content).toBe('Hello.');
    expect((await chat(MASTER)).choices[0].message.content).toBe('Hello.');
    const stream = await sdk(key).chat.completions.create({ model: 'gpt-4o', messages, stream: true });
    let text = '';
    for await (const { choices } of stream) text += choices[0]?.delta.content ?? '';
    expect(text).toBe('Hello.');
  });

  it('answers 401 without a valid key, in the shape of each API', async () => {
    const before = provider.requests.length;
    for (const key of ['sk-other', 'none', `sk-abcdefghijkl-${'A'.repeat(43)}`])
      await expect(chat(key)).rejects.toMatchObject({ status: 401, code: 'invalid_api_key', type: 'invalid_request_error' });
    const { key } = await keys.create({ expiresAt: new Date(Date.now() - 1).toISOString() });
    await expect(chat(key)).rejects.toMatchObject({ status: 401, code: 'api_key_expired' });
    const anthropic = new Anthropic({ baseURL: gateway.url, apiKey: 'sk-other', maxRetries: 0 });
    await expect(anthropic.messages.create({ model: 'gpt-4o', max_tokens: 9, messages })).rejects.toMatchObject({
      status: 401,
      error: { type: 'error', error: { type: 'authentication_error' } },
    });
    for (const path of ['/v1/models', '/v1/models/gpt-4o', '/model/info']) {
      const refused = await gateway.ask(path, { method: 'GET' });
      expect([refused.status, refused.headers['www-authenticate']]).toEqual([401, 'Bearer']);
    }
    expect((await gateway.ask('/health/liveliness', { method: 'GET' })).status).toBe(200);
    expect(provider.requests.length).toBe(before);
  });

  it('refuses a large body without a key before it is read', async () => {
    const refused = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'gpt-4o', messages: [{ role: 'user', content: 'x'.repeat(30 * 2 ** 20) }] }),
    }).then(
      ({ status }) => status,
      // The connection may be closed while the body is still being sent.
      () => 401,
    );
    expect(refused).toBe(401);
  });

  it('answers 403 with a blocked key, and for a model that a key may not call, by name, form, header and fallback', async () => {
    const blocked = await keys.create({ blocked: true });
    await expect(chat(blocked.key)).rejects.toMatchObject({ status: 403, code: 'api_key_blocked' });
    const { key } = await keys.create({ models: ['gpt-4o*'] });
    const refused = { status: 403, code: 'model_not_allowed', param: 'model' };
    const client = sdk(key);
    const before = provider.requests.length;
    await expect(chat(key, 'claude')).rejects.toMatchObject(refused);
    await expect(client.embeddings.create({ model: 'claude', input: 'x' })).rejects.toMatchObject(refused);
    await expect(client.responses.create({ model: 'claude', input: 'x' })).rejects.toMatchObject(refused);
    await expect(client.images.generate({ model: 'claude', prompt: 'x' })).rejects.toMatchObject(refused);
    const sound = new File(['x'], 'x.wav');
    await expect(client.audio.transcriptions.create({ model: 'claude', file: sound })).rejects.toMatchObject(refused);
    await expect(client.files.retrieve('file-1', { headers: { 'x-litellm-model': 'claude' } })).rejects.toMatchObject(refused);
    await expect(client.files.retrieve('file-1', { query: { model: 'claude' } })).rejects.toMatchObject(refused);
    const anthropic = new Anthropic({ baseURL: gateway.url, apiKey: key, maxRetries: 0 });
    await expect(anthropic.messages.countTokens({ model: 'claude', messages })).rejects.toMatchObject({ status: 403 });
    await expect(client.chat.completions.create({ model: 'gpt-4o', messages, fallbacks: ['claude'] } as never)).rejects.toMatchObject({
      status: 400,
      param: 'fallbacks',
    });
    expect(provider.requests.length).toBe(before);
    expect((await chat(key, 'gpt-4o-mini')).choices).toHaveLength(1);
  });

  it('serves the files of a model group that a key may call', async () => {
    const { key } = await keys.create({ models: ['gpt-4o'] });
    provider.use({ body: { id: 'file-1', object: 'file' } });
    expect((await sdk(key).files.retrieve('file-1', { query: { model: 'gpt-4o' } })).id).toBe('file-1');
    provider.use('Hello.');
  });

  it('lists files and batches, which are those of all keys, for the master key only', async () => {
    const { key } = await keys.create({ models: ['gpt-4o'] });
    const query = { query: { model: 'gpt-4o' } };
    provider.use({ body: { object: 'list', data: [] } });
    const before = provider.requests.length;
    await expect(sdk(key).files.list({}, query)).rejects.toMatchObject({ status: 403, code: 'master_key_required' });
    await expect(sdk(key).batches.list({}, query)).rejects.toMatchObject({ status: 403, code: 'master_key_required' });
    expect(provider.requests.length).toBe(before);
    expect((await sdk(MASTER).files.list({}, query)).data).toEqual([]);
    provider.use('Hello.');
  });

  it('refuses a model in another case, which servers in Go read as the model', async () => {
    const { key } = await keys.create({ models: ['gpt-4o'] });
    const twice = sdk(key).chat.completions.create({ model: 'gpt-4o', messages, Model: 'claude' } as never);
    await expect(twice).rejects.toMatchObject({ status: 400, param: 'Model' });
  });

  it('spends nothing for counting tokens, and all that is held where no provider tells the usage', async () => {
    const { key, record } = await keys.create({ limits: { usdPerWindow: 1, usdWindow: '30d' } });
    const money = async () => (await keys.budgetsOf(record)).map(({ spentUsd, heldUsd }) => [spentUsd, heldUsd])[0];
    const anthropic = new Anthropic({ baseURL: gateway.url, apiKey: key, maxRetries: 0 });
    await anthropic.messages.countTokens({ model: 'gpt-4o', messages });
    await until(async () => (await money())[1] === 0);
    expect(await money()).toEqual([0, 0]);
    await sdk(key)
      .audio.speech.create({ model: 'gpt-4o', voice: 'alloy', input: 'Hello' })
      .then((answer) => answer.arrayBuffer());
    await until(async () => (await money())[1] === 0);
    // 16,384 tokens of gpt-4o.
    expect((await money())[0]).toBeGreaterThan(0.16);
  });

  it('estimates an answer without usage at no more than its model can write, whatever its bytes', async () => {
    const { record, key } = await keys.create({ limits: { usdPerDay: 1_000 } });
    // 4 MB look like a million tokens: log probabilities, pictures and lies are as long.
    const filler = { choices: [{ index: 0, message: { role: 'assistant', content: 'Hi' }, logprobs: 'x'.repeat(4_000_000) }] };
    for (const body of [filler, JSON.stringify(filler).slice(1)]) {
      provider.use({ body });
      const { headers } = await gateway.post(
        '/v1/chat/completions',
        { model: 'gpt-4o', messages, n: 2 },
        { authorization: `Bearer ${key}` },
      );
      expect(headers['x-litellm-key-spend']).toBeDefined();
    }
    provider.use('Hello.');
    const { spentUsd } = (await keys.spendingOf(record))!;
    expect(spentUsd).toBeGreaterThan(0);
    // Seven attempts with the retries and the fallback, each of two choices of gpt-4o's 128,000 tokens at most.
    expect(spentUsd).toBeLessThanOrEqual(7 * 2 * 128_000 * 0.00001 + 0.001);
  });

  it('refuses compressed bodies before anything inflates them', async () => {
    const { key } = await keys.create();
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json', 'content-encoding': 'gzip' };
    for (const [sent, status] of [
      [headers, 415],
      [{ ...headers, authorization: 'Bearer sk-other' }, 401],
    ] as const) {
      const refused = await gateway.ask('/v1/chat/completions', { headers: sent, body: Buffer.from('no gzip') });
      expect([refused.status, JSON.parse(refused.text)]).toMatchObject([status, { error: { type: 'invalid_request_error' } }]);
    }
  });

  it('makes no batch under a budget, because its cost is never told', async () => {
    const budget = { usdPerWindow: 1, usdWindow: '30d' };
    const { key } = await keys.create({ limits: budget });
    const before = provider.requests.length;
    const batch = { input_file_id: 'file-1', endpoint: '/v1/chat/completions', completion_window: '24h' } as const;
    const refused = sdk(key).batches.create(batch, { query: { model: 'gpt-4o' } });
    await expect(refused).rejects.toMatchObject({ status: 400, code: 'unsupported_operation' });
    expect(provider.requests.length).toBe(before);
    provider.use({ body: { id: 'batch_1', object: 'batch' } });
    expect((await sdk(key).batches.cancel('batch_1', { query: { model: 'gpt-4o' } })).id).toBe('batch_1');
    expect((await sdk(MASTER).batches.create(batch, { query: { model: 'gpt-4o' } })).id).toBe('batch_1');
    provider.use('Hello.');
  });

  it('makes no background response under a budget, because its cost is told after its answer', async () => {
    const { key } = await keys.create({ limits: { usdPerWindow: 1, usdWindow: '30d' } });
    const body = { model: 'gpt-4o', input: 'Hi', max_output_tokens: 1_000 };
    const ask = async (fields: object, secret: string) => {
      const { status, text } = await gateway.post('/v1/responses', { ...body, ...fields }, { authorization: `Bearer ${secret}` });
      return [status, (JSON.parse(text) as { error?: { param?: string } | null }).error?.param];
    };
    const before = provider.requests.length;
    for (const fields of [{ background: true }, { background: true, stream: true }, { background: 'true' }, { BACKGROUND: 1 }])
      expect(await ask(fields, key)).toEqual([400, 'background']);
    expect(provider.requests.length).toBe(before);
    provider.use({ body: { id: 'resp_1', object: 'response', status: 'queued', output: [], usage: null } });
    expect(await ask({ background: true }, MASTER)).toEqual([200, undefined]);
    provider.use('Hello.');
  });

  it('ignores what a body says about who asks', async () => {
    const { key, record } = await keys.create({ models: ['gpt-4o'], limits: { requestsPerMinute: 1 } });
    const other = await keys.create();
    const lies = {
      api_key: other.key,
      user: 'admin',
      metadata: { user_api_key: other.key, team_id: 'red', models: ['*'] },
    };
    await sdk(key).chat.completions.create({ model: 'gpt-4o', messages, ...lies } as never);
    await expect(sdk(key).chat.completions.create({ model: 'gpt-4o', messages, ...lies } as never)).rejects.toMatchObject({ status: 429 });
    expect(keys.lastUsedAt(record.publicId)).toBeDefined();
    expect(keys.lastUsedAt(other.record.publicId)).toBeUndefined();
  });

  it('shows the models that a key may call', async () => {
    const { key } = await keys.create({ models: ['gpt-4o*'] });
    const list = await sdk(key).models.list();
    expect(list.data.map(({ id }) => id)).toEqual(['gpt-4o', 'gpt-4o-mini']);
    expect((await sdk(key).models.retrieve('gpt-4o-mini')).id).toBe('gpt-4o-mini');
    await expect(sdk(key).models.retrieve('claude')).rejects.toMatchObject({ status: 404, code: 'model_not_found' });
    expect((await sdk(MASTER).models.list()).data.map(({ id }) => id)).toEqual(['gpt-4o', 'gpt-4o-mini', 'claude']);
    const anthropic = new Anthropic({ baseURL: gateway.url, apiKey: key, maxRetries: 0 });
    expect((await anthropic.models.list()).data.map(({ id }) => id)).toEqual(['gpt-4o', 'gpt-4o-mini']);
    const { text } = await gateway.ask('/v1/model/info', { method: 'GET', headers: { 'x-api-key': key } });
    const { data } = JSON.parse(text) as { data: { model_name: string }[] };
    expect(data.map(({ model_name: name }) => name)).toEqual(['gpt-4o', 'gpt-4o-mini']);
  });

  it('counts requests under their key, and applies its own limits beside those of the routes', async () => {
    const [first, second] = [await keys.create({ limits: { requestsPerMinute: 2 } }), await keys.create()];
    await chat(first.key);
    await chat(first.key);
    await expect(chat(first.key)).rejects.toMatchObject({ status: 429, code: 'rate_limit_exceeded' });
    const { response } = await sdk(second.key).chat.completions.create({ model: 'gpt-4o', messages }).withResponse();
    expect(response.headers.get('x-ratelimit-remaining-requests')).toBe('999');
    expect(gateway.llm.rateLimiter.peek(`key:${first.record.publicId}`).remainingRequests).toBe(997);
  });

  it('lets a key use as many tokens, and hold as many requests in flight, as it may', async () => {
    const { key: frugal } = await keys.create({ limits: { tokensPerMinute: 50 } });
    const large = sdk(frugal).chat.completions.create({ model: 'gpt-4o', messages, max_tokens: 100 });
    await expect(large).rejects.toMatchObject({ status: 429, type: 'tokens' });
    const { key } = await keys.create({ limits: { maxConcurrent: 1 } });
    provider.use({ text: 'Slow.', delayMs: 300 });
    const slow = chat(key);
    await until(() => provider.inFlight === 1);
    await expect(chat(key)).rejects.toMatchObject({ status: 429 });
    await slow;
    provider.use('Hello.');
    await until(async () => chat(key).then(({ choices }) => choices.length === 1));
  });

  it('answers 429 with x-should-retry: false when the budget of a key is spent, and the SDK does not retry', async () => {
    const { key, record } = await keys.create({ limits: { usdPerWindow: 1, usdWindow: '30d' } });
    const { limiter, of } = { limiter: gateway.llm.rateLimiter, of: { limit: 'api-key', limits: record.limits } };
    limiter.settle(limiter.reserve(`key:${record.publicId}`, { ...of, usd: 1 }), { usd: 1 });
    let asked = 0;
    const client = new OpenAI({
      baseURL: `${gateway.url}/v1`,
      apiKey: key,
      maxRetries: 3,
      fetch: (...args) => {
        asked++;
        return fetch(...args);
      },
    });
    const refused = client.chat.completions.create({ model: 'gpt-4o', messages });
    await expect(refused).rejects.toMatchObject({ status: 429, code: 'budget_exhausted', type: 'budget_exceeded' });
    const { headers } = (await refused.catch((error: unknown) => error)) as InstanceType<typeof OpenAI.APIError>;
    expect(headers?.get('x-should-retry')).toBe('false');
    expect(asked).toBe(1);
    await keys.resetSpend(record);
    expect((await chat(key)).choices).toHaveLength(1);
    expect((await keys.budgetsOf(record))[0].spentUsd).toBeGreaterThan(0);
  });

  it('applies the limits of a key also where the routes have none', async () => {
    await gateway.stop();
    gateway = await GatewayApp.start(
      adapter,
      { rateLimit: { default: false } },
      {
        module: { router: { modelList: [provider.deployment('gpt-4o', { model: 'openai/gpt-4o' })] } },
        imports: [FastLiteLLMKeysModule.forRoot({ store, masterKey: MASTER })],
      },
    );
    keys = gateway.app.get(ApiKeyService, { strict: false });
    const { key } = await keys.create({ limits: { requestsPerMinute: 1 } });
    await chat(key);
    await expect(chat(key)).rejects.toMatchObject({ status: 429 });
    // The list of models calls none, and counts nowhere.
    for (let i = 0; i < 3; i++) await sdk(key).models.list();
  });

  it('answers 503 with Retry-After while the store is away', async () => {
    store.failure = 'away';
    const headers = { authorization: `Bearer sk-abcdefghijkl-${'A'.repeat(43)}` };
    for (const refused of [
      await gateway.post('/v1/chat/completions', { model: 'gpt-4o', messages }, headers),
      await gateway.ask('/v1/models', { method: 'GET', headers }),
    ]) {
      expect([refused.status, refused.headers['retry-after']]).toEqual([503, '1']);
      expect(refused.text).toContain('api_key_store_unavailable');
    }
  });

  it('needs no key with keys: false, and refuses a master key of its own', async () => {
    await gateway.stop();
    await start({ keys: false }, { masterKey: null });
    expect((await chat('sk-any')).choices).toHaveLength(1);
    await expect(start({ masterKey: MASTER })).rejects.toThrow('gateway.masterKey: cannot be combined with FastLiteLLMKeysModule');
    await expect(GatewayApp.start(adapter, { keys: true })).rejects.toThrow('gateway.keys: requires FastLiteLLMKeysModule');
  });
});
