import fc from 'fast-check';

import { FastLiteLLM } from '../../fast-litellm.js';
import type { ChatMessage } from './messages.js';
import { usuallyOrLong } from '../../../test/support/long.js';

const silent = { log: () => {}, warn: () => {}, error: () => {} };
const counter = new FastLiteLLM({ engine: 'typescript', logger: silent }, { env: {} }).tokenCounter;
const model = 'gpt-4o';
const trim = (messages: ChatMessage[], maxTokens: number): ChatMessage[] => counter.trimMessages(messages, { model, maxTokens });
const count = (messages: readonly ChatMessage[]): number => counter.countMessages(messages, { model });

const system = { role: 'system', content: 'You are a bot.' };
const turn = (n: number): ChatMessage => ({ role: n % 2 === 0 ? 'user' : 'assistant', content: `message number ${n} `.repeat(5) });
const chat = [system, ...Array.from({ length: 10 }, (_, n) => turn(n))];
const call = { role: 'assistant', content: null, tool_calls: [{ id: 'c1', type: 'function', function: { name: 'now', arguments: '{}' } }] };
const result = { role: 'tool', tool_call_id: 'c1', content: '12:30' };

describe('trimMessages', () => {
  it('returns a copy of a chat that fits', () => {
    const trimmed = trim(chat, count(chat));
    expect(trimmed).toEqual(chat);
    expect(trimmed).not.toBe(chat);
  });

  it('keeps the system message and the newest messages, and shortens the oldest of them', () => {
    const before = structuredClone(chat);
    const trimmed = trim(chat, 100);
    expect(chat).toEqual(before);
    expect(count(trimmed)).toBeLessThanOrEqual(100);
    expect(trimmed[0]).toBe(system);
    expect(trimmed.slice(2)).toEqual(chat.slice(-trimmed.length + 2));
    expect(trimmed[1].content).toMatch(/^message num.*\.\..*\d $/);
    expect(trimmed.length).toBeGreaterThan(3);
  });

  it('joins several system messages', () => {
    const trimmed = trim([system, turn(0), { role: 'system', content: 'Be brief.' }, turn(1), turn(2)], 60);
    expect(trimmed[0]).toEqual({ role: 'system', content: 'You are a bot.\nBe brief.' });
    expect(trimmed.filter(({ role }) => role === 'system')).toHaveLength(1);
    expect(trimmed.at(-1)).toEqual(turn(2));
  });

  it('returns only a shortened system message if that message alone exceeds the budget', () => {
    const long = { role: 'system', name: 'boss', content: 'word '.repeat(500) };
    const trimmed = trim([long, turn(0), result], 50);
    expect(trimmed).toEqual([{ role: 'system', name: 'boss', content: expect.stringMatching(/^word .*\.\..* $/) }]);
    expect(count(trimmed)).toBeLessThanOrEqual(50);
    expect(count(trimmed)).toBeGreaterThan(30);
  });

  it('stays within the budget if a system message of parts cannot be joined', () => {
    const long = { role: 'system', content: 'word '.repeat(500) };
    const parts = { role: 'developer', content: [{ type: 'text', text: 'Be brief.' }] };
    for (const given of [
      [long, parts, turn(0)],
      [parts, turn(0), long],
      [long, parts, long, turn(0)],
    ]) {
      const trimmed = trim(given, 60);
      expect(trimmed).toContain(parts);
      expect(trimmed).not.toContain(turn(0));
      expect(count(trimmed)).toBeLessThanOrEqual(60);
      expect(count(trimmed)).toBeGreaterThan(40);
    }
    expect(trim([system, parts, turn(0)], 10)).toEqual([parts]);
  });

  it('keeps trailing tool messages with their call', () => {
    const trimmed = trim([system, ...chat.slice(1), call, result, result], 60);
    expect(trimmed[0]).toBe(system);
    expect(trimmed.slice(-3)).toEqual([call, result, result]);
    expect(count(trimmed)).toBeLessThanOrEqual(60);
    // Also if nothing fits.
    expect(trim([system, turn(0), call, result], 12)).toEqual([system, call, result]);
  });

  it.each([1, 2, 3, 5])('keeps trailing tool messages with their call if maxTokens is %d', (maxTokens) => {
    expect(trim([turn(0), call, result], maxTokens)).toEqual([call, result]);
    expect(trim([call, result, result], maxTokens)).toEqual([call, result, result]);
    expect(trim([result], maxTokens)).toEqual([result]);
    // Like LiteLLM: a system message that cannot be shortened stays unchanged.
    expect(trim([system, turn(0), call, result], maxTokens)).toEqual([system, call, result]);
    const parts = { role: 'developer', content: [{ type: 'text', text: 'Be brief.' }] };
    expect(trim([system, parts, turn(0), call, result], maxTokens)).toEqual([parts, call, result]);
    const use = { role: 'assistant', content: [{ type: 'tool_use', id: 't1', name: 'now', input: {} }] };
    const answer = { role: 'user', content: [{ type: 'tool_result', tool_use_id: 't1', content: '12:30' }] };
    expect(trim([turn(0), use, answer], maxTokens)).toEqual([use, answer]);
    expect(trim([turn(0)], maxTokens)).toEqual([]);
  });

  it('drops an older tool call together with its results', () => {
    const trimmed = trim([system, turn(0), call, result, turn(1), turn(2)], 80);
    const roles = trimmed.map(({ role }) => role);
    expect(roles.includes('tool')).toBe(trimmed.includes(call));
    expect(trim([system, call, { ...result, content: 'long '.repeat(100) }, turn(2)], 60)).toEqual([system, turn(2)]);
  });

  it("keeps Anthropic's tool results with their call", () => {
    const use = { role: 'assistant', content: [{ type: 'tool_use', id: 't1', name: 'now', input: {} }] };
    const answer = { role: 'user', content: [{ type: 'tool_result', tool_use_id: 't1', content: '12:30' }] };
    expect(trim([system, ...chat.slice(1), use, answer], 30)).toEqual([system, use, answer]);
  });

  it("trims to a share of the model's context window, and not at all if that is unknown", () => {
    const many = Array.from({ length: 400 }, (_, n) => turn(n));
    expect(count(many)).toBeGreaterThan(8192);
    const limit = counter.getModelLimits('gpt-4').contextWindow ?? 0;
    expect(limit).toBeGreaterThan(0);
    const trimmed = counter.trimMessages(many, { model: 'gpt-4' });
    expect(counter.countMessages(trimmed, 'gpt-4')).toBeLessThanOrEqual(limit * 0.75);
    expect(counter.countMessages(trimmed, 'gpt-4')).toBeGreaterThan(limit * 0.75 - 100);
    expect(counter.countMessages(counter.trimMessages(many, { model: 'gpt-4', trimRatio: 0.1 }), 'gpt-4')).toBeLessThanOrEqual(limit * 0.1);
    expect(counter.trimMessages(many, 'no-such-model')).toEqual(many);
  });

  it('fits any budget without splitting a character', () => {
    const content = fc.string({ unit: 'binary', maxLength: 200 });
    const message = fc.record({ role: fc.constantFrom('user', 'assistant', 'system'), content });
    fc.assert(
      fc.property(fc.array(message, { maxLength: 8 }), fc.integer({ min: 12, max: 400 }), (messages, maxTokens) => {
        const trimmed = trim(messages, maxTokens);
        expect(count(trimmed)).toBeLessThanOrEqual(Math.max(maxTokens, count(trimmed.filter(({ role }) => role === 'system'))));
        for (const { content: text } of trimmed) expect(text).not.toMatch(/\p{Surrogate}/u);
      }),
      { numRuns: usuallyOrLong(50, 300) },
    );
  });

  it.each([
    ['messages', () => counter.trimMessages('Hello' as never)],
    ['maxTokens', () => counter.trimMessages([], { maxTokens: 0 })],
    ['maxTokens', () => counter.trimMessages([], { maxTokens: NaN })],
    ['trimRatio', () => counter.trimMessages([], { trimRatio: 1.5 })],
    ['trimRatio', () => counter.trimMessages([], { trimRatio: 0 })],
    ['messages[0].content[0].type', () => counter.trimMessages([{ role: 'user', content: [{ type: 'x' }] }], { maxTokens: 10 })],
  ])('throws an error with the path of an invalid argument: %s', (path, call) => expect(call).toThrow(expect.objectContaining({ path })));
});
