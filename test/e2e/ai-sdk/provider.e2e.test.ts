import { APICallError, type EmbeddingModelV3, type LanguageModelV3, type ProviderV3 } from '@ai-sdk/provider';
import { createProviderRegistry, embed, embedMany, generateObject, generateText, jsonSchema, Output, streamText } from 'ai';
import type { FastLiteLLM } from 'nestjs-fast-litellm';
import { createFastLiteLLM } from 'nestjs-fast-litellm/ai-sdk';
import { agent, Chain, closeChains, NAMES, open, PDF, PNG } from '../../support/ai-sdk-chain.js';
import { embeddings, hanging, type ProviderState } from '../../support/ai-sdk-providers.js';
import { OPENAI_SCRIPT } from '../../support/protocols/openai-protocol.js';
import { listIn, ScriptedProvider, SCRIPTED_USAGE } from '../../support/protocols/protocol-script.js';
import { until } from '../../support/until.js';

afterAll(closeChains);

describe('an agent of the AI SDK', () => {
  /** Each step by another provider: the one that answered before is dead. */
  const rotations = NAMES.map((_, shift) => [...NAMES.slice(shift), ...NAMES.slice(0, shift)]);

  it.each(rotations.map((names) => [names.join(', '), names] as const))('is answered as a whole by %s', async (_, names) => {
    const chain = await Chain.start((turn) => names[turn % names.length]);
    const result = await generateText({ model: chain.models(NAMES[0]), ...agent });
    expect(chain.faults).toEqual([]);
    expect(result.text).toBe('It rains in both.');
    expect(result.steps.map(({ finishReason }) => finishReason)).toEqual(['tool-calls', 'tool-calls', 'stop']);
    expect(result.steps[0].toolResults.map(({ output }) => output)).toEqual(['Rain in Oslo.', 'Rain in Bergen.']);
    expect(result.steps[0].text).toBe('Let me see.');
    if (names[0] !== 'openai') expect(result.steps[0].reasoningText).toBe('Two cities.');
    expect(result.totalUsage).toMatchObject({
      inputTokens: 3 * SCRIPTED_USAGE.input,
      outputTokens: 3 * SCRIPTED_USAGE.output,
      inputTokenDetails: { cacheReadTokens: 3 * SCRIPTED_USAGE.cached },
    });
    // Once each, whichever attempts failed before.
    expect(chain.counted('llm_client_calls_total', { outcome: 'succeeded' })).toBe(3);
    expect(chain.counted('llm_client_tokens_total', { direction: 'output' })).toBe(3 * SCRIPTED_USAGE.output);
    const { providerMetadata, response } = result.steps[1];
    expect(providerMetadata?.fastLiteLLM).toMatchObject({
      provider: PROVIDERS[names[1 % names.length]],
      fallbacks: NAMES.indexOf(names[1 % names.length]),
    });
    expect(response.headers?.['x-litellm-model-group']).toBe(names[1 % names.length]);
  });

  it.each([...NAMES.map((name) => [name, [name]] as const), [rotations[1].join(', '), rotations[1]] as const])(
    'is answered in streams by %s',
    async (_, names) => {
      const chain = await Chain.start((turn) => names[turn % names.length]);
      const result = streamText({ model: chain.models(NAMES[0]), ...agent });
      let text = '';
      for await (const part of result.textStream) text += part;
      expect(chain.faults).toEqual([]);
      expect(text).toBe('Let me see.It rains in both.');
      const steps = await result.steps;
      expect(steps.map(({ finishReason }) => finishReason)).toEqual(['tool-calls', 'tool-calls', 'stop']);
      expect(steps[0].toolCalls.map(({ input }) => input)).toEqual([{ city: 'Oslo' }, { city: 'Bergen' }]);
      if (names[0] !== 'openai') expect(steps[0].reasoningText).toBe('Two cities.');
      expect(await result.totalUsage).toMatchObject({ inputTokens: 3 * SCRIPTED_USAGE.input, outputTokens: 3 * SCRIPTED_USAGE.output });
      expect(chain.counted('llm_client_tokens_total', { direction: 'output' })).toBe(3 * SCRIPTED_USAGE.output);
      expect(steps[2].providerMetadata?.fastLiteLLM).toMatchObject({ provider: PROVIDERS[names[2 % names.length]] });
    },
  );

  it('sends the images that a tool returns to each provider', async () => {
    for (const name of NAMES) {
      const chain = await Chain.start(() => name);
      await generateText({ model: chain.models(NAMES[0]), ...agent });
      const last = JSON.stringify(chain.providers.find(({ protocol }) => protocol.name === name)?.asked.at(-1));
      expect(last.split(PNG)).toHaveLength(3);
      expect(last).toContain(PDF);
    }
  });
});

