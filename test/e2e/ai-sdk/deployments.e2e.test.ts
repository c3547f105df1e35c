import { createOpenAI } from '@ai-sdk/openai';
import { embedMany, generateText, streamText } from 'ai';
import { MockEmbeddingModelV3, MockLanguageModelV3, simulateReadableStream } from 'ai/test';
import type { FastLiteLLM, ModelListEntry } from 'nestjs-fast-litellm';
import { createFastLiteLLM, fromAiSdk } from 'nestjs-fast-litellm/ai-sdk';
import { agent, Chain, closeChains, NAMES, open } from '../../support/ai-sdk-chain.js';
import { hanging } from '../../support/ai-sdk-providers.js';
import { deploymentOf, HELLO, provider } from '../../support/llm-client-providers.js';
import { SCRIPTED_USAGE } from '../../support/protocols/protocol-script.js';
import { until } from '../../support/until.js';

afterAll(closeChains);

const USAGE = {
  inputTokens: { total: 20, noCache: 12, cacheRead: 8, cacheWrite: undefined },
  outputTokens: { total: 7, text: 4, reasoning: 3 },
};

function deployment(model: Parameters<typeof fromAiSdk>[0], more: object = {}): ModelListEntry {
  return { model_name: 'm', litellm_params: { ...fromAiSdk(model), ...more }, model_info: { id: 'sdk' } };
}

const over = (...modelList: ModelListEntry[]): FastLiteLLM => open({ router: { modelList, numRetries: 0 } });
const failure = (fields: object): Error => Object.assign(new Error('No.'), { name: 'AI_APICallError', ...fields });
const CHAT = { model: 'm', messages: [...HELLO] };

