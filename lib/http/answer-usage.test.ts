import { LARGEST_AMOUNT } from '../rate-limit/arguments.js';
import { inputUsage, usageFrom, usedTokens } from './answer-usage.js';
import { usageIn } from '../providers/openai/usage.js';

describe('usedTokens', () => {
  it.each([
    [{ prompt_tokens: 10, completion_tokens: 5, total_tokens: 17 }, 17],
    [{ prompt_tokens: 10, completion_tokens: 5 }, 15],
    [{ input_tokens: 10, output_tokens: 5, cache_creation_input_tokens: 3, cache_read_input_tokens: 2 }, 20],
    [{ prompt_tokens: 15, completion_tokens: 5, cache_creation_input_tokens: 3, cache_read_input_tokens: 2 }, 20],
    [{ prompt_tokens: 10 }, 10],
    [{ total_tokens: 0 }, 0],
    [{ promptTokens: 10, completionTokens: 5, totalTokens: 17 }, 17],
    [{ inputTokens: 10, outputTokens: 5 }, 15],
    // The total cannot be right: the parts are counted.
    [{ prompt_tokens: 10, completion_tokens: 5, total_tokens: 0 }, 15],
    [{ prompt_tokens: 10, completion_tokens: 5, total_tokens: 1e300 }, 15],
    [{ prompt_tokens: 10, completion_tokens: Infinity }, 10],
    [{ prompt_tokens: LARGEST_AMOUNT, completion_tokens: LARGEST_AMOUNT }, LARGEST_AMOUNT],
    [{ total_tokens: null, prompt_tokens: 3 }, 3],
    [{ total_tokens: '17' }, undefined],
    [{ total_tokens: -1 }, undefined],
    [{}, undefined],
    [null, undefined],
    ['17', undefined],
  ])('reads %j', (usage, tokens) => expect(usedTokens(usage)).toBe(tokens));
});