const PROVIDERS: Readonly<Record<string, string>> = { anthropic: 'anthropic', openai: 'azure', gemini: 'gemini', bedrock: 'bedrock' };

describe('structured output', () => {
  const schema = jsonSchema<{ city: string }>({
    type: 'object',
    properties: { city: { type: 'string' } },
    required: ['city'],
    additionalProperties: false,
  });

  it.each(['openai', 'gemini'])('is asked for by a schema at %s', async (name) => {
    const chain = await Chain.start(() => name, [{ text: '{"city":"Oslo"}' }]);
    const { output } = await generateText({ model: chain.models(NAMES[0]), prompt: 'Where?', output: Output.object({ schema }) });
    expect(output).toEqual({ city: 'Oslo' });
    const { object } = await generateObject({ model: chain.models(NAMES[0]), prompt: 'Where?', schema });
    expect(object).toEqual({ city: 'Oslo' });
    expect(chain.faults).toEqual([]);
  });

  it('streams partial objects', async () => {
    const chain = await Chain.start(() => 'openai', [{ text: '{"city":"Oslo"}' }]);
    const { partialOutputStream } = streamText({ model: chain.models('openai'), prompt: 'Where?', output: Output.object({ schema }) });
    let last: unknown;
    for await (const partial of partialOutputStream) last = partial;
    expect(last).toEqual({ city: 'Oslo' });
    const format = chain.providers[1].asked[0].response_format;
    expect(format).toMatchObject({ type: 'json_schema', json_schema: { strict: true, schema: { required: ['city'] } } });
  });
});

describe('a model', () => {
  it('is a model of the SDK for the compiler, and in its registries', async () => {
    const chain = await Chain.start(() => 'openai', [{ text: 'Hi.' }]);
    const language: LanguageModelV3 = chain.models('openai');
    const embedding: EmbeddingModelV3 = chain.models.embeddingModel('openai');
    const provider: ProviderV3 = chain.models;
    expect([language.modelId, embedding.modelId]).toEqual(['openai', 'openai']);
    const registry = createProviderRegistry({ groups: provider });
    expect((await generateText({ model: registry.languageModel('groups:openai'), prompt: 'Hi' })).text).toBe('Hi.');
    expect(() => chain.models.imageModel('')).toThrow('modelGroup: must be a non-empty string');
    expect(() => chain.models('')).toThrow('modelGroup: must be a non-empty string');
    expect(() => createFastLiteLLM(chain.llm, { rateLimits: 'a' } as object)).toThrow('settings.rateLimits');
    expect(() => createFastLiteLLM(undefined as never)).toThrow('llm: must be an object');
    expect(() => createFastLiteLLM({} as never)).toThrow('llm.client: must be an object');
  });

  it('sends settings, options of this provider and marks for caches', async () => {
    const chain = await Chain.start(() => 'anthropic', [{ text: 'Hi.', isCut: true }]);
    const { finishReason } = await generateText({
      model: chain.models('anthropic'),
      system: { role: 'system', content: 'Be short.', providerOptions: { anthropic: { cacheControl: { type: 'ephemeral' } } } },
      prompt: 'Hi',
      maxOutputTokens: 3000,
      topK: 7,
      stopSequences: ['END'],
      providerOptions: { fastLiteLLM: { reasoningEffort: 'low', tags: ['a'] } },
    });
    expect(finishReason).toBe('length');
    expect(chain.providers[0].asked[0]).toMatchObject({
      system: [{ text: 'Be short.', cache_control: { type: 'ephemeral' } }],
      max_tokens: 3000,
      top_k: 7,
      stop_sequences: ['END'],
      thinking: { type: 'enabled', budget_tokens: 1024 },
    });
    expect(chain.providers[0].asked[0]).not.toHaveProperty('tags');
  });

  it('warns of tools that only one provider could run', async () => {
    const chain = await Chain.start(() => 'openai', [{ text: 'Hi.' }]);
    const search = { type: 'provider' as const, id: 'openai.web_search' as const, name: 'web_search', args: {} };
    const { warnings } = await chain
      .models('openai')
      .doGenerate({ prompt: [{ role: 'user', content: [{ type: 'text', text: 'Hi' }] }], tools: [search] });
    expect(warnings).toMatchObject([{ type: 'unsupported', feature: 'tool openai.web_search' }]);
    expect(chain.providers[1].asked[0]).not.toHaveProperty('tools');
  });

  it('passes raw chunks to those who ask for them', async () => {
    const chain = await Chain.start(() => 'openai', [{ text: 'Hi.' }]);
    const { fullStream } = streamText({ model: chain.models('openai'), prompt: 'Hi', includeRawChunks: true });
    const raw: unknown[] = [];
    for await (const part of fullStream) if (part.type === 'raw') raw.push(part.rawValue);
    expect(raw[0]).toMatchObject({ object: 'chat.completion.chunk' });
  });
});

