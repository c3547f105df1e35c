import type { TokenRates } from '../../common/token-cost.js';
import { mayHaveSound, worstNanoUsd } from './worst-cost.js';

const RATES: TokenRates = { inputPerMillion: 1_000, outputPerMillion: 2_000 };

/** Of 100 tokens read and 10 written, in thousandths of a USD. */
function worst(rates: TokenRates, { hasSound = false, searches = 0 } = {}): number {
  const prices = { sourced: [{ prices: { ...RATES, ...rates }, source: 'test' }], tier: undefined };
  return (worstNanoUsd(prices, { tokens: 100, hasSound, searches }, 10) ?? NaN) / 1e6;
}

describe('worstNanoUsd', () => {
  it.each<[string, TokenRates, number]>([
    ['text', {}, 100 + 20],
    ['cheaper kinds', { cacheReadPerMillion: 1, reasoningPerMillion: 1, outputAudioPerMillion: 1, inputImagePerMillion: 1 }, 120],
    ['reasoning', { reasoningPerMillion: 3_000 }, 130],
    ['speech that the model may answer with', { outputAudioPerMillion: 16_000 }, 100 + 160],
    ['pictures, in and out', { inputImagePerMillion: 2_000, outputImagePerMillion: 8_000 }, 200 + 80],
    ['writes to a cache', { cacheWritePerMillion: 1_250, cacheWrite1hPerMillion: 2_000, reasoningPerMillion: 3_000 }, 200 + 30],
    ['no sound in a prompt of text', { inputAudioPerMillion: 9_000 }, 120],
  ])('holds the dearest kind: %s', (_, rates, cost) => {
    expect(worst(rates)).toBeCloseTo(cost, 6);
  });

  it('holds the price of sound where the prompt may have some', () => {
    expect(worst({ inputAudioPerMillion: 9_000, cacheWritePerMillion: 1_250 }, { hasSound: true })).toBeCloseTo(900 + 20, 6);
  });

  it('holds the fees of searches', () => {
    expect(worst({ perWebSearchUsd: 0.01 }, { searches: 3 })).toBeCloseTo(120 + 30, 6);
    expect(worst({}, { searches: 3 })).toBeCloseTo(120, 6);
  });

  it('knows no cost without a price', () => {
    const prompt = { tokens: 1, hasSound: true, searches: 1 };
    expect(worstNanoUsd({ sourced: [], tier: undefined }, prompt, 1)).toBeUndefined();
    const halves = [{ inputPerMillion: 1 }, { outputPerMillion: 1 }, { contextWindow: 1 }];
    for (const prices of halves)
      expect(worstNanoUsd({ sourced: [{ prices, source: 'test' }], tier: undefined }, prompt, 1)).toBeUndefined();
  });

  it('uses the next source if the first one lacks a price', () => {
    const sourced = [{ inputPerMillion: 9 }, RATES].map((prices) => ({ prices, source: 'test' }));
    expect(worstNanoUsd({ sourced, tier: undefined }, { tokens: 100, hasSound: false, searches: 0 }, 10)).toBe(120e6);
  });

  it('holds the dearer one of the standard prices and those of the tier, and no off-peak price', () => {
    const offPeak = { inputPerMillion: 0, outputPerMillion: 0, windows: [{ from: '00:00', until: '00:00' }] };
    const of = (perMillion: number): number | undefined => {
      const prices = { ...RATES, offPeak, serviceTiers: { priority: { outputPerMillion: perMillion } } };
      return worstNanoUsd({ sourced: [{ prices, source: 'test' }], tier: 'priority' }, { tokens: 100, hasSound: false, searches: 0 }, 10);
    };
    expect([of(1), of(4_000)]).toEqual([120e6, 140e6]);
  });
});

describe('mayHaveSound', () => {
  const content = (part: object) => ({ messages: [{ role: 'user', content: [{ type: 'text', text: 'a' }, part] }] });
  it.each<[object, boolean]>([
    [content({ type: 'image_url', image_url: { url: 'https://a/b' } }), false],
    [content({ type: 'input_audio', input_audio: {} }), true],
    [content({ type: 'file', file: { file_id: 'a' } }), true],
    [content({ type: 'image_url', image_url: { url: 'data:audio/mp3;base64,AA==' } }), true],
    [content({ type: 'image_url', image_url: 'DATA:video/mp4;base64,AA==' }), true],
    [{ messages: [{ role: 'assistant', audio: { id: 'a' } }] }, true],
    [{ input: [{ type: 'message', content: [{ type: 'input_file', file_url: 'https://a/b' }] }] }, true],
    [{ input: 'audio', messages: [null, 1, { role: 'user', content: 'audio' }] }, false],
  ])('of %j is %s', (body, isSound) => {
    expect(mayHaveSound(body as Record<string, unknown>)).toBe(isSound);
  });
});
