import fc from 'fast-check';
import { scanUsage, usageFrom } from './usage-scan.js';

const scan = (value: unknown): ReturnType<typeof scanUsage> =>
  scanUsage(Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)));
const usage = { prompt_tokens: 9, completion_tokens: 12, total_tokens: 21, completion_tokens_details: { reasoning_tokens: 3, note: '}"' } };
const found = { promptTokens: 9, completionTokens: 12, totalTokens: 21 };

describe('scanUsage', () => {
  it.each<[string, unknown]>([
    ['an answer', { id: 'a', choices: [], usage }],
    ['an answer with more behind', { usage, system_fingerprint: 'fp', service_tier: null }],
    ['spaces', `{"usage" :\n ${JSON.stringify(usage, null, 2)}}`],
    ['the last of several', { other: { usage: { prompt_tokens: 1 } }, usage }],
    ['a text that speaks of usage', { choices: [{ message: { content: 'The "usage": {"prompt_tokens": 4000} of a tool \\' } }], usage }],
    ['an end that is none', { usage, metadata: { usage: 'a lot' } }],
    ['a stream', `data: {"choices":[],"usage":null}\n\ndata: ${JSON.stringify({ choices: [], usage })}\n\ndata: [DONE]\n\n`],
  ])('finds it in %s', (_, value) => {
    expect(scan(value)).toEqual(found);
  });

  it.each<[string, unknown]>([
    ['nothing', ''],
    ['null', { usage: null }],
    ['a text', { choices: [{ message: { content: '"usage":{"prompt_tokens":1}' } }] }],
    ['half of one', '{"usage":{"prompt_tokens":1,"comp'],
    ['no numbers', { usage: { prompt_tokens: 'many' } }],
    ['a long object', { usage: { prompt_tokens: 1, x: 'x'.repeat(5000) } }],
  ])('finds none in %s', (_, value) => {
    expect(scan(value)).toBeUndefined();
  });

  it('finds what a parser would, whatever stands around it', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (before, after) => {
        expect(scan({ before, usage, after: JSON.stringify({ after, usage: { prompt_tokens: 1 } }) })).toEqual(found);
      }),
    );
  });
});

it('usageFrom understands the names of others', () => {
  expect(usageFrom({ input_tokens: 3, output_tokens: 4 })).toEqual({ promptTokens: 3, completionTokens: 4, totalTokens: 7 });
  expect(usageFrom({ inputTokens: 3, outputTokens: 4, totalTokens: 8 })).toEqual({ promptTokens: 3, completionTokens: 4, totalTokens: 8 });
  expect(usageFrom({ prompt_tokens: 5, total_tokens: 5 })).toEqual({ promptTokens: 5, completionTokens: 0, totalTokens: 5 });
  for (const none of [
    undefined,
    null,
    7,
    {},
    { prompt_tokens: -1 },
    { total_tokens: NaN },
    { total_tokens: 1e308 },
    { completion_tokens: 2 ** 31 + 1 },
  ])
    expect(usageFrom(none)).toBeUndefined();
});
