import Anthropic from '@anthropic-ai/sdk';
import {
  startProvider,
  type ProviderScript,
  type ScriptedAnswer,
  type ScriptedUsage,
  type TestProvider,
} from 'nestjs-fast-litellm/testing';
import { clientOf, closeClients } from '../../support/llm-client-setup.js';
import { deploymentOf, scripted, stopProviders } from '../../support/llm-client-providers.js';
import { disorderIn, messageEventsIn } from '../../support/message-events.js';
import { ANTHROPIC_SCRIPT } from '../../support/protocols/anthropic-protocol.js';
import { ScriptedProvider } from '../../support/protocols/protocol-script.js';
import { messagesServer } from '../../support/messages-server.js';

const started: TestProvider[] = [];

afterEach(async () => {
  await closeClients();
  await stopProviders();
  await Promise.all(started.splice(0).map((provider) => provider.close()));
});

const USAGE: ScriptedUsage = { promptTokens: 100, completionTokens: 20, cacheReadTokens: 60 };
const HI: ScriptedAnswer = { text: 'Hi', usage: USAGE };

/** A provider that speaks OpenAI's chat. */
async function openai(script: ProviderScript, name = 'openai'): Promise<TestProvider> {
  const provider = await startProvider('openai', { name, script });
  started.push(provider);
  return provider;
}

const modelOf = (provider: TestProvider, group = 'claude', params: object = {}): ReturnType<TestProvider['deployment']> =>
  provider.deployment(group, { model: 'openai/gpt-4o', ...params });
const askedOf = ({ requests }: TestProvider): readonly Readonly<Record<string, unknown>>[] => requests.map(({ body }) => body);

const tools = [
  { name: 'weather', description: 'The weather', input_schema: { type: 'object' as const, properties: { city: { type: 'string' } } } },
];
const ask = { model: 'claude', max_tokens: 100, messages: [{ role: 'user' as const, content: 'Hello' }] };
const usage = { input_tokens: 40, cache_creation_input_tokens: 0, cache_read_input_tokens: 60, output_tokens: 20 };
const two: ScriptedAnswer = {
  text: 'Let me see.',
  thinking: 'Both cities.',
  toolCalls: [
    { id: 'call_1', name: 'weather', arguments: '{"city":"Oslo"}' },
    { id: 'call_2', name: 'weather', arguments: '{"city":"Bergen, by the sea"}' },
  ],
  usage: USAGE,
};
const event = (fields: object): object => ({ id: 'chatcmpl-1', object: 'chat.completion.chunk', model: 'gpt-4o', ...fields });
const delta = (fields: object, reason: string | null = null): object =>
  event({ choices: [{ index: 0, delta: fields, finish_reason: reason }] });
const piece = (index: number, part: string): object => delta({ tool_calls: [{ index, function: { arguments: part } }] });
/** The same as a stream whose calls come interleaved, as some servers send parallel calls. */
const interleaved: ScriptedAnswer = {
  events: [
    delta({ role: 'assistant', content: '' }),
    ...['Both ', 'cities.'].map((part) => delta({ reasoning_content: part })),
    ...['Let', ' me', ' se', 'e.'].map((part) => delta({ content: part })),
    ...['call_1', 'call_2'].map((id, index) =>
      delta({ tool_calls: [{ index, id, type: 'function', function: { name: 'weather', arguments: '' } }] }),
    ),
    ...[piece(0, '{"city"'), piece(1, '{"city":"Bergen'), piece(0, ':"Oslo"}'), piece(1, ', by the sea"}')],
    delta({}, 'tool_calls'),
    event({
      choices: [],
      usage: { prompt_tokens: 100, completion_tokens: 20, total_tokens: 120, prompt_tokens_details: { cached_tokens: 60 } },
    }),
    'data: [DONE]\n\n',
  ],
};
const content = [
  { type: 'thinking', thinking: 'Both cities.', signature: '' },
  { type: 'text', text: 'Let me see.' },
  { type: 'tool_use', id: 'call_1', name: 'weather', input: { city: 'Oslo' } },
  { type: 'tool_use', id: 'call_2', name: 'weather', input: { city: 'Bergen, by the sea' } },
];

