import { BaseCallbackHandler } from '@langchain/core/callbacks/base';
import { InMemoryCache } from '@langchain/core/caches';
import { ContextOverflowError } from '@langchain/core/errors';
import { AIMessage, HumanMessage, RemoveMessage, SystemMessage, ToolMessage } from '@langchain/core/messages';
import { ChatPromptTemplate } from '@langchain/core/prompts';
import { RunnableLambda } from '@langchain/core/runnables';
import { FastLiteLLM, InvalidArgumentError, ProviderError } from 'nestjs-fast-litellm';
import { ChatFastLiteLLM, FastLiteLLMEmbeddings, type ChatFastLiteLLMFields } from 'nestjs-fast-litellm/langchain';
import type { ServerResponse } from 'node:http';
import { z } from 'zod';
import { z as z3 } from 'zod/v3';
import { deploymentOf, stopProviders } from '../../support/llm-client-providers.js';
import { recorder, sendChat, sendJson } from '../../support/responses-gateway.js';
import { until } from '../../support/until.js';

type Body = Record<string, unknown>;

const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const adder = { a: z.number().describe('The first'), b: z.number() };
const prompt = ChatPromptTemplate.fromMessages([
  ['system', 'Always call {name}.'],
  ['human', 'What is 1 and 2?'],
]);

const asked: Body[] = [];
let answer: (body: Body, response: ServerResponse) => void;
let llm: FastLiteLLM;

const model = (fields: Partial<ChatFastLiteLLMFields> = {}): ChatFastLiteLLM => new ChatFastLiteLLM({ llm, model: 'gpt-4o', ...fields });
const called =
  (name: string, args = '{"a":1,"b":2}') =>
  (body: Body, response: ServerResponse): void =>
    sendChat(response, body, { tool_calls: [{ id: 'call_1', name, arguments: args }] });

beforeAll(async () => {
  const { apiBase } = await recorder((_, body, response) => {
    asked.push(body);
    answer(body, response);
  });
  const modelList = [deploymentOf('gpt-4o', { name: 'main', apiBase })];
  const logger = { log: () => {}, warn: () => {}, error: () => {} };
  llm = new FastLiteLLM({ router: { modelList, numRetries: 0, disableCooldowns: true }, logger });
});
beforeEach(() => {
  asked.length = 0;
  answer = (body, response) => sendChat(response, body, { content: 'Hello there.' });
});
afterAll(async () => {
  await llm.close();
  await stopProviders();
});

