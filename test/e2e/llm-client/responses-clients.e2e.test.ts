import { createOpenAI } from '@ai-sdk/openai';
import { ChatOpenAI } from '@langchain/openai';
import { generateText, Output, stepCountIs, streamText, tool } from 'ai';
import OpenAI from 'openai';
import { zodTextFormat } from 'openai/helpers/zod';
import { z } from 'zod';
import { closeClients, clientOf } from '../../support/llm-client-setup.js';
import { deploymentOf, stopProviders } from '../../support/llm-client-providers.js';
import { gatewayTo, recorder, sendChat, sendEvents, sendJson, type ChatTurn } from '../../support/responses-gateway.js';

type Json = Record<string, unknown>;

/** A chat model that calls a tool before it answers, and says so. */
function turnFor({ messages, tools, response_format: format }: Json): ChatTurn {
  const all = messages as readonly Json[];
  const isAnswered = all.at(-1)?.role === 'tool';
  if (format !== undefined) return { content: '{"city":"Bern","degrees":7}' };
  if (tools !== undefined && !isAnswered) {
    return {
      reasoning_content: 'A tool knows it. ',
      content: 'I look it up. ',
      tool_calls: [{ id: `call_${all.length}`, name: 'weather', arguments: '{"city":"Bern"}' }],
    };
  }
  return { reasoning_content: 'Easy. ', content: isAnswered ? `It is ${String(all.at(-1)?.content)}.` : 'Hello there. ' };
}

async function bridged() {
  const provider = await recorder((_, body, response) => sendChat(response, body, turnFor(body)));
  const params = { model: 'groq/llama', api_base: provider.apiBase };
  const { client } = clientOf({ modelList: [deploymentOf('m', { name: 'chat', apiBase: provider.apiBase }, params)] });
  return { base: await gatewayTo(client), requests: provider.requests };
}

const weather = tool({
  description: 'The weather',
  inputSchema: z.object({ city: z.string() }),
  execute: ({ city }) => `cold in ${city}`,
});

afterEach(async () => {
  await closeClients();
  await stopProviders();
});

describe('the AI SDK with its default model, by chat', () => {
  const modelAt = (base: string) => createOpenAI({ baseURL: base, apiKey: 'sk' })('m');

  it('generates and streams text', async () => {
    const { base } = await bridged();
    const whole = await generateText({ model: modelAt(base), prompt: 'Hi' });
    expect(whole.text).toBe('Hello there. ');
    expect(whole.reasoningText).toBe('Easy. ');
    expect(whole.usage).toMatchObject({ inputTokens: 11, outputTokens: 5 });
    const streamed = streamText({ model: modelAt(base), prompt: 'Hi' });
    expect(await streamed.text).toBe('Hello there. ');
    expect(await streamed.finishReason).toBe('stop');
    expect((await streamed.usage).inputTokens).toBe(11);
  });

  it.each([undefined, false])('runs tools over several steps with store %s', async (store) => {
    const { base, requests } = await bridged();
    const settings = {
      model: modelAt(base),
      prompt: 'Weather?',
      tools: { weather },
      stopWhen: stepCountIs(3),
      providerOptions: { openai: store === undefined ? {} : { store } },
    };
    const whole = await generateText(settings);
    expect(whole.text).toBe('It is cold in Bern.');
    expect(whole.steps).toHaveLength(2);
    const streamed = streamText(settings);
    expect(await streamed.text).toBe('It is cold in Bern.');
    // The text of the first step came back, although the SDK sends its id only.
    const { messages } = requests.at(-1)?.body as { readonly messages: readonly Json[] };
    expect(messages[1]).toMatchObject({ role: 'assistant', content: 'I look it up. ', tool_calls: [{ function: { name: 'weather' } }] });
    expect(messages[2]).toMatchObject({ role: 'tool', content: 'cold in Bern' });
  });

  it('returns an object', async () => {
    const { base, requests } = await bridged();
    const schema = z.object({ city: z.string(), degrees: z.number() });
    const { output } = await generateText({ model: modelAt(base), prompt: 'Where?', output: Output.object({ schema }) });
    expect(output).toEqual({ city: 'Bern', degrees: 7 });
    expect(requests[0].body.response_format).toMatchObject({ type: 'json_schema', json_schema: { name: 'response', strict: true } });
  });
});

