import { join } from 'node:path';
import { TOKENIZER_FIXTURES } from '../../test/support/tokenizer-files.js';
import { EngineChoice } from '../engine/engine-choice.js';
import { FeatureFlagsService } from '../feature-flags/feature-flags.service.js';
import { inTurns } from '../common/next-turn.js';
import { packTokenizer } from './tokenizers/pack.js';
import { PackedTokenizer } from './tokenizers/packed-layout.js';
import { readTokenizer } from './tokenizers/read-tokenizer.js';
import type { ResolvedTokenizer } from './tokenizers/tokenizer-sources.js';
import { resolveTokenCounterOptions, type TokenCounterOptions } from './token-counter.options.js';
import { TokenCounterService } from './token-counter.service.js';
import { TypeScriptTokenCounterEngine } from './engine/typescript.js';

// The thread that packs needs the compiled package.
jest.mock('./tokenizers/packing.js', () => ({
  openTokenizer: async ({ name, file }: ResolvedTokenizer) =>
    inTurns(PackedTokenizer.opening(name, file, packTokenizer(readTokenizer(file, undefined)))),
}));

const silent = { log: () => {}, warn: () => {}, error: () => {} };

/** A native engine that throws or miscounts on demand. */
class UnreliableEngine extends TypeScriptTokenCounterEngine {
  override readonly engine = 'native' as never;
  fault: 'throws' | 'miscounts' | undefined;
  countCalls = 0;
  override count(text: string, encoding: number): number {
    this.countCalls++;
    if (this.fault === 'throws') throw new Error('a panic in Rust');
    return super.count(text, encoding) + (this.fault === 'miscounts' ? 1 : 0);
  }
  override countUpToAsync(text: string, encoding: number, limit: number): Promise<number> {
    return this.fault === 'throws' ? Promise.reject(new Error('a panic in Rust')) : super.countUpToAsync(text, encoding, limit);
  }
  override countBatchAsync(texts: readonly string[], encoding: number): Promise<Uint32Array> {
    return this.fault === 'throws' ? Promise.reject(new Error('a panic in Rust')) : super.countBatchAsync(texts, encoding);
  }
}

function switching(state = 'enabled', options: TokenCounterOptions = {}) {
  const flags = new FeatureFlagsService({}, { env: { FAST_LITELLM_RUST_TOKEN_COUNTING: state }, logger: silent });
  const native = new UnreliableEngine();
  const choice = new EngineChoice(
    'rust_token_counting',
    { native: native, typescript: new TypeScriptTokenCounterEngine(), reason: 'test' },
    flags,
  );
  return { native, choice, flags, counter: new TokenCounterService(choice, resolveTokenCounterOptions(options)) };
}

describe('fallback of the token counter', () => {
  it('answers from the TypeScript engine when the native engine throws, and trips the circuit breaker', async () => {
    const { native, choice, counter, flags } = switching();
    expect(counter.countTokens('Hello world')).toBe(2);
    expect(native.countCalls).toBe(1);
    native.fault = 'throws';
    expect(counter.countTokens('Hello world')).toBe(2);
    expect(counter.countTokens('Hello world', { requestId: 'r1' })).toBe(2);
    expect(counter.countMessages([{ role: 'system', content: 'You are a bot.' }])).toBe(12);
    expect(await counter.countTokensBatchAsync(['Hello world'])).toEqual([2]);
    expect(choice.nativeErrors).toBe(4);
    expect(counter.health()).toMatchObject({ status: 'degraded', engine: 'native', reason: expect.stringContaining('a panic in Rust') });
    for (let i = 0; i < 10; i++) counter.countTokens('Hello world');
    expect(counter.health()).toMatchObject({ status: 'degraded', engine: 'typescript' });
    native.fault = undefined;
    flags.resetErrors('rust_token_counting');
    expect(counter.health()).toMatchObject({ status: 'ok', engine: 'native' });
  });

  it.each([
    [{ preload: ['o200k_base'] as const }, 'o200k_base'],
    [{ defaultModel: 'gpt2' }, 'gpt2'],
  ])('loads no encoding for its self-test that the app does not need: %j', (options, encoding) => {
    const { native, counter } = switching('enabled', options);
    const load = jest.spyOn(native, 'load');
    expect(counter.health()).toMatchObject({ status: 'ok', engine: 'native' });
    expect(load.mock.calls).toEqual([[encoding]]);
  });

  it('reports counts of an open model as approximate where they are estimates', async () => {
    const tokenizers = { 'my-model': { file: join(TOKENIZER_FIXTURES, 'o200k.json') } };
    const { native, counter } = switching('enabled', { tokenizers, tokenizerCache: false });
    await counter.ready();
    const body = (content: string): object => ({ model: 'my-model', prompt: content });
    const flags = async (content: string): Promise<readonly boolean[]> =>
      [counter.countRequest(body(content)), await counter.countRequestAsync(body(content))].map(({ approximate }) => approximate);
    expect(await flags('Hello world')).toEqual([false, false]);
    // Too long for the package that counts.
    expect(await flags('Hello world '.repeat(2000))).toEqual([true, true]);
    // cl100k_base counts instead of the engine that has the tokenizer.
    native.fault = 'throws';
    expect(await flags('Hello world')).toEqual([true, true]);
    expect(counter.countRequest(body('Hello world')).promptTokens).toBe(2);
  });

  it('does not count an invalid argument as a failure of the native engine', () => {
    const { choice, counter } = switching();
    expect(() => counter.decode([999_999_999])).toThrow(expect.objectContaining({ code: 'UNKNOWN_TOKEN' }));
    expect(() => counter.countMessages([{ role: 'user', content: [{ type: 'x' }] }])).toThrow(
      expect.objectContaining({ code: 'UNKNOWN_CONTENT_TYPE' }),
    );
    expect(choice.nativeErrors).toBe(0);
  });

  it('reports a native engine that miscounts in shadow runs and in the health report', () => {
    const { native, choice, counter } = switching('shadow');
    native.fault = 'miscounts';
    expect(counter.countTokens('Hello world')).toBe(2);
    expect(counter.countTokens('Hello world', { requestId: 'r' })).toBe(2);
    expect(choice.shadow).toMatchObject({ runs: 2, differences: 2 });
    const { native: wrong, counter: active } = switching();
    wrong.fault = 'miscounts';
    expect(active.health()).toMatchObject({
      status: 'degraded',
      engine: 'native',
      reason: 'native engine self-test failed: wrong answer',
    });
  });

  it('serves the same share of request ids natively in a canary rollout', () => {
    const { native, counter } = switching('canary:50');
    const isServedNatively = (id: string): boolean => {
      const before = native.countCalls;
      expect(counter.countTokens('Hello world', { requestId: id })).toBe(2);
      return native.countCalls > before;
    };
    const ids = Array.from({ length: 200 }, (_, n) => `request-${n}`);
    const first = ids.map(isServedNatively);
    expect(ids.map(isServedNatively)).toEqual(first);
    expect(first.filter(Boolean).length).toBeGreaterThan(60);
    expect(first.filter(Boolean).length).toBeLessThan(140);
    expect(counter.countTokens('Hello world')).toBe(2);
  });
});