describe('a call', () => {
  it('sends the fields of the model, and those of the call before them', async () => {
    const chat = model({ temperature: 0, topP: 0.5, maxTokens: 9, stop: ['\n'], modelKwargs: { seed: 1, user: 'ada' } });
    await chat.invoke('Hello', { stop: ['.'], modelKwargs: { seed: 2 } });
    expect(asked).toEqual([
      {
        model: 'gpt-4o',
        messages: [{ role: 'user', content: 'Hello' }],
        temperature: 0,
        top_p: 0.5,
        max_tokens: 9,
        stop: ['.'],
        seed: 2,
        user: 'ada',
        stream: false,
      },
    ]);
  });

  it('answers batches in order, with at most maxConcurrency calls at once', async () => {
    const waiting: (() => void)[] = [];
    let most = 0;
    answer = (body, response) => {
      const [{ content }] = body.messages as [{ content: string }];
      most = Math.max(
        most,
        waiting.push(() => sendChat(response, body, { content: content.toUpperCase() })),
      );
      if (waiting.length === 2 || asked.length === 5) waiting.splice(0).forEach((send) => send());
    };
    const answers = await model({ maxConcurrency: 2 }).batch(['a', 'b', 'c', 'd', 'e']);
    expect(answers.map(({ text }) => text)).toEqual(['A', 'B', 'C', 'D', 'E']);
    expect(most).toBe(2);
  });

  it('streams events, whole messages and new tokens', async () => {
    const events: { event: string; data: { output?: AIMessage } }[] = [];
    for await (const event of model().streamEvents('Hello', { version: 'v2' })) events.push(event);
    expect(events[0].event).toBe('on_chat_model_start');
    expect(events.filter(({ event }) => event === 'on_chat_model_stream').length).toBeGreaterThan(2);
    expect(events.at(-1)).toMatchObject({ event: 'on_chat_model_end' });
    expect(events.at(-1)?.data.output).toMatchObject({ text: 'Hello there.', usage_metadata: { total_tokens: 16 } });
    const stream = model().streamEvents('Hello');
    const texts: string[] = [];
    for await (const text of stream.text) texts.push(text);
    expect(texts.join('')).toBe('Hello there.');
  });

  it('answers from a cache of LangChain', async () => {
    const chat = model({ cache: new InMemoryCache(), callOptions: { timeoutMs: 1000 } });
    const first = await chat.invoke('Hello');
    const second = await chat.invoke('Hello');
    expect([first.text, second.text]).toEqual(['Hello there.', 'Hello there.']);
    expect(asked).toHaveLength(1);
    expect(second.usage_metadata).toEqual({ input_tokens: 0, output_tokens: 0, total_tokens: 0 });
  });

  it('is traced by its name and parameters, without clients and keys', async () => {
    const started: unknown[][] = [];
    const handler = BaseCallbackHandler.fromMethods({ handleChatModelStart: (...args) => void started.push(args) });
    await model({ temperature: 0, callbacks: [handler] }).invoke('Hello');
    const [serialized, , , , extra, , metadata] = started[0];
    expect(serialized).toMatchObject({ type: 'not_implemented' });
    expect(extra).toMatchObject({ invocation_params: { model: 'gpt-4o', temperature: 0 } });
    expect(metadata).toMatchObject({ ls_provider: 'fast-litellm', ls_model_name: 'gpt-4o', ls_model_type: 'chat', ls_temperature: 0 });
    expect(JSON.stringify(started)).not.toContain('sk-secret-key');
  });

  it('counts tokens as the token counter does', async () => {
    const text = 'The quick brown fox';
    expect(await model().getNumTokens(text)).toBe(llm.tokenCounter.countTokens(text, 'gpt-4o'));
    expect(await model().getNumTokens([{ type: 'text', text }])).toBe(llm.tokenCounter.countTokens(text, 'gpt-4o'));
    const messages = [new SystemMessage('Be short.'), new HumanMessage(text)];
    const same = [
      { role: 'system', content: 'Be short.' },
      { role: 'user', content: text },
    ];
    expect(model().getNumTokensFromMessages(messages)).toBe(llm.tokenCounter.countMessages(same, { model: 'gpt-4o' }));
    expect(model().profile.maxInputTokens).toBe(128_000);
  });
});

describe('a failed call', () => {
  const failing = (status: number, error: object): typeof answer => {
    return (_, response) => sendJson(response, { error }, status);
  };

  it('is not retried by LangChain', async () => {
    answer = failing(503, { message: 'Overloaded' });
    await expect(model({ maxRetries: 0 }).invoke('Hello')).rejects.toBeInstanceOf(ProviderError);
    expect(asked).toHaveLength(1);
    answer = failing(429, { message: 'Too many requests' });
    await expect(model().stream('Hello')).rejects.toMatchObject({ code: 'PROVIDER_RATE_LIMIT' });
    expect(asked).toHaveLength(2);
  });

  it('is retried by the router as often as maxRetries says', async () => {
    answer = (body, response) =>
      asked.length < 3 ? sendJson(response, { error: {} }, 500) : sendChat(response, body, { content: 'At last.' });
    const { text, response_metadata: metadata } = await model({ maxRetries: 2 }).invoke('Hello');
    expect([text, (metadata.call as { retries: number }).retries, asked.length]).toEqual(['At last.', 2, 3]);
  });

  it("throws LangChain's error for a prompt that is too long", async () => {
    answer = failing(400, { message: "This model's maximum context length is 10 tokens", code: 'context_length_exceeded' });
    const error: unknown = await model()
      .invoke('Hello')
      .catch((reason: unknown) => reason);
    expect(ContextOverflowError.isInstance(error)).toBe(true);
    expect((error as ContextOverflowError).cause).toBeInstanceOf(ProviderError);
  });

  it.each([false, true])('ends when its signal is aborted, streamed: %p', async (streams) => {
    let closed = false;
    answer = (_, response) => {
      response.on('close', () => (closed = true));
      if (!streams) return controller.abort();
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(`data: ${JSON.stringify({ id: '1', model: 'm', choices: [{ index: 0, delta: { content: 'Hel' } }] })}\n\n`);
    };
    const controller = new AbortController();
    const { signal } = controller;
    const texts: string[] = [];
    const ask = async (): Promise<void> => {
      if (!streams) return void (await model().invoke('Hello', { signal }));
      for await (const { text } of await model().stream('Hello', { signal })) {
        texts.push(text);
        controller.abort();
      }
    };
    await expect(ask()).rejects.toThrow(/abort/i);
    expect(texts).toEqual(streams ? ['Hel'] : []);
    await until(() => closed && llm.client.callsInFlight === 0);
  });

  it('asks no provider when its signal is aborted already', async () => {
    const signal = AbortSignal.abort();
    await expect(model().invoke('Hello', { signal })).rejects.toThrow();
    await expect(model().stream('Hello', { signal })).rejects.toThrow();
    expect(asked).toEqual([]);
  });

  it('ends the stream when its reader leaves', async () => {
    let closed = false;
    answer = (_, response) => {
      response.on('close', () => (closed = true));
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (let at = 0; at < 3; at++) response.write(`data: {"id":"1","choices":[{"index":0,"delta":{"content":"${at}"}}]}\n\n`);
    };
    for await (const { text } of await model().stream('Hello')) if (text === '1') break;
    await until(() => closed && llm.client.callsInFlight === 0);
  });

  it('names a wrong field', () => {
    expect(() => new ChatFastLiteLLM({ model: 'gpt-4o' } as never)).toThrow(InvalidArgumentError);
    expect(() => model({ model: 1 as never })).toThrow('model: must be a non-empty string, got 1');
    expect(() => model().withStructuredOutput(z.object(adder), { method: 'yaml' })).toThrow('method: must be one of functionCalling');
  });

  it('names a message that no model can get', async () => {
    await expect(model().invoke([new HumanMessage('Hello'), new RemoveMessage({ id: '1' })])).rejects.toThrow('messages[1]');
    expect(asked).toEqual([]);
  });
});