describe('a call that fails', () => {
  it('is not retried by the SDK: the client has done so', async () => {
    const chain = await Chain.start(() => 'none');
    const error = await generateText({ model: chain.models(NAMES[0]), prompt: 'Hi' }).catch((thrown: unknown) => thrown);
    expect(APICallError.isInstance(error)).toBe(true);
    expect(error).toMatchObject({ isRetryable: false, statusCode: 503, code: 'PROVIDER_SERVER', url: 'fast-litellm:anthropic' });
    expect(JSON.parse((error as APICallError).responseBody as string)).toMatchObject({ error: { message: 'scripted' } });
    expect((error as Error).cause).toMatchObject({ name: 'ProviderError', deploymentId: 'anthropic-anthropic' });
    expect(chain.providers.map(({ asked }) => asked.length)).toEqual([1, 1, 1, 1]);
    expect(JSON.stringify(error)).not.toContain('Hi"');
  });

  it('gives its error to the reader of a stream', async () => {
    const chain = await Chain.start(() => 'none');
    const errors: unknown[] = [];
    await streamText({ model: chain.models(NAMES[0]), prompt: 'Hi', onError: ({ error }) => void errors.push(error) }).consumeStream();
    expect(errors).toMatchObject([{ statusCode: 503, isRetryable: false }]);
    expect(chain.providers.map(({ asked }) => asked.length)).toEqual([1, 1, 1, 1]);
  });

  it('names a model group that does not exist', async () => {
    const chain = await Chain.start(() => 'none');
    await expect(generateText({ model: chain.models('gpt-9'), prompt: 'Hi' })).rejects.toMatchObject({
      statusCode: 404,
      code: 'NO_DEPLOYMENT',
    });
  });

  it('states an error in the middle of a stream, and that it was the end', async () => {
    const { apiBase } = await hanging('cuts');
    const llm = open({
      router: { modelList: [{ model_name: 'm', litellm_params: { model: 'openai/gpt-4o', api_base: apiBase, api_key: 'k' } }] },
    });
    const types: string[] = [];
    const { fullStream, finishReason } = streamText({ model: createFastLiteLLM(llm)('m'), prompt: 'Hi', onError: () => {} });
    for await (const part of fullStream) types.push(part.type);
    expect(types).toEqual(expect.arrayContaining(['text-delta', 'error', 'finish']));
    expect(await finishReason).toBe('error');
    await until(() => llm.client.callsInFlight === 0);
  });
});

describe('a call that is aborted', () => {
  const start = async (): Promise<{ llm: FastLiteLLM; state: ProviderState; models: ReturnType<typeof createFastLiteLLM> }> => {
    const { apiBase, state } = await hanging('hangs');
    const modelList = [{ model_name: 'm', litellm_params: { model: 'openai/gpt-4o', api_base: apiBase, api_key: 'k' } }];
    const llm = open({ router: { modelList } });
    return { llm, state, models: createFastLiteLLM(llm) };
  };

  it('fails with the reason, and ends the request to the provider', async () => {
    const { llm, state, models } = await start();
    const controller = new AbortController();
    const answer = generateText({ model: models('m'), prompt: 'Hi', abortSignal: controller.signal });
    await until(() => state.asked === 1);
    controller.abort();
    await expect(answer).rejects.toMatchObject({ name: 'AbortError' });
    await until(() => state.closed === 1 && llm.client.callsInFlight === 0);
  });

  it('ends in the middle of a stream', async () => {
    const { llm, state, models } = await start();
    const controller = new AbortController();
    const types: string[] = [];
    for await (const part of streamText({ model: models('m'), prompt: 'Hi', abortSignal: controller.signal }).fullStream) {
      types.push(part.type);
      if (part.type === 'text-delta') controller.abort();
    }
    expect(types.at(-1)).toBe('abort');
    await until(() => state.closed === 1 && llm.client.callsInFlight === 0);
  });

  it('ends when its stream is cancelled before it is read', async () => {
    const { llm, state, models } = await start();
    const { stream } = await models('m').doStream({ prompt: [{ role: 'user', content: [{ type: 'text', text: 'Hi' }] }] });
    await stream.cancel();
    await until(() => state.closed === 1 && llm.client.callsInFlight === 0);
  });

  it('is not begun if it was aborted before', async () => {
    const { llm, models } = await start();
    await expect(generateText({ model: models('m'), prompt: 'Hi', abortSignal: AbortSignal.abort() })).rejects.toMatchObject({
      name: 'AbortError',
    });
    expect(llm.client.metrics().find(({ name }) => name === 'llm_client_attempts_total')?.value).toBe(0);
  });
});

