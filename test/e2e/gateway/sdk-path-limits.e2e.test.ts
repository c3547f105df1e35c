import Anthropic, { APIError as AnthropicError } from '@anthropic-ai/sdk';
import { ApiError as GoogleError, GoogleGenAI } from '@google/genai';
import { ApiKeyService, FastLiteLLMGatewayModule, FastLiteLLMKeysModule } from 'nestjs-fast-litellm';
import { text as textOf } from 'node:stream/consumers';
import OpenAI, { AzureOpenAI } from 'openai';
import { ADAPTERS, GatewayApp, type AdapterName } from '../../support/gateway-app.js';
import { isComplete } from '../../support/long.js';
import { scripted, stopProviders } from '../../support/llm-client-providers.js';
import { MemoryKeyStore } from '../../support/memory-key-store.js';
import { sendChat, sendJson } from '../../support/responses-gateway.js';

type Json = Record<string, unknown>;
const messages = [{ role: 'user' as const, content: 'Hello' }];
const contents = 'Hello';
/** Of a few requests. */
const BUDGET_USD = 0.005;
const PRICES = { input_cost_per_token: 0.000_02, output_cost_per_token: 0.000_1 };

/** One call with an official client, at an address and with a key. */
type Call = (url: string, apiKey: string) => Promise<unknown>;

const openai = (url: string, apiKey: string, path: string): OpenAI => new OpenAI({ baseURL: url + path, apiKey, maxRetries: 0 });
const azure = (endpoint: string, apiKey: string): AzureOpenAI =>
  new AzureOpenAI({ endpoint, apiKey, apiVersion: '2024-10-21', maxRetries: 0 });
const google = (baseUrl: string, apiKey: string): GoogleGenAI['models'] => new GoogleGenAI({ apiKey, httpOptions: { baseUrl } }).models;
const chat = { model: 'chat', messages, max_tokens: 5 };

async function streamed(stream: Promise<AsyncIterable<unknown>>): Promise<void> {
  for await (const event of await stream) void event;
}

const CALLS: Readonly<Record<string, Call>> = {
  'AzureOpenAI, chat': (url, key) => azure(url, key).chat.completions.create(chat),
  'AzureOpenAI, a stream': (url, key) => streamed(azure(url, key).chat.completions.create({ ...chat, stream: true })),
  'AzureOpenAI, embeddings': (url, key) => azure(url, key).embeddings.create({ model: 'embedder', input: 'a', encoding_format: 'float' }),
  'OpenAI at /openai/v1': (url, key) => openai(url, key, '/openai/v1').chat.completions.create(chat),
  'OpenAI at /engines': (url, key) => openai(url, key, '/engines/chat').chat.completions.create(chat),
  'OpenAI, responses': (url, key) => openai(url, key, '/openai/v1').responses.create({ model: 'chat', input: 'a', max_output_tokens: 16 }),
  'Anthropic at /anthropic': (url, apiKey) =>
    new Anthropic({ baseURL: `${url}/anthropic`, apiKey, maxRetries: 0 }).messages.create({ model: 'chat', max_tokens: 5, messages }),
  'GoogleGenAI, generateContent': (url, key) =>
    google(url, key).generateContent({ model: 'chat', contents, config: { maxOutputTokens: 5 } }),
  'GoogleGenAI, streamGenerateContent': (url, key) =>
    streamed(google(url, key).generateContentStream({ model: 'chat', contents, config: { maxOutputTokens: 5 } })),
  'GoogleGenAI, embedContent': (url, key) => google(url, key).embedContent({ model: 'embedder', contents: 'a' }),
};

/** Of one answer: the provider reports 30 tokens for an embedding, else 10 or 11 and 5. */
const costOf = (name: string): number => (/embed/.test(name) ? 0.0006 : name.endsWith('responses') ? 0.0007 : 0.00072);

const statusOf = (error: unknown): unknown => (error as { status?: unknown }).status;
const outcome = (call: Promise<unknown>): Promise<unknown> => call.then(() => 200, statusOf);

