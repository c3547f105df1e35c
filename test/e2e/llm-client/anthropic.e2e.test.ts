import Anthropic from '@anthropic-ai/sdk';
import type { ServerResponse } from 'node:http';
import type { LlmStream } from 'nestjs-fast-litellm';
import { startProvider, type TestProvider } from 'nestjs-fast-litellm/testing';
import { anthropicEvent, anthropicEvents, anthropicMessage, type AnthropicMessage } from '../../support/anthropic-events.js';
import { clientOf, closeClients, isOver, type OpenClient } from '../../support/llm-client-setup.js';
import { deploymentOf, HELLO, provider, stopProviders } from '../../support/llm-client-providers.js';
import { disorderIn, messageEventsIn } from '../../support/message-events.js';
import { messagesServer } from '../../support/messages-server.js';
import { until } from '../../support/until.js';

const started: TestProvider[] = [];

afterEach(async () => {
  await closeClients();
  await stopProviders();
  await Promise.all(started.splice(0).map((each) => each.close()));
});

/** How one request is answered: with a message in Anthropic's words, whole or streamed, or by hand. */
type Answer = AnthropicMessage | ((response: ServerResponse) => void);

/** A provider that answers as given, again and again as at the end. */
async function claude(...answers: Answer[]): Promise<TestProvider> {
  const script = await startProvider('anthropic', {
    name: 'claude',
    script: ({ stream }, index) => {
      const answer = answers[Math.min(index, answers.length - 1)];
      if (typeof answer === 'function') return { respond: answer };
      return { respond: respondWith(stream ? anthropicEvents(answer) : JSON.stringify(answer)) };
    },
  });
  started.push(script);
  return script;
}

/** Answers with events, or with JSON. */
function respondWith(
  answer: string | readonly string[],
  status = 200,
  headers: Readonly<Record<string, string>> = {},
): (response: ServerResponse) => void {
  const isJson = typeof answer === 'string';
  const type = isJson ? 'application/json' : 'text/event-stream; charset=utf-8';
  return (response) => {
    response.writeHead(status, { 'content-type': type, 'request-id': 'req_1', ...headers });
    response.end(isJson ? answer : answer.join(''));
  };
}

const KEY = 'sk-ant-api03-very-secret';
const CLAUDE = { model: 'anthropic/claude-sonnet-4-5', api_key: KEY };
const CHAT = { model: 'm', messages: HELLO, max_tokens: 100 } as const;
const TOOL = {
  type: 'function',
  function: { name: 'weather.now', parameters: { type: 'object', properties: { city: { type: 'string' } } } },
} as const;
const THOUGHT = { type: 'thinking', thinking: 'Which city?', signature: 'c2lnbmVk' };
const HI = { type: 'text', text: 'Hi there' };
const CALL = { type: 'tool_use', id: 'toolu_1', name: 'weather_now', input: { city: 'Oslo' } };
const USAGE = {
  input_tokens: 10,
  cache_creation_input_tokens: 30,
  cache_read_input_tokens: 60,
  output_tokens: 25,
  output_tokens_details: { thinking_tokens: 20 },
};
const COUNTED = {
  promptTokens: 100,
  completionTokens: 25,
  totalTokens: 125,
  details: { cacheReadTokens: 60, cacheWriteTokens: 30, cacheWrite1hTokens: 0, reasoningTokens: 20 },
};

interface Open extends OpenClient {
  readonly script: TestProvider;
}

/** A client over a scripted Anthropic, and behind it, where that fails, a provider that is well. */
async function over(...answers: Answer[]): Promise<Open> {
  const script = await claude(...answers);
  const modelList = [deploymentOf('m', script, { ...CLAUDE, order: 1 }), deploymentOf('m', await provider('well'), { order: 2 })];
  return { ...clientOf({ modelList, numRetries: 0 }), script };
}

const only = async (...answers: Answer[]): Promise<Open> => {
  const script = await claude(...answers);
  return { ...clientOf({ modelList: [deploymentOf('m', script, CLAUDE)], numRetries: 0 }), script };
};