describe('tools', () => {
  it("may be LangChain's, a runnable, OpenAI's, Anthropic's or hosted ones", async () => {
    answer = called('add');
    const parameters = { type: 'object', properties: { a: { type: 'number' } } };
    const runnable = RunnableLambda.from(() => 3).asTool({ name: 'run', description: 'Runs', schema: z3.object({ a: z3.number() }) });
    const bound = model().bindTools(
      [
        { name: 'add', description: 'Adds', schema: z.object(adder) },
        runnable,
        { type: 'function', function: { name: 'plain', parameters } },
        { name: 'claudes', description: 'Of Claude', input_schema: parameters },
        { type: 'web_search', search_context_size: 'low' },
      ],
      { tool_choice: 'add', parallel_tool_calls: false },
    );
    const message = await bound.invoke('1 and 2?');
    expect(message.tool_calls).toEqual([{ type: 'tool_call', id: 'call_1', name: 'add', args: { a: 1, b: 2 } }]);
    expect(asked[0]).toMatchObject({
      tool_choice: { type: 'function', function: { name: 'add' } },
      parallel_tool_calls: false,
      tools: [
        { type: 'function', function: { name: 'add', description: 'Adds', parameters: { required: ['a', 'b'] } } },
        { type: 'function', function: { name: 'run', parameters: { required: ['a'] } } },
        { type: 'function', function: { name: 'plain', parameters } },
        { type: 'function', function: { name: 'claudes', description: 'Of Claude', parameters } },
        { type: 'web_search', search_context_size: 'low' },
      ],
    });
  });

  it.each([
    ['any', 'required'],
    ['auto', 'auto'],
    ['none', 'none'],
  ])('are chosen by %s, which is sent as %s', async (given, sent) => {
    await model()
      .bindTools([{ name: 'add', schema: z.object(adder) }], { tool_choice: given, strict: true })
      .invoke('1 and 2?');
    expect(asked[0]).toMatchObject({ tool_choice: sent, tools: [{ function: { strict: true } }] });
  });

  it('report calls whose arguments are no JSON', async () => {
    answer = called('add', '{"a":1,');
    const message = await model()
      .bindTools([{ name: 'add', schema: z.object(adder) }])
      .invoke('1 and 2?');
    expect(message.tool_calls).toEqual([]);
    expect(message.invalid_tool_calls).toMatchObject([{ name: 'add', args: '{"a":1,', id: 'call_1' }]);
  });

  it('go on from histories of other models', async () => {
    const call = { name: 'add', args: { a: 1, b: 2 }, id: 'abc123', type: 'tool_call' as const };
    const content = [
      { type: 'thinking', thinking: 'Adding.', signature: 's' },
      { type: 'text', text: 'some text' },
      { type: 'tool_use', id: 'abc123', name: 'add', input: { a: 1, b: 2 } },
    ];
    await model().invoke([
      new HumanMessage('1 and 2?'),
      new AIMessage({ content: '', tool_calls: [call] }),
      new ToolMessage('3', 'abc123', 'add'),
      new AIMessage({ content, tool_calls: [call] }),
      new ToolMessage({ content: [{ type: 'text', text: '3' }], tool_call_id: 'abc123' }),
      new AIMessage({
        contentBlocks: [
          { type: 'reasoning', reasoning: 'So.' },
          { type: 'text', text: 'It is 3.' },
        ],
      }),
      new HumanMessage('And 3 and 4?'),
    ]);
    const calls = [{ id: 'abc123', type: 'function', function: { name: 'add', arguments: '{"a":1,"b":2}' } }];
    expect(asked[0].messages).toEqual([
      { role: 'user', content: '1 and 2?' },
      { role: 'assistant', tool_calls: calls },
      { role: 'tool', tool_call_id: 'abc123', content: '3' },
      { role: 'assistant', content: [{ type: 'text', text: 'some text' }], tool_calls: calls },
      { role: 'tool', tool_call_id: 'abc123', content: [{ type: 'text', text: '3' }] },
      { role: 'assistant', content: [{ type: 'text', text: 'It is 3.' }], reasoning_content: 'So.' },
      { role: 'user', content: 'And 3 and 4?' },
    ]);
  });
});