describe('a deployment by a model of the AI SDK', () => {
  // Both adapters, one behind the other: the SDK, a deployment, the SDK, and each protocol.
  it.each(NAMES)('passes an agent with tools, images and thinking to %s and back', async (name) => {
    const chain = await Chain.start(() => name);
    const models = createFastLiteLLM(over(deployment(chain.models(NAMES[0]))));
    const whole = await generateText({ model: models('m'), ...agent });
    expect(chain.faults).toEqual([]);
    expect(whole.text).toBe('It rains in both.');
    expect(whole.steps.map(({ finishReason }) => finishReason)).toEqual(['tool-calls', 'tool-calls', 'stop']);
    expect(whole.totalUsage).toMatchObject({
      inputTokens: 3 * SCRIPTED_USAGE.input,
      outputTokens: 3 * SCRIPTED_USAGE.output,
      inputTokenDetails: { cacheReadTokens: 3 * SCRIPTED_USAGE.cached },
    });
    const streamed = streamText({ model: models('m'), ...agent });
    let text = '';
    for await (const part of streamed.textStream) text += part;
    expect(text).toBe('Let me see.It rains in both.');
    expect(await streamed.totalUsage).toMatchObject({ inputTokens: 3 * SCRIPTED_USAGE.input, outputTokens: 3 * SCRIPTED_USAGE.output });
    expect(chain.faults).toEqual([]);
  });

  it('answers chat, Responses and Messages, with signatures that go back to it', async () => {
    const metadata = { acme: { signature: 's1' } };
    const model = new MockLanguageModelV3({
      provider: 'acme.chat',
      modelId: 'acme-1',
      doGenerate: {
        content: [
          { type: 'reasoning', text: 'Hm.', providerMetadata: metadata },
          { type: 'text', text: 'Hi.' },
          { type: 'tool-call', toolCallId: 'c1', toolName: 'look', input: '{"at":1}', providerMetadata: metadata },
          { type: 'source', sourceType: 'url', id: '1', url: 'https://a.example/', title: 'A' },
          { type: 'file', mediaType: 'image/png', data: 'AAAA' },
        ],
        finishReason: { unified: 'tool-calls', raw: 'tool_use' },
        usage: USAGE,
        warnings: [],
      },
    });
    const { client } = over(deployment(model, { provider_options: { acme: { mode: 'fast' } } }));
    const answer = await client.chat({ ...CHAT, max_tokens: 9, temperature: 0.5, stop: 'END', reasoning_effort: 'low' });
    const { choices, usage, model: named } = answer.json();
    expect([named, answer.call.provider]).toEqual(['acme-1', 'ai_sdk']);
    expect(choices[0]).toMatchObject({
      finish_reason: 'tool_calls',
      message: {
        content: 'Hi.',
        reasoning_content: 'Hm.',
        tool_calls: [{ id: 'c1', type: 'function', function: { name: 'look', arguments: '{"at":1}' } }],
        annotations: [{ type: 'url_citation', url_citation: { url: 'https://a.example/' } }],
        images: [{ image_url: { url: 'data:image/png;base64,AAAA' } }],
      },
    });
    expect(usage).toMatchObject({
      prompt_tokens: 20,
      completion_tokens: 7,
      prompt_tokens_details: { cached_tokens: 8 },
      completion_tokens_details: { reasoning_tokens: 3 },
    });
    expect(model.doGenerateCalls[0]).toMatchObject({
      maxOutputTokens: 9,
      temperature: 0.5,
      stopSequences: ['END'],
      providerOptions: { acme: { mode: 'fast' } },
    });
    await client.chat({ ...CHAT, messages: [...HELLO, choices[0].message, { role: 'tool', tool_call_id: 'c1', content: 'Seen.' }] });
    expect(model.doGenerateCalls[1].prompt.slice(1)).toEqual([
      {
        role: 'assistant',
        content: [
          { type: 'reasoning', text: 'Hm.', providerOptions: metadata },
          { type: 'text', text: 'Hi.' },
          { type: 'tool-call', toolCallId: 'c1', toolName: 'look', input: { at: 1 }, providerOptions: metadata },
        ],
      },
      {
        role: 'tool',
        content: [{ type: 'tool-result', toolCallId: 'c1', toolName: 'look', output: { type: 'text', value: 'Seen.' } }],
      },
    ]);
    const message = (await client.messages({ model: 'm', max_tokens: 9, messages: [...HELLO] })).json();
    expect(message).toMatchObject({ stop_reason: 'tool_use', usage: { output_tokens: 7 } });
    expect((await client.responses({ model: 'm', input: 'Hi' })).json().output.map(({ type }) => type)).toContain('function_call');
    await expect(client.chat({ ...CHAT, n: 2 })).rejects.toMatchObject({ code: 'UNSUPPORTED_PARAMETER', param: 'n' });
  });

  it('is given a body of a megabyte that came as bytes', async () => {
    const content = 'x'.repeat(1_000_000);
    const seen: unknown[] = [];
    const model = new MockLanguageModelV3({
      modelId: 'acme-1',
      doGenerate: ({ prompt }) => {
        seen.push(prompt);
        const content = [{ type: 'text' as const, text: 'Hi.' }];
        return Promise.resolve({ content, finishReason: { unified: 'stop' as const, raw: 'stop' }, usage: USAGE, warnings: [] });
      },
    });
    await over(deployment(model)).client.chat(Buffer.from(JSON.stringify({ model: 'm', messages: [{ role: 'user', content }] })));
    expect(seen).toEqual([[expect.objectContaining({ role: 'user', content: [{ type: 'text', text: content }] })]]);
  });

  it('falls back when it fails, by the status, the time and the words of its error', async () => {
    const model = new MockLanguageModelV3({
      doGenerate: () => Promise.reject(failure({ statusCode: 429, responseHeaders: { 'retry-after': '7' } })),
    });
    const up = await provider('up');
    const llm = over(deployment(model, { order: 1 }), deploymentOf('m', up, { order: 2 }));
    const answer = await llm.client.chat(CHAT);
    expect(answer.call).toMatchObject({ deploymentId: 'up', failures: [{ deploymentId: 'sdk', kind: 'rate_limit', status: 429 }] });
    await expect(over(deployment(model)).client.chat(CHAT)).rejects.toMatchObject({
      kind: 'rate_limit',
      retryAfterMs: 7000,
      message: 'No.',
    });
  });

  it.each([
    ['a request that is too long', failure({ statusCode: 400, message: 'maximum context length is 10' }), 'context_window'],
    ['a missing key', Object.assign(new Error('API key is missing'), { name: 'AI_LoadAPIKeyError' }), 'authentication'],
    ['a refused connection', failure({ cause: Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }) }), 'connection'],
    ['an error of the model itself', new TypeError('x is not a function'), 'server'],
  ])('tells %s', async (_, error, kind) => {
    const { client } = over(deployment(new MockLanguageModelV3({ doGenerate: () => Promise.reject(error) })));
    await expect(client.chat(CHAT)).rejects.toMatchObject({ kind });
  });

  it('falls back from a stream whose first part is an error, and tells of one that is cut', async () => {
    const chunks = [
      { type: 'stream-start' as const, warnings: [] },
      { type: 'error' as const, error: failure({ statusCode: 529 }) },
    ];
    const model = new MockLanguageModelV3({ doStream: () => Promise.resolve({ stream: simulateReadableStream({ chunks }) }) });
    const up = await provider('up');
    const stream = await over(deployment(model, { order: 1 }), deploymentOf('m', up, { order: 2 })).client.chat({ ...CHAT, stream: true });
    expect(stream.call.deploymentId).toBe('up');
    stream.cancel();
    const cut = [
      { type: 'text-start' as const, id: '1' },
      { type: 'text-delta' as const, id: '1', delta: 'Hel' },
    ];
    const cutting = new MockLanguageModelV3({ doStream: () => Promise.resolve({ stream: simulateReadableStream({ chunks: cut }) }) });
    const read = async (): Promise<void> => {
      for await (const chunk of await over(deployment(cutting)).client.chat({ ...CHAT, stream: true })) void chunk;
    };
    await expect(read()).rejects.toMatchObject({ kind: 'connection' });
  });

  it('waits for a slow reader, and cancels the model when its stream is left', async () => {
    let [pulled, cancelled] = [0, false];
    const stream = new ReadableStream({
      pull(controller) {
        pulled++;
        controller.enqueue({ type: 'text-delta', id: '1', delta: 'x'.repeat(10_000) });
      },
      cancel: () => void (cancelled = true),
    });
    const llm = over(deployment(new MockLanguageModelV3({ doStream: () => Promise.resolve({ stream: stream as never }) })));
    const answer = await llm.client.chat({ ...CHAT, stream: true });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(pulled).toBeLessThan(100);
    for await (const chunk of answer) if (chunk.choices.length > 0) break;
    await until(() => cancelled && llm.client.callsInFlight === 0);
  });

  it('ends the request of a provider of the SDK when the call is cancelled', async () => {
    const { apiBase, state } = await hanging('hangs');
    const llm = over(deployment(createOpenAI({ baseURL: apiBase, apiKey: 'k' }).chat('gpt-4o')));
    const controller = new AbortController();
    const answer = llm.client.chat(CHAT, { signal: controller.signal });
    const failed = expect(answer).rejects.toMatchObject({ code: 'REQUEST_CANCELLED' });
    await until(() => state.asked === 1);
    controller.abort();
    await failed;
    await until(() => state.closed === 1 && llm.client.callsInFlight === 0);
  });

  it('embeds in as many calls as its model needs', async () => {
    const model = new MockEmbeddingModelV3({
      maxEmbeddingsPerCall: 2,
      doEmbed: ({ values }) =>
        Promise.resolve({ embeddings: values.map((value) => [value.length, 0.5]), usage: { tokens: 3 }, warnings: [] }),
    });
    const llm = over(deployment(model));
    const { embeddings, usage } = await embedMany({ model: createFastLiteLLM(llm).embeddingModel('m'), values: ['a', 'bb', 'ccc'] });
    expect(embeddings.map(([length]) => length)).toEqual([1, 2, 3]);
    expect(usage.tokens).toBe(6);
    const base64 = (await llm.client.embeddings({ model: 'm', input: 'a', encoding_format: 'base64' })).json();
    expect(Buffer.from(base64.data[0].embedding as unknown as string, 'base64').readFloatLE(4)).toBe(0.5);
  });

  it('has the price of its model', () => {
    const { router } = over(deployment(new MockLanguageModelV3({ provider: 'acme.chat', modelId: 'gpt-4o' })));
    expect(router.deployments()[0].costUsd(1_000, 1_000)).toBe(0.0125);
  });

  it('has one name for a model, another for its twin, and none for what is no model', () => {
    const [model, twin] = [
      new MockLanguageModelV3({ provider: 'p', modelId: 'x' }),
      new MockLanguageModelV3({ provider: 'p', modelId: 'x' }),
    ];
    expect([fromAiSdk(model), fromAiSdk(twin), fromAiSdk(model)].map((params) => params.model)).toEqual([
      'ai_sdk/p/x',
      'ai_sdk/p/x~2',
      'ai_sdk/p/x',
    ]);
    expect(() => fromAiSdk({ provider: 'p' } as never)).toThrow('model.specificationVersion: must be a non-empty string');
  });
});
