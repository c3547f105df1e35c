import { BaseCallbackHandler } from '@langchain/core/callbacks/base';
import type { ToolMessage } from '@langchain/core/messages';
import { AIMessage, HumanMessage, SystemMessage, type AIMessageChunk, type BaseMessage } from '@langchain/core/messages';
import type { LLMResult } from '@langchain/core/outputs';
import { tool } from '@langchain/core/tools';
import { FastLiteLLM } from 'nestjs-fast-litellm';
import { ChatFastLiteLLM } from 'nestjs-fast-litellm/langchain';
import { z } from 'zod';
import { stopProviders } from '../../support/llm-client-providers.js';
import { ANTHROPIC_SCRIPT } from '../../support/protocols/anthropic-protocol.js';
import { BEDROCK_SCRIPT } from '../../support/protocols/bedrock-protocol.js';
import { GEMINI_SCRIPT } from '../../support/protocols/gemini-protocol.js';
import { OPENAI_SCRIPT } from '../../support/protocols/openai-protocol.js';
import { SCRIPTED_USAGE, ScriptedProvider, type ScriptedAnswer } from '../../support/protocols/protocol-script.js';

const PROTOCOLS = [ANTHROPIC_SCRIPT, OPENAI_SCRIPT, GEMINI_SCRIPT, BEDROCK_SCRIPT];
const { input, cached, output } = SCRIPTED_USAGE;
const USAGE = {
  input_tokens: input,
  output_tokens: output,
  total_tokens: input + output,
  input_token_details: { cache_read: cached, cache_creation: 0 },
};
const weather = tool(({ city }) => `Rain in ${city}.`, { name: 'weather', description: 'Weather', schema: z.object({ city: z.string() }) });
const opened: FastLiteLLM[] = [];

/** A provider for each protocol, each a model group of its own, all with the same script. */
async function open(script: (index: number, name: string) => ScriptedAnswer, fallbacks: Record<string, string[]>[] = []) {
  const providers = new Map<string, ScriptedProvider>();
  const modelList = await Promise.all(
    PROTOCOLS.map(async (protocol) => {
      const [provider, origin] = await ScriptedProvider.start(protocol, (index) => script(index, protocol.name));
      providers.set(protocol.name, provider);
      return provider.deployment(protocol.name, origin);
    }),
  );
  const llm = new FastLiteLLM({
    router: { modelList, numRetries: 0, disableCooldowns: true, fallbacks },
    logger: { log: () => {}, warn: () => {}, error: () => {} },
  });
  opened.push(llm);
  return { llm, provider: (name: string) => providers.get(name)! };
}

async function joined(stream: AsyncIterable<AIMessageChunk>): Promise<AIMessageChunk> {
  let message: AIMessageChunk | undefined;
  for await (const chunk of stream) message = message === undefined ? chunk : message.concat(chunk);
  return message!;
}

afterEach(async () => {
  await Promise.all(opened.splice(0).map((llm) => llm.close()));
  await stopProviders();
});