async function contentOf(stream: LlmStream<unknown>): Promise<{ text: string; reasoning: string; finish: unknown; calls: string }> {
  const joined = { text: '', reasoning: '', finish: undefined as unknown, calls: '' };
  for await (const event of stream) {
    const [choice] = (event as { choices: { delta: Record<string, unknown>; finish_reason: unknown }[] }).choices;
    if (choice === undefined) continue;
    joined.text += (choice.delta.content as string | undefined) ?? '';
    joined.reasoning += (choice.delta.reasoning_content as string | undefined) ?? '';
    joined.finish = choice.finish_reason ?? joined.finish;
    for (const { function: called } of (choice.delta.tool_calls ?? []) as { function: { name?: string; arguments: string } }[])
      joined.calls += (called.name ?? '') + called.arguments;
  }
  return joined;
}

describe('chat over Anthropic', () => {
  it("asks by its protocol and answers in OpenAI's words, with the usage", async () => {
    const { client, script } = await only(anthropicMessage([HI], { usage: USAGE }));
    const answer = await client.chat(CHAT);
    expect(answer.json()).toMatchObject({
      object: 'chat.completion',
      choices: [{ message: { content: 'Hi there' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 100 },
    });
    expect(answer.usage).toEqual(COUNTED);
    expect(answer.call).toMatchObject({ provider: 'anthropic', providerRequestId: 'req_1' });
    const [{ url, headers, body }] = script.requests;
    expect(url).toBe('/v1/messages');
    expect(headers).toMatchObject({ 'x-api-key': KEY, 'anthropic-version': '2023-06-01', 'content-type': 'application/json' });
    expect(headers).not.toHaveProperty('authorization');
    expect(body).toEqual({
      model: 'claude-sonnet-4-5',
      messages: [{ role: 'user', content: [{ type: 'text', text: 'Hello' }] }],
      max_tokens: 100,
    });
  });

  it('asks for as much as the deployment states that its model can write', async () => {
    const script = await claude(anthropicMessage([HI]));
    const entry = deploymentOf('m', script, CLAUDE);
    const { client } = clientOf({ modelList: [{ ...entry, model_info: { ...entry.model_info, max_output_tokens: 777 } }] });
    await client.chat({ model: 'm', messages: HELLO });
    expect(script.requests[0].body).toMatchObject({ max_tokens: 777 });
  });

  it('streams, and knows the usage although the caller did not ask for it', async () => {
    const { client, script } = await only(anthropicMessage([THOUGHT, HI], { usage: USAGE }));
    const stream = await client.chat({ ...CHAT, stream: true });
    expect(await contentOf(stream)).toEqual({ text: 'Hi there', reasoning: 'Which city?', finish: 'stop', calls: '' });
    expect(stream.usage).toEqual(COUNTED);
    expect(script.requests[0].body).toMatchObject({ stream: true });
    expect(script.requests[0].body).not.toHaveProperty('stream_options');
  });

  it('has a conversation with tools and thinking', async () => {
    const { client, script } = await only(anthropicMessage([THOUGHT, HI, CALL], { stop_reason: 'tool_use' }), anthropicMessage([HI]));
    const request = { ...CHAT, max_tokens: 4000, tools: [TOOL], reasoning_effort: 'low' as const };
    const { message, finish_reason } = (await client.chat(request)).json().choices[0];
    expect(finish_reason).toBe('tool_calls');
    expect(message.tool_calls).toEqual([
      { id: 'toolu_1', type: 'function', function: { name: 'weather.now', arguments: '{"city":"Oslo"}' } },
    ]);
    await client.chat({ ...request, messages: [...HELLO, message, { role: 'tool', tool_call_id: 'toolu_1', content: 'Rain' }] });
    expect(script.requests[1].body).toMatchObject({
      thinking: { type: 'enabled', budget_tokens: 1024 },
      tools: [{ name: 'weather_now' }],
      messages: [
        { role: 'user' },
        { role: 'assistant', content: [THOUGHT, HI, CALL] },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'toolu_1', content: 'Rain' }] },
      ],
    });
  });

  it("streams a call under the client's name of the tool", async () => {
    const { client } = await only(anthropicMessage([CALL], { stop_reason: 'tool_use' }));
    const stream = await client.chat({ ...CHAT, tools: [TOOL], stream: true });
    expect(await contentOf(stream)).toMatchObject({ finish: 'tool_calls', calls: 'weather.now{"city":"Oslo"}' });
  });

  it('falls back, without blame, where it cannot express a request', async () => {
    const { client, script, router } = await over(anthropicMessage([HI]));
    const { call } = await client.chat({ ...CHAT, n: 2 });
    expect(call).toMatchObject({ deploymentId: 'well', failures: [{ deploymentId: 'claude', kind: 'bad_request' }] });
    expect(script.requests).toEqual([]);
    expect(router.status().find(({ id }) => id === 'claude')).toMatchObject({ state: 'available' });
  });
});

