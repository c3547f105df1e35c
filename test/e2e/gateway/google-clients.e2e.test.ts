import { GoogleGenAI, Type, type Content, type GenerateContentResponse } from '@google/genai';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { text as textOf } from 'node:stream/consumers';
import { LocalProvider } from '../../support/local-provider/local-provider.js';
import { ADAPTERS, GatewayApp, type AdapterName } from '../../support/gateway-app.js';
import { deploymentOf, scripted, stopProviders } from '../../support/llm-client-providers.js';
import { oneOrAll } from '../../support/long.js';
import { sendChat, sendEvents, sendJson } from '../../support/responses-gateway.js';

/** A model of each provider protocol. */
const MODELS = {
  gpt: 'openai/gpt-4o',
  'team/claude': 'anthropic/claude-sonnet-4-5',
  gemini: 'gemini/gemini-2.5-flash',
  'nova:0': 'bedrock/amazon.nova-lite-v1:0',
} as const;
const NAMES = Object.keys(MODELS);
const REPLY = 'one: the quick brown fox jumps over a lazy dog while rain';
const contents = 'Hello';
const weather = {
  name: 'weather',
  description: 'The weather',
  parameters: { type: Type.OBJECT, properties: { city: { type: Type.STRING, nullable: true } }, required: ['city'] },
};

type Json = Record<string, unknown>;
interface Received {
  readonly url: string;
  readonly body: Json;
  readonly headers: IncomingMessage['headers'];
}