describe.each(PROTOCOLS.map(({ name }) => name))('over %s', (name) => {
  it('answers with text, usage and the facts of the call', async () => {
    const { llm } = await open(() => ({ text: 'It is cold.' }));
    const ended: LLMResult[] = [];
    const handler = BaseCallbackHandler.fromMethods({ handleLLMEnd: (result) => void ended.push(result) });
    const model = new ChatFastLiteLLM({ llm, model: name, temperature: 0, maxTokens: 100 });
    const message = await model.invoke([new SystemMessage('Be short.'), new HumanMessage('How is it?')], { callbacks: [handler] });
    expect(message).toBeInstanceOf(AIMessage);
    expect(message.text).toBe('It is cold.');
    expect(message.usage_metadata).toMatchObject(USAGE);
    expect(message.response_metadata).toMatchObject({
      model: expect.any(String) as string,
      finish_reason: 'stop',
      call: { deploymentId: `${name}-${name}`, group: name, attempts: 1, fallbacks: 0 },
    });
    expect(ended.map(({ llmOutput }) => llmOutput)).toEqual([
      { tokenUsage: { promptTokens: input, completionTokens: output, totalTokens: input + output } },
    ]);
  });

  it('streams text, with the usage once', async () => {
    const { llm } = await open(() => ({ text: 'It is cold.' }));
    const tokens: string[] = [];
    const ended: LLMResult[] = [];
    const handler = BaseCallbackHandler.fromMethods({
      handleLLMNewToken: (token) => void tokens.push(token),
      handleLLMEnd: (result) => void ended.push(result),
    });
    const stream = await new ChatFastLiteLLM({ llm, model: name }).stream('How is it?', { callbacks: [handler] });
    const message = await joined(stream);
    expect(message.text).toBe('It is cold.');
    expect(message.usage_metadata).toMatchObject(USAGE);
    expect(message.response_metadata).toMatchObject({ finish_reason: 'stop', call: { group: name } });
    expect(tokens.join('')).toBe('It is cold.');
    expect(tokens.filter((token) => token !== '').length).toBeGreaterThan(1);
    expect(ended.map(({ llmOutput }) => llmOutput)).toEqual([
      { tokenUsage: { promptTokens: input, completionTokens: output, totalTokens: input + output } },
    ]);
  });

  it.each([false, true])('calls tools in parallel and goes on with their results, streamed: %p', async (streams) => {
    const calls = ['Oslo', 'Bergen'].map((city) => ({ name: 'weather', input: { city } }));
    const { llm, provider } = await open((index) =>
      index % 2 === 0 ? { thinking: 'Two cities.', text: 'Let me see.', calls } : { text: 'It rains in both.' },
    );
    const model = new ChatFastLiteLLM({ llm, model: name, maxTokens: 8000, modelKwargs: { reasoning_effort: 'medium' } }).bindTools([
      weather,
    ]);
    const ask = async (messages: BaseMessage[]): Promise<AIMessage> =>
      streams ? joined(await model.stream(messages)) : model.invoke(messages);
    const messages: BaseMessage[] = [new HumanMessage('Oslo and Bergen?')];
    for (let turn = 0; turn < 2; turn++) {
      const called = await ask(messages);
      expect(called.tool_calls?.map(({ name: called, args }) => [called, args])).toEqual([
        ['weather', { city: 'Oslo' }],
        ['weather', { city: 'Bergen' }],
      ]);
      expect(called.response_metadata.finish_reason).toBe('tool_calls');
      if (name !== 'openai') expect(called.contentBlocks).toContainEqual({ type: 'reasoning', reasoning: 'Two cities.' });
      const results = await Promise.all((called.tool_calls ?? []).map((call) => weather.invoke(call) as Promise<ToolMessage>));
      expect(results.map(({ content }) => content)).toEqual(['Rain in Oslo.', 'Rain in Bergen.']);
      results[1].status = 'error';
      const answer = await ask([...messages, called, ...results]);
      expect(answer.text).toBe('It rains in both.');
      expect(answer.tool_calls).toEqual([]);
      messages.push(called, ...results, answer, new HumanMessage('And now?'));
    }
    expect(provider(name).faults).toEqual([]);
    expect(provider(name).asked).toHaveLength(4);
    if (name === 'anthropic' || name === 'bedrock')
      expect(JSON.stringify(provider(name).asked[3])).toMatch(/"is_error":true|"status":"error"/);
  });

  it('answers in the form of a schema', async () => {
    const { llm, provider } = await open(() => ({ calls: [{ name: 'person', input: { name: 'Ada', age: 36 } }] }));
    const schema = z.object({ name: z.string(), age: z.number().int() });
    const model = new ChatFastLiteLLM({ llm, model: name }).withStructuredOutput(schema, { name: 'person' });
    expect(await model.invoke('Who?')).toEqual({ name: 'Ada', age: 36 });
    expect(provider(name).faults).toEqual([]);
  });

  it.each([false, true])('answers from another provider when this one dies, streamed: %p', async (streams) => {
    const other = name === 'gemini' ? 'bedrock' : 'gemini';
    const script = (_: number, asked: string): ScriptedAnswer => (asked === name ? { status: 503 } : { text: 'Here.' });
    const { llm, provider } = await open(script, [{ [name]: [other] }]);
    const model = new ChatFastLiteLLM({ llm, model: name });
    const message = streams ? await joined(await model.stream('Hello')) : await model.invoke('Hello');
    expect(message.text).toBe('Here.');
    expect(message.response_metadata.call).toMatchObject({ group: other, attempts: 2, fallbacks: 1 });
    expect(message.usage_metadata).toMatchObject(USAGE);
    expect([provider(name).asked.length, provider(other).asked.length]).toEqual([1, 1]);
  });
});