describe('structured output', () => {
  it('is asked for by a tool, and traced', async () => {
    answer = called('addition');
    const options: unknown[] = [];
    const handler = BaseCallbackHandler.fromMethods({
      handleChatModelStart: (_llm, _messages, _run, _parent, extra) => void options.push(extra?.options),
    });
    const chain = prompt.pipe(model().withStructuredOutput(z.object(adder), { name: 'addition' }));
    expect(await chain.invoke({ name: 'addition' }, { callbacks: [handler] })).toEqual({ a: 1, b: 2 });
    expect(options).toMatchObject([
      { ls_structured_output_format: { kwargs: { method: 'functionCalling' }, schema: { properties: { a: { type: 'number' } } } } },
    ]);
    expect(asked[0].tool_choice).toEqual({ type: 'function', function: { name: 'addition' } });
  });

  it('has the raw message beside it, also when it does not match', async () => {
    answer = called('addition');
    const raw = prompt.pipe(model().withStructuredOutput(z3.object({ a: z3.number() }), { name: 'addition', includeRaw: true }));
    const { raw: message, parsed } = await raw.invoke({ name: 'addition' });
    expect(message).toBeInstanceOf(AIMessage);
    expect(parsed).toEqual({ a: 1 });
    answer = called('addition', '{"a":"one"}');
    expect(await raw.invoke({ name: 'addition' })).toMatchObject({ parsed: null });
    await expect(model().withStructuredOutput(z.object(adder), { name: 'addition' }).invoke('Hello')).rejects.toThrow();
  });

  it.each([
    ['jsonSchema', { type: 'json_schema', json_schema: { name: 'adder', strict: true, schema: { title: 'adder' } } }],
    ['jsonMode', { type: 'json_object' }],
  ])('is asked for by %s', async (method, format) => {
    answer = (body, response) => sendChat(response, body, { content: '{"a":1}' });
    const schema = { title: 'adder', type: 'object', properties: { a: { type: 'number' } } };
    expect(await model().withStructuredOutput(schema, { method }).invoke('JSON, please')).toEqual({ a: 1 });
    expect(asked[0].response_format).toMatchObject(format);
  });
});