describe('errors of Anthropic', () => {
  const error = (type: string, message = 'No'): string => JSON.stringify({ type: 'error', error: { type, message }, request_id: 'req_1' });

  it.each([
    [400, 'invalid_request_error', 'bad_request', 400],
    [404, 'not_found_error', 'not_found', 404],
    [429, 'rate_limit_error', 'rate_limit', 429],
    [500, 'api_error', 'server', 500],
    [529, 'overloaded_error', 'server', 529],
    // Behind the status 200.
    [200, 'rate_limit_error', 'rate_limit', 429],
  ])('%d %s is a failure of the kind %s', async (status, type, kind, stated) => {
    for (const stream of [false, true]) {
      const { client } = await only(respondWith(error(type, `bad key ${KEY}`), status));
      const failure = client.chat({ ...CHAT, stream });
      await expect(failure).rejects.toMatchObject({
        kind,
        providerStatus: stated,
        providerRequestId: 'req_1',
        error: { message: 'bad key ***', type },
      });
    }
  });

  it.each([
    [401, 'authentication_error'],
    [403, 'permission_error'],
  ])('%d %s is about the key of the server: clients get neither its text nor its type', async (status, type) => {
    for (const stream of [false, true]) {
      const { client } = await only(respondWith(error(type, `bad key ${KEY}`), status));
      const failure = client.chat({ ...CHAT, stream });
      await expect(failure).rejects.toMatchObject({
        kind: 'authentication',
        status: 503,
        providerStatus: status,
        providerRequestId: 'req_1',
        error: {
          message: expect.stringMatching(/^The provider rejected this server's key/) as string,
          type: 'server_error',
          code: 'provider_authentication',
        },
      });
    }
  });

  it('say how long to wait, and that a prompt is too long', async () => {
    const { client } = await only(
      respondWith(error('rate_limit_error'), 429, { 'retry-after': '7' }),
      respondWith(error('invalid_request_error', 'prompt is too long: 2 > 1'), 400),
    );
    await expect(client.chat(CHAT)).rejects.toMatchObject({ retryAfterMs: 7000 });
    const other = await only(respondWith(error('invalid_request_error', 'prompt is too long: 2 > 1'), 400));
    await expect(other.client.chat(CHAT)).rejects.toMatchObject({ kind: 'context_window', providerCode: 'context_length_exceeded' });
  });

  const events = anthropicEvents(anthropicMessage([HI]));
  const overloaded = `event: error\ndata: ${error('overloaded_error', 'Overloaded')}\n\n`;

  it('before the content of a stream let another deployment answer', async () => {
    const { client } = await over(respondWith([...events.slice(0, 2), overloaded]));
    const stream = await client.chat({ ...CHAT, stream: true });
    expect(stream.call).toMatchObject({ deploymentId: 'well', failures: [{ kind: 'server', status: 529 }] });
    await contentOf(stream);
  });

  it('behind content end the stream', async () => {
    const open = await over(respondWith([...events.slice(0, 4), overloaded]));
    const stream = await open.client.chat({ ...CHAT, stream: true });
    await expect(contentOf(stream)).rejects.toMatchObject({ kind: 'server', providerStatus: 529, error: { message: 'Overloaded' } });
    await until(() => isOver(open));
  });
});

describe('a hostile Anthropic', () => {
  const events = anthropicEvents(anthropicMessage([HI]));
  const endless = (event: string, ...before: string[]): ((response: ServerResponse) => void) => {
    return (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).on('error', () => {});
      response.write(before.join(''));
      const write = (): void => {
        while (!response.destroyed && response.write(event));
        if (!response.destroyed) response.once('drain', write);
      };
      write();
    };
  };
  const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;

  it.each<[string, Answer]>([
    ['is cut', respondWith(events.slice(0, 3))],
    ['is empty', respondWith([])],
    ['is broken JSON', respondWith(['event: message_start\ndata: {"type":\n\n'])],
    ['has one endless event', endless('data: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx')],
    ['is JSON', respondWith('{}')],
    ['is HTML', respondWith('<html>', 200, { 'content-type': 'text/html' })],
  ])('whose stream %s fails with a known error, and nothing stays', async (_, answer) => {
    const script = await claude(answer);
    const open = clientOf({ modelList: [deploymentOf('m', script, CLAUDE)], numRetries: 0 }, { maxAnswerBytes: 300_000 });
    const read = async (): Promise<unknown> => contentOf(await open.client.chat({ ...CHAT, stream: true }));
    await expect(read()).rejects.toMatchObject({ code: 'PROVIDER_MALFORMED' });
    await until(() => isOver(open));
  });

  it.each<[string, string]>([
    ['blocks that are open at once', anthropicEvent({ type: 'content_block_start', index: 0, content_block: CALL })],
    ['events', anthropicEvent({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'x' } })],
  ])('that sends endless %s is read until its client leaves', async (_, event) => {
    const [start, , block] = events;
    const open = await only(endless(event, start, block));
    const stream = await open.client.chat({ ...CHAT, stream: true });
    let seen = 0;
    for await (const chunk of stream) {
      expect(chunk).toHaveProperty('choices');
      if (++seen > 2000) break;
    }
    expect(seen).toBe(2001);
    await until(() => isOver(open));
  });

  it.each([
    ['no JSON', '<html>'],
    ['no message', '{"id":"x"}'],
    ['content that is none', '{"content":5}'],
    ['deep content', `{"content":[{"type":"tool_use","id":"a","name":"b","input":${deep}}]}`],
    ['half a message', '{"content":[{"type":"text"'],
  ])('that answers %s fails with a known error', async (_, body) => {
    const { client } = await only(respondWith(body));
    await expect(client.chat(CHAT)).rejects.toMatchObject({ code: 'PROVIDER_MALFORMED' });
  });

  it('that lies about its usage is not believed', async () => {
    const { client } = await only(
      anthropicMessage([HI], { usage: { input_tokens: -5, output_tokens: 1e300, cache_read_input_tokens: 'x' } }),
    );
    expect((await client.chat(CHAT)).usage).toBeUndefined();
  });

  it('that pings for long is waited for', async () => {
    const pings = Array.from({ length: 500 }, () => anthropicEvent({ type: 'ping' }));
    const { client } = await only(respondWith([events[0], ...pings, ...events.slice(1)]));
    expect((await contentOf(await client.chat({ ...CHAT, stream: true }))).text).toBe('Hi there');
  });
});

