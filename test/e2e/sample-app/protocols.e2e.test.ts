import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { SampleGateway } from './sample-gateway.js';

const MODELS = ['gpt-4o-mini', 'claude-opus-4-8', 'gemini-2.5-flash', 'nova-lite'];
const REPLY = 'local-one: the quick brown fox jumps over a lazy dog while rain';
/** A quarter of its characters. */
const TOKENS = Math.ceil(REPLY.length / 4);
const messages = [{ role: 'user' as const, content: 'Hello' }];

describe('the sample gateway over the protocols of its local providers', () => {
  let gateway: SampleGateway;
  let openai: OpenAI;
  let anthropic: Anthropic;
  beforeAll(async () => {
    gateway = await SampleGateway.start();
    openai = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'any', maxRetries: 0 });
    anthropic = new Anthropic({ baseURL: gateway.url, apiKey: 'any', maxRetries: 0 });
  });
  afterAll(() => gateway.stop());
  const like = (text: string | null | undefined): void => expect(text?.replace('local-two', 'local-one')).toBe(REPLY);

  it('lists a model of each protocol', async () => {
    const { data } = await openai.models.list();
    expect(data.map(({ id }) => id)).toEqual(expect.arrayContaining(MODELS));
  });

  it.each(MODELS)('answers chat with %s, whole and streamed, with usage', async (model) => {
    const { choices, usage } = await openai.chat.completions.create({ model, messages });
    like(choices[0].message.content);
    expect([choices[0].finish_reason, usage?.completion_tokens]).toEqual(['stop', TOKENS]);
    let text = '';
    let streamed: unknown;
    for await (const chunk of await openai.chat.completions.create({
      model,
      messages,
      stream: true,
      stream_options: { include_usage: true },
    })) {
      text += chunk.choices[0]?.delta.content ?? '';
      streamed = chunk.usage ?? streamed;
    }
    like(text);
    expect(streamed).toMatchObject({ completion_tokens: TOKENS });
  });

  it.each(MODELS)('answers messages with %s, whole and streamed', async (model) => {
    const { content, stop_reason, usage } = await anthropic.messages.create({ model, max_tokens: 100, messages });
    like(content[0].type === 'text' ? content[0].text : '');
    expect([stop_reason, usage.output_tokens]).toEqual(['end_turn', TOKENS]);
    const stream = anthropic.messages.stream({ model, max_tokens: 100, messages });
    like(await stream.finalText());
  });

  it.each(MODELS)('answers responses with %s, whole and streamed', async (model) => {
    const { output_text, usage } = await openai.responses.create({ model, input: 'Hello' });
    like(output_text);
    expect(usage?.output_tokens).toBe(TOKENS);
    const types: string[] = [];
    for await (const { type } of await openai.responses.create({ model, input: 'Hello', stream: true })) types.push(type);
    expect([types[0], types.at(-1)]).toEqual(['response.created', 'response.completed']);
  });

  it.each(MODELS)('calls tools with %s', async (model) => {
    const tools = [{ type: 'function' as const, function: { name: 'weather', parameters: { type: 'object', properties: {} } } }];
    const { choices } = await openai.chat.completions.create({ model, messages, tools });
    const [call] = choices[0].message.tool_calls ?? [];
    expect([choices[0].finish_reason, call]).toMatchObject([
      'tool_calls',
      { function: { name: 'weather', arguments: expect.any(String) } },
    ]);
    expect(JSON.parse((call as { function: { arguments: string } }).function.arguments)).toEqual({ city: 'Oslo' });
    const stream = anthropic.messages.stream({
      model,
      max_tokens: 100,
      messages,
      tools: [{ name: 'weather', input_schema: { type: 'object' } }],
    });
    expect(await stream.finalMessage()).toMatchObject({
      stop_reason: 'tool_use',
      content: [{ type: 'tool_use', name: 'weather', input: { city: 'Oslo' } }],
    });
  });
});