describe.each(oneOrAll(Object.keys(ADAPTERS) as AdapterName[]))('the SDK of Google with the gateway on %s', (adapter) => {
  let upstream: LocalProvider;
  let gateway: GatewayApp;
  let google: GoogleGenAI;
  let answer: (response: ServerResponse, body: Json, url: string) => void;
  let received: Received[] = [];
  beforeAll(async () => {
    upstream = await LocalProvider.start('one');
    const base = await scripted((request, response) => {
      void textOf(request).then((sent) => {
        const body = JSON.parse(sent === '' ? '{}' : sent) as Json;
        received.push({ url: request.url ?? '', body, headers: request.headers });
        answer(response, body, request.url ?? '');
      });
    });
    const modelList = Object.entries(MODELS).map(([model_name, model]) => ({
      model_name,
      litellm_params: { model, api_base: upstream.apiBase, api_key: 'sk-local' },
    }));
    const own = [
      deploymentOf('scripted', { name: 'chat', apiBase: base }),
      deploymentOf('native', { name: 'native', apiBase: base }, { model: 'gemini/gemini-3-pro-preview', api_key: 'gemini-key' }),
      deploymentOf('embedder', { name: 'embedder', apiBase: base }, { model: 'openai/text-embedding-3-small' }),
      deploymentOf('capped', { name: 'capped', apiBase: base }, { model: 'gemini/gemini-2.5-flash', max_tokens: 7 }),
    ];
    gateway = await GatewayApp.start(
      adapter,
      { sdkPaths: true },
      { module: { router: { modelList: [...modelList, ...own], numRetries: 0 }, rateLimit: { requestsPerMinute: 100_000 } } },
    );
    google = new GoogleGenAI({ apiKey: 'any', httpOptions: { baseUrl: gateway.url } });
  });
  beforeEach(() => {
    received = [];
  });
  afterAll(async () => {
    await gateway.stop();
    await upstream.stop();
    await stopProviders();
  });

  const streamed = async (stream: Promise<AsyncGenerator<GenerateContentResponse>>): Promise<GenerateContentResponse[]> => {
    const events: GenerateContentResponse[] = [];
    for await (const event of await stream) events.push(event);
    return events;
  };
  const usage = { promptTokenCount: expect.any(Number) as number, totalTokenCount: expect.any(Number) as number };

  it.each(NAMES)('generates contents with %s, whole and streamed', async (model) => {
    const whole = await google.models.generateContent({ model, contents });
    expect(whole.text).toBe(REPLY);
    expect(whole.usageMetadata).toMatchObject(usage);
    const events = await streamed(google.models.generateContentStream({ model, contents }));
    expect(events.map(({ text }) => text ?? '').join('')).toBe(REPLY);
    expect(events.at(-1)).toMatchObject({ candidates: [{ finishReason: 'STOP' }], usageMetadata: usage });
  });

  it.each(NAMES)('lets %s call functions, and returns their results', async (model) => {
    const config = { tools: [{ functionDeclarations: [weather] }] };
    const whole = await google.models.generateContent({ model, contents, config });
    expect(whole.functionCalls).toMatchObject([{ name: 'weather', args: { city: 'Oslo' } }]);
    const events = await streamed(google.models.generateContentStream({ model, contents, config }));
    expect(events.flatMap(({ functionCalls = [] }) => functionCalls)).toMatchObject([{ name: 'weather', args: { city: 'Oslo' } }]);
    const [call] = whole.functionCalls ?? [];
    const history: Content[] = [
      { role: 'user', parts: [{ text: 'Hello' }] },
      whole.candidates?.[0].content as Content,
      { role: 'user', parts: [{ functionResponse: { id: call.id, name: 'weather', response: { output: 'rain' } } }] },
    ];
    const after = await google.models.generateContent({ model, contents: history });
    // The local providers of Claude and Nova call it again.
    expect(after.candidates?.[0].finishReason).toBe('STOP');
  });

  it.each(NAMES)('counts tokens for %s', async (model) => {
    const { totalTokens } = await google.models.countTokens({ model, contents: 'The quick brown fox' });
    expect(totalTokens).toBeGreaterThan(3);
  });

  it('sends the request of a client to Gemini unchanged, and returns its answer unchanged', async () => {
    const candidate = {
      content: {
        role: 'model',
        parts: [{ text: 'Hi', thoughtSignature: 'c2ln' }, { inlineData: { mimeType: 'image/png', data: 'AAAA' } }],
      },
      finishReason: 'STOP',
      safetyRatings: [{ category: 'HARM_CATEGORY_HARASSMENT', probability: 'LOW' }],
    };
    const given = {
      candidates: [candidate],
      usageMetadata: { promptTokenCount: 1000, candidatesTokenCount: 100, totalTokenCount: 1100 },
      extra: 1.0,
    };
    answer = (response) => sendJson(response, given);
    const body = {
      contents: [{ role: 'user', parts: [{ text: 'Hello' }, { inlineData: { mimeType: 'audio/wav', data: 'AAAA' } }] }],
      systemInstruction: { parts: [{ text: 'Be short' }] },
      tools: [{ googleSearch: {} }, { codeExecution: {} }],
      generationConfig: { thinkingConfig: { thinkingLevel: 'LOW' }, maxOutputTokens: 50 },
      safetySettings: [{ category: 'HARM_CATEGORY_HARASSMENT', threshold: 'BLOCK_NONE' }],
    };
    const { status, text, headers } = await gateway.post('/v1beta/models/native:generateContent', body);
    expect([status, JSON.parse(text)]).toEqual([200, given]);
    expect(received[0]).toMatchObject({
      url: '/v1/models/gemini-3-pro-preview:generateContent',
      headers: { 'x-goog-api-key': 'gemini-key' },
    });
    expect(received[0].body).toEqual(body);
    // 1,000 tokens of the prompt and 100 of the answer have a price.
    expect(Number(headers['x-litellm-response-cost'])).toBeGreaterThan(0);
  });

  it('applies the limit of a deployment to a request that has none', async () => {
    answer = (response) => sendJson(response, { candidates: [{ content: { parts: [{ text: 'a' }] }, finishReason: 'STOP' }] });
    await gateway.post('/v1beta/models/capped:generateContent', {
      contents: [{ parts: [{ text: 'a' }] }],
      generationConfig: { topP: 0.5 },
    });
    expect(received[0].body).toEqual({ contents: [{ parts: [{ text: 'a' }] }], generationConfig: { maxOutputTokens: 7, topP: 0.5 } });
  });

  it('streams as events, and as a JSON array without alt=sse', async () => {
    const event = (text: string, more: object = {}) => ({ candidates: [{ content: { parts: [{ text }], role: 'model' }, ...more }] });
    answer = (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const each of [event('a'), event('b', { finishReason: 'STOP' })]) response.write(`data: ${JSON.stringify(each)}\r\n\r\n`);
      response.end();
    };
    const body = { contents: [{ parts: [{ text: 'a' }] }] };
    const array = await gateway.post('/v1beta/models/native:streamGenerateContent', body);
    expect(array.headers['content-type']).toMatch(/^application\/json/);
    expect(JSON.parse(array.text)).toEqual([event('a'), event('b', { finishReason: 'STOP' })]);
    expect(received[0].url).toBe('/v1/models/gemini-3-pro-preview:streamGenerateContent?alt=sse');
    const events = await gateway.post('/models/native:streamGenerateContent?alt=sse', body);
    expect(events.headers['content-type']).toMatch(/^text\/event-stream/);
    expect(events.text.split(/(?:\r?\n){2}/).filter((each) => each !== '')).toHaveLength(2);
    expect(received[1].body).toEqual(body);
  });

  it.each(['native', 'scripted'])('throws when a stream of %s breaks', async (model) => {
    answer = (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const native = { candidates: [{ content: { parts: [{ text: 'a' }] } }] };
      const chat = { choices: [{ index: 0, delta: { content: 'a' }, finish_reason: null }] };
      response.write(`data: ${JSON.stringify(model === 'native' ? native : chat)}\n\n`);
      setImmediate(() => response.end());
    };
    await expect(streamed(google.models.generateContentStream({ model, contents }))).rejects.toThrow(/protocol|finish reason|ended/i);
    const { text } = await gateway.post(`/v1/models/${model}:streamGenerateContent`, { contents: [{ parts: [{ text: 'a' }] }] });
    expect(JSON.parse(text)).toMatchObject([{ candidates: [{}] }, { error: { code: 500, status: 'INTERNAL' } }]);
  });

  it('translates thinking, media, settings and results for models of chat', async () => {
    answer = (response, body) => sendChat(response, body, { content: 'Sunny', reasoning_content: 'Hm' });
    const history: Content[] = [
      { role: 'user', parts: [{ text: 'What is it?' }, { inlineData: { mimeType: 'image/png', data: 'AAAA' } }] },
      { role: 'model', parts: [{ text: 'Let me see', thought: true }, { functionCall: { name: 'weather', args: { city: 'Oslo' } } }] },
      { role: 'user', parts: [{ functionResponse: { name: 'weather', response: { output: 'rain' } } }, { text: 'And now?' }] },
    ];
    const whole = await google.models.generateContent({
      model: 'scripted',
      contents: history,
      config: {
        systemInstruction: 'Be short',
        temperature: 0.5,
        topK: 40,
        maxOutputTokens: 50,
        stopSequences: ['END'],
        thinkingConfig: { thinkingBudget: 2048 },
        responseMimeType: 'application/json',
        responseSchema: { type: Type.OBJECT, properties: { a: { type: Type.INTEGER, nullable: true } } },
        safetySettings: [],
      },
    });
    expect(whole.candidates?.[0].content?.parts).toEqual([{ text: 'Hm', thought: true }, { text: 'Sunny' }]);
    expect(whole.usageMetadata).toEqual({ promptTokenCount: 11, candidatesTokenCount: 5, totalTokenCount: 16, cachedContentTokenCount: 2 });
    expect(received[0].body).toMatchObject({
      model: 'gpt-4o',
      messages: [
        { role: 'system', content: 'Be short' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'What is it?' },
            { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
          ],
        },
        { role: 'assistant', tool_calls: [{ id: 'call_0', function: { name: 'weather', arguments: '{"city":"Oslo"}' } }] },
        { role: 'tool', tool_call_id: 'call_0', content: '{"output":"rain"}' },
        { role: 'user', content: 'And now?' },
      ],
      temperature: 0.5,
      stop: ['END'],
      response_format: {
        json_schema: { schema: { type: 'object', properties: { a: { type: ['integer', 'null'] } }, additionalProperties: false } },
      },
    });
    expect(received[0].body).not.toHaveProperty('top_k');
    const events = await streamed(google.models.generateContentStream({ model: 'scripted', contents }));
    const parts = events.flatMap(({ candidates }) => candidates?.[0].content?.parts ?? []);
    expect(parts).toEqual([{ text: 'Hm', thought: true }, { text: 'Sunny' }, { text: '' }]);
    expect(events.at(-1)?.usageMetadata).toMatchObject({ promptTokenCount: 11, candidatesTokenCount: 5 });
  });

  it('streams parallel calls whole, each once', async () => {
    const calls = ['Oslo', 'Rome'].map((city, at) => ({ id: `call_${at}`, name: 'weather', arguments: JSON.stringify({ city }) }));
    answer = (response, body) => sendChat(response, body, { tool_calls: calls });
    const events = await streamed(google.models.generateContentStream({ model: 'scripted', contents }));
    expect(events).toHaveLength(1);
    expect(events[0].functionCalls).toEqual([
      { id: 'call_0', name: 'weather', args: { city: 'Oslo' } },
      { id: 'call_1', name: 'weather', args: { city: 'Rome' } },
    ]);
  });

  it('reports a filtered answer as SAFETY, and a limit as MAX_TOKENS', async () => {
    for (const [finish, expected] of [
      ['content_filter', 'SAFETY'],
      ['length', 'MAX_TOKENS'],
    ]) {
      answer = (response) => sendJson(response, { choices: [{ index: 0, message: { content: null }, finish_reason: finish }] });
      const { candidates } = await google.models.generateContent({ model: 'scripted', contents });
      expect(candidates?.[0].finishReason).toBe(expected);
    }
  });

  it('embeds contents with models of OpenAI and of Google', async () => {
    answer = (response, { input }) => {
      const data = (input as string[]).map((_, index) => ({ object: 'embedding', index, embedding: [index, 0.5] }));
      sendJson(response, { object: 'list', data, usage: { prompt_tokens: 4, total_tokens: 4 } });
    };
    const { embeddings } = await google.models.embedContent({
      model: 'embedder',
      contents: ['a', 'b'],
      config: { outputDimensionality: 2 },
    });
    expect(embeddings).toEqual([{ values: [0, 0.5] }, { values: [1, 0.5] }]);
    expect(received[0].body).toMatchObject({ model: 'text-embedding-3-small', input: ['a', 'b'], dimensions: 2, encoding_format: 'float' });
    answer = (response) => sendJson(response, { embeddings: [{ values: [1] }] });
    const one = await gateway.post('/v1beta/models/native:embedContent', { content: { parts: [{ text: 'a' }] }, taskType: 'CLUSTERING' });
    expect(JSON.parse(one.text)).toMatchObject({ embedding: { values: [1] } });
    expect(received[1].body).toMatchObject({ requests: [{ content: { parts: [{ text: 'a' }] }, taskType: 'CLUSTERING' }] });
  });

  it('lists models, and describes one', async () => {
    const names: string[] = [];
    for await (const { name } of await google.models.list({ config: { queryBase: true } })) names.push(name ?? '');
    expect(names).toEqual(expect.arrayContaining(NAMES.map((name) => `models/${name}`)));
    expect(await google.models.get({ model: 'team/claude' })).toMatchObject({ name: 'models/team/claude' });
  });

  it.each<[string, object, number, string]>([
    ['/v1beta/models/none:generateContent', { contents: [] }, 404, 'NOT_FOUND'],
    ['/v1beta/models/gpt:generateContent', { contents: [] }, 400, 'INVALID_ARGUMENT'],
    ['/v1beta/models/gpt:generateContent', { contents: [{ role: 'tool', parts: [{ text: 'a' }] }] }, 400, 'INVALID_ARGUMENT'],
    [
      '/v1beta/models/gpt:generateContent',
      { contents: [{ parts: [{ text: 'a' }] }], cachedContent: 'cachedContents/1' },
      400,
      'INVALID_ARGUMENT',
    ],
    [
      '/v1beta/models/gpt:generateContent',
      { contents: [{ parts: [{ text: 'a' }] }], tools: [{ codeExecution: {} }] },
      400,
      'INVALID_ARGUMENT',
    ],
    ['/v1beta/models/gpt:predict', {}, 404, 'NOT_FOUND'],
    ['/v1beta/models/gpt', {}, 404, 'NOT_FOUND'],
    ['/v1beta/cachedContents', {}, 404, 'NOT_FOUND'],
  ])('answers errors in the shape of Google: %s %j', async (path, body, status, name) => {
    const given = await gateway.post(path, body);
    expect([given.status, JSON.parse(given.text)]).toMatchObject([
      status,
      { error: { code: status, status: name, message: expect.any(String) as string } },
    ]);
  });

  it('passes an error of a provider on, whole and in a stream', async () => {
    const error = { code: 429, message: 'Quota exceeded', status: 'RESOURCE_EXHAUSTED' };
    answer = (response) => sendJson(response, { error }, 429);
    await expect(google.models.generateContent({ model: 'native', contents })).rejects.toMatchObject({ status: 429 });
    answer = (response) => sendEvents(response, [{ candidates: [{ content: { parts: [{ text: 'a' }] } }] }, { error }]);
    await expect(streamed(google.models.generateContentStream({ model: 'native', contents }))).rejects.toThrow(/Quota exceeded/);
  });
});
