import { FastLiteLLM } from '../../fast-litellm.js';
import { estimateTokens } from './token-estimate.js';

const quiet = { log: () => {}, warn: () => {}, error: () => {} };
const counter = new FastLiteLLM({ logger: quiet, tokenCounter: { estimates: false } }).tokenCounter;
const estimate = (body: unknown, tokensPerMinute = 100_000) => estimateTokens(body, { counter, tokensPerMinute });
const chat = { model: 'gpt-4', messages: [{ role: 'user', content: 'hello world' }] };
const film = (text: string, data = '') => ({
  messages: [{ role: 'user', content: [text, { type: 'video_url', video_url: data }] }],
  max_tokens: 9,
});
const cycle: object[] = [];
cycle.push(cycle);
const stored = { model: 'gpt-4', input: 'hello world', prompt: { id: 'p', variables: { city: 'Oslo' } }, max_output_tokens: 1 };

const schema = { type: 'object', properties: { city: { type: 'string', description: ' a'.repeat(50) } } };
const FORMATTED = { model: 'gpt-4', input: 'hello world', text: { format: { type: 'json_schema', name: 'place', schema } } };

describe('estimateTokens', () => {
  it.each([
    ['the prompt and the reply it allows', { ...chat, max_tokens: 100 }, 109],
    ['of two names for a reply the larger figure', { ...chat, max_tokens: 100, max_completion_tokens: 50 }, 109],
    ['of two names for a reply the larger figure', { ...chat, max_tokens: 50, max_output_tokens: 100 }, 109],
    ['the largest of its prompts: messages', { ...chat, input: 'hello', prompt: 'hello', max_tokens: 1, max_output_tokens: 1 }, 10],
    ['the largest of its prompts: input', { ...chat, input: ' a'.repeat(50), prompt: 'hello', max_tokens: 1, max_output_tokens: 1 }, 51],
    ['the largest of its prompts: prompt', { ...chat, input: 'hello', prompt: ' a'.repeat(50), max_tokens: 1, max_output_tokens: 1 }, 51],
    ['a prompt beside messages that are none', { messages: null, model: 'gpt-4', prompt: ' a'.repeat(50), max_tokens: 1 }, 51],
    ['a prompt that cannot be counted beside one that can', { ...chat, prompt: {}, max_tokens: 1 }, 10],
    ['an input beside the variables of a stored prompt, together', stored, counter.countRequest(stored).promptTokens + 1],
    ['the Responses API', { model: 'gpt-4', input: 'hello world', max_output_tokens: 7 }, 9],
    ['every choice', { ...chat, max_tokens: 100, n: 3 }, 309],
    ['an answer for each prompt of a list', { model: 'gpt-4', prompt: ['hello', 'hello'], max_tokens: 100 }, 202],
    ['1024 where no reply is named', chat, 1024],
    ['the prompt where that is more', { ...chat, messages: [{ role: 'user', content: ' a'.repeat(3000) }] }, 3007],
    ['embeddings have no reply', { model: 'text-embedding-3-small', input: 'hello world' }, 2],
    ['embeddings, recognized by their options', { model: 'own', input: ['hello world', 'hello'], dimensions: 256 }, 3],
    ['moderations have no reply', { model: 'omni-moderation-latest', input: 'hello world' }, 2],
    ['speech has no reply', { model: 'tts-1', input: 'hello world', voice: 'alloy' }, 2],
    ['a chat with a voice has one', { ...chat, voice: 'alloy', max_tokens: 100 }, 109],
    ['a chat that looks like them for a chat', { ...chat, input: 'hello', dimensions: 1, max_tokens: 100, max_output_tokens: 100 }, 109],
    [
      'a completion that looks like them for one',
      { model: 'gpt-4', prompt: 'hello world', input: 'hello', dimensions: 1, max_tokens: 100, max_output_tokens: 100 },
      102,
    ],
    ['the text behind a completion', { model: 'gpt-4', prompt: 'hello', suffix: ' a'.repeat(50), max_tokens: 1 }, 52],
    ['documents to answer from', { ...chat, documents: [{ text: ' a'.repeat(97) }], max_tokens: 1 }, 9 + 97 + 4],
    ['a system prompt of Gemini', { ...chat, systemInstruction: { parts: [{ text: ' a'.repeat(97) }] }, max_tokens: 1 }, 9 + 97 + 6],
    ['a schema of Gemini', { ...chat, generationConfig: { responseSchema: { title: ' a'.repeat(97) } }, max_tokens: 1 }, 9 + 97 + 7],
    ['a schema beside a plain input', { ...FORMATTED, max_output_tokens: 1 }, 77],
    ['a rerank without a reply', { model: 'rerank-2', query: 'hello world', documents: [' a'.repeat(97)] }, 2 + 97],
    ['no prompt in documents without a query', { model: 'm', documents: ['a'.repeat(400)] }, 0],
    ['no prompt in a query of GraphQL', { query: '{ a }', variables: { documents: ['a'] } }, 0],
    ['no prompt', { model: 'gpt-4' }, 0],
    ['a part of an unknown type, and the reply', film(''), 16],
    ['the texts beside a part of an unknown type', film(' hello'.repeat(1000)), 1016],
    ['a film that it cannot read by its length', film('', 'AAAA'.repeat(100_000)), 50_016],
    ['a video in a data URL by its length in time', film('', `data:video/mp4;base64,${'AAAA'.repeat(208_334)}`), 2917],
    ['what could not be sent for next to nothing', { messages: [{ role: 'user', content: [{ type: 'x', cycle }] }], max_tokens: 9 }, 10],
    ['a prompt that is wrong', { messages: 'hello' }, 1024],
    ['no prompt but null', { messages: null }, 0],
    ['no body', undefined, 0],
    ['a text', 'hello world', 0],
    ['an array', [chat], 0],
  ])('takes %s', async (_, body, tokens) => expect(await estimate(body)).toBe(tokens));

  const long = 'aGVsbG8h'.repeat(20_000);
  it.each<[string, object]>([
    ['an unknown part', { messages: [{ role: 'user', content: ['hi', { type: 'x', x: long }] }] }],
    ['an unknown part of many short texts', { messages: [{ role: 'user', content: ['hi', { type: 'x', x: long.match(/.{8}/g) }] }] }],
    ['an unknown part of Gemini', { messages: [{ role: 'user', parts: [{ text: 'hi' }, { x: long }] }] }],
    ['an unknown field of a message', { messages: [{ role: 'user', content: 'hi', x: { y: [long] } }] }],
    ['a text that is none', { messages: [{ role: 'user', content: [{ type: 'text', text: [long] }] }] }],
    ['the name of a tool call', { messages: [{ role: 'assistant', tool_calls: [{ function: { name: long, arguments: '' } }] }] }],
    ['an unknown keyword of a schema', { messages: [], tools: [{ name: 'f', parameters: { properties: {}, pattern: long } }] }],
    ['functions beside tools', { messages: [], tools: [{ name: 'f' }], functions: [{ name: long }] }],
    ['a field of an image', { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'x', y: long } }] }] }],
    ['a field of an item', { input: [{ role: 'user', content: 'hi', x: long }] }],
    ['a prompt that is wrong', { messages: { x: long } }],
  ])('counts text that no rule of its place counts: %s', async (_, body) => {
    for (const isLarge of [false, true])
      expect(await estimateTokens({ ...body, max_tokens: 1 }, { counter, tokensPerMinute: 1e6, isLarge })).toBeGreaterThanOrEqual(40_000);
  });

  it('counts the text of a part without a rule', async () => {
    const body = { messages: [{ role: 'user', content: [{ type: 'x', x: '漢'.repeat(1000) }] }], max_tokens: 1 };
    expect(await estimate(body)).toBeGreaterThanOrEqual(750);
  });

  it('counts known media by their rules next to an unknown part', async () => {
    const image = { type: 'image_url', image_url: { url: `data:image/png;base64,${'A'.repeat(400_000)}` } };
    const body = { model: 'gpt-4', messages: [{ role: 'user', content: [image, { type: 'x' }] }], max_tokens: 1 };
    expect(await estimate(body)).toBeLessThan(1500);
  });

  it('reads a video only in a part of its type', async () => {
    const url = `data:video/mp4;base64,${'AAAA'.repeat(10_000)}`;
    const of = (part: object) => estimate({ messages: [{ role: 'user', content: [part] }], max_tokens: 9 });
    expect(await of({ type: 'x', video_url: url })).toBeGreaterThan(5_000);
    expect(await of({ type: 'video_url', video_url: url })).toBeLessThan(1_000);
    expect(await of({ type: 'video_url', video_url: { url } })).toBeLessThan(1_000);
    expect(await of({ type: 'video_url', video_url: 7 })).toBeLessThan(100);
  });

  it('counts tools once for several prompts', async () => {
    const tools = [{ type: 'function', function: { name: 'f', description: ' a'.repeat(1000) } }];
    const all = { ...chat, input: 'hello', prompt: 'hello', tools, max_tokens: 1 };
    expect(await estimate(all)).toBe(await estimate({ ...chat, tools, max_tokens: 1 }));
  });

  it('ends with a body that contains itself', async () => {
    const tool: Record<string, unknown> = { name: 'f' };
    tool.x = tool;
    expect(await estimate({ messages: [], tools: [tool], max_tokens: 1 })).toBeGreaterThan(0);
  });

  it('returns the same off the main thread, and at most the limit where it stops early', async () => {
    const long = { model: 'gpt-4', messages: [{ role: 'user', content: 'hello world '.repeat(200_000) }], max_tokens: 10 };
    const context = { counter, tokensPerMinute: 100_000_000 };
    for (const body of [chat, long, film('hi'), { ...long, input: 'hello', tools: [{ name: 'f' }] }, { input: [1, 2, 3], dimensions: 1 }])
      expect(await estimateTokens(body, { ...context, isLarge: true })).toBe(await estimateTokens(body, context));
    const stopped = (tokensPerMinute: number, tokensLeft: number) =>
      estimateTokens(long, { counter, tokensPerMinute, isLarge: true }, tokensLeft);
    expect(await stopped(100_000_000, 1000)).toBeGreaterThan(1000);
    // The whole limit may allow it later, as far as it was counted.
    expect(await stopped(200_000, 1000)).toBe(200_000);
    expect(await stopped(2000, 2000)).toBeGreaterThan(2000);
  });

  it('counts the next prompt of a large body, unless the first is over the limit already', async () => {
    const body = { ...chat, prompt: ' a'.repeat(50), max_tokens: 1, max_output_tokens: 1 };
    for (let tokensLeft = 0; tokensLeft < 60; tokensLeft++) {
      const tokens = await estimateTokens(body, { counter, tokensPerMinute: 100_000, isLarge: true }, tokensLeft);
      if (tokens <= tokensLeft) expect([tokensLeft >= 51, tokens]).toEqual([true, 51]);
    }
  });

  it('estimates a text that is too long to be counted', async () => {
    const { tokenCounter } = new FastLiteLLM({ tokenCounter: { maxTextLength: 10 } });
    const messages = [{ role: 'user', content: ' hello'.repeat(1000) }];
    expect(await estimateTokens({ messages, max_tokens: 9 }, { counter: tokenCounter, tokensPerMinute: 100_000 })).toBe(1524);
  });

  it('takes a quarter of a small limit for a reply', async () => {
    expect(await estimate(chat, 400)).toBe(100);
    expect(await estimate(chat, 2)).toBe(9);
  });

  it.each([[-1], [0], [NaN], [Infinity], ['many'], [null], [{}], [1e308]])('ignores an invalid max_tokens: %p', async (max_tokens) => {
    const tokens = await estimate({ ...chat, max_tokens });
    expect(tokens).toBe(max_tokens === 1e308 ? 2 ** 31 : 1024);
    expect(await estimate({ ...chat, max_tokens: 10, n: 1e9 })).toBe(2 ** 31);
  });

  it('ignores a prototype in a body', async () => {
    expect(
      await estimate(
        JSON.parse('{"__proto__": {"max_tokens": -5}, "model": "gpt-4", "messages": [{"role": "user", "content": "hello world"}]}'),
      ),
    ).toBe(1024);
  });
});
