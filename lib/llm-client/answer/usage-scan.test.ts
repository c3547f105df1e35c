import fc from 'fast-check';
import { LARGEST_AMOUNT } from '../../rate-limit/arguments.js';
import { usageFrom } from '../../http/answer-usage.js';
import { scanUsage } from './usage-scan.js';

const scan = (value: unknown): ReturnType<typeof scanUsage> =>
  scanUsage(Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)));
const usage = { prompt_tokens: 9, completion_tokens: 12, total_tokens: 21, completion_tokens_details: { reasoning_tokens: 3, note: '}"' } };
const details = { cacheReadTokens: 0, cacheWriteTokens: 0, cacheWrite1hTokens: 0, reasoningTokens: 3 };
const found = { promptTokens: 9, completionTokens: 12, totalTokens: 21, details };

describe('scanUsage', () => {
  it.each<[string, unknown]>([
    ['an answer', { id: 'a', choices: [], usage }],
    ['an answer with more behind', { usage, system_fingerprint: 'fp', service_tier: null }],
    ['spaces', `{"usage" :\n ${JSON.stringify(usage, null, 2)}}`],
    ['the last of several', { other: { usage: { prompt_tokens: 1 } }, usage }],
    ['a text that speaks of usage', { choices: [{ message: { content: 'The "usage": {"prompt_tokens": 4000} of a tool \\' } }], usage }],
    ['an end that is none', { usage, metadata: { usage: 'a lot' } }],
    ['front of some that are none', { usage, steps: new Array(60).fill({ usage: null }) }],
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
    ['front of more that are none than are looked at', { usage, steps: new Array(100).fill({ usage: null }) }],
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

describe('what scanUsage reads without a parser', () => {
  const names = [
    'prompt_tokens',
    'completion_tokens',
    'total_tokens',
    'input_tokens',
    'prompt_tokens_details',
    'prompt_cache_hit_tokens',
    'total_tokens_',
    '',
  ];
  const numbers = fc.oneof(
    fc.nat(),
    fc.constantFrom(0, -0, -1, 1.5, 1e21, LARGEST_AMOUNT, LARGEST_AMOUNT + 1, 2 ** 53, 999_999_999_999_999),
  );
  const value = fc.oneof(
    { weight: 6, arbitrary: numbers.map(String) },
    fc.constantFrom(
      '01',
      '-',
      '1e3',
      'true',
      'null',
      '""',
      '[]',
      '{}',
      '{"prompt_tokens":7,"a":"}"}',
      '{"cached_tokens":0}',
      '{"cached_tokens":5}',
      '',
      '{"a":[{"b":{}}]}',
    ),
  );
  const space = fc.constantFrom('', '', ' ', '\n\t ');
  const field = fc.tuple(fc.constantFrom(...names), value, space).map(([name, said, gap]) => `${gap}"${name}"${gap}:${gap}${said}${gap}`);
  const object = fc.oneof(
    { weight: 4, arbitrary: fc.array(field, { maxLength: 7 }) },
    fc.array(field, { maxLength: 4 }).map((more) => [...more, ...names.slice(0, 3).map((name, i) => `"${name}":${i}`)]),
  );

  it('is what a parser finds', () => {
    fc.assert(
      fc.property(object, fc.constantFrom('}', '}', ',}', ' \n}'), (fields, end) => {
        const json = `{${fields.join(',')}${end}`;
        let parsed: unknown;
        try {
          parsed = JSON.parse(json);
        } catch {
          parsed = undefined;
        }
        expect(scan(`{"usage":${json}}`)).toEqual(usageFrom(parsed));
      }),
      { numRuns: 3000 },
    );
  });

  it.each([0, 480, 505, 506, 507, 512, 600, 5000])('stands %p bytes before the end or more', (more) => {
    expect(scan({ usage, x: 'x'.repeat(more) })).toEqual(found);
    expect(scan(`"usage":{"prompt_tokens":1}${'x'.repeat(more)}`)?.promptTokens).toBe(1);
  });
});

it('has no details where all are 0 or no numbers', () => {
  const fields = { prompt_tokens_details: { cached_tokens: 0 }, completion_tokens_details: null, cache_read_input_tokens: -1 };
  expect(scan({ usage: { prompt_tokens: 9, completion_tokens: 12, total_tokens: 21, ...fields } })).toEqual({
    promptTokens: 9,
    completionTokens: 12,
    totalTokens: 21,
  });
});