describe("Anthropic's SDK over Anthropic", () => {
  const MESSAGE = anthropicMessage([THOUGHT, HI, CALL], { stop_reason: 'tool_use', usage: USAGE });
  const ask = { model: 'm', max_tokens: 5000, messages: [{ role: 'user' as const, content: 'Hello' }] };

  async function sdkOver(...answers: Answer[]): Promise<Open & { sdk: Anthropic; url: string }> {
    const open = await only(...answers);
    const url = await messagesServer(open.client);
    return { ...open, url, sdk: new Anthropic({ baseURL: url, apiKey: 'sk-any', maxRetries: 0 }) };
  }

  it('gets the message as it came, and its request passes', async () => {
    const { sdk, script, client } = await sdkOver(MESSAGE);
    const body = {
      ...ask,
      system: [{ type: 'text' as const, text: 'S', cache_control: { type: 'ephemeral' as const } }],
      thinking: { type: 'enabled' as const, budget_tokens: 2048 },
    };
    expect(await sdk.messages.create(body)).toEqual(expect.objectContaining(MESSAGE));
    expect(script.requests[0].body).toEqual({ ...body, model: 'claude-sonnet-4-5' });
    expect(script.requests[0].headers).toMatchObject({ 'x-api-key': KEY });
    const answer = await client.messages(body);
    expect(answer.usage).toEqual(COUNTED);
    expect(answer.json()).toEqual(MESSAGE);
  });

  it('gets the events as they came, with the usage read on the way', async () => {
    const { sdk, url, client } = await sdkOver(MESSAGE);
    expect(await sdk.messages.stream(ask).finalMessage()).toMatchObject({
      content: MESSAGE.content,
      stop_reason: 'tool_use',
      usage: USAGE,
    });
    const response = await fetch(`${url}/v1/messages`, { method: 'POST', body: JSON.stringify({ ...ask, stream: true }) });
    const text = await response.text();
    expect(text).toBe(anthropicEvents(MESSAGE).join(''));
    expect(disorderIn(messageEventsIn(text))).toBeUndefined();
    const stream = await client.messages({ ...ask, stream: true });
    const types: string[] = [];
    for await (const { type } of stream) types.push(type);
    expect([types[0], types.at(-1)]).toEqual(['message_start', 'message_stop']);
    expect(stream.usage).toEqual(COUNTED);
  });

  it('brings its version and betas, and keeps its key', async () => {
    const { sdk, script } = await sdkOver(MESSAGE);
    await sdk.beta.messages.create({ ...ask, betas: ['context-1m-2025-08-07', 'interleaved-thinking-2025-05-14'] });
    const { headers } = script.requests[0];
    expect(headers).toMatchObject({
      'anthropic-version': '2026-10-21',
      'anthropic-beta': 'context-1m-2025-08-07,interleaved-thinking-2025-05-14',
      'x-api-key': KEY,
    });
    expect(JSON.stringify(headers)).not.toContain('sk-any');
  });

  it('sees a late error, and a stream that was cut, as errors', async () => {
    const events = anthropicEvents(anthropicMessage([HI]));
    const overloaded = 'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n';
    const late = await sdkOver(respondWith([...events.slice(0, 4), overloaded]));
    await expect(late.sdk.messages.stream(ask).finalMessage()).rejects.toMatchObject({ type: 'overloaded_error' });
    const cut = await sdkOver(respondWith(events.slice(0, 4)));
    await expect(cut.sdk.messages.stream(ask).finalMessage()).rejects.toMatchObject({ type: 'api_error' });
    const text = await (await fetch(`${cut.url}/v1/messages`, { method: 'POST', body: JSON.stringify({ ...ask, stream: true }) })).text();
    expect(disorderIn(messageEventsIn(text))).toBeUndefined();
  });

  it('is answered by another deployment when the stream begins with an error', async () => {
    const overloaded = 'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n';
    const { client } = await over(respondWith([anthropicEvents(MESSAGE)[0], overloaded]));
    const stream = await client.messages({ ...ask, stream: true });
    expect(stream.call).toMatchObject({ deploymentId: 'well', failures: [{ kind: 'server', status: 529 }] });
    stream.cancel();
  });

  it('counts an error answer with the status it states', async () => {
    const { sdk } = await sdkOver(
      respondWith('{"type":"error","error":{"type":"rate_limit_error","message":"Slow down"}}', 429, { 'retry-after': '3' }),
    );
    await expect(sdk.messages.create(ask)).rejects.toMatchObject({ status: 429, type: 'rate_limit_error' });
  });
});
