import { createOpenAI } from '@ai-sdk/openai';
import { ChatOpenAI } from '@langchain/openai';
import { generateText, stepCountIs, streamText, tool } from 'ai';
import type { ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import type { LlmAnswer, ModelListEntry } from 'nestjs-fast-litellm';
import OpenAI from 'openai';
import { z } from 'zod';
import { closeClients, clientOf, isOver } from '../../support/llm-client-setup.js';
import { deploymentOf, stopProviders } from '../../support/llm-client-providers.js';
import { gatewayTo, recorder, sendChat, sendEvents, sendJson, type Recorder } from '../../support/responses-gateway.js';
import { until } from '../../support/until.js';

type Json = Record<string, unknown>;

const USAGE = {
  input_tokens: 7,
  input_tokens_details: { cached_tokens: 3 },
  output_tokens: 4,
  output_tokens_details: { reasoning_tokens: 1 },
  total_tokens: 11,
};
const part = { type: 'output_text', text: 'Hello there.', annotations: [], logprobs: [] };
const message = { type: 'message', id: 'msg_1', status: 'completed', role: 'assistant', content: [part] };
const call = { type: 'function_call', id: 'fc_1', status: 'completed', call_id: 'call_1', name: 'weather', arguments: '{"city":"Bern"}' };
const responseOf = (output: readonly object[], status = 'completed', usage: unknown = USAGE) => ({
  id: 'resp_1',
  object: 'response',
  created_at: 1,
  status,
  error: null,
  incomplete_details: null,
  instructions: null,
  model: 'gpt-4o',
  output,
  parallel_tool_calls: true,
  temperature: 1,
  tool_choice: 'auto',
  tools: [],
  top_p: 1,
  metadata: {},
  usage,
});
const begun = [
  { type: 'response.created', sequence_number: 0, response: responseOf([], 'in_progress', null) },
  { type: 'response.in_progress', sequence_number: 1, response: responseOf([], 'in_progress', null) },
];
const place = { item_id: 'msg_1', output_index: 0, content_index: 0 };
const said = [
  { type: 'response.output_item.added', sequence_number: 2, output_index: 0, item: { ...message, status: 'in_progress', content: [] } },
  { type: 'response.content_part.added', sequence_number: 3, ...place, part: { ...part, text: '' } },
  { type: 'response.output_text.delta', sequence_number: 4, ...place, delta: 'Hello ', logprobs: [] },
  { type: 'response.output_text.delta', sequence_number: 5, ...place, delta: 'there.', logprobs: [] },
  { type: 'response.output_text.done', sequence_number: 6, ...place, text: part.text, logprobs: [] },
  { type: 'response.content_part.done', sequence_number: 7, ...place, part },
  { type: 'response.output_item.done', sequence_number: 8, output_index: 0, item: message },
];
const called = [
  {
    type: 'response.output_item.added',
    sequence_number: 2,
    output_index: 0,
    item: { ...call, status: 'in_progress', arguments: '' },
  },
  { type: 'response.function_call_arguments.delta', sequence_number: 3, item_id: 'fc_1', output_index: 0, delta: call.arguments },
  { type: 'response.function_call_arguments.done', sequence_number: 4, item_id: 'fc_1', output_index: 0, arguments: call.arguments },
  { type: 'response.output_item.done', sequence_number: 5, output_index: 0, item: call },
];
const completed = (output: readonly object[], usage: unknown = USAGE) => ({
  type: 'response.completed',
  sequence_number: 9,
  response: responseOf(output, 'completed', usage),
});
const failed = {
  type: 'response.failed',
  sequence_number: 2,
  response: { ...responseOf([], 'failed', null), error: { code: 'server_error', message: 'The model is on fire.' } },
};

/** Calls the tool once, if there is one. */
function answer(_: string, { input, tools, stream }: Json, response: ServerResponse): void {
  const isAnswered = Array.isArray(input) && (input as readonly Json[]).some(({ type }) => type === 'function_call_output');
  const calls = tools !== undefined && !isAnswered;
  if (stream !== true) sendJson(response, responseOf([calls ? call : message]));
  else sendEvents(response, [...begun, ...(calls ? called : said), completed([calls ? call : message])]);
}

const deployment = (name: string, { apiBase }: Pick<Recorder, 'apiBase'>, params: Json = {}): ModelListEntry =>
  deploymentOf('m', { name, apiBase }, { model: 'openai/gpt-4o', ...params });

async function native(reply = answer, params: Json = {}) {
  const provider = await recorder(reply);
  const open = clientOf({ modelList: [deployment('native', provider, params)], numRetries: 0 });
  return { open, client: open.client, requests: provider.requests };
}

async function post(base: string, body: object): Promise<string> {
  const response = await fetch(`${base}/responses`, { method: 'POST', body: JSON.stringify(body) });
  return text(response.body as never);
}

afterEach(async () => {
  await closeClients();
  await stopProviders();
});

describe('Responses at a provider that has them', () => {
  it('passes the body but for the model and the fields of this package', async () => {
    const { client, requests } = await native(answer, { max_tokens: 50, reasoning_effort: 'low' });
    const passed = {
      input: 'Hi',
      previous_response_id: 'resp_0',
      include: ['reasoning.encrypted_content'],
      tools: [{ type: 'web_search' }],
      something_new: { a: [1] },
    };
    const body = { ...passed, model: 'm', num_retries: 0, tags: [] };
    const whole = (await client.responses(body as never)) as unknown as LlmAnswer;
    expect(requests[0].url).toBe('/v1/responses');
    expect(requests[0].body).toEqual({ ...passed, model: 'gpt-4o', max_output_tokens: 50, reasoning: { effort: 'low' } });
    expect(whole.usage).toMatchObject({ promptTokens: 7, completionTokens: 4, details: { cacheReadTokens: 3, reasoningTokens: 1 } });
    expect(whole.bytes.toString()).toBe(JSON.stringify(responseOf([call])));
  });

  it('passes the bytes of a stream, and reads its usage', async () => {
    const { client } = await native();
    const stream = await client.responses({ model: 'm', input: 'Hi', stream: true });
    const events: unknown[] = [];
    for await (const event of stream) events.push(event);
    expect(events).toEqual([...begun, ...said, completed([message])]);
    expect(stream.usage).toMatchObject({ promptTokens: 7, completionTokens: 4 });
  });

  it.each([
    ['openai/gpt-4o', '', '/v1/responses'],
    ['azure/gpt', '2024-10-21', '/openai/v1/responses'],
    ['azure/gpt', 'preview', '/openai/v1/responses'],
  ])('calls %s with the version %j at %s', async (model, version, path) => {
    const provider = await recorder(answer);
    const base = model.startsWith('azure') ? provider.apiBase.replace('/v1', '') : provider.apiBase;
    const { client } = clientOf({
      modelList: [deployment('a', { apiBase: base }, { model, ...(version !== '' && { api_version: version }) })],
    });
    await client.responses({ model: 'm', input: 'Hi' });
    expect(provider.requests[0].url).toBe(path);
  });

  it('serves the SDK of OpenAI, the AI SDK and LangChain', async () => {
    const { client } = await native();
    const base = await gatewayTo(client);
    const sdk = new OpenAI({ baseURL: base, apiKey: 'sk', maxRetries: 0 });
    expect((await sdk.responses.create({ model: 'm', input: 'Hi' })).output_text).toBe('Hello there.');
    expect((await sdk.responses.stream({ model: 'm', input: 'Hi' }).finalResponse()).output).toMatchObject([{ id: 'msg_1' }]);
    const model = createOpenAI({ baseURL: base, apiKey: 'sk' })('m');
    const weather = tool({ inputSchema: z.object({ city: z.string() }), execute: ({ city }) => `cold in ${city}` });
    const settings = { model, prompt: 'Weather?', tools: { weather }, stopWhen: stepCountIs(3) };
    expect((await generateText(settings)).text).toBe('Hello there.');
    const streamed = streamText(settings);
    expect(await streamed.text).toBe('Hello there.');
    expect(await streamed.steps).toHaveLength(2);
    const chain = new ChatOpenAI({ model: 'm', apiKey: 'sk', useResponsesApi: true, maxRetries: 0, configuration: { baseURL: base } });
    expect((await chain.invoke('Hi')).text).toBe('Hello there.');
  });
});

describe('chat of a model that answers by Responses', () => {
  it.each(['openai/responses/gpt-4o', 'azure/responses/gpt-4o'])(
    'serves the SDK of OpenAI, whole, streamed and with tools, by %s',
    async (model) => {
      const { client, requests } = await native(answer, { model });
      const sdk = new OpenAI({ baseURL: await gatewayTo(client), apiKey: 'sk', maxRetries: 0 });
      const messages = [{ role: 'user' as const, content: 'Hi' }];
      const whole = await sdk.chat.completions.create({ model: 'm', messages });
      expect(whole.choices).toMatchObject([{ message: { content: 'Hello there.' }, finish_reason: 'stop' }]);
      expect(whole.usage).toMatchObject({ prompt_tokens: 7, completion_tokens: 4, prompt_tokens_details: { cached_tokens: 3 } });
      const streamed = sdk.chat.completions.stream({ model: 'm', messages, stream_options: { include_usage: true } });
      expect(await streamed.finalContent()).toBe('Hello there.');
      expect(await streamed.totalUsage()).toMatchObject({ total_tokens: 11 });
      const tools = [{ type: 'function' as const, function: { name: 'weather', parameters: { type: 'object', properties: {} } } }];
      const calling = await sdk.chat.completions.stream({ model: 'm', messages, tools }).finalChatCompletion();
      expect(calling.choices).toMatchObject([
        {
          message: { tool_calls: [{ id: 'call_1', function: { name: 'weather', arguments: '{"city":"Bern"}' } }] },
          finish_reason: 'tool_calls',
        },
      ]);
      expect(requests.map(({ url, body }) => [url.endsWith('/v1/responses'), body.model])).toEqual(requests.map(() => [true, 'gpt-4o']));
    },
  );

  it('passes Responses to the same deployment', async () => {
    const { client, requests } = await native(answer, { model: 'groq/responses/llama' });
    await client.responses({ model: 'm', input: 'Hi' });
    expect(requests).toMatchObject([{ url: '/v1/responses', body: { model: 'llama', input: 'Hi' } }]);
  });

  it.each([
    ['a cut stream', [], /does not follow its protocol/],
    ['response.failed', [failed], /on fire/],
  ])('throws for %s', async (_, last, words) => {
    const reply = (__: string, ___: Json, response: ServerResponse) => sendEvents(response, [...begun, ...said, ...last]);
    const { client } = await native(reply, { model: 'openai/responses/gpt-4o' });
    const stream = await client.chat({ model: 'm', messages: [{ role: 'user', content: 'Hi' }], stream: true });
    const read = async () => {
      for await (const chunk of stream) expect(chunk.choices).toBeDefined();
    };
    await expect(read()).rejects.toThrow(words);
  });
});

describe('a group with both kinds of deployments', () => {
  it('sends what chat cannot express to the one that has Responses', async () => {
    const chat = await recorder((_, body, response) => sendChat(response, body, { content: 'By chat.' }));
    const own = await recorder(answer);
    const modelList = [deployment('chat', chat, { model: 'groq/llama', order: 1 }), deployment('own', own, { order: 2 })];
    const { client } = clientOf({ modelList });
    const plain = await client.responses({ model: 'm', input: 'Hi' });
    const linked = await client.responses({ model: 'm', input: 'Hi', previous_response_id: 'resp_0' });
    expect([plain.call.deploymentId, linked.call.deploymentId]).toEqual(['chat', 'own']);
    expect(chat.requests).toHaveLength(1);
  });
});

describe('a conversation that goes on at another provider', () => {
  it.each([undefined, false])('sends the items of a bridge whole and without foreign thinking (store %s)', async (store) => {
    const turn = { reasoning_content: 'Hm. ', content: 'I look it up. ', tool_calls: [{ id: 'call_9', name: 'weather', arguments: '{}' }] };
    const chat = await recorder((_, body, response) => sendChat(response, body, turn));
    const own = await recorder(answer);
    const modelList = [deployment('chat', chat, { model: 'groq/llama' }), { ...deployment('own', own), model_name: 'n' }];
    const base = await gatewayTo(clientOf({ modelList }).client);
    const weather = tool({ inputSchema: z.object({}), execute: () => 'cold' });
    const models = ['m', 'n'].map((name) => createOpenAI({ baseURL: base, apiKey: 'sk' })(name));
    const { text: said } = await generateText({
      model: models[0],
      prompt: 'Weather?',
      tools: { weather },
      stopWhen: stepCountIs(2),
      prepareStep: ({ stepNumber }) => ({ model: models[stepNumber] }),
      providerOptions: { openai: store === undefined ? {} : { store } },
    });
    expect(said).toBe('Hello there.');
    expect(own.requests[0].body.input).toMatchObject([
      { role: 'user' },
      { role: 'assistant', content: [{ type: 'output_text', text: 'I look it up. ' }] },
      { type: 'function_call', call_id: 'call_9' },
      { type: 'function_call_output', call_id: 'call_9', output: 'cold' },
    ]);
  });

  it('leaves out what Azure refuses in its own items', async () => {
    const { client, requests } = await native(answer, { model: 'azure/gpt-4o' });
    const reasoning = { type: 'reasoning', id: 'rs_1', status: null, summary: [], encrypted_content: 'gAAA' };
    await client.responses({ model: 'm', input: [message, reasoning, call] as never });
    const withoutStatus = (item: object) => Object.fromEntries(Object.entries(item).filter(([name]) => name !== 'status'));
    expect(requests[0].body.input).toEqual([withoutStatus(message), withoutStatus(reasoning), call]);
  });
});

describe('a server without /responses', () => {
  it.each([true, false])('is called by chat from then on (stream %s)', async (stream) => {
    const { client, requests } = await native((url, body, response) => {
      if (url.endsWith('/responses')) sendJson(response, { detail: 'Not Found' }, 404);
      else sendChat(response, body, { content: 'By chat.' });
    });
    const base = await gatewayTo(client);
    expect(await post(base, { model: 'm', input: 'Hi', stream })).toContain('By chat.');
    expect(await post(base, { model: 'm', input: 'Hi', stream })).toContain('By chat.');
    expect(requests.map(({ url }) => url)).toEqual(['/v1/responses', '/v1/chat/completions', '/v1/chat/completions']);
  });

  it('is not what 404 means for an item that the provider no longer has', async () => {
    let isGone = true;
    const { client, requests } = await native((url, sent, response) => {
      if (isGone) sendJson(response, { error: { message: "Item with id 'msg_0' not found.", param: 'input' } }, 404);
      else answer(url, sent, response);
    });
    const gone = { model: 'm', input: [{ type: 'item_reference', id: 'msg_0' }] };
    await expect(client.responses(gone as never)).rejects.toThrow("Item with id 'msg_0' not found.");
    expect(requests).toHaveLength(1);
    isGone = false;
    await client.responses({ model: 'm', input: 'Hi' });
    expect(requests.at(-1)?.url).toBe('/v1/responses');
  });

  it('has the first answer where chat does not have the model either', async () => {
    const { client, requests } = await native((url, _, response) => sendJson(response, { error: { message: `Not found at ${url}` } }, 404));
    await expect(client.responses({ model: 'm', input: 'Hi' })).rejects.toThrow('Not found at /v1/responses');
    expect(requests.map(({ url }) => url)).toEqual(['/v1/responses', '/v1/chat/completions']);
  });

  it('is not looked for where the model is unknown', async () => {
    const error = { error: { message: 'no', code: 'model_not_found' } };
    const { client, requests } = await native((_, __, response) => sendJson(response, error, 404));
    await expect(client.responses({ model: 'm', input: 'Hi' })).rejects.toMatchObject({ providerStatus: 404 });
    expect(requests).toHaveLength(1);
  });

  it('is called by chat at once with use_chat_completions_api', async () => {
    const { client, requests } = await native((_, body, response) => sendChat(response, body, { content: 'By chat.' }), {
      use_chat_completions_api: true,
    });
    await client.responses({ model: 'm', input: 'Hi' });
    expect(requests.map(({ url }) => url)).toEqual(['/v1/chat/completions']);
  });
});

describe('a provider that fails', () => {
  const errorEvent = { type: 'error', sequence_number: 2, code: 'server_error', message: 'Oops', param: null };

  it.each([
    ['response.failed', (response: ServerResponse) => sendEvents(response, [...begun, failed])],
    ['an error event', (response: ServerResponse) => sendEvents(response, [...begun, errorEvent])],
    ['a chat error', (response: ServerResponse) => sendEvents(response, [...begun, { error: { message: 'Oops' } }])],
    ['no event', (response: ServerResponse) => sendEvents(response, [])],
    ['no content', (response: ServerResponse) => sendEvents(response, begun)],
    ['JSON with an error', (response: ServerResponse) => sendJson(response, { error: { message: 'Oops' } })],
  ])('before the first content, by %s, is replaced by another deployment', async (_, reply) => {
    const bad = await recorder((__, ___, response) => reply(response));
    const good = await recorder(answer);
    const { client } = clientOf({ modelList: [deployment('bad', bad, { order: 1 }), deployment('good', good, { order: 2 })] });
    const stream = await client.responses({ model: 'm', input: 'Hi', stream: true });
    expect(stream.call.deploymentId).toBe('good');
    for await (const event of stream) expect(event.type).not.toBe('error');
  });

  it('with a whole failed response of status 200 is replaced by another deployment', async () => {
    const bad = await recorder((_, __, response) => sendJson(response, failed.response));
    const good = await recorder(answer);
    const { client } = clientOf({ modelList: [deployment('bad', bad, { order: 1 }), deployment('good', good, { order: 2 })] });
    const whole = await client.responses({ model: 'm', input: 'Hi' });
    expect(whole.call.deploymentId).toBe('good');
    expect(whole.call.failures[0]).toMatchObject({ deploymentId: 'bad', kind: 'server' });
  });

  it('states the error of a failed response', async () => {
    const { client } = await native((_, __, response) => sendEvents(response, [...begun, failed]));
    await expect(client.responses({ model: 'm', input: 'Hi', stream: true })).rejects.toMatchObject({
      message: 'The model is on fire.',
      providerCode: 'server_error',
    });
  });

  it.each([
    ['a cut stream', [], /response\.completed|does not follow its protocol/],
    ['an error event', [errorEvent], /Oops/],
    ['response.failed', [failed], /on fire/],
  ])('in the middle, by %s, fails the call', async (_, last, words) => {
    const { open, client } = await native((__, ___, response) => sendEvents(response, [...begun, ...said, ...last]));
    const base = await gatewayTo(client);
    const shown = await post(base, { model: 'm', input: 'Hi', stream: true });
    expect(shown).toContain('Hello ');
    expect(shown).toMatch(words);
    await until(() => isOver(open));
    const calls = client.metrics().filter(({ name }) => name === 'llm_client_calls_total');
    expect(calls.filter(({ value }) => value > 0)).toMatchObject([{ labels: { outcome: 'failed' }, value: 1 }]);
  });

  it('tells clients of a cut stream by an event that they throw', async () => {
    const { client } = await native((_, __, response) => sendEvents(response, [...begun, ...said]));
    const base = await gatewayTo(client);
    const sdk = new OpenAI({ baseURL: base, apiKey: 'sk', maxRetries: 0 });
    await expect(sdk.responses.stream({ model: 'm', input: 'Hi' }).finalResponse()).rejects.toThrow(OpenAI.APIError);
    const streamed = streamText({ model: createOpenAI({ baseURL: base, apiKey: 'sk' })('m'), prompt: 'Hi', onError: () => {} });
    expect(await streamed.finishReason).toBe('error');
  });

  it.each([
    ['negative figures', { input_tokens: -5, output_tokens: -1, total_tokens: -6 }],
    ['texts', { input_tokens: 'many', output_tokens: {}, total_tokens: [] }],
    ['figures beyond any model', { input_tokens: 1e300, output_tokens: 1e300 }],
    ['nothing', null],
  ])('by a usage of %s counts an estimate', async (_, usage) => {
    const { client, open } = await native((__, ___, response) => sendEvents(response, [...begun, ...said, completed([message], usage)]));
    const stream = await client.responses({ model: 'm', input: 'Hi', stream: true });
    for await (const event of stream) expect(event).toBeDefined();
    expect(stream.usage).toBeUndefined();
    await until(() => isOver(open));
  });

  it('by endless events before the content is passed on, and ends with its reader', async () => {
    const { client, open } = await native((_, __, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const write = () => {
        while (!response.destroyed && response.write(`event: response.in_progress\ndata: ${JSON.stringify(begun[1])}\n\n`));
      };
      response.on('drain', write);
      write();
    });
    const stream = await client.responses({ model: 'm', input: 'Hi', stream: true });
    for await (const event of stream) {
      expect(event.type).toBe('response.in_progress');
      break;
    }
    await until(() => isOver(open));
  });

  it.each([200, 100_000])('by %d levels of nesting is passed on', async (depth) => {
    const deep = `${'['.repeat(depth)}${']'.repeat(depth)}`;
    const { client } = await native((_, __, response) =>
      sendEvents(response, [...begun, ...said, JSON.stringify(completed([message])).replace('"metadata":{}', `"metadata":${deep}`)]),
    );
    const base = await gatewayTo(client);
    expect(await post(base, { model: 'm', input: 'Hi', stream: true })).toContain('[[[[');
  });
});