// `serve` runs on Fastify.
describe.each(isComplete ? (Object.keys(ADAPTERS) as AdapterName[]) : (['Fastify'] as const))(
  'limits of keys on the paths of other SDKs, on %s',
  (adapter) => {
    let gateway: GatewayApp;
    let apiKeys: ApiKeyService;
    let sent = 0;

    beforeAll(async () => {
      const api_base = await scripted((request, response) => {
        void textOf(request).then((text) => {
          sent++;
          const body = JSON.parse(text) as Json;
          const { url = '' } = request;
          if (url.endsWith('/embeddings'))
            sendJson(response, {
              object: 'list',
              data: [{ object: 'embedding', index: 0, embedding: [0.5] }],
              usage: { prompt_tokens: 30, total_tokens: 30 },
            });
          else if (url.endsWith('/responses'))
            sendJson(response, {
              id: 'resp_68af0123456789abcdef0123',
              object: 'response',
              status: 'completed',
              model: 'gpt-4o',
              output: [],
              usage: { input_tokens: 10, output_tokens: 5, total_tokens: 15 },
            });
          else sendChat(response, body, { content: 'Hi there' });
        });
      });
      const deployment = (model_name: string, model: string): object => ({
        model_name,
        litellm_params: { model, api_base, api_key: 'sk-upstream', ...PRICES },
      });
      const modelList = [deployment('chat', 'openai/gpt-4o'), deployment('embedder', 'openai/text-embedding-3-small')];
      gateway = await GatewayApp.start(adapter, FastLiteLLMGatewayModule.forRoot({ sdkPaths: true, rateLimit: { default: false } }), {
        module: { router: { modelList: modelList as never, numRetries: 0 } },
        imports: [FastLiteLLMKeysModule.forRoot({ store: new MemoryKeyStore(), masterKey: 'sk-master-0123456789abcdef' })],
      });
      apiKeys = gateway.app.get(ApiKeyService, { strict: false });
    });
    afterAll(async () => {
      await gateway.stop();
      await stopProviders();
    });
    beforeEach(() => void (sent = 0));

    describe.each(Object.entries(CALLS))('%s', (name, call) => {
      it('counts under the requests of a key', async () => {
        const { key } = await apiKeys.create({ limits: { requestsPerMinute: 2 } });
        const statuses = [];
        for (let at = 0; at < 3; at++) statuses.push(await outcome(call(gateway.url, key)));
        expect([statuses, sent]).toEqual([[200, 200, 429], 2]);
      });

      it('is paid from the budget of a key, and denied once it is spent', async () => {
        const { key, record } = await apiKeys.create({ limits: { usdPerDay: BUDGET_USD } });
        let last: unknown = 200;
        for (let at = 0; last === 200 && at < 20; at++) last = await outcome(call(gateway.url, key));
        expect(last).toBe(429);
        expect(sent).toBeGreaterThan(1);
        expect((await apiKeys.spendingOf(record))?.spentUsd).toBeCloseTo(sent * costOf(name), 9);
      });

      it('is denied for a model that its key may not call, and for a wrong key', async () => {
        const { key } = await apiKeys.create({ models: ['others'] });
        expect([await outcome(call(gateway.url, key)), await outcome(call(gateway.url, `${key.slice(0, -4)}aaaa`))]).toEqual([403, 401]);
        expect(sent).toBe(0);
      });
    });

    it('reports denials as each SDK reads them', async () => {
      const { key } = await apiKeys.create({ limits: { requestsPerMinute: 0 } });
      const errorOf = (call: Call): Promise<unknown> =>
        call(gateway.url, key).then(
          () => undefined,
          (error: unknown) => error,
        );
      const azureError = await errorOf(CALLS['AzureOpenAI, chat']);
      expect(azureError).toBeInstanceOf(OpenAI.RateLimitError);
      const anthropicError = await errorOf(CALLS['Anthropic at /anthropic']);
      expect(anthropicError).toBeInstanceOf(AnthropicError);
      expect(anthropicError).toMatchObject({ status: 429, error: { type: 'error', error: { type: 'rate_limit_error' } } });
      const googleError = await errorOf(CALLS['GoogleGenAI, generateContent']);
      expect(googleError).toBeInstanceOf(GoogleError);
      expect(JSON.parse((googleError as GoogleError).message)).toMatchObject({ error: { code: 429, status: 'RESOURCE_EXHAUSTED' } });
    });

    it('counts tokens for Google without charging for it', async () => {
      const { key, record } = await apiKeys.create({ limits: { usdPerDay: BUDGET_USD, tokensPerMinute: 100 } });
      for (let at = 0; at < 30; at++) await google(gateway.url, key).countTokens({ model: 'chat', contents: 'The quick brown fox' });
      expect((await apiKeys.spendingOf(record))?.spentUsd).toBe(0);
      expect(sent).toBe(0);
    });
  },
);
