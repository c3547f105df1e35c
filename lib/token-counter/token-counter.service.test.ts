import fc from 'fast-check';
import { get_encoding } from 'tiktoken';

import { engineNames } from '../../test/support/engine-names.js';
import { liveHeapBytes } from '../../test/support/heap.js';
import { usuallyOrLong } from '../../test/support/long.js';
import { FastLiteLLM } from '../fast-litellm.js';
import { SimpleTokenCounter } from './compat/simple-token-counter.js';

const silent = { log: () => {}, warn: () => {}, error: () => {} };

const cl100k = get_encoding('cl100k_base');
const o200k = get_encoding('o200k_base');
afterAll(() => [cl100k, o200k].forEach((encoding) => encoding.free()));

describe.each(engineNames())('TokenCounterService on the %s engine', (engine) => {
  const llm = new FastLiteLLM({ engine, logger: silent }, { env: {} });
  const counter = llm.tokenCounter;

  it('counts with the encoding of the model, of the options, or of the default model', () => {
    const text = 'Hallo, 世界! It was the best of times';
    const [old, recent] = [cl100k.encode_ordinary(text).length, o200k.encode_ordinary(text).length];
    expect(old).not.toBe(recent);
    expect(counter.countTokens(text)).toBe(old);
    for (const options of [
      'gpt-4',
      { model: 'gpt-4' },
      {},
      null,
      { model: null },
      { encoding: 'cl100k_base' },
      'cl100k_base',
      'unknown',
      '',
    ] as const) {
      expect([options, counter.countTokens(text, options)]).toEqual([options, old]);
    }
    for (const options of ['gpt-4o', { model: 'gpt-4o' }, { model: 'gpt-4', encoding: 'o200k_base', requestId: 'r1' }] as const) {
      expect([options, counter.countTokens(text, options)]).toEqual([options, recent]);
    }
    expect(counter.countTokens('')).toBe(0);
    expect(counter.countTokens('\ud800')).toBe(cl100k.encode_ordinary('\ufffd').length);
  });

  it('counts a batch synchronously and asynchronously, as an array of numbers', async () => {
    const texts = ['Hello world', '', 'x'.repeat(1000), '世界', '<|endoftext|>'];
    const expected = texts.map((text) => counter.countTokens(text, 'gpt-4o'));
    expect(counter.countTokensBatch(texts, 'gpt-4o')).toEqual(expected);
    expect(counter.countTokensBatch([])).toEqual([]);
    const promise = counter.countTokensBatchAsync(texts, { model: 'gpt-4o', requestId: 'r1' });
    texts.fill('changed after the call');
    expect(await promise).toEqual(expected);
    expect(JSON.stringify(counter.countTokensBatch(['Hello world']))).toBe('[2]');
  });

  it('encodes a text and decodes its ids to the same text', () => {
    const text = '\ufeffHello, 世界! 🦀\r\n';
    const ids = counter.encode(text, 'gpt-4o');
    expect(ids).toEqual(o200k.encode_ordinary(text));
    expect(counter.decode(ids, 'gpt-4o')).toBe(text);
    expect(counter.decode([...ids], 'gpt-4o')).toBe(text);
    expect(counter.decode([100257])).toBe('<|endoftext|>');
    expect(counter.decode([])).toBe('');
    // The first half of a character.
    expect(counter.decode(counter.encode('🦀').slice(0, 1))).toBe('\ufffd');
  });

  it('encodes special tokens as text unless allowed, and allowed ones as tiktoken does', () => {
    const piece = fc.constantFrom(
      '<|endoftext|>',
      '<|fim_prefix|>',
      '<|endofprompt|>',
      '<|',
      '|>',
      '<|endoftext',
      'end ',
      '\ud83e',
      '🦀',
      "it's",
      '\n',
    );
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 12 }),
        fc.subarray(['<|endoftext|>', '<|fim_prefix|>', '<|nonsense|>']),
        fc.nat(12),
        (pieces, list, limit) => {
          const text = pieces.join('');
          for (const allowedSpecial of ['all', list] as const) {
            const expected = cl100k.encode(text, allowedSpecial === 'all' ? 'all' : list.filter((name) => name !== '<|nonsense|>'), []);
            expect(counter.encode(text, { allowedSpecial })).toEqual(expected);
            expect(counter.countTokens(text, { allowedSpecial })).toBe(expected.length);
            expect(counter.countTokensBatch(['a', text, text], { allowedSpecial })).toEqual([1, expected.length, expected.length]);
            expect(counter.isWithinTokenLimit(text, limit, { allowedSpecial })).toBe(expected.length <= limit && expected.length);
            const start = counter.truncate(text, limit, { allowedSpecial });
            expect(text.startsWith(start)).toBe(true);
            expect(counter.countTokens(start, { allowedSpecial })).toBeLessThanOrEqual(limit);
            if (expected.length <= limit) expect(start).toBe(text);
          }
          expect(counter.encode(text)).toEqual(cl100k.encode_ordinary(text));
        },
      ),
    );
    const harmony = { model: 'gpt-oss-20b', allowedSpecial: 'all' } as const;
    expect([...counter.encode('<|start|>user<|message|>', harmony)]).toEqual([200006, ...counter.encode('user', 'gpt-oss-20b'), 200008]);
    expect(counter.countTokens('<|endoftext|>')).toBe(7);
    expect(counter.countTokens('<|endoftext|>', { allowedSpecial: 'all' })).toBe(1);
    expect(counter.isWithinTokenLimit('<|endoftext|>', 1, { allowedSpecial: 'all' })).toBe(1);
    expect(counter.truncate('<|endoftext|>Hello world<|endoftext|>', 3, { allowedSpecial: 'all' })).toBe('<|endoftext|>Hello world');
    expect(counter.truncate('Hello<|endoftext|>', 1, { allowedSpecial: ['<|endoftext|>'] })).toBe('Hello');
    expect(counter.truncate('<|endofprompt|>!', 1, { model: 'gpt-oss-20b', allowedSpecial: 'all' })).toBe('<|endofprompt|>');
  });

  it('counts special tokens in synchronous and asynchronous batches', async () => {
    const texts = ['<|endoftext|>', '', 'Hello<|endoftext|> world', '<|fim_prefix|>'];
    const options = { allowedSpecial: ['<|endoftext|>'] };
    const want = [1, 0, 3, counter.countTokens('<|fim_prefix|>')];
    expect(counter.countTokensBatch(texts, options)).toEqual(want);
    const promise = counter.countTokensBatchAsync(texts, options);
    texts.fill('changed after the call');
    expect(await promise).toEqual(want);
  });

  it('returns the count of a text within a limit, otherwise false', () => {
    expect(counter.isWithinTokenLimit('Hello world', 2)).toBe(2);
    expect(counter.isWithinTokenLimit('Hello world', 1)).toBe(false);
    expect(counter.isWithinTokenLimit('', 0)).toBe(0);
    expect(counter.isWithinTokenLimit('Hello', Number.MAX_SAFE_INTEGER)).toBe(1);
    const long = 'The quick brown fox. '.repeat(100_000);
    expect(counter.isWithinTokenLimit(long, 10)).toBe(false);
  });

  it('truncates a text to its longest start within the limit', () => {
    expect(counter.truncate('Hello world, how are you?', 2)).toBe('Hello world');
    expect(counter.truncate('Hello world', 2)).toBe('Hello world');
    expect(counter.truncate('Hello world', 0)).toBe('');
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: fc.constantFrom(' ', '\n', 'a', "'s", '🦀', '世') })),
        fc.nat(20),
        (text, limit) => {
          const start = counter.truncate(text, limit, 'gpt-4o');
          expect(text.startsWith(start)).toBe(true);
          expect(counter.countTokens(start, 'gpt-4o')).toBeLessThanOrEqual(limit);
          expect(start).not.toMatch(/\p{Surrogate}/u);
          if (counter.countTokens(text, 'gpt-4o') <= limit) expect(start).toBe(text);
        },
      ),
      { numRuns: usuallyOrLong(50, 300) },
    );
  });

  it('validates an input against the context window of its model', () => {
    const { contextWindow } = counter.getModelLimits('gpt-4');
    expect(counter.validateInput('short', 'gpt-4')).toBe(true);
    expect(counter.validateInput(' a'.repeat((contextWindow ?? 0) + 1), 'gpt-4')).toBe(false);
    expect(counter.validateInput(' a'.repeat(10_000), 'unknown')).toBe(true);
  });

  it('estimates costs with the default model if none is given', () => {
    expect(counter.estimateCost(1000, 100, 'gpt-4o')).toBeCloseTo(0.0035, 12);
    expect(counter.estimateCost(1000, 100)).toBe(counter.estimateCost(1000, 100, 'gpt-3.5-turbo'));
    expect(counter.estimateCost(1000, 100, 'unknown')).toBeNull();
    expect(counter.estimateCost(1000, 100, 'gpt-4o', null)).toBe(counter.estimateCost(1000, 100, 'gpt-4o', {}));
    expect(() => counter.estimateCost(1, 1, 'gpt-4o', 4 as never)).toThrow(expect.objectContaining({ path: 'usageDetails' }));
    expect(counter.countMessages([], null)).toBe(3);
    expect(() => counter.estimateCost(1, 1, 4 as never)).toThrow(expect.objectContaining({ path: 'model' }));
  });

  it('rejects token ids in a detached buffer, and accepts ids in shared and resizable memory', () => {
    const ids = [9906, 1917];
    const transferred = Uint32Array.from(ids);
    structuredClone(transferred, { transfer: [transferred.buffer] });
    // The compiler's library has no resizable buffers yet.
    const Resizable = ArrayBuffer as unknown as new (
      length: number,
      options: { maxByteLength: number },
    ) => ArrayBuffer & { resize: (length: number) => void };
    const resizable = new Resizable(16, { maxByteLength: 16 });
    const fixed = new Uint32Array(resizable, 4, 2);
    const tracking = new Uint32Array(resizable);
    tracking.set([0, ...ids, 0]);
    expect(counter.decode(fixed)).toBe('Hello world');
    resizable.resize(8);
    expect(counter.decode(tracking)).toBe('!Hello');
    for (const gone of [transferred, fixed]) {
      expect(() => counter.decode(gone)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', path: 'ids' }));
    }
    const shared = new Uint32Array(new SharedArrayBuffer(8));
    shared.set(ids);
    expect(counter.decode(shared)).toBe('Hello world');
    expect(counter.decode(new Uint32Array(0))).toBe('');
    expect(counter.decode(tracking.subarray(2))).toBe('');
  });

  it('answers isWithinTokenLimitAsync as isWithinTokenLimit', async () => {
    const specials = { allowedSpecial: 'all' } as const;
    const text = '<|endoftext|>some words, <|endoftext|>and more'.repeat(1500);
    for (const options of [undefined, 'gpt-4o', specials]) {
      const count = counter.countTokens(text, options);
      expect(await counter.isWithinTokenLimitAsync(text, count, options)).toBe(count);
      expect(await counter.isWithinTokenLimitAsync(text, count - 1, options)).toBe(false);
      expect(await counter.isWithinTokenLimitAsync('', 0, options)).toBe(0);
    }
    await expect(counter.isWithinTokenLimitAsync(7 as never, 1)).rejects.toMatchObject({ path: 'text' });
    await expect(counter.isWithinTokenLimitAsync('a', -1)).rejects.toMatchObject({ path: 'limit' });
  });

  it('reports its health, and counts its calls and tokens', () => {
    expect(counter.health()).toMatchObject({ status: 'ok', engine, encoding: 'cl100k_base' });
    const value = (name: string): number => counter.metrics().find((sample) => sample.name === name)?.value ?? NaN;
    const [calls, tokens] = [value('token_counting_calls_total'), value('token_counting_tokens_total')];
    counter.countTokens('Hello world');
    counter.countTokensBatch(['Hello world', 'Hello']);
    counter.countMessages([{ role: 'system', content: 'You are a bot.' }]);
    counter.countRequest({ input: 'Hello world' });
    expect([value('token_counting_calls_total') - calls, value('token_counting_tokens_total') - tokens]).toEqual([5, 2 + 3 + 12 + 2]);
  });

  it.each<[string, (given: never) => unknown]>([
    ['text', (value) => counter.countTokens(value)],
    ['text', (value) => counter.countTokens(value, { requestId: 'r' })],
    ['text', (value) => counter.encode(value)],
    ['text', (value) => counter.truncate(value, 1)],
    ['text', (value) => counter.isWithinTokenLimit(value, 1)],
    ['text', (value) => counter.validateInput(value)],
    ['texts', (value) => counter.countTokensBatch(value)],
    ['texts[1]', (value) => counter.countTokensBatch(['a', value])],
    ['limit', (value) => counter.isWithinTokenLimit('a', value)],
    ['maxTokens', (value) => counter.truncate('a', value)],
    ['ids', (value) => counter.decode(value)],
    ['ids[0]', (value) => counter.decode([value])],
  ])('rejects an invalid %s', (path, call) => {
    for (const value of [NaN, -1, 1.5, {}, undefined, null, Symbol('s'), 1n, new String('text'), () => 'text']) {
      expect(() => call(value as never)).toThrow(expect.objectContaining({ name: 'InvalidArgumentError', path }));
    }
  });

  it('rejects invalid options with the valid values', async () => {
    expect(() => counter.countTokens('a', { encoding: 'o200k_bsae' as never })).toThrow(
      /encoding: must be one of cl100k_base, .*gpt2 \(did you mean o200k_base\?\)/,
    );
    expect(() => counter.countTokens('a', 7 as never)).toThrow(expect.objectContaining({ path: 'model' }));
    expect(() => counter.countTokens('a', { model: {} as never })).toThrow(expect.objectContaining({ path: 'model' }));
    expect(() => counter.countTokens('a', { allowedSpecial: 'some' as never })).toThrow(
      expect.objectContaining({ path: 'allowedSpecial' }),
    );
    expect(() => counter.countMessages([], 7 as never)).toThrow(expect.objectContaining({ path: 'options' }));
    expect(() => counter.decode([999_999_999])).toThrow(expect.objectContaining({ code: 'UNKNOWN_TOKEN' }));
    await expect(counter.countTokensBatchAsync(['a', 7 as never])).rejects.toMatchObject({ path: 'texts[1]' });
  });

  it('rejects a text over maxTextLength in every method', async () => {
    const strict = new FastLiteLLM({ engine, logger: silent, tokenCounter: { maxTextLength: 10 } }, { env: {} }).tokenCounter;
    const long = 'x'.repeat(11);
    expect(strict.countTokens('x'.repeat(10))).toBeGreaterThan(0);
    const error = expect.objectContaining({
      code: 'TEXT_TOO_LONG',
      message: expect.stringMatching(/must have at most 10 UTF-16 code units .*(a string of 11 char|"x{11}")/),
    });
    expect(() => strict.countTokens(long)).toThrow(error);
    expect(() => strict.countTokens(long, {})).toThrow(error);
    expect(() => strict.countTokensBatch(['', long])).toThrow(error);
    expect(() => strict.encode(long)).toThrow(error);
    expect(() => strict.truncate(long, 1)).toThrow(error);
    expect(() => strict.isWithinTokenLimit(long, 1)).toThrow(error);
    expect(() => strict.countMessages([{ role: 'user', content: long }])).toThrow(error);
    expect(() => strict.countRequest({ input: long })).toThrow(error);
    await expect(strict.countTokensBatchAsync([long])).rejects.toEqual(error);
  });

  const names = usuallyOrLong(6_000, 200_000);

  it(`does not grow in memory with ${names} different model names`, () => {
    counter.countTokens('a', 'warm-up');
    const before = liveHeapBytes();
    for (let i = 0; i < names; i++) counter.countTokens('', `model-${i}`);
    for (let i = 0; i < usuallyOrLong(700, 2000); i++) counter.countTokens('', `${i}`.padEnd(100_000, 'x'));
    expect(liveHeapBytes() - before).toBeLessThan(60e6);
    expect(counter.countTokens('Hello world', 'gpt-4o')).toBe(2);
  });

  it('serves the SimpleTokenCounter', () => {
    const simple = new SimpleTokenCounter(2, () => counter);
    expect(simple.modelMaxTokens).toBe(2);
    expect(simple.countTokens('Hello world', 'gpt-4')).toBe(2);
    expect(simple.countTokensBatch(['Hello world', 'Hello'])).toEqual([2, 1]);
    expect(simple.validateInput('Hello world')).toBe(true);
    expect(simple.validateInput('Hello world again', 'gpt-4')).toBe(false);
    expect(simple.estimateCost(1000, 100, 'gpt-4o')).toBeCloseTo(0.0035, 12);
    expect(simple.getModelLimits('gpt-4o').contextWindow).toBe(128_000);
    expect(() => new SimpleTokenCounter(0, () => counter)).toThrow(expect.objectContaining({ path: 'modelMaxTokens' }));
  });
});
