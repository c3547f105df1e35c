import { inspect } from 'node:util';
import type { ServerResponse } from 'node:http';
import { provideProtocol, type ModelListEntry } from 'nestjs-fast-litellm';
import type { ProviderProtocol, ReceivedRequest, ScriptedAnswer, TestProvider } from 'nestjs-fast-litellm/testing';
import { clientOf, closeClients, isOver, type OpenClient } from '../../support/llm-client-setup.js';
import { HELLO, scripted, stopProviders, testProvider } from '../../support/llm-client-providers.js';
import { until } from '../../support/until.js';

type Fields = Readonly<Record<string, unknown>>;

afterEach(async () => {
  await closeClients();
  await stopProviders();
});

const TEXT = 'The weather is fine today, and everybody is glad about that.';
const TOOL = { type: 'function', function: { name: 'weather', description: 'Of a city', parameters: { type: 'object', properties: {} } } };
const CHAT = {
  model: 'm',
  messages: [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: TEXT },
  ],
  tools: [TOOL],
  // None of them belongs to the prompt; some providers would refuse them.
  max_tokens: 77,
  temperature: 0.5,
  n: 1,
  stop: ['END'],
  seed: 7,
  stream: true,
  metadata: { team: 'red' },
} as const;
const MESSAGES = {
  model: 'm',
  system: 'Be brief.',
  messages: [{ role: 'user', content: TEXT }],
  tools: [{ name: 'weather', description: 'Of a city', input_schema: { type: 'object', properties: {} } }],
  max_tokens: 77,
  temperature: 0.5,
  stream: true,
} as const;
const RESPONSES = {
  model: 'm',
  instructions: 'Be brief.',
  input: TEXT,
  tools: [{ type: 'function', name: 'weather', description: 'Of a city', parameters: { type: 'object', properties: {} }, strict: false }],
  max_output_tokens: 77,
  store: false,
  stream: true,
} as const;
const REQUESTS = { chat: CHAT, messages: MESSAGES, responses: RESPONSES };

/** A provider that reports 42 tokens for each prompt. */
const counter = (protocol: ProviderProtocol, more: ScriptedAnswer = {}): Promise<TestProvider> =>
  testProvider(protocol, { script: { usage: { promptTokens: 42 }, ...more } });

/** A deployment at a path of the protocol's own server. */
const at = ({ url }: TestProvider, model: string, params: Fields): ModelListEntry => ({
  model_name: 'm',
  litellm_params: { model, api_base: url, api_key: 'sk-own', ...params },
  model_info: { id: 'd' },
});

const figure = ({ client }: OpenClient, name: string, label: string): number | undefined =>
  client.metrics().find((sample) => sample.name === `llm_client_exact_counts_${name}` && Object.values(sample.labels ?? {}).includes(label))
    ?.value;

