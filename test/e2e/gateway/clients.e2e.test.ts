import Anthropic from '@anthropic-ai/sdk';
import { createOpenAI } from '@ai-sdk/openai';
import { ChatOpenAI, OpenAIEmbeddings } from '@langchain/openai';
import { generateText, streamText } from 'ai';
import OpenAI from 'openai';
import { FastLiteLLM, type FastLiteLLMOptions } from 'nestjs-fast-litellm';
import { LocalProvider } from '../../support/local-provider/local-provider.js';
import { ADAPTERS, GatewayApp, type AdapterName } from '../../support/gateway-app.js';
import { oneOrAll } from '../../support/long.js';

/** A model of each provider protocol. */
const MODELS = {
  gpt: 'openai/gpt-4o',
  claude: 'anthropic/claude-sonnet-4-5',
  gemini: 'gemini/gemini-2.5-flash',
  nova: 'bedrock/amazon.nova-lite-v1:0',
} as const;
const NAMES = Object.keys(MODELS);
const REPLY = 'one: the quick brown fox jumps over a lazy dog while rain';
const messages = [{ role: 'user' as const, content: 'Hello' }];
const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };

/** Where the clients send: to a gateway, or into this process. */
interface Served {
  readonly url: string;
  readonly fetch?: typeof fetch;
  stop(): Promise<void>;
}

async function serve(way: AdapterName | 'fetch', module: FastLiteLLMOptions): Promise<Served> {
  if (way !== 'fetch') return GatewayApp.start(way, {}, { module });
  const llm = new FastLiteLLM({ ...module, logger: { log: () => {}, warn: () => {}, error: () => {} } });
  return { url: 'http://nowhere.invalid', fetch: llm.fetch({ rateLimit: 'key:1' }), stop: () => llm.close() };
}

describe.each(oneOrAll([...(Object.keys(ADAPTERS) as AdapterName[]), 'fetch'] as const))('clients of the gateway on %s', (way) => {
  let upstream: LocalProvider;
  let gateway: Served;
  let openai: OpenAI;
  let anthropic: Anthropic;
  beforeAll(async () => {
    upstream = await LocalProvider.start('one');
    const modelList = Object.entries(MODELS).map(([model_name, model]) => ({
      model_name,
      litellm_params: { model, api_base: upstream.apiBase, api_key: 'sk-local' },
    }));
    gateway = await serve(way, { router: { modelList }, rateLimit: { requestsPerMinute: 100_000 } });
    const { fetch } = gateway;
    openai = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'any', maxRetries: 0, fetch });
    anthropic = new Anthropic({ baseURL: gateway.url, apiKey: 'any', maxRetries: 0, fetch });
  });
  afterAll(async () => {
    await gateway.stop();
    await upstream.stop();
  });

  it.each(NAMES)('streams to the helpers of the OpenAI SDK from %s', async (model) => {
    const completion = await openai.chat.completions.stream({ model, messages }).finalChatCompletion();
    expect(completion.choices[0].message.content).toBe(REPLY);
  });

  it.each(NAMES)('runs the tools of the OpenAI SDK with %s', async (model) => {
    const asked: unknown[] = [];
    const weather = {
      type: 'function' as const,
      function: {
        name: 'weather',
        description: 'The weather',
        parameters,
        parse: JSON.parse,
        function: (input: object) => void asked.push(input),
      },
    };
    await openai.chat.completions.runTools({ model, messages, tools: [weather] }, { maxChatCompletions: 2 }).done();
    expect(asked).toEqual([{ city: 'Oslo' }, { city: 'Oslo' }]);
  });

  it.each(NAMES)('parses the tool calls of %s', async (model) => {
    const tools = [{ type: 'function' as const, function: { name: 'weather', strict: true, parameters } }];
    const { choices } = await openai.chat.completions.parse({ model, messages, tools });
    expect(choices[0].message.tool_calls?.[0].function.parsed_arguments).toEqual({ city: 'Oslo' });
  });

  it.each(NAMES)('completes texts with %s', async (model) => {
    const { choices } = await openai.completions.create({ model, prompt: 'Hello' });
    expect(choices[0].text).toBe(REPLY);
  });

  it.each(NAMES)('serves the Anthropic SDK by %s: messages, streams, tools, counts', async (model) => {
    const { content } = await anthropic.messages.create({ model, max_tokens: 100, messages });
    expect(content).toMatchObject([{ type: 'text', text: REPLY }]);
    expect(await anthropic.messages.stream({ model, max_tokens: 100, messages }).finalText()).toBe(REPLY);
    const tools = [{ name: 'weather', input_schema: parameters as { type: 'object' } }];
    const called = await anthropic.messages.stream({ model, max_tokens: 100, messages, tools }).finalMessage();
    expect(called).toMatchObject({ stop_reason: 'tool_use', content: [{ name: 'weather', input: { city: 'Oslo' } }] });
    expect((await anthropic.messages.countTokens({ model, messages, tools })).input_tokens).toBeGreaterThan(10);
  });

  it('lists models to the Anthropic SDK, and tells it errors', async () => {
    const ids: string[] = [];
    for await (const { id } of anthropic.models.list()) ids.push(id);
    expect(ids).toEqual(NAMES);
    await expect(anthropic.messages.create({ model: 'none', max_tokens: 1, messages })).rejects.toMatchObject({
      status: 404,
      error: { type: 'error', error: { type: 'not_found_error' } },
    });
  });

  it.each(NAMES)('serves the default model of the AI SDK by %s', async (name) => {
    const provider = createOpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'any', fetch: gateway.fetch });
    expect((await generateText({ model: provider(name), prompt: 'Hello', maxRetries: 0 })).text).toBe(REPLY);
    let text = '';
    for await (const part of streamText({ model: provider(name), prompt: 'Hello', maxRetries: 0 }).textStream) text += part;
    expect(text).toBe(REPLY);
  });

  it.each(NAMES)('serves LangChain by %s: chat, streams, Responses', async (model) => {
    const settings = { model, apiKey: 'any', maxRetries: 0, configuration: { baseURL: `${gateway.url}/v1`, fetch: gateway.fetch } };
    const chat = new ChatOpenAI(settings);
    expect((await chat.invoke('Hello')).text).toBe(REPLY);
    let text = '';
    for await (const chunk of await chat.stream('Hello')) text += chunk.text;
    expect(text).toBe(REPLY);
    expect((await new ChatOpenAI({ ...settings, useResponsesApi: true }).invoke('Hello')).text).toBe(REPLY);
  });

  it('serves the embeddings of LangChain', async () => {
    const embeddings = new OpenAIEmbeddings({
      model: 'gpt',
      apiKey: 'any',
      maxRetries: 0,
      configuration: { baseURL: `${gateway.url}/v1`, fetch: gateway.fetch },
    });
    expect(await embeddings.embedDocuments(['a', 'b'])).toHaveLength(2);
  });
});