describe('the SDK of OpenAI, by chat', () => {
  const sdkAt = (base: string) => new OpenAI({ baseURL: base, apiKey: 'sk', maxRetries: 0 });

  it('creates, streams and parses responses', async () => {
    const { base } = await bridged();
    const sdk = sdkAt(base);
    const whole = await sdk.responses.create({ model: 'm', input: 'Hi', instructions: 'Be kind.' });
    expect(whole.output_text).toBe('Hello there. ');
    const stream = sdk.responses.stream({ model: 'm', input: 'Hi' });
    const deltas: string[] = [];
    stream.on('response.output_text.delta', ({ delta }) => deltas.push(delta));
    const final = await stream.finalResponse();
    expect(deltas.join('')).toBe('Hello there. ');
    expect(final.status).toBe('completed');
    const schema = z.object({ city: z.string(), degrees: z.number() });
    const parsed = await sdk.responses.parse({ model: 'm', input: 'Where?', text: { format: zodTextFormat(schema, 'place') } });
    expect(parsed.output_parsed).toEqual({ city: 'Bern', degrees: 7 });
  });

  it('runs a loop of tools', async () => {
    const { base } = await bridged();
    const sdk = sdkAt(base);
    const input: OpenAI.Responses.ResponseInput = [{ role: 'user', content: 'Weather?' }];
    const tools: OpenAI.Responses.Tool[] = [
      { type: 'function', name: 'weather', parameters: { type: 'object', properties: {} }, strict: false },
    ];
    const first = await sdk.responses.create({ model: 'm', input, tools });
    input.push(...first.output);
    for (const item of first.output) {
      if (item.type === 'function_call') input.push({ type: 'function_call_output', call_id: item.call_id, output: 'cold' });
    }
    expect((await sdk.responses.create({ model: 'm', input, tools })).output_text).toBe('It is cold.');
  });

  it('gets a 400 that names what chat cannot express', async () => {
    const { base } = await bridged();
    const asked = sdkAt(base).responses.create({ model: 'm', input: 'Hi', previous_response_id: 'resp_1' });
    await expect(asked).rejects.toMatchObject({ status: 400, param: 'previous_response_id' });
  });
});

describe('LangChain with useResponsesApi, by chat', () => {
  const modelAt = (base: string) =>
    new ChatOpenAI({ model: 'm', apiKey: 'sk', useResponsesApi: true, maxRetries: 0, configuration: { baseURL: base } });

  it('invokes, streams and calls tools', async () => {
    const { base } = await bridged();
    const model = modelAt(base);
    expect((await model.invoke('Hi')).text).toBe('Hello there. ');
    let streamed = '';
    for await (const chunk of await model.stream('Hi')) streamed += chunk.text;
    expect(streamed).toBe('Hello there. ');
    const parameters = { type: 'object', properties: { city: { type: 'string' } } };
    const withTools = model.bindTools([{ type: 'function', function: { name: 'weather', parameters } }]);
    expect((await withTools.invoke('Weather?')).tool_calls).toMatchObject([{ name: 'weather', args: { city: 'Bern' } }]);
  });
});

describe('the AI SDK with its default model, by the Messages API of Anthropic', () => {
  const thinking = { type: 'thinking', thinking: 'A tool knows it.', signature: 'sig-1' };
  const call = { type: 'tool_use', id: 'toolu_1', name: 'weather', input: { city: 'Bern' } };
  const contentFor = ({ messages }: Json): readonly Json[] =>
    (messages as readonly Json[]).length > 1
      ? [{ type: 'text', text: 'It is cold.' }]
      : [thinking, { type: 'text', text: 'I look it up. ' }, call];

  it.each([
    [undefined, false],
    [undefined, true],
    [false, false],
    [false, true],
  ])('returns signed thinking and the text of the first step (store %s, stream %s)', async (store, stream) => {
    const provider = await recorder((_, body, response) => {
      const content = contentFor(body);
      const stop = content.length > 1 ? 'tool_use' : 'end_turn';
      const whole = {
        id: 'msg_1',
        type: 'message',
        role: 'assistant',
        model: 'claude',
        stop_reason: stop,
        usage: { input_tokens: 3, output_tokens: 4 },
      };
      if (body.stream !== true) return sendJson(response, { ...whole, content });
      const deltas: Readonly<Record<string, (block: Json) => readonly object[]>> = {
        thinking: (block) => [
          { type: 'thinking_delta', thinking: block.thinking },
          { type: 'signature_delta', signature: block.signature },
        ],
        text: (block) => [{ type: 'text_delta', text: block.text }],
        tool_use: (block) => [{ type: 'input_json_delta', partial_json: JSON.stringify(block.input) }],
      };
      sendEvents(response, [
        { type: 'message_start', message: { ...whole, content: [], stop_reason: null } },
        ...content.flatMap((block, index) => [
          { type: 'content_block_start', index, content_block: { ...block, thinking: '', signature: '', text: '', input: {} } },
          ...deltas[String(block.type)](block).map((delta) => ({ type: 'content_block_delta', index, delta })),
          { type: 'content_block_stop', index },
        ]),
        { type: 'message_delta', delta: { stop_reason: stop }, usage: { output_tokens: 4 } },
        { type: 'message_stop' },
      ]);
    });
    const params = { model: 'anthropic/claude-opus-4-1', api_base: provider.apiBase, thinking: { type: 'enabled', budget_tokens: 1024 } };
    const { client } = clientOf({ modelList: [deploymentOf('m', { name: 'claude', apiBase: provider.apiBase }, params)] });
    const settings = {
      model: createOpenAI({ baseURL: await gatewayTo(client), apiKey: 'sk' })('m'),
      prompt: 'Weather?',
      tools: { weather },
      stopWhen: stepCountIs(3),
      providerOptions: { openai: store === undefined ? {} : { store } },
    };
    expect(stream ? await streamText(settings).text : (await generateText(settings)).text).toBe('It is cold.');
    const { messages } = provider.requests.at(-1)?.body as { readonly messages: readonly Json[] };
    expect(messages[1]).toMatchObject({ role: 'assistant', content: [thinking, { type: 'text', text: 'I look it up. ' }, call] });
    expect(messages[2]).toMatchObject({ role: 'user', content: [{ type: 'tool_result', tool_use_id: 'toolu_1' }] });
  });
});