/** Anthropic's SDK before a client whose only provider speaks OpenAI's chat. */
async function over(...answers: ScriptedAnswer[]): Promise<{ sdk: Anthropic; provider: TestProvider; url: string }> {
  const provider = await openai(answers);
  const { client } = clientOf({ modelList: [modelOf(provider)], numRetries: 0 });
  const url = await messagesServer(client);
  return { sdk: new Anthropic({ baseURL: url, apiKey: 'sk-any', maxRetries: 0 }), provider, url };
}

describe("Anthropic's SDK over a provider that speaks OpenAI's chat", () => {
  it('reads a whole message', async () => {
    const { sdk, provider } = await over({ text: 'Hi!', usage: USAGE });
    expect(await sdk.messages.create({ ...ask, system: 'Be short.', stop_sequences: ['x'] })).toMatchObject({
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      model: 'gpt-4o',
      content: [{ type: 'text', text: 'Hi!' }],
      stop_reason: 'end_turn',
      usage,
    });
    expect(askedOf(provider)).toEqual([
      { model: 'gpt-4o', messages: [{ role: 'system', content: 'Be short.' }, ask.messages[0]], max_tokens: 100, stop: ['x'] },
    ]);
  });

  it('calls tools in parallel, and sends their results, whole', async () => {
    const { sdk, provider } = await over(two, { text: 'Rain.' });
    const first = await sdk.messages.create({ ...ask, tools, tool_choice: { type: 'any' } });
    expect(first).toMatchObject({ content, stop_reason: 'tool_use', usage });
    const results = first.content
      .filter((block) => block.type === 'tool_use')
      .map(({ id }) => ({ type: 'tool_result' as const, tool_use_id: id, content: 'Rain' }));
    const messages = [...ask.messages, { role: 'assistant' as const, content: first.content }, { role: 'user' as const, content: results }];
    expect(await sdk.messages.create({ ...ask, tools, messages })).toMatchObject({ content: [{ text: 'Rain.' }], stop_reason: 'end_turn' });
    const chatCall = (id: string, city: string): object => ({
      id,
      type: 'function',
      function: { name: 'weather', arguments: JSON.stringify({ city }) },
    });
    expect(askedOf(provider)[1].messages).toEqual([
      ask.messages[0],
      {
        role: 'assistant',
        content: 'Let me see.',
        reasoning_content: 'Both cities.',
        tool_calls: [chatCall('call_1', 'Oslo'), chatCall('call_2', 'Bergen, by the sea')],
      },
      { role: 'tool', tool_call_id: 'call_1', content: 'Rain' },
      { role: 'tool', tool_call_id: 'call_2', content: 'Rain' },
    ]);
  });

  it('streams the same message, whose interleaved calls come one by one', async () => {
    const { sdk, provider } = await over(interleaved);
    const stream = sdk.messages.stream({ ...ask, tools, thinking: { type: 'enabled', budget_tokens: 2048 } });
    const texts: string[] = [];
    const thoughts: string[] = [];
    const inputs: unknown[] = [];
    stream.on('text', (text) => texts.push(text));
    stream.on('thinking', (text) => thoughts.push(text));
    stream.on('contentBlock', (block) => inputs.push(block.type));
    expect(await stream.finalMessage()).toMatchObject({ content, stop_reason: 'tool_use', usage });
    expect([texts.join(''), thoughts.join(''), texts.length]).toEqual(['Let me see.', 'Both cities.', 4]);
    expect(inputs).toEqual(['thinking', 'text', 'tool_use', 'tool_use']);
    expect(askedOf(provider)[0]).toMatchObject({ stream: true, stream_options: { include_usage: true } });
    // GPT-4o does not think.
    expect(askedOf(provider)[0]).not.toHaveProperty('reasoning_effort');
  });

  it('reads each event of a stream, in the order of Anthropic', async () => {
    const { url } = await over(interleaved);
    const answer = await fetch(`${url}/v1/messages?beta=true`, { method: 'POST', body: JSON.stringify({ ...ask, tools, stream: true }) });
    expect(answer.headers.get('content-type')).toMatch(/^text\/event-stream/);
    const events = messageEventsIn(await answer.text());
    expect(disorderIn(events)).toBeUndefined();
    expect(events.filter(({ type }) => type === 'content_block_start')).toHaveLength(4);
  });

  it('reads a schema of the answer', async () => {
    const { sdk, provider } = await over({ text: '{"city":"Oslo"}' });
    const schema = { type: 'object' as const, properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false };
    const message = await sdk.messages.parse({ ...ask, output_config: { format: { type: 'json_schema', schema } } });
    expect(message.parsed_output).toEqual({ city: 'Oslo' });
    expect(askedOf(provider)[0].response_format).toMatchObject({ type: 'json_schema', json_schema: { schema, strict: true } });
  });

  it('reads the errors of a provider', async () => {
    const limited = { status: 429, body: { error: { message: 'Slow down.', type: 'requests', code: 'rate_limit_exceeded' } } };
    const long = { status: 400, body: { error: { message: 'This model has 10 tokens.', code: 'context_length_exceeded' } } };
    const { sdk } = await over(limited, long);
    await expect(sdk.messages.create(ask)).rejects.toThrow(Anthropic.RateLimitError);
    await expect(sdk.messages.create(ask)).rejects.toMatchObject({
      status: 400,
      type: 'invalid_request_error',
      message: expect.stringContaining('prompt is too long') as string,
    });
  });

  it('reads an error in the middle of a stream', async () => {
    const { sdk } = await over({ events: [delta({ content: 'Hello' }), event({ error: { message: 'Overloaded', code: 529 } })] });
    const stream = sdk.messages.stream(ask);
    await expect(stream.finalMessage()).rejects.toMatchObject({ type: 'overloaded_error' });
    expect(stream.receivedMessages).toHaveLength(0);
  });

  it('reads which field of its request is wrong, and which tool no provider has', async () => {
    const { sdk, provider } = await over();
    const wrong = [{ role: 'user', content: [{ type: 'text', text: 'Hi' }, { type: 'image' }] }] as never;
    await expect(sdk.messages.create({ ...ask, messages: wrong })).rejects.toMatchObject({
      status: 400,
      message: expect.stringContaining('messages[0].content[1].source: must be an object') as string,
    });
    const search = [{ type: 'web_search_20250305' as const, name: 'web_search' as const }];
    await expect(sdk.messages.create({ ...ask, tools: search })).rejects.toMatchObject({
      status: 400,
      type: 'invalid_request_error',
      message: expect.stringContaining('web_search_20250305') as string,
    });
    expect(askedOf(provider)).toEqual([]);
  });

  it('counts tokens without a provider', async () => {
    const { sdk, provider } = await over();
    const { input_tokens: short } = await sdk.messages.countTokens({ model: 'claude', messages: ask.messages });
    const { input_tokens: long } = await sdk.messages.countTokens({ model: 'claude', messages: ask.messages, tools, system: 'Be short.' });
    expect(short).toBeGreaterThan(0);
    expect(long).toBeGreaterThan(short + 10);
    await expect(sdk.messages.countTokens({ model: 'claude' } as never)).rejects.toMatchObject({ status: 400 });
    expect(askedOf(provider)).toEqual([]);
  });
});

