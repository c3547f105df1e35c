import { askedOutput, limitedOutput } from './asked-output.js';

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
    [{ max_tokens: 5, n: 1e9 }, 5, 128],
    [{ max_tokens: 5, prompt: ['a', 'b', 'c'] }, 5, 3],
    [{ max_tokens: 5, prompt: [[1, 2], [3]], n: 2 }, 5, 4],
    [{ max_tokens: 5, prompt: [1, 2, 3] }, 5, 1],
    [{ max_tokens: 5, prompt: [] }, 5, 1],
    [JSON.parse('{"__proto__": {"max_tokens": 9}, "max_tokens": 5}') as object, 5, 1],
  ])('reads %j as %d tokens of %d choices', (fields, tokens, choices) => {
    expect(askedOutput(fields as Record<string, unknown>)).toMatchObject({ tokens, choices });
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
  ])('knows whether the API of %j limits it: %s', (fields, isLimited) => {
    expect(askedOutput(fields as Record<string, unknown>).isLimited).toBe(isLimited);
  });
});

describe('limitedOutput', () => {
  it('lowers each figure that a provider may read, and keeps what is lower', () => {
    const config = { maxOutputTokens: 900, topK: 1 };
    expect(limitedOutput({ max_tokens: '900', max_completion_tokens: 2, n: 3, generationConfig: config }, 16)).toEqual({
      max_tokens: 16,
      max_completion_tokens: 2,
      generationConfig: { maxOutputTokens: 16, topK: 1 },
    });
    expect(limitedOutput({ n: 3, generationConfig: { topK: 1 }, max_tokens: null }, 16)).toEqual({});
  });
});