describe('limits', () => {
  it('are reserved by the prompt and settled by the usage, once', async () => {
    const steps = [{ text: 'Hi.' }];
    const [provider, origin] = await ScriptedProvider.start(OPENAI_SCRIPT, () => steps[0]);
    const llm = open({
      router: { modelList: [provider.deployment('m', origin)] },
      rateLimit: { limits: { team: { tokensPerMinute: 3000, requestsPerMinute: 3, maxConcurrent: 1 } } },
    });
    const models = createFastLiteLLM(llm, { rateLimit: () => ({ key: 'team:7', limit: 'team' }) });
    const { input, output } = SCRIPTED_USAGE;
    const left = (): number | undefined => llm.rateLimiter.peek('team:7', { limit: 'team', cost: 0, tokens: 0 }).remainingTokens;
    await generateText({ model: models('m'), prompt: 'Hi', maxOutputTokens: 100 });
    expect(left()).toBe(3000 - input - output);
    await streamText({ model: models('m'), prompt: 'Hi', maxOutputTokens: 100 }).consumeStream();
    expect(left()).toBe(3000 - 2 * (input + output));
    const denied = await generateText({ model: models('m'), prompt: 'Hi', maxOutputTokens: 1000 }).catch((thrown: unknown) => thrown);
    expect(denied).toMatchObject({ statusCode: 429, code: 'RATE_LIMIT_EXCEEDED', isRetryable: false });
    expect((denied as Error).message).toContain('3000 tokens per minute (team)');
    expect(Number((denied as APICallError).responseHeaders?.['retry-after'])).toBeGreaterThan(0);
    expect(provider.asked).toHaveLength(2);
  });

  it('give back what a failed call did not use', async () => {
    const [provider, origin] = await ScriptedProvider.start(OPENAI_SCRIPT, () => ({ status: 400 }));
    const llm = open({ router: { modelList: [provider.deployment('m', origin)] }, rateLimit: { tokensPerMinute: 3000 } });
    const models = createFastLiteLLM(llm, { rateLimit: 'team:8' });
    await expect(generateText({ model: models('m'), prompt: 'Hi' })).rejects.toMatchObject({ statusCode: 400 });
    expect(llm.rateLimiter.peek('team:8', { cost: 0, tokens: 0 }).remainingTokens).toBe(3000);
    const both = createFastLiteLLM(llm, { rateLimit: 'a', callOptions: { request: {} } });
    await expect(generateText({ model: both('m'), prompt: 'Hi' })).rejects.toThrow('cannot be combined with callOptions.request');
  });
});

describe('embeddings', () => {
  it('are called in batches, and count their tokens', async () => {
    const { apiBase, asked } = await embeddings();
    const modelList = [{ model_name: 'e', litellm_params: { model: 'openai/text-embedding-3-small', api_base: apiBase, api_key: 'k' } }];
    const models = createFastLiteLLM(open({ router: { modelList } }), { maxEmbeddingsPerCall: 2 });
    const one = await embed({ model: models.textEmbeddingModel('e'), value: 'a', providerOptions: { fastLiteLLM: { dimensions: 2 } } });
    expect([one.embedding, one.usage.tokens]).toEqual([[0, 1], 5]);
    expect(asked[0]).toMatchObject({ model: 'text-embedding-3-small', input: ['a'], dimensions: 2 });
    const many = await embedMany({ model: models.embeddingModel('e'), values: ['a', 'bb', 'ccc'] });
    expect(many.embeddings).toEqual([
      [0, 1],
      [1, 2],
      [0, 3],
    ]);
    expect(
      asked
        .slice(1)
        .map(({ input }) => listIn(input).length)
        .sort(),
    ).toEqual([1, 2]);
    expect(one.providerMetadata?.fastLiteLLM).toMatchObject({ group: 'e', provider: 'openai' });
  });
});