describe('client.messages', () => {
  it('yields the events of a stream', async () => {
    const provider = await openai(HI);
    const { client } = clientOf({ modelList: [modelOf(provider)] });
    const stream = await client.messages({ ...ask, stream: true });
    const types: unknown[] = [];
    for await (const event of stream) types.push(event.type);
    expect(types).toEqual([
      'message_start',
      'ping',
      'content_block_start',
      'content_block_delta',
      'content_block_stop',
      'message_delta',
      'message_stop',
    ]);
    expect(stream.usage).toMatchObject({ promptTokens: 100, completionTokens: 20 });
  });

  it("leaves a request with Anthropic's own tools to a deployment at Anthropic", async () => {
    const provider = await openai(HI);
    const [own, origin] = await ScriptedProvider.start(ANTHROPIC_SCRIPT, () => ({ text: 'Found it.' }));
    const modelList = [modelOf(provider, 'claude', { order: 1 }), own.deployment('claude', origin)];
    const { client, router } = clientOf({ modelList, numRetries: 0 });
    const tools = [{ type: 'web_search_20250305', name: 'web_search' }];
    const answer = await client.messages({ ...ask, tools } as never);
    expect(answer.call).toMatchObject({ deploymentId: 'claude-anthropic', attempts: 2 });
    expect([provider.requests.length, own.asked[0].tools]).toEqual([0, tools]);
    expect(router.status().map(({ id, failures, successes }) => [id, failures, successes])).toEqual([
      ['openai/claude', 0, 0],
      ['claude-anthropic', 0, 1],
    ]);
  });

  it('keeps a silent stream alive with pings', async () => {
    let goOn = (): void => {};
    const apiBase = await scripted((request, response) => {
      request.resume();
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: {"choices":[{"delta":{"role":"assistant","content":""}}]}\n\n');
      goOn = () => response.end('data: {"choices":[{"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n');
    });
    const { client } = clientOf({ modelList: [deploymentOf('claude', { name: 'slow', apiBase })] });
    const url = await messagesServer(client);
    const ticks: (() => void)[] = [];
    const timers = jest.spyOn(global, 'setInterval').mockImplementation((tick) => {
      ticks.push(tick);
      return { unref: () => undefined } as never;
    });
    const answer = await fetch(`${url}/v1/messages`, { method: 'POST', body: JSON.stringify({ ...ask, stream: true }) });
    timers.mockRestore();
    // The first tick hears the events of the beginning.
    for (const tick of [...ticks, ...ticks, ...ticks]) tick();
    goOn();
    const events = messageEventsIn(await answer.text());
    expect(events.map(({ type }) => type).filter((type) => type === 'ping')).toHaveLength(3);
    expect(disorderIn(events)).toBeUndefined();
  });

  it('lets a model answer that cannot think, although thinking was asked for', async () => {
    const provider = await openai(HI, 'azure');
    const { client } = clientOf({ modelList: [modelOf(provider, 'claude', { model: 'azure/gpt-4o', api_version: '2024-10-21' })] });
    await client.messages({ ...ask, thinking: { type: 'adaptive' } });
    expect(askedOf(provider)).toEqual([expect.not.objectContaining({ reasoning_effort: expect.anything() as unknown })]);
    await expect(client.chat({ model: 'claude', messages: ask.messages, reasoning_effort: 'high' })).rejects.toMatchObject({
      param: 'reasoning_effort',
    });
  });

  it('asks again without stream_options where a provider refuses them', async () => {
    const provider = await openai(({ body }) =>
      body.stream_options === undefined ? HI : { status: 400, body: { error: { message: 'unknown stream_options' } } },
    );
    const { client } = clientOf({ modelList: [modelOf(provider)], numRetries: 0 });
    for (let call = 0; call < 2; call++) for await (const event of await client.messages({ ...ask, stream: true })) void event;
    expect(askedOf(provider).map((body) => body.stream_options !== undefined)).toEqual([true, false, false]);
  });

  it('takes the changes of a fallback in the words of messages', async () => {
    const failing = await openai({ status: 500 }, 'failing');
    const other = await openai(HI, 'other');
    const { client } = clientOf({ modelList: [modelOf(failing), modelOf(other, 'other')], numRetries: 0 });
    const fallbacks = [{ model: 'other', system: 'Be brief.', max_tokens: 7 }];
    await client.messages({ ...ask, fallbacks } as never);
    expect(askedOf(other)).toEqual([
      { model: 'gpt-4o', messages: [{ role: 'system', content: 'Be brief.' }, ask.messages[0]], max_tokens: 7 },
    ]);
  });

  it('retries an answer that is no chat completion', async () => {
    const provider = await openai([{ body: { choices: [] } }, HI]);
    const { client } = clientOf({ modelList: [modelOf(provider)], numRetries: 1 });
    const answer = await client.messages(ask);
    expect(answer.json()).toMatchObject({ content: [{ type: 'text', text: 'Hi' }] });
    expect(answer.call).toMatchObject({ attempts: 2, failures: [{ kind: 'malformed' }] });
  });
});