describe('the counting endpoint', () => {
  interface Place {
    readonly protocol: ProviderProtocol;
    readonly model: string;
    readonly params?: Fields;
    readonly path: string;
    /** Header with the key. */
    readonly key: readonly [string, string];
    /** Of the body, for each API that is asked. */
    readonly fields: readonly string[];
    readonly inner?: (body: Fields) => Fields;
  }

  const vertex = { vertex_project: 'p-1', vertex_location: 'us-east5' };
  const inVertex = '/v1/projects/p-1/locations/us-east5/publishers';
  const claude = ['messages', 'model', 'system', 'tools'];
  const inner = (name: string) => (body: Fields) => body[name] as Fields;
  const places: Readonly<Record<string, Place>> = {
    'of Anthropic': {
      protocol: 'anthropic',
      model: 'anthropic/claude-sonnet-4-5',
      path: '/v1/messages/count_tokens',
      key: ['x-api-key', 'sk-own'],
      fields: claude,
    },
    'of Claude on Azure': {
      protocol: 'anthropic',
      model: 'azure_ai/claude-sonnet-4-5',
      path: '/anthropic/v1/messages/count_tokens',
      key: ['api-key', 'sk-own'],
      fields: claude,
    },
    'of Claude on Vertex AI': {
      protocol: 'anthropic',
      model: 'vertex_ai/claude-sonnet-4-5@20250929',
      params: vertex,
      path: `${inVertex}/anthropic/models/count-tokens:rawPredict`,
      key: ['x-goog-api-key', 'sk-own'],
      fields: claude,
    },
    'of Claude on Bedrock': {
      protocol: 'bedrock',
      model: 'bedrock/eu.anthropic.claude-sonnet-4-5-20250929-v1:0',
      path: '/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/count-tokens',
      key: ['authorization', 'Bearer sk-own'],
      inner: ({ input }) => (input as { converse: Fields }).converse,
      fields: ['messages', 'system', 'toolConfig'],
    },
    'of Gemini': {
      protocol: 'gemini',
      model: 'gemini/gemini-2.5-flash',
      path: '/models/gemini-2.5-flash:countTokens',
      key: ['x-goog-api-key', 'sk-own'],
      inner: inner('generateContentRequest'),
      fields: ['contents', 'model', 'systemInstruction', 'tools'],
    },
    'of Gemini on Vertex AI': {
      protocol: 'gemini',
      model: 'vertex_ai/gemini-2.5-flash',
      params: vertex,
      path: `${inVertex}/google/models/gemini-2.5-flash:countTokens`,
      key: ['x-goog-api-key', 'sk-own'],
      fields: ['contents', 'systemInstruction', 'tools'],
    },
    'of OpenAI': {
      protocol: 'openai',
      model: 'openai/gpt-5',
      path: '/responses/input_tokens',
      key: ['authorization', 'Bearer sk-own'],
      fields: ['input', 'model', 'tools'],
    },
  };

  describe.each(Object.entries(places))('%s', (_, { protocol, model, params, path, key: [header, secret], fields, inner: within }) => {
    it.each(['chat', 'messages', 'responses'] as const)('counts a request of %s', async (operation) => {
      const provider = await counter(protocol);
      const open = clientOf({ modelList: [at(provider, model, { ...params, temperature: 0.1, max_tokens: 9 })] });
      const count = await open.client.countTokensExact(REQUESTS[operation]);
      expect(count).toEqual({ promptTokens: 42, source: 'provider', approximate: false, deploymentId: 'd' });
      const { latest, requests } = provider;
      expect([requests.length, latest.method, latest.url]).toEqual([1, 'POST', path]);
      expect(latest.headers[header]).toBe(secret);
      const body = within === undefined ? latest.body : within(latest.body);
      // Responses has its instructions in a field of their own.
      const own = protocol === 'openai' && operation === 'responses' ? [...fields, 'instructions'] : fields;
      expect(Object.keys(body).sort()).toEqual([...own].sort());
      expect(JSON.stringify(body)).toContain(TEXT);
      expect(JSON.stringify(body)).toContain('Be brief.');
      expect(JSON.stringify(body)).not.toContain('77');
      await until(() => isOver(open));
    });
  });

  it("is Bedrock's for an inference profile whose model is named, signed by the deployment's own keys", async () => {
    const provider = await counter('bedrock');
    const arn = 'arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc';
    const keys = { api_key: undefined, aws_access_key_id: 'AKIDOWN', aws_secret_access_key: 'own', aws_region_name: 'us-east-1' };
    const params = { ...keys, base_model: 'us.anthropic.claude-sonnet-4-5-20250929-v1:0' };
    const { client } = clientOf({ modelList: [at(provider, `bedrock/${arn}`, params)] });
    expect(await client.countTokensExact(CHAT)).toMatchObject({ promptTokens: 42, source: 'provider' });
    expect(provider.latest.path).toBe('/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/count-tokens');
    expect(provider.latest.headers.authorization).toMatch(/^AWS4-HMAC-SHA256 Credential=AKIDOWN\/\d{8}\/us-east-1\/bedrock\//);
  });

  it('passes the history, the thinking and the betas of a client of Messages', async () => {
    const provider = await counter('anthropic');
    const { client } = clientOf({ modelList: [provider.deployment('m')] });
    const messages = [
      ...MESSAGES.messages,
      { role: 'assistant', content: 'Yes.' },
      { role: 'user', content: [{ type: 'text', text: 'Why?' }] },
    ];
    const thinking = { type: 'enabled', budget_tokens: 2000 };
    const request = {
      headers: { 'anthropic-beta': 'some-beta-2026-01-01', 'anthropic-version': '2024-01-01', 'x-api-key': 'sk-of-client' },
    };
    await client.countTokensExact({ ...MESSAGES, messages, thinking, metadata: { user_id: 'u' } }, { request });
    const { body, headers } = provider.latest;
    expect(body).toEqual({ model: 'claude-sonnet-4-5', system: 'Be brief.', messages, tools: MESSAGES.tools, thinking });
    expect([headers['anthropic-beta'], headers['anthropic-version']]).toEqual(['some-beta-2026-01-01', '2024-01-01']);
    expect(headers['x-api-key']).toBe('sk-ant-local');
  });

  it("is that of an app's own protocol", async () => {
    const asked: unknown[] = [];
    const base = await scripted((request, response) => {
      asked.push(request.url);
      response.setHeader('content-type', 'application/json').end('{"size":9}');
    });
    const remove = provideProtocol('acme', {
      keyOptional: true,
      protocol: {
        name: 'acme',
        call: () => undefined,
        count: (operation, { body }) => (operation === 'chat' ? { path: '/count', body: JSON.stringify(body), field: 'size' } : undefined),
        errorIn: () => ({}),
        hasError: () => false,
      },
    });
    const { client } = clientOf({ modelList: [{ model_name: 'm', litellm_params: { model: 'acme/large', api_base: base } }] });
    expect(await client.countTokensExact(MESSAGES)).toMatchObject({ promptTokens: 9, source: 'provider' });
    expect(asked).toEqual(['/v1/count']);
    remove();
  });

  it.each<[string, Fields]>([
    ['deepseek/deepseek-chat', {}],
    ['azure/gpt-4o', {}],
    ['bedrock/amazon.nova-pro-v1:0', {}],
    ['vertex_ai/claude-sonnet-4-5', { vertex_project: 'p', vertex_location: 'global' }],
    ['vertex_ai/mistral-medium-3', { vertex_project: 'p' }],
    ['openai/gpt-4o', { use_chat_completions_api: true }],
  ])('is not asked for %s %j, whose provider has none', async (model, params) => {
    const provider = await counter('openai');
    const { client } = clientOf({ modelList: [at(provider, model, params)] });
    expect(await client.countTokensExact({ model: 'm', messages: HELLO })).toMatchObject({ source: 'local', reason: 'unsupported' });
    expect(provider.requests).toEqual([]);
  });
});

describe('the deployments of a model group', () => {
  it('are asked in their order: those that can count, with their own keys, those in cooldown last', async () => {
    const [first, second, third] = [await counter('openai'), await counter('anthropic'), await counter('gemini')];
    const open = clientOf({
      modelList: [
        first.deployment('m', { model: 'deepseek/deepseek-chat', order: 1 }),
        third.deployment('m', { order: 3 }),
        second.deployment('m', { order: 2, api_key: 'sk-of-second' }),
      ],
    });
    const asked = (text: string) => open.client.countTokensExact({ model: 'm', messages: [{ role: 'user', content: text }] });
    expect(await asked('one')).toMatchObject({ source: 'provider', deploymentId: `${second.name}/m` });
    const pick = open.router.acquire('m', { excludeIds: [`${first.name}/m`] });
    open.router.failed(pick, { status: 401 });
    expect(await asked('two')).toMatchObject({ source: 'provider', deploymentId: `${third.name}/m` });
    expect([first, second, third].map(({ requests }) => requests.length)).toEqual([0, 1, 1]);
    expect(second.latest.headers['x-api-key']).toBe('sk-of-second');
    expect(JSON.stringify(third.latest.headers)).not.toContain('sk-of-second');
  });

  it('are those that the tags of the request allow', async () => {
    const [red, blue] = [await counter('anthropic'), await counter('anthropic')];
    const { client } = clientOf({
      modelList: [red.deployment('m', { tags: ['red'] }), blue.deployment('m', { tags: ['blue'] })],
      enableTagFiltering: true,
    });
    await client.countTokensExact({ model: 'm', messages: HELLO, metadata: { tags: ['blue'] } });
    await client.countTokensExact({ model: 'm', messages: [...HELLO, ...HELLO] }, { routing: { tags: ['blue'] } });
    expect([red.requests.length, blue.requests.length]).toEqual([0, 2]);
  });

  it('count for a pattern by the model that it stands for', async () => {
    const provider = await counter('anthropic');
    const { client } = clientOf({ modelList: [provider.deployment('anthropic/*', { model: 'anthropic/*' })] });
    expect(await client.countTokensExact({ model: 'anthropic/claude-opus-5', messages: HELLO })).toMatchObject({ source: 'provider' });
    expect(provider.latest.model).toBe('claude-opus-5');
  });

  it('are none for an unknown model: it is counted locally', async () => {
    const provider = await counter('openai');
    const { client } = clientOf({ modelList: [provider.deployment('m')] });
    const count = await client.countTokensExact({ model: 'gpt-4o', messages: HELLO });
    expect(count).toEqual({ promptTokens: 8, source: 'local', approximate: false, reason: 'no_deployment' });
    expect(provider.requests).toEqual([]);
  });

  it.each([
    ['the next one counts', 500, 'provider'],
    ['none of them counts a request that is refused', 400, 'local'],
  ])('fail: %s', async (_, status, source) => {
    const [broken, well] = [await testProvider('anthropic', { script: { status } }), await counter('anthropic')];
    const { client } = clientOf({ modelList: [broken.deployment('m', { order: 1 }), well.deployment('m', { order: 2 })] });
    expect(await client.countTokensExact({ model: 'm', messages: HELLO })).toMatchObject({ source });
    expect([broken.requests.length, well.requests.length]).toEqual([1, source === 'provider' ? 1 : 0]);
  });
});

describe('a local count', () => {
  const answers: readonly (readonly [string, ScriptedAnswer, string])[] = [
    ['a text in place of the count', { body: { input_tokens: '42' } }, 'malformed'],
    ['a negative count', { body: { input_tokens: -1 } }, 'malformed'],
    ['a count of 0', { body: { input_tokens: 0 } }, 'malformed'],
    ['a fraction', { body: { input_tokens: 1.5 } }, 'malformed'],
    ['1e300', { body: '{"input_tokens":1e300}' }, 'malformed'],
    ['1e999', { body: '{"input_tokens":1e999}' }, 'malformed'],
    ['no count', { body: {} }, 'malformed'],
    ['a list', { body: '[42]' }, 'malformed'],
    ['null', { body: 'null' }, 'malformed'],
    ['half an answer', { body: '{"input_tokens":4' }, 'malformed'],
    ['an empty answer', { body: '' }, 'malformed'],
    ['a page', { fault: 'garbage' }, 'malformed'],
    ['an error with status 200', { fault: 'error_in_200' }, 'malformed'],
    ['a huge body', { body: `{"input_tokens":42,"padding":"${'x'.repeat(1_000_000)}"}` }, 'malformed'],
    ['no HTTP', { fault: 'not_http' }, 'malformed'],
    ['a reset', { fault: 'reset' }, 'connection'],
    ['a cut', { fault: 'cut' }, 'connection'],
    ['nothing', { fault: 'hang' }, 'timeout'],
    ['the half of an answer, and then nothing', { body: '{"input_tokens":42}', fault: 'hang_in_stream' }, 'timeout'],
    ['500', { status: 500 }, 'server'],
    ['529', { status: 529 }, 'server'],
    ['401', { status: 401 }, 'authentication'],
    ['400', { status: 400 }, 'bad_request'],
    ['404', { status: 404 }, 'unsupported'],
    ['429', { status: 429, retryAfter: 60 }, 'rate_limit'],
  ];

  it.each(answers)('takes the place of %s, and calls are not affected', async (_, script, reason) => {
    const provider = await testProvider('anthropic', { script: ({ path }) => (path.endsWith('count_tokens') ? script : 'Hello.') });
    const timeoutMs = reason === 'timeout' ? 150 : 10_000;
    const open = clientOf({ modelList: [provider.deployment('claude')] }, { exactCounts: { timeoutMs } });
    const body = { model: 'claude', messages: [{ role: 'user', content: TEXT }] };
    const count = await open.client.countTokensExact(body);
    expect(count).toEqual({ promptTokens: expect.any(Number), bound: expect.any(Number), source: 'local', approximate: true, reason });
    expect(count.promptTokens).toBeGreaterThan(10);
    expect([figure(open, 'total', 'local'), figure(open, 'local_total', reason)]).toEqual([1, 1]);
    expect(open.router.status()).toMatchObject([{ state: 'available', failures: 0, requests: 0, tokens: 0 }]);
    expect((await open.client.chat(body)).json().choices[0].message.content).toBe('Hello.');
    await until(() => isOver(open));
  });

  it('is made without asking again while the provider rests', async () => {
    const provider = await testProvider('anthropic', { script: { status: 429, retryAfter: 60 } });
    const { client } = clientOf({ modelList: [provider.deployment('a'), provider.deployment('b')] });
    for (const model of ['a', 'b', 'a']) {
      expect(await client.countTokensExact({ model, messages: HELLO })).toMatchObject({ source: 'local', reason: 'rate_limit' });
    }
    expect(provider.requests).toHaveLength(1);
  });

  it('is made above the requests per minute of an account', async () => {
    const provider = await counter('anthropic');
    const options = { exactCounts: { requestsPerMinute: 3 } };
    const { client } = clientOf(
      { modelList: [provider.deployment('a'), provider.deployment('b'), provider.deployment('c', { api_key: 'k' })] },
      options,
    );
    const reasons = [];
    for (const [at, model] of ['a', 'b', 'a', 'b', 'a', 'c'].entries()) {
      const messages = [{ role: 'user', content: `question ${at}` }];
      reasons.push((await client.countTokensExact({ model, messages })).reason);
    }
    expect(reasons).toEqual([undefined, undefined, undefined, 'limited', 'limited', undefined]);
    expect(provider.requests).toHaveLength(4);
  });

  it('follows no redirection: the key stays at its host', async () => {
    const other = await counter('anthropic');
    const base = await scripted((_, response) => void response.writeHead(307, { location: `${other.url}/v1/messages/count_tokens` }).end());
    const { client } = clientOf({
      modelList: [{ model_name: 'm', litellm_params: { model: 'anthropic/claude-sonnet-4-5', api_base: base, api_key: 'k' } }],
    });
    expect(await client.countTokensExact({ model: 'm', messages: HELLO })).toMatchObject({ source: 'local', reason: 'malformed' });
    expect(other.requests).toEqual([]);
  });

  it('is made where a hook may change or deny the request: it must not leave the process before', async () => {
    const provider = await counter('anthropic');
    const { client } = clientOf({ modelList: [provider.deployment('m')] });
    const remove = client.addHook({ onRequest: () => ({ deny: { message: 'no' } }) });
    expect(await client.countTokensExact({ model: 'm', messages: HELLO })).toMatchObject({ source: 'local', reason: 'hooks' });
    expect(provider.requests).toEqual([]);
    remove();
    client.addHook({ onEnd: () => {} });
    expect(await client.countTokensExact({ model: 'm', messages: HELLO })).toMatchObject({ source: 'provider' });
  });
});

describe('counts of equal requests', () => {
  it('are kept, by request and model', async () => {
    const provider = await testProvider('anthropic', { script: (_, index) => ({ usage: { promptTokens: 100 + index } }) });
    const open = clientOf({
      modelList: [provider.deployment('m'), provider.deployment('n', { model: 'anthropic/claude-opus-4-5' })],
    });
    const asked = async (body: Fields = {}) => {
      const { promptTokens, source } = await open.client.countTokensExact({ model: 'm', messages: HELLO, ...body });
      return [promptTokens, source];
    };
    expect(await asked()).toEqual([100, 'provider']);
    expect(await asked({ max_tokens: 9, temperature: 1, stream: true })).toEqual([100, 'cache']);
    expect(await asked({ messages: [{ role: 'user', content: 'Hello!' }] })).toEqual([101, 'provider']);
    expect(await asked({ model: 'n' })).toEqual([102, 'provider']);
    expect(await asked({ tools: [TOOL] })).toEqual([103, 'provider']);
    expect(await asked({ model: 'n' })).toEqual([102, 'cache']);
    expect([figure(open, 'total', 'provider'), figure(open, 'total', 'cache')]).toEqual([4, 2]);
    expect(inspect(open.client, { depth: 8 })).not.toContain('Hello!');
  });

  it('are kept by the address and the model in the path, too', async () => {
    const script = (_: ReceivedRequest, index: number): ScriptedAnswer => ({ usage: { promptTokens: 100 + index } });
    const [one, two] = [await testProvider('gemini', { script }), await testProvider('gemini', { script: { usage: { promptTokens: 7 } } })];
    const of = (name: string, { url }: TestProvider, model: string): ModelListEntry => ({
      model_name: name,
      litellm_params: { model, api_base: url, api_key: 'k', vertex_project: 'p' },
    });
    const { client } = clientOf({
      modelList: [
        of('a', one, 'vertex_ai/gemini-2.5-flash'),
        of('b', one, 'vertex_ai/gemini-3-pro'),
        of('c', two, 'vertex_ai/gemini-3-pro'),
      ],
    });
    const counts = [];
    for (const model of ['a', 'b', 'c', 'b']) counts.push((await client.countTokensExact({ model, messages: HELLO })).promptTokens);
    expect(counts).toEqual([100, 101, 7, 101]);
    expect(Object.keys(one.requests[0].body)).toEqual(Object.keys(one.requests[1].body));
  });

  it('are asked again with a time of 0', async () => {
    const provider = await counter('anthropic');
    const { client } = clientOf({ modelList: [provider.deployment('m')] }, { exactCounts: { cacheTtlMs: 0 } });
    for (let i = 0; i < 2; i++)
      expect(await client.countTokensExact({ model: 'm', messages: HELLO })).toMatchObject({ source: 'provider' });
    expect(provider.requests).toHaveLength(2);
  });

  it('share one request in flight, which goes on when one caller leaves', async () => {
    const waiting: ServerResponse[] = [];
    const provider = await testProvider('anthropic', { script: { respond: (response) => void waiting.push(response) } });
    const open = clientOf({ modelList: [provider.deployment('m')] });
    const leaving = new AbortController();
    const left = open.client.countTokensExact({ model: 'm', messages: HELLO }, { signal: leaving.signal });
    const others = [1, 2].map(() => open.client.countTokensExact({ model: 'm', messages: HELLO }));
    await until(() => waiting.length === 1);
    leaving.abort(new Error('the user has left'));
    await expect(left).rejects.toMatchObject({ code: 'REQUEST_CANCELLED' });
    waiting[0].setHeader('content-type', 'application/json').end('{"input_tokens":5}');
    expect(await Promise.all(others)).toMatchObject([{ promptTokens: 5 }, { promptTokens: 5 }]);
    expect(provider.requests).toHaveLength(1);
    await until(() => isOver(open));
  });
});

describe('requests in flight', () => {
  it('are bounded: further ones wait, at most for the time limit', async () => {
    const waiting: ServerResponse[] = [];
    let most = 0;
    const provider = await testProvider('anthropic', {
      script: {
        respond: (response) => {
          most = Math.max(most, waiting.push(response));
        },
      },
    });
    const { client } = clientOf({ modelList: [provider.deployment('m')] }, { exactCounts: { maxConcurrent: 2 } });
    const counts = Array.from({ length: 6 }, (_, at) =>
      client.countTokensExact({ model: 'm', messages: [{ role: 'user', content: `${at}` }] }),
    );
    for (let answered = 0; answered < 6; answered++) {
      await until(() => waiting.length > 0);
      waiting.shift()?.setHeader('content-type', 'application/json').end('{"input_tokens":5}');
    }
    expect(await Promise.all(counts)).toMatchObject(Array(6).fill({ source: 'provider', promptTokens: 5 }));
    expect(most).toBeLessThanOrEqual(2);
  });

  it('keep the limit of a minute, those too that wait', async () => {
    const provider = await counter('anthropic');
    const { client } = clientOf({ modelList: [provider.deployment('m')] }, { exactCounts: { maxConcurrent: 1, requestsPerMinute: 2 } });
    const counts = ['a', 'b', 'c'].map((content) => client.countTokensExact({ model: 'm', messages: [{ role: 'user', content }] }));
    expect((await Promise.all(counts)).map(({ reason }) => reason)).toEqual([undefined, undefined, 'limited']);
    expect(provider.requests).toHaveLength(2);
  });

  it('are limited where no place gets free in time', async () => {
    const provider = await testProvider('anthropic', { script: { fault: 'hang' } });
    const { client } = clientOf({ modelList: [provider.deployment('m')] }, { exactCounts: { maxConcurrent: 1, timeoutMs: 100 } });
    const counts = ['a', 'b'].map((content) => client.countTokensExact({ model: 'm', messages: [{ role: 'user', content }] }));
    const reasons = (await Promise.all(counts)).map(({ reason }) => reason);
    expect(reasons[0]).toBe('timeout');
    expect(['limited', 'timeout']).toContain(reasons[1]);
    expect(provider.requests.length).toBeLessThanOrEqual(1);
  });
});

describe('countTokensExact', () => {
  it.each<[unknown, string]>([
    [null, 'body'],
    [[], 'body'],
    [{ messages: HELLO }, 'model'],
    [{ model: 'm' }, 'messages'],
    [{ model: 'm', messages: 'Hello' }, 'messages'],
    [{ model: 'm', input: 7 }, 'input'],
  ])('refuses %j', async (body, path) => {
    const { client } = clientOf({ modelList: [] });
    await expect(client.countTokensExact(body as never)).rejects.toMatchObject({ name: 'InvalidArgumentError', path });
  });

  it('refuses a model that the caller may not call, and a signal that is aborted', async () => {
    const provider = await counter('anthropic');
    const { client } = clientOf({ modelList: [provider.deployment('m')] });
    await expect(client.countTokensExact({ model: 'm', messages: HELLO }, { mayCall: () => false })).rejects.toMatchObject({
      code: 'MODEL_NOT_ALLOWED',
    });
    const signal = AbortSignal.abort(new Error('left'));
    await expect(client.countTokensExact({ model: 'm', messages: HELLO }, { signal })).rejects.toMatchObject({ code: 'REQUEST_CANCELLED' });
  });

  it('counts large requests', async () => {
    const provider = await counter('anthropic');
    const { client } = clientOf({ modelList: [provider.deployment('m')] });
    const content = TEXT.repeat(20_000);
    expect(await client.countTokensExact({ model: 'm', messages: [{ role: 'user', content }] })).toMatchObject({ source: 'provider' });
    expect(provider.latest.prompt).toBe(content);
  });

  it('teaches the estimates of the model', async () => {
    const provider = await testProvider('anthropic', {
      script: ({ body }: ReceivedRequest) => ({ body: { input_tokens: JSON.stringify(body).length } }),
    });
    const llm = clientOf({ modelList: [provider.deployment('claude-x')] });
    const body = (at: number) => ({ model: 'claude-x', messages: [{ role: 'user', content: `${TEXT} `.repeat(20) + at }] });
    const before = await llm.client.countTokensExact({ ...body(0), model: 'claude-unknown' });
    const exact = await llm.client.countTokensExact(body(1));
    for (let at = 2; at < 30; at++) await llm.client.countTokensExact(body(at));
    provider.use({ status: 400 });
    const after = await llm.client.countTokensExact(body(100));
    expect([before.source, exact.source, after.source]).toEqual(['local', 'provider', 'local']);
    expect(before.promptTokens).toBeLessThan(exact.promptTokens / 2);
    expect(Math.abs(after.promptTokens - exact.promptTokens)).toBeLessThan(exact.promptTokens * 0.05);
  });
});