it('usageFrom reads the field names of every provider and SDK', () => {
  expect(usageFrom({ input_tokens: 3, output_tokens: 4 })).toEqual({ promptTokens: 3, completionTokens: 4, totalTokens: 7 });
  expect(usageFrom({ inputTokens: 3, outputTokens: 4, totalTokens: 8 })).toEqual({ promptTokens: 3, completionTokens: 4, totalTokens: 8 });
  expect(usageFrom({ inputTokens: { total: 3 }, outputTokens: { total: 4 } })).toEqual({
    promptTokens: 3,
    completionTokens: 4,
    totalTokens: 7,
  });
  // The total of the AI SDK includes cached tokens, unless there are more of these.
  expect(usageFrom({ inputTokens: 100, outputTokens: 4, cachedInputTokens: 90 })).toMatchObject({ promptTokens: 100, totalTokens: 104 });
  expect(usageFrom({ inputTokens: 3, outputTokens: 4, cachedInputTokens: 90, totalTokens: 7 })).toMatchObject({
    promptTokens: 93,
    totalTokens: 97,
    details: { cacheReadTokens: 90 },
  });
  expect(usageFrom({ prompt_tokens: 5, total_tokens: 5 })).toEqual({ promptTokens: 5, completionTokens: 0, totalTokens: 5 });
  const cached = { cache_creation_input_tokens: 20, cache_read_input_tokens: 100 };
  // Anthropic's figure excludes cached tokens, LiteLLM's includes them.
  expect(usageFrom({ input_tokens: 3, output_tokens: 4, ...cached })).toMatchObject({
    promptTokens: 123,
    completionTokens: 4,
    totalTokens: 127,
  });
  expect(usageFrom({ prompt_tokens: 123, completion_tokens: 4, ...cached })).toMatchObject({ promptTokens: 123, totalTokens: 127 });
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

it.each<[string, object, object]>([
  ['OpenAI', { prompt_tokens_details: { cached_tokens: 6, audio_tokens: 0 } }, { cacheReadTokens: 6 }],
  ['OpenAI, reasoning', { completion_tokens_details: { reasoning_tokens: 7 } }, { reasoningTokens: 7 }],
  [
    'its Responses',
    { input_tokens_details: { cached_tokens: 6 }, output_tokens_details: { reasoning_tokens: 7 } },
    { cacheReadTokens: 6, reasoningTokens: 7 },
  ],
  ['DeepSeek', { prompt_cache_hit_tokens: 6, prompt_cache_miss_tokens: 3 }, { cacheReadTokens: 6 }],
  [
    'the AI SDK, version 6',
    { inputTokenDetails: { noCacheTokens: 1, cacheReadTokens: 6, cacheWriteTokens: 2 }, outputTokenDetails: { reasoningTokens: 7 } },
    { cacheReadTokens: 6, cacheWriteTokens: 2, reasoningTokens: 7 },
  ],
  [
    'a model of the AI SDK',
    { inputTokens: { total: 9, noCache: 1, cacheRead: 6, cacheWrite: 2 }, outputTokens: { total: 12, text: 5, reasoning: 7 } },
    { cacheReadTokens: 6, cacheWriteTokens: 2, reasoningTokens: 7 },
  ],
  ['the AI SDK, version 5', { cachedInputTokens: 6, reasoningTokens: 7 }, { cacheReadTokens: 6, reasoningTokens: 7 }],
  [
    'Anthropic',
    { cache_read_input_tokens: 6, cache_creation_input_tokens: 3, cache_creation: { ephemeral_1h_input_tokens: 2 } },
    { cacheReadTokens: 6, cacheWriteTokens: 3, cacheWrite1hTokens: 2 },
  ],
])('reads cached and reasoning tokens by the names of %s', (_, fields, expected) => {
  const none = { cacheReadTokens: 0, cacheWriteTokens: 0, cacheWrite1hTokens: 0, reasoningTokens: 0 };
  const whole = { prompt_tokens: 9, completion_tokens: 12, total_tokens: 21, ...fields };
  expect(usageFrom(whole)).toEqual({ promptTokens: 9, completionTokens: 12, totalTokens: 21, details: { ...none, ...expected } });
  expect(usageIn(Buffer.from(JSON.stringify({ usage: whole })))).toEqual(usageFrom(whole));
});

it.each<[object, readonly [prompt: number, completion: number, total: number], string?]>([
  [{ prompt_tokens: 0, completion_tokens: 0 }, [0, 0, 0]],
  [{ prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 }, [0, 0, 0]],
  [{ prompt_tokens: 0, completion_tokens: 0, total_tokens: 9 }, [0, 9, 9], 'both'],
  [{ total_tokens: 9 }, [0, 9, 9], 'both'],
  [{ total_tokens: 0 }, [0, 0, 0], 'prompt'],
  [{ prompt_tokens: 0 }, [0, 0, 0], 'completion'],
  [{ prompt_tokens: 3 }, [3, 0, 3], 'completion'],
  [{ prompt_tokens: 3, total_tokens: 3 }, [3, 0, 3]],
  [{ completion_tokens: 4 }, [0, 4, 4], 'prompt'],
  [{ completion_tokens: 4, total_tokens: 4 }, [0, 4, 4], 'prompt'],
  [{ completion_tokens: 4, total_tokens: 5 }, [1, 4, 5]],
])('usageFrom %j knows what is missing', (...[fields, [promptTokens, completionTokens, totalTokens], missing]) => {
  expect(usageFrom(fields)).toEqual({ promptTokens, completionTokens, totalTokens, missing });
});

it('usageFrom reads its own result', () => {
  const usage = usageFrom({
    input_tokens: 3,
    output_tokens: 4,
    cache_creation_input_tokens: 20,
    output_tokens_details: { reasoning_tokens: 2 },
  });
  expect(usage).toMatchObject({ totalTokens: 27, details: { cacheWriteTokens: 20, reasoningTokens: 2 } });
  expect(usageFrom(usage)).toEqual(usage);
});

it.each([
  ['a total alone counts as input', { total_tokens: 9 }, [9, 0, 9]],
  ['the rest of a total is output', { prompt_tokens: 4, total_tokens: 9 }, [4, 5, 9]],
  ['both parts stay', { prompt_tokens: 4, completion_tokens: 5, total_tokens: 9 }, [4, 5, 9]],
])('inputUsage: %s', (_, stated, tokens) => {
  const usage = usageFrom(stated)!;
  const { promptTokens, completionTokens, totalTokens } = inputUsage(usage);
  expect([promptTokens, completionTokens, totalTokens]).toEqual(tokens);
});
