import { requestedOutput, limitedOutput, outputCap } from './requested-output.js';

describe('askedOutput', () => {
  it.each<[object, number, number]>([
    [{}, 0, 1],
    [{ max_tokens: 5 }, 5, 1],
    [{ max_completion_tokens: 1, max_tokens: 5, max_output_tokens: 3 }, 5, 1],
    [{ max_completion_tokens: -1, max_tokens: 5 }, 5, 1],
    [{ max_tokens: '5', n: '3' }, 5, 3],
    [{ max_tokens: 1, Max_Tokens: 5, N: 2 }, 5, 2],
    [{ max_tokens: 'many', n: null }, 0, 1],
    [{ max_tokens: 0.5, n: 1.5 }, 0, 2],
    [{ max_tokens: 1, maxOutputTokens: 7, candidateCount: 2 }, 7, 2],
    [{ max_tokens: 1, generationConfig: { max_output_tokens: 7, candidate_count: 2 } }, 7, 2],
    [{ max_tokens: 1, generation_config: { maxOutputTokens: 7 } }, 7, 1],
    [{ inferenceConfig: { maxTokens: 7 }, additionalModelRequestFields: { max_tokens: 9 } }, 9, 1],
    [{ generationConfig: [7], inferenceConfig: null }, 0, 1],
    [{ max_tokens: 5, n: 2, best_of: 4 }, 5, 4],
    [{ max_tokens: 5, n: 1e9 }, 5, 1e9],
    [{ max_tokens: 5, n: 1e9, prompt: ['a', 'b', 'c'] }, 5, 2 ** 31],
    [{ max_tokens: 5, n: '+5' }, 5, 128],
    [{ max_tokens: 5, ['max_to\u212aens']: 7, ['be\u017ft_of']: 2 }, 7, 2],
    [{ additionalModelRequestFields: { inferenceConfig: { maxTokens: 7 } } }, 7, 1],
    [{ max_tokens: 5, prompt: ['a', 'b', 'c'] }, 5, 3],
    [{ max_tokens: 5, prompt: [[1, 2], [3]], n: 2 }, 5, 4],
    [{ max_tokens: 5, prompt: [1, 2, 3] }, 5, 1],
    [{ max_tokens: 5, prompt: [] }, 5, 1],
    [JSON.parse('{"__proto__": {"max_tokens": 9}, "max_tokens": 5}') as object, 5, 1],
  ])('reads %j as %d tokens of %d choices', (fields, tokens, choices) => {
    expect(requestedOutput(fields as Record<string, unknown>)).toMatchObject({ tokens, choices });
  });

  const messages = [{ role: 'user', content: 'a' }];
  it.each<[object, boolean]>([
    [{ messages }, false],
    [{ messages, max_tokens: 5 }, true],
    [{ messages, max_completion_tokens: 5 }, true],
    [{ messages, max_tokens: 0 }, false],
    [{ messages, max_output_tokens: 1 }, false],
    [{ messages, Max_Tokens: 1 }, false],
    [{ messages, maxTokens: 1, generationConfig: { maxOutputTokens: 1 } }, false],
    [{ prompt: 'a', max_tokens: 5 }, true],
    [{ prompt: 'a', max_output_tokens: 5 }, false],
    [{ input: 'a', max_output_tokens: 5 }, true],
    [{ input: 'a', max_tokens: 5 }, false],
    [{ input: 'a', prompt: { id: 'p' }, max_output_tokens: 5 }, true],
    [{ messages, input: 'a', max_output_tokens: 1 }, false],
    [{ messages, input: 'a', max_output_tokens: 1, max_tokens: 1 }, true],
    [{ max_tokens: 5 }, true],
    [{ messages, max_tokens: null, max_completion_tokens: 5 }, true],
    [{ messages, max_tokens: 5, maxOutputTokens: 0 }, false],
    [{ messages, max_tokens: 5, generationConfig: { maxOutputTokens: null } }, false],
    [{ messages, max_tokens: 5, inferenceConfig: { maxTokens: -1 } }, false],
    [{ messages, max_tokens: 5, generationConfig: { maxOutputTokens: 7 } }, true],
    [{ messages, max_tokens: 5, prediction: { type: 'content', content: 'a' } }, false],
    [{ messages, max_tokens: 5, additional_drop_params: ['max_tokens'] }, false],
    [{ messages, max_tokens: 5, additional_drop_params: ['generationConfig.maxOutputTokens'] }, false],
    [{ messages, max_tokens: 5, additional_drop_params: ['user', 1] }, true],
  ])('knows whether the API of %j limits it: %s', (fields, isLimited) => {
    expect(requestedOutput(fields as Record<string, unknown>).isLimited).toBe(isLimited);
  });

  it.each([
    ['chat', { max_completion_tokens: 5 }, true],
    ['completions', { max_completion_tokens: 5 }, false],
    ['completions', { max_tokens: 5 }, true],
    ['messages', { max_completion_tokens: 5 }, false],
    ['messages', { max_tokens: 5 }, true],
    ['responses', { prompt: { id: 'p' }, max_tokens: 5 }, false],
    ['responses', { prompt: { id: 'p' }, max_output_tokens: 5 }, true],
  ])('knows what limits %s: %j', (operation, fields, isLimited) => {
    expect(requestedOutput(fields, operation).isLimited).toBe(isLimited);
  });
});

describe('limitedOutput', () => {
  it('lowers each limit that a provider may read, and keeps lower ones', () => {
    const config = { maxOutputTokens: 900, topK: 1 };
    expect(limitedOutput({ max_tokens: '900', max_completion_tokens: 2, n: 3, generationConfig: config }, 16)).toEqual({
      max_tokens: 16,
      max_completion_tokens: 2,
      generationConfig: { maxOutputTokens: 16, topK: 1 },
    });
    expect(limitedOutput({ generationConfig: { maxOutputTokens: null } }, 16)).toEqual({ generationConfig: { maxOutputTokens: 16 } });
    expect(limitedOutput({ n: 3, generationConfig: { topK: 1 }, max_tokens: null }, 16)).toEqual({});
  });
});

describe('outputCap', () => {
  it.each([
    ['the figure', 100, true, null, 100],
    ['what the model can write', 100_000, true, 64_000, 64_000],
    ['all that the model can write where nothing limits it', 0, false, 128_000, 128_000],
    ['16,384 tokens where that is not known', 0, false, null, 16_384],
    ['a larger figure that may count', 32_000, false, null, 32_000],
  ])('is %s', (_, tokens, isLimited, modelMax, cap) => {
    expect(outputCap({ tokens, isLimited }, modelMax, 2)).toBe(2 * cap);
  });
});
