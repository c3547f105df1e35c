import fc from 'fast-check';
import { faultIn } from './answer.js';
import { usageIn } from './usage.js';

const scan = (value: unknown): ReturnType<typeof usageIn> =>
  usageIn(Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)));
const usage = { prompt_tokens: 9, completion_tokens: 12, total_tokens: 21, completion_tokens_details: { reasoning_tokens: 3, note: '}"' } };
const details = { cacheReadTokens: 0, cacheWriteTokens: 0, cacheWrite1hTokens: 0, reasoningTokens: 3 };
const found = { promptTokens: 9, completionTokens: 12, totalTokens: 21, details };

describe('usageIn', () => {
  it.each<[string, unknown]>([
    ['an answer', { id: 'a', choices: [], usage }],
    ['an answer with more behind', { usage, system_fingerprint: 'fp', service_tier: null }],
    ['spaces', `{"usage" :\n ${JSON.stringify(usage, null, 2)}}`],
    ['the last of several', { other: { usage: { prompt_tokens: 1 } }, usage }],
    ['a text that contains a usage', { choices: [{ message: { content: 'The "usage": {"prompt_tokens": 4000} of a tool \\' } }], usage }],
    ['an answer that ends with another usage key', { usage, metadata: { usage: 'a lot' } }],
    ['an answer with many other usage keys behind it', { usage, steps: new Array(60).fill({ usage: null }) }],
    ['a stream', `data: {"choices":[],"usage":null}\n\ndata: ${JSON.stringify({ choices: [], usage })}\n\ndata: [DONE]\n\n`],
  ])('finds the usage in %s', (_, value) => {
    expect(scan(value)).toEqual(found);
  });

  const stated = { usage: { prompt_tokens: 1, completion_tokens: 1 } };
  it.each<[string, object]>([
    ['metadata behind it', { usage, metadata: stated }],
    ['metadata before it', { metadata: stated, usage }],
    ['tools behind it', { usage, tools: [{ name: 'a', parameters: { default: [stated] } }] }],
    ['an object behind another one', { usage, metadata: { first: { usage: null }, second: [stated, 'x"'] }, user: 'u' }],
    ['much behind it', { usage, metadata: { ...stated, padding: '{"'.repeat(40_000) }, list: new Array(20_000).fill({}) }],
    ['several of them', { usage, metadata: { ...stated, inner: stated }, other: stated }],
    ['the response of an event', { response: { usage, metadata: stated }, sequence_number: 1 }],
  ])('takes none that the client has stated, in %s', (_, answer) => {
    for (const bytes of [JSON.stringify(answer), JSON.stringify(answer, null, 2), `data: ${JSON.stringify(answer)}\n\ndata: [DONE]\n\n`])
      expect(scan(bytes)).toEqual(found);
  });

  it('takes that of the last event of a stream, however deep', () => {
    const events = [{ usage: { prompt_tokens: 2, completion_tokens: 2 } }, { choices: [{ usage }] }];
    expect(scan(events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join(''))).toEqual(found);
  });

  it.each<[string, object, string | undefined]>([
    ['behind it', { usage, service_tier: 'flex' }, 'flex'],
    ['before it', { service_tier: 'default', tools: [{ parameters: { service_tier: 'flex' } }], usage }, 'default'],
    ['in a text', { choices: [{ message: { content: '"service_tier":"flex"' } }], usage }, undefined],
    ['in an object behind it', { usage, metadata: { service_tier: 'flex' } }, undefined],
    ['in an object before it', { metadata: { service_tier: 'flex' }, usage }, undefined],
    ['above it', { service_tier: 'flex', inner: { usage } }, undefined],
  ])('reads a service tier %s only where it is of the same object', (_, answer, tier) => {
    for (const bytes of [JSON.stringify(answer), JSON.stringify(answer, null, 2), `data: ${JSON.stringify(answer)}\n\ndata: [DONE]\n\n`])
      expect(scan(bytes)?.serviceTier).toBe(tier);
  });

  it.each<[string, unknown]>([
    ['nothing', ''],
    ['null', { usage: null }],
    ['a text', { choices: [{ message: { content: '"usage":{"prompt_tokens":1}' } }] }],
    ['half of one', '{"usage":{"prompt_tokens":1,"comp'],
    ['no numbers', { usage: { prompt_tokens: 'many' } }],
    ['a long object', { usage: { prompt_tokens: 1, x: 'x'.repeat(5000) } }],
    ['a key far before it', `{"usage":${' '.repeat(2000)}${JSON.stringify(usage)}}`],
    [
      'metadata so far behind that it may be either',
      { usage, metadata: { padding: 'x'.repeat(5 << 20), usage }, user: 'x'.repeat(70_000) },
    ],
    ['an answer with too many other usage keys behind it', { usage, steps: new Array(100).fill({ usage: null }) }],
  ])('finds no usage in %s', (_, value) => {
    expect(scan(value)).toBeUndefined();
  });

  it('looks for a service tier once, where many usages lie within each other', () => {
    let nested: object = { usage };
    for (let depth = 0; depth < 60; depth++) nested = { usage, inner: nested, last: 0 };
    const indexOf = jest.spyOn(Buffer.prototype, 'indexOf');
    scan({ nested, tiers: 'x'.repeat(70_000) });
    const searches = indexOf.mock.calls.filter(([key]) => String(key) === '"service_tier"');
    indexOf.mockRestore();
    expect(searches).toHaveLength(1);
  });

  it('finds the same usage as a JSON parser, whatever surrounds it', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (before, after) => {
        expect(scan({ before, usage, after: JSON.stringify({ after, usage: { prompt_tokens: 1 } }) })).toEqual(found);
      }),
    );
  });
});

it('usageIn reports no details where all of them are 0 or no numbers', () => {
  const fields = { prompt_tokens_details: { cached_tokens: 0 }, completion_tokens_details: null, cache_read_input_tokens: -1 };
  expect(scan({ usage: { prompt_tokens: 9, completion_tokens: 12, total_tokens: 21, ...fields } })).toEqual({
    promptTokens: 9,
    completionTokens: 12,
    totalTokens: 21,
  });
});

describe('faultIn', () => {
  const LONG = { error: '{"error":{"message":"The provider answered with an error of more than 1 MiB."}}' };
  const long = (length: number): string => 'x'.repeat(length);
  it.each<[string, string, ReturnType<typeof faultIn>]>([
    ['an error', '\n{ "error": "gone" }\n', { error: '\n{ "error": "gone" }\n' }],
    ['no error', '{"error":null,"id":"x"}', undefined],
    ['an error of more than a mebibyte', `{"error" : "${long(1 << 20)}"}`, LONG],
    ['an object of an error of more than a mebibyte', `\n{"error":{"message":"${long(1 << 20)}"}}`, LONG],
    ['no error in more than a mebibyte', `{"error":null,"text":"${long(1 << 20)}"}`, undefined],
    ['an empty error in more than a mebibyte', `{"error":"","text":"${long(1 << 20)}"}`, undefined],
    ['an error that is no key', `{"error","text":"x"}`, undefined],
    ['empty lines', '\n'.repeat(1000), 'malformed'],
    ['an object behind a mebibyte of empty lines', `${'\n'.repeat(1 << 20)}\n{}`, 'malformed'],
    ['an object before a mebibyte of empty lines', `{}${'\n'.repeat(1 << 20)}\n`, 'malformed'],
  ])('reads %s', (_, answer, fault) => {
    expect(faultIn(Buffer.from(answer))).toEqual(fault);
  });
});