describe('content', () => {
  const sent = async (...content: object[]): Promise<unknown> => {
    await model().invoke([new HumanMessage({ content: content as never })]);
    return (asked[0].messages as { content: unknown }[])[0].content;
  };

  it('may be blocks of every age', async () => {
    const bytes = new Uint8Array(Buffer.from(PIXEL, 'base64'));
    const image = { type: 'image_url', image_url: { url: `data:image/png;base64,${PIXEL}` } };
    expect(
      await sent(
        { type: 'text', text: 'See:', cache_control: { type: 'ephemeral' } },
        { type: 'image', mimeType: 'image/png', data: PIXEL },
        { type: 'image', mimeType: 'image/png', data: bytes },
        { type: 'image', source_type: 'base64', mime_type: 'image/png', data: PIXEL },
        { type: 'image', source_type: 'url', url: 'https://example.com/a.png' },
        { type: 'image', url: 'https://example.com/a.png', metadata: { detail: 'low' } },
        { type: 'image', source: { type: 'base64', media_type: 'image/png', data: PIXEL } },
        { type: 'image_url', image_url: { url: 'https://example.com/a.png' } },
        { type: 'audio', mimeType: 'audio/mpeg', data: 'AAAA' },
        { type: 'audio', source_type: 'url', url: 'data:audio/wav;base64,AAAA' },
        { type: 'file', mimeType: 'application/pdf', data: 'AAAA', metadata: { filename: 'a.pdf' } },
        { type: 'file', fileId: 'file-1' },
        { type: 'file', source_type: 'url', url: 'https://example.com/a.pdf', mime_type: 'application/pdf' },
        { type: 'file', file: { file_id: 'file-2' } },
        { type: 'text-plain', mimeType: 'text/plain', data: 'SGVsbG8=' },
        { type: 'file', source_type: 'text', text: 'Hello' },
      ),
    ).toEqual([
      { type: 'text', text: 'See:', cache_control: { type: 'ephemeral' } },
      image,
      image,
      image,
      { type: 'image_url', image_url: { url: 'https://example.com/a.png' } },
      { type: 'image_url', image_url: { url: 'https://example.com/a.png', detail: 'low' } },
      image,
      { type: 'image_url', image_url: { url: 'https://example.com/a.png' } },
      { type: 'input_audio', input_audio: { data: 'AAAA', format: 'mp3' } },
      { type: 'input_audio', input_audio: { data: 'AAAA', format: 'wav' } },
      { type: 'file', file: { file_data: 'data:application/pdf;base64,AAAA', filename: 'a.pdf' } },
      { type: 'file', file: { file_id: 'file-1' } },
      { type: 'file', file: { file_id: 'https://example.com/a.pdf', format: 'application/pdf' } },
      { type: 'file', file: { file_id: 'file-2' } },
      { type: 'text', text: 'Hello' },
      { type: 'text', text: 'Hello' },
    ]);
  });

  it('has an error for a block without data', async () => {
    await expect(sent({ type: 'image' })).rejects.toThrow('messages[0].content[0]: must have data, url or fileId');
    await expect(sent({ type: 'audio', url: 'https://example.com/a.mp3' })).rejects.toThrow('messages[0].content[0]');
  });
});

describe('embeddings', () => {
  it('embeds documents in batches, in their order', async () => {
    answer = ({ input }, response) => {
      const data = (input as string[]).map((text, index) => ({ object: 'embedding', index, embedding: [text.length] }));
      sendJson(response, { object: 'list', model: 'm', data: data.reverse(), usage: { prompt_tokens: 1, total_tokens: 1 } });
    };
    const embeddings = new FastLiteLLMEmbeddings({ llm, model: 'gpt-4o', batchSize: 2, dimensions: 1 });
    expect(await embeddings.embedDocuments(['a', 'bb', 'ccc', 'dddd', 'eeeee'])).toEqual([[1], [2], [3], [4], [5]]);
    expect(asked.map(({ input }) => (input as string[]).join()).sort()).toEqual(['a,bb', 'ccc,dddd', 'eeeee']);
    expect(asked[0].dimensions).toBe(1);
    expect(await embeddings.embedQuery('abc')).toEqual([3]);
    expect(await embeddings.embedDocuments([])).toEqual([]);
  });

  it('has an error for an answer without a vector for each text', async () => {
    answer = (_, response) => sendJson(response, { object: 'list', model: 'm', data: [], usage: { prompt_tokens: 1, total_tokens: 1 } });
    const embeddings = new FastLiteLLMEmbeddings({ llm, model: 'gpt-4o' });
    await expect(embeddings.embedQuery('a')).rejects.toMatchObject({ code: 'PROVIDER_MALFORMED' });
    expect(() => new FastLiteLLMEmbeddings({ llm, model: 'gpt-4o', batchSize: 0 })).toThrow('batchSize');
  });
});

it('gives calls other options: fallbacks, the request that they answer', async () => {
  answer = (body, response) => (body.model === 'gpt-4o' ? sendJson(response, { error: {} }, 500) : sendChat(response, body, {}));
  const strict = model().withCallOptions({ disableFallbacks: true, request: {} });
  await expect(strict.invoke('Hello')).rejects.toBeInstanceOf(ProviderError);
  expect(asked).toHaveLength(1);
});
