import Anthropic from '@anthropic-ai/sdk';
import { EventStreamCodec } from '@smithy/eventstream-codec';
import { FastLiteLLM, RequestCancelledError, type ChatCompletion, type LlmStream, type ProviderError } from 'nestjs-fast-litellm';
import OpenAI from 'openai';
import { until } from '../../test/support/until.js';
import { startProvider, type ProviderProtocol, type ScriptedAnswer, type StartProviderOptions, type TestProvider } from '../testing.js';
import { bedrockEvent } from './protocols/bedrock-frames.js';

type Fields = Record<string, unknown>;

const PROTOCOLS = ['openai', 'anthropic', 'gemini', 'bedrock'] as const;
const HELLO = [{ role: 'user' as const, content: 'What is the weather?' }];
const WEATHER = {
  type: 'function' as const,
  function: { name: 'weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } },
};
const quiet = { log: () => {}, warn: () => {}, error: () => {} };
const opened: { close(): Promise<void> }[] = [];

async function provider(protocol: ProviderProtocol, options: StartProviderOptions = {}): Promise<TestProvider> {
  const started = await startProvider(protocol, options);
  opened.push(started);
  return started;
}

function clientOf(started: TestProvider, params: Fields = {}) {
  const llm = new FastLiteLLM({ router: { modelList: [started.deployment('m', params)], numRetries: 0 }, logger: quiet });
  opened.push(llm);
  return llm.client;
}

async function collected(stream: LlmStream<unknown>) {
  const said = (value: unknown): string => (typeof value === 'string' ? value : '');
  const calls: { name: string; json: string }[] = [];
  const joined = { text: '', thinking: '', refusal: '', finish: '' as unknown, usage: undefined as unknown, calls };
  for await (const chunk of stream as AsyncIterable<Fields>) {
    joined.usage = chunk.usage ?? joined.usage;
    for (const { delta, finish_reason } of chunk.choices as { delta: Fields; finish_reason: unknown }[]) {
      joined.text += said(delta.content);
      joined.thinking += said(delta.reasoning_content);
      joined.refusal += said(delta.refusal);
      joined.finish = finish_reason ?? joined.finish;
      for (const { index, function: called } of (delta.tool_calls ?? []) as { index: number; function: Fields }[]) {
        calls[index] ??= { name: String(called.name), json: '' };
        calls[index].json += said(called.arguments);
      }
    }
  }
  return joined;
}

afterEach(async () => {
  await Promise.all(opened.splice(0).map((each) => each.close()));
});

describe.each(PROTOCOLS)('a provider of %s', (protocol) => {
  const ask = async (script: ScriptedAnswer | readonly ScriptedAnswer[], more: Fields = {}) => {
    const started = await provider(protocol, { script });
    const answer = await clientOf(started).chat({ model: 'm', messages: HELLO, tools: [WEATHER], ...more });
    return (answer as { json(): ChatCompletion }).json();
  };
  const stream = async (answer: ScriptedAnswer) => {
    const started = await provider(protocol, { script: answer });
    const asked = { model: 'm', messages: HELLO, tools: [WEATHER], stream: true as const, stream_options: { include_usage: true } };
    return collected(await clientOf(started).chat(asked));
  };
  const USAGE = { promptTokens: 1200, completionTokens: 34, cacheReadTokens: 1000 };
  const SAID = { prompt_tokens: 1200, completion_tokens: 34, total_tokens: 1234, prompt_tokens_details: { cached_tokens: 1000 } };

  it('counts tokens', async () => {
    const started = await provider(protocol, { script: { usage: { promptTokens: 7 } } });
    const client = clientOf(started);
    const body = { model: 'm', messages: HELLO, tools: [WEATHER] };
    expect(await client.countTokensExact(body)).toMatchObject({ promptTokens: 7, source: 'provider' });
    expect([started.latest.prompt, started.latest.toolNames]).toEqual([HELLO[0].content, ['weather']]);
    started.use();
    expect((await client.countTokensExact({ ...body, messages: [...HELLO, ...HELLO] })).promptTokens).toBeGreaterThan(7);
  });

  it('answers with text, thinking, a tool call and cache hits', async () => {
    const { choices, usage } = await ask({
      text: 'Let me look.',
      thinking: 'They want the weather.',
      toolCalls: [{ name: 'weather', arguments: { city: 'Oslo' } }],
      usage: USAGE,
    });
    const { message, finish_reason } = choices[0];
    expect(message).toMatchObject({ content: 'Let me look.', reasoning_content: 'They want the weather.' });
    expect(message.tool_calls).toMatchObject([{ function: { name: 'weather', arguments: '{"city":"Oslo"}' } }]);
    expect(finish_reason).toBe('tool_calls');
    expect(usage).toMatchObject(SAID);
  });

  it('streams the same', async () => {
    const toolCalls = [
      { name: 'weather', arguments: { city: 'Oslo' } },
      { name: 'weather', arguments: { city: 'Bern' } },
    ];
    const { text, thinking, calls, finish, usage } = await stream({
      text: 'Ja, gleich… 🌧 now.',
      thinking: 'Two places.',
      toolCalls,
      usage: USAGE,
      chunkLength: 3,
    });
    expect({ text, thinking, finish }).toEqual({ text: 'Ja, gleich… 🌧 now.', thinking: 'Two places.', finish: 'tool_calls' });
    expect(calls.map(({ name, json }) => [name, JSON.parse(json)])).toEqual(toolCalls.map((call) => [call.name, call.arguments]));
    expect(usage).toMatchObject(SAID);
  });

  it.each([
    ['length', { finishReason: 'length' }, 'length'],
    ['a content filter', { finishReason: 'content_filter' }, 'content_filter'],
    ['a refusal', { refusal: 'I cannot help with that.' }, 'content_filter'],
  ] as const)('ends an answer by %s', async (_, answer, finish) => {
    expect((await ask(answer)).choices[0].finish_reason).toBe(finish);
    expect((await stream(answer)).finish).toBe(finish);
  });

  it.each([
    ['a status', { status: 503, message: 'Come back later.' }, { kind: 'server', providerStatus: 503, message: 'Come back later.' }],
    ['a rate limit with its time', { status: 429, retryAfter: 7 }, { kind: 'rate_limit', retryAfterMs: 7000 }],
    ['a wrong key', { status: 401 }, { kind: 'authentication' }],
    ['a prompt that is too long', { reason: 'context_window' }, { kind: 'context_window', providerStatus: 400 }],
    ['a content policy', { reason: 'content_policy' }, { kind: 'content_policy', providerStatus: 400 }],
    ['an error in a 200', { fault: 'error_in_200', status: 429 }, { kind: 'rate_limit' }],
    ['garbage', { fault: 'garbage' }, { kind: 'malformed' }],
    ['a reset connection', { fault: 'reset' }, { kind: 'connection' }],
    ['bytes that are not HTTP', { fault: 'not_http' }, { kind: 'malformed' }],
    ['a cut answer', { fault: 'cut' }, { kind: 'connection' }],
    ['a length above the bytes sent', { fault: 'length_too_long' }, { kind: 'connection' }],
  ] as const)('fails with %s', async (_, answer, failure) => {
    await expect(ask(answer)).rejects.toMatchObject(failure);
  });

  it.each([
    ['an error in the stream', { fault: 'error_in_stream', status: 429 }, 'rate_limit'],
    ['garbage in the stream', { fault: 'garbage_in_stream' }, 'malformed'],
    ['a cut between two events', { fault: 'cut' }, 'connection'],
    ['a cut in an event', { fault: 'cut_in_event' }, 'connection'],
  ] as const)('breaks a stream by %s', async (_, answer, kind) => {
    const broken = await stream({ text: 'one two three', ...answer }).catch((error: ProviderError) => error);
    expect(broken).toMatchObject({ kind });
  });

  it('leaves out the end of a stream', async () => {
    const broken = await stream({ text: 'one two', fault: 'missing_end' }).catch((error: ProviderError) => error);
    // OpenAI's own end says nothing that an answer needs, and many providers leave it out.
    expect(broken).toMatchObject(protocol === 'openai' ? { text: 'one two', finish: '', usage: undefined } : { kind: 'malformed' });
  });

  it('never answers, and counts the client that leaves', async () => {
    const left = new AbortController();
    const script = (): ScriptedAnswer => {
      left.abort();
      return { fault: 'hang' };
    };
    const started = await provider(protocol, { script });
    const client = clientOf(started);
    await expect(client.chat({ model: 'm', messages: HELLO }, { signal: left.signal })).rejects.toThrow(RequestCancelledError);
    await until(() => started.aborted === 1 && started.inFlight === 0);
    started.use('Hello');
    await expect(client.chat({ model: 'm', messages: HELLO })).resolves.toMatchObject({ call: { attempts: 1 } });
    expect([started.requests.length, started.aborted]).toEqual([2, 1]);
  });

  it('reads the requests in its protocol', async () => {
    const started = await provider(protocol);
    const client = clientOf(started);
    const messages = [{ role: 'system', content: 'Be kind.' }, ...HELLO, { role: 'assistant', content: 'Rain.' }, HELLO[0]];
    await client.chat({ model: 'm', messages, tools: [WEATHER] } as never);
    await client.chat({ model: 'm', messages, stream: true } as never);
    const [first, second] = started.requests;
    expect([first.prompt, first.stream, first.toolNames]).toEqual(['What is the weather?', false, ['weather']]);
    expect([second.prompt, second.stream, second.toolNames]).toEqual(['What is the weather?', true, []]);
    const { model } = started.deployment('m').litellm_params;
    expect(model.endsWith(first.model)).toBe(true);
  });

  it('answers by a function of the request', async () => {
    const started = await provider(protocol, {
      script: ({ prompt }, index) => (prompt.includes('weather') ? { text: `rain ${index}` } : { status: 400 }),
    });
    const client = clientOf(started);
    const text = async () => (await client.chat({ model: 'm', messages: HELLO })).json().choices[0].message.content;
    expect([await text(), await text()]).toEqual(['rain 0', 'rain 1']);
  });
});

describe('a script', () => {
  const texts = async (options: StartProviderOptions, times: number): Promise<unknown[]> => {
    const started = await provider('openai', options);
    const client = clientOf(started);
    const found: unknown[] = [];
    for (let at = 0; at < times; at++) {
      const said = await client.chat({ model: 'm', messages: HELLO }).then(
        (answer) => answer.json().choices[0].message.content,
        (error: ProviderError) => error.providerStatus,
      );
      found.push(said);
    }
    return found;
  };

  it('keeps its last answer, or begins again', async () => {
    const script = ['one', { status: 418 }, 'two'];
    expect(await texts({ script }, 4)).toEqual(['one', 418, 'two', 'two']);
    expect(await texts({ script, cycle: true }, 4)).toEqual(['one', 418, 'two', 'one']);
  });

  it('is replaced by use()', async () => {
    const started = await provider('openai', { name: 'local', script: { status: 500 } });
    started.use('Hi');
    const client = clientOf(started);
    const text = async () => (await client.chat({ model: 'm', messages: HELLO })).json().choices[0].message.content;
    expect(await text()).toBe('Hi');
    started.use();
    expect(await text()).toBe('Hello from local.');
  });

  it('that throws is a 400 with its words, which is not retried', async () => {
    const script = () => {
      throw new Error('a mistake in the test');
    };
    const started = await provider('openai', { script });
    await expect(clientOf(started).chat({ model: 'm', messages: HELLO }, { numRetries: 3 })).rejects.toThrow('a mistake in the test');
    expect(started.requests).toHaveLength(1);
  });

  it('sends bodies, events and answers of its own', async () => {
    const started = await provider('anthropic', {
      script: [
        { body: '{"own":1}', headers: { 'x-own': 'yes' } },
        { events: [{ type: 'ping' }, 'raw\n\n'] },
        { respond: (response, { path }) => void response.writeHead(202).end(path) },
      ],
    });
    const post = (): Promise<Response> => fetch(`${started.url}/v1/messages`, { method: 'POST', body: '{}' });
    const own = await post();
    expect([await own.text(), own.headers.get('x-own')]).toEqual(['{"own":1}', 'yes']);
    expect(await (await post()).text()).toBe('event: ping\ndata: {"type":"ping"}\n\nraw\n\n');
    const byHand = await post();
    expect([byHand.status, await byHand.text()]).toEqual([202, '/v1/messages']);
  });

  it.each([{ delayMs: 60_000 }, { firstChunkDelayMs: 60_000 }])('waits before the first chunk: %j', async (pace) => {
    const started = await provider('openai', { script: { text: 'one two', ...pace } });
    const asked = clientOf(started).chat({ model: 'm', messages: HELLO, stream: true }, { streamTimeoutMs: 30 });
    await expect(asked).rejects.toMatchObject({ kind: 'timeout' });
  });

  it('waits between two chunks', async () => {
    const started = await provider('openai', { script: { text: 'one two', chunkDelayMs: 60_000 } });
    const stream = await clientOf(started).chat({ model: 'm', messages: HELLO, stream: true });
    let text = '';
    for await (const { choices } of stream) {
      text += choices[0].delta.content ?? '';
      if (text !== '') break;
    }
    expect(text).toBe('one ');
  });
});

describe('a provider', () => {
  it('answers with 404 for a path that its protocol does not have', async () => {
    const started = await provider('gemini');
    const response = await fetch(`${started.url}/v1/messages`, { method: 'POST', body: '{}' });
    expect([response.status, await response.json()]).toMatchObject([404, { error: { message: 'Unknown path: POST /v1/messages' } }]);
  });

  it('refuses an unknown protocol', async () => {
    await expect(startProvider('cohere' as never)).rejects.toThrow('protocol: must be one of openai, anthropic, gemini, bedrock');
  });

  it('ends with its scope', async () => {
    const started = await startProvider('openai');
    await started[Symbol.asyncDispose]();
    await expect(fetch(started.url)).rejects.toThrow();
  });

  it('names its deployments', async () => {
    const started = await provider('bedrock', { name: 'aws' });
    expect(started.deployment('m', { rpm: 3 }, { mode: 'chat' })).toEqual({
      model_name: 'm',
      litellm_params: {
        model: 'bedrock/anthropic.claude-3-7-sonnet-20250219-v1:0',
        api_base: started.url,
        api_key: 'bedrock-local',
        aws_region_name: 'us-east-1',
        rpm: 3,
      },
      model_info: { id: 'aws/m', mode: 'chat' },
    });
  });

  it.each([
    ['openai', 'openai/text-embedding-3-small'],
    ['gemini', 'gemini/gemini-embedding-001'],
    ['bedrock', 'bedrock/cohere.embed-english-v3'],
  ] as const)('embeds texts by %s', async (protocol, model) => {
    const started = await provider(protocol, { script: [{}, { embeddings: [[1, 0.5]] }] });
    const client = clientOf(started, { model });
    const [{ embedding: one }, { embedding: two }] = (await client.embeddings({ model: 'm', input: ['one', 'two'] })).json().data;
    expect(one).toHaveLength(8);
    expect(one).not.toEqual(two);
    expect((await client.embeddings({ model: 'm', input: 'one' })).json().data[0].embedding).toEqual([1, 0.5]);
  });

  it('serves the OpenAI SDK', async () => {
    const started = await provider('openai', { script: { text: 'Hello', thinking: 'So.', toolCalls: [{ name: 'f' }] } });
    const sdk = new OpenAI({ baseURL: started.apiBase, apiKey: 'k', maxRetries: 0 });
    const { output_text, output } = await sdk.responses.create({ model: 'gpt', input: 'Hi' });
    expect([output_text, output.map(({ type }) => type)]).toEqual(['Hello', ['reasoning', 'message', 'function_call']]);
    const streamed = await sdk.responses.stream({ model: 'gpt', input: 'Hi' }).finalResponse();
    expect(streamed.output).toMatchObject(output.map(({ type }) => ({ type })));
    expect((await sdk.chat.completions.stream({ model: 'gpt', messages: HELLO }).finalMessage()).content).toBe('Hello');
    expect((await sdk.embeddings.create({ model: 'e', input: 'Hi' })).data[0].embedding).toHaveLength(8);
    expect((await sdk.completions.create({ model: 'gpt', prompt: 'Hi' })).choices[0].text).toBe('Hello');
    expect((await sdk.models.list()).data).toEqual([]);
    expect((await sdk.images.generate({ prompt: 'a cat' })).data).toHaveLength(1);
    expect(await sdk.responses.inputTokens.count({ model: 'm', input: 'Hello' })).toMatchObject({ object: 'response.input_tokens' });
  });

  it("serves Anthropic's SDK", async () => {
    const script = { text: 'Hello', thinking: 'So.', toolCalls: [{ name: 'f', arguments: { a: 1 } }] };
    const started = await provider('anthropic', { script });
    const sdk = new Anthropic({ baseURL: started.url, apiKey: 'k', maxRetries: 0 });
    const asked = { model: 'claude', max_tokens: 9, messages: HELLO };
    const whole = await sdk.messages.create(asked);
    const streamed = await sdk.messages.stream(asked).finalMessage();
    for (const { content, stop_reason } of [whole, streamed]) {
      expect(content).toMatchObject([{ thinking: 'So.' }, { text: 'Hello' }, { name: 'f', input: { a: 1 } }]);
      expect(stop_reason).toBe('tool_use');
    }
    expect(await sdk.messages.countTokens({ model: 'claude', messages: HELLO })).toMatchObject({ input_tokens: expect.any(Number) });
  });

  it("writes Bedrock's frames as AWS's own codec reads them", () => {
    const text = (bytes: Uint8Array | string): string => Buffer.from(bytes as Uint8Array).toString();
    const codec = new EventStreamCodec(text, (words) => Buffer.from(words));
    const { headers, body } = codec.decode(bedrockEvent('messageStart', { role: 'ä' }));
    expect(headers).toMatchObject({ ':event-type': { value: 'messageStart' }, ':message-type': { value: 'event' } });
    expect(JSON.parse(text(body))).toEqual({ role: 'ä' });
  });
});
