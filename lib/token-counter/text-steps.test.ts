import { engineNames } from '../../test/support/engine-names.js';
import { FastLiteLLM } from '../fast-litellm.js';
import { textSteps } from './text-steps.js';

const long = (text: string): string => text.repeat(Math.ceil(270_000 / text.length));

describe('textSteps', () => {
  it('yields a long text alone, at most 16,385 short texts per step, and all texts in order', () => {
    const texts = ['a', long('b '), 'c', long('d '), ...Array<string>(100_000).fill('')];
    const steps = [...textSteps(texts)];
    expect(steps.flat()).toEqual(texts);
    expect(steps.slice(0, 4).map(({ length }) => length)).toEqual([1, 1, 1, 1]);
    expect(Math.max(...steps.map(({ length }) => length))).toBeLessThanOrEqual(16_385);
  });
});

describe.each(engineNames())('countRequestAsync on the %s engine', (engine) => {
  const { tokenCounter } = new FastLiteLLM({ engine, logger: { log: () => {}, warn: () => {}, error: () => {} } });

  it.each(['The quick brown fox jumps. ', "let x = {'a': 1};\n\n\tif (x) return\r\n", '漢字かな交じり文', '-', '🦀é '])(
    'returns the count of countRequest for a long text of %j',
    async (text) => {
      const messages = [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: [{ type: 'text', text: long(text) }, 'hello'] },
        ...Array.from({ length: 100 }, () => ({ role: 'user', content: 'hello world' })),
      ];
      const request = { model: 'gpt-4o', messages, tools: [{ type: 'function', function: { name: 'f', description: 'hello' } }] };
      expect(await tokenCounter.countRequestAsync(request)).toEqual(tokenCounter.countRequest(request));
    },
  );

  it('stops counting above the limit and estimates the rest', async () => {
    const request = { model: 'gpt-4o', messages: [{ role: 'user', content: long('hello world ').repeat(3) }] };
    const whole = await tokenCounter.estimatePromptAsync(request, Infinity);
    expect(whole.counted).toBe(whole.tokens);
    const { counted, tokens } = await tokenCounter.estimatePromptAsync(request, 1000);
    expect(counted).toBeGreaterThan(1000);
    expect(counted).toBeLessThan(whole.counted);
    expect(tokens).toBeGreaterThanOrEqual(whole.counted);
  });

  it('rejects a request that countRequest rejects', async () => {
    await expect(tokenCounter.countRequestAsync({ model: 'gpt-4o' })).rejects.toThrow('messages: must be set');
  });
});
