import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FastLiteLLM } from '../../fast-litellm.js';
import type { EstimatesOptions } from '../token-counter.options.js';
import type { TokenCounterService } from '../token-counter.service.js';
import { ContentSample, type ContentClass } from './content-class.js';
import { seededRandom } from '../../../test/support/random-text.js';
import { Correction, type CountedPrompt } from './correction.js';
import { TokenEstimates } from './token-estimates.js';
import { cpuTimer } from '../../../test/support/cpu-time.js';

const silent = { log: () => {}, warn: () => {}, error: () => {} };
const open = (estimates?: EstimatesOptions | false): FastLiteLLM =>
  new FastLiteLLM({ engine: 'typescript', logger: silent, tokenCounter: { estimates } }, { env: {} });
const classOf = (...texts: string[]): ContentClass => {
  const sample = new ContentSample();
  for (const text of texts) sample.add(text);
  return sample.contentClass;
};

describe('ContentSample', () => {
  it.each<[ContentClass, string]>([
    ['text', 'The weather is fine today, and so is the mood (mostly).'],
    ['text', ''],
    ['code', 'const a = (b) => { return [b, c]; };'],
    ['cjk', '今天天气很好, we said.'],
    ['cjk', 'こんにちは世界'],
    ['cjk', '오늘은 날씨가 좋다'],
    ['cyrillic', 'Сегодня хорошая погода'],
    ['semitic', 'الطقس جميل اليوم'],
    ['latin', 'Das Wetter ist heute schön, und für Ärzte übt man gründlich.'],
    ['other', 'Ο καιρός είναι καλός'],
  ])('finds %s in %j', (expected, text) => expect(classOf(text)).toBe(expected));

  it('weighs each text by its length, also by an excerpt of it', () => {
    expect(classOf('今天天气很好', 'plain words '.repeat(10_000))).toBe('text');
    const sample = new ContentSample();
    sample.add('plain words '.repeat(100));
    sample.add('今天天气很好', 1_000_000);
    expect(sample.contentClass).toBe('cjk');
  });

  it('looks at a bounded part of huge prompts', () => {
    const cpuMs = cpuTimer();
    classOf(...Array<string>(10_000).fill('x'.repeat(10_000)));
    expect(cpuMs()).toBeLessThan(200);
  });
});

/** A prompt of `tokens` local tokens, in which a part of the characters are digits. */
function prompt(tokens: number, digits = 0): CountedPrompt {
  const sample = new ContentSample();
  const characters = tokens * 4;
  sample.add('word '.repeat(Math.ceil((characters * (1 - digits)) / 5)) + '1'.repeat(characters * digits));
  return { tokens, features: sample.features(tokens) };
}

describe('Correction', () => {
  it('starts with the published ratio, and learns from each report', () => {
    const correction = new Correction(1.18);
    expect(correction.factors(prompt(1000))).toEqual({ expected: 1.18, bound: 1.18 * 1.25 });
    correction.observe(prompt(1000), 1500);
    expect(correction.factors(prompt(1000)).expected).toBeCloseTo(1.5, 1);
  });

  it('bounds 95 of 100 reports', () => {
    const correction = new Correction(1);
    const random = seededRandom(7);
    let exceeded = 0;
    for (let i = 0; i < 1000; i++) {
      const reported = 1000 * (1.4 + 0.2 * random());
      if (i >= 200 && reported > 1000 * correction.factors(prompt(1000)).bound) exceeded++;
      correction.observe(prompt(1000), reported);
    }
    const { expected, bound } = correction.factors(prompt(1000));
    expect(expected).toBeCloseTo(1.5, 1);
    expect(bound).toBeLessThanOrEqual(1.62);
    expect(exceeded / 800).toBeLessThanOrEqual(0.06);
    expect(correction.meanError).toBeCloseTo(0.033, 2);
    expect(correction.meanBound).toBeCloseTo(bound / expected, 1);
  });

  it('distinguishes prompts by their content', () => {
    const correction = new Correction(1);
    for (let i = 0; i < 60; i++) correction.observe(prompt(1000, (i % 5) / 10), 1000 * (1 + (i % 5) / 10));
    expect(correction.factors(prompt(1000, 0.1)).expected).toBeCloseTo(1.1, 2);
    expect(correction.factors(prompt(1000, 0.4)).expected).toBeCloseTo(1.4, 2);
  });

  it('is hardly moved by reports of other prompts', () => {
    const correction = new Correction(1);
    for (let i = 0; i < 300; i++) correction.observe(prompt(1000), i % 30 === 29 ? 3000 : 1200 + (i % 7) * 5);
    expect(correction.factors(prompt(1000)).expected).toBeCloseTo(1.215, 1);
  });

  it('starts again when the model has another tokenizer', () => {
    const correction = new Correction(1);
    for (let i = 0; i < 500; i++) correction.observe(prompt(1000), 1000 + (i % 7) * 5);
    for (let i = 0; i < 10; i++) correction.observe(prompt(1000), 1350 + (i % 7) * 5);
    expect(correction.factors(prompt(1000)).expected).toBeCloseTo(1.365, 1);
    expect(correction.reports).toBeLessThan(10);
  });

  it.each([0, -1, NaN, Infinity, 1, 100_000])('ignores a report of %d tokens for 1,000', (reported) => {
    const correction = new Correction(1.1);
    correction.observe(prompt(1000), reported);
    expect([correction.factors(prompt(1000)).expected, correction.reports]).toEqual([1.1, 0]);
  });
});

describe('what other processes share', () => {
  const learned = (ratio: number, reports: number): Correction => {
    const correction = new Correction(1);
    for (let i = 0; i < reports; i++) correction.observe(prompt(1000), 1000 * ratio * (1 + ((i % 7) - 3) / 100));
    return correction;
  };
  const shared = (ratio: number, reports = 40): unknown => JSON.parse(JSON.stringify(learned(ratio, reports).share()));
  const expectedOf = (correction: Correction): number => correction.factors(prompt(1000)).expected;

  it('is known at once, with a bound', () => {
    const correction = new Correction(1);
    correction.learnFrom([shared(1.5, 10), shared(1.5, 15)]);
    const { expected, bound } = correction.factors(prompt(1000));
    expect(expected).toBeCloseTo(1.5, 1);
    expect(bound / expected).toBeLessThan(1.15);
    expect(correction.reports).toBe(0);
  });

  it('gives the same in any order, and however often', () => {
    const others = [shared(1.5, 30), shared(1.4, 12), shared(1.45, 100)];
    const results = [others, [...others].reverse(), [others[1], others[0], others[2]]].map((order) => {
      const correction = learned(1.42, 15);
      for (let i = 0; i < 3; i++) correction.learnFrom(order);
      return expectedOf(correction);
    });
    expect(results[1]).toBeCloseTo(results[0], 9);
    expect(results[2]).toBeCloseTo(results[0], 9);
  });

  it('is left out where most others disagree, and where own reports do', () => {
    const young = new Correction(1);
    young.learnFrom([shared(1.5), shared(4, 10_000), shared(1.5)]);
    expect(expectedOf(young)).toBeCloseTo(1.5, 1);
    const old = learned(1.2, 12);
    old.learnFrom([shared(3), shared(3), shared(3)]);
    expect(expectedOf(old)).toBeCloseTo(1.2, 1);
  });

  it('fades after enough own reports', () => {
    const correction = learned(1.2, 250);
    // The weights are computed anew, as what others share makes it.
    correction.learnFrom([]);
    const before = expectedOf(correction);
    correction.learnFrom([shared(1.4, 1000)]);
    expect(expectedOf(correction)).toBeCloseTo(before, 9);
  });

  const [reports, products, targets] = (shared(1.5) as { evidence: [number, number[], number[]] }).evidence;
  it.each<[string, unknown]>([
    ['nothing', null],
    ['a text', 'x'],
    ['no evidence', { published: 1, variance: 0.01 }],
    ['other published ratios', { published: 1.2, variance: 0.01, evidence: [reports, products, targets] }],
    ['no variance', { published: 1, variance: 'x', evidence: [reports, products, targets] }],
    ['no count', { published: 1, variance: 0.01, evidence: [-1, products, targets] }],
    ['more weight than reports', { published: 1, variance: 0.01, evidence: [3, products, targets] }],
    ['too few products', { published: 1, variance: 0.01, evidence: [reports, products.slice(1), targets] }],
    ['products of no reports', { published: 1, variance: 0.01, evidence: [reports, products.map((each) => -each), targets] }],
    ['targets of no reports', { published: 1, variance: 0.01, evidence: [reports, products, targets.map((each) => each * 1000)] }],
    ['a number that is none', { published: 1, variance: 0.01, evidence: [reports, products, targets.map(() => null)] }],
  ])('is ignored where it is broken: %s', (_, broken) => {
    const correction = new Correction(1);
    correction.learnFrom([broken]);
    correction.restore(broken);
    expect([expectedOf(correction), correction.reports]).toEqual([1, 0]);
  });
});

describe('TokenEstimates', () => {
  const measured = (model: string, tokens = 1000) => ({ model, contentClass: 'text' as const, ...prompt(tokens) });

  it('starts with published ratios', () => {
    const estimates = new TokenEstimates();
    const expected = (model: string): number => estimates.factors(measured(model)).expected;
    expect([expected('claude-sonnet-4-5'), expected('anthropic/claude-opus-4-7'), expected('claude-sonnet-5')]).toEqual([1.18, 1.53, 1.53]);
    expect([expected('gemini/gemini-2.5-pro'), expected('unknown')]).toEqual([1.13, 1]);
  });

  it('keeps a bounded number of models, those that were used last', () => {
    const estimates = new TokenEstimates();
    for (let i = 0; i < 1000; i++) {
      estimates.observe(measured('first', 100), 200);
      estimates.observe(measured(`model-${i}`, 100), 200);
      estimates.factors(measured(`asked-${i}`));
    }
    const kept = Object.keys(estimates.keep());
    expect(kept).toHaveLength(256);
    expect(kept).toContain('first');
    expect(kept).not.toContain('model-1');
    expect(estimates.names()).toHaveLength(256 + 64);
  });

  it('restores saved corrections, and ignores invalid ones', () => {
    const estimates = new TokenEstimates();
    for (let i = 0; i < 300; i++) estimates.observe(measured('m'), 1300 + (i % 7) * 20);
    const copy = new TokenEstimates();
    copy.restore(JSON.parse(JSON.stringify(estimates.keep())) as Record<string, unknown>);
    const [first, second] = [estimates, copy].map((each) => each.factors(measured('m')));
    expect(second.expected).toBeCloseTo(first.expected, 3);
    expect(second.bound).toBeCloseTo(first.bound, 3);
    const [{ text }] = Object.values(estimates.keep());
    for (const broken of [
      null,
      7,
      { text: null },
      { text: [0, 1, []] },
      { text: { ...text, deviations: ['x'] } },
      { text: { ...text, meanError: -1 } },
    ])
      copy.restore({ broken });
    expect(Object.keys(copy.keep())).toEqual(['m']);
  });

  it('sums up a model over its classes of content', () => {
    const estimates = new TokenEstimates();
    expect(estimates.summaryOf('m')).toBeUndefined();
    for (let i = 0; i < 30; i++) estimates.observe(measured('m'), 1300);
    for (let i = 0; i < 10; i++) estimates.observe({ ...measured('m'), contentClass: 'code' }, 1100);
    expect(estimates.summaryOf('m')).toEqual({ answers: 40, meanError: expect.any(Number), bound: expect.any(Number) });
    expect(estimates.metrics().filter(({ labels }) => labels?.content === 'code')).toHaveLength(3);
  });
});

describe('counts of a model without a public tokenizer', () => {
  const text = 'The weather is fine today, and everybody is glad about that. '.repeat(20);
  const body = (model: string) => ({ model, messages: [{ role: 'user', content: text }] });
  const raw = open(false).tokenCounter;
  const claude = 'claude-sonnet-4-5';

  it('show the estimate, and reserve the bound', () => {
    const { tokenCounter } = open();
    const local = raw.countRequest(body(claude));
    expect(local).toEqual({ promptTokens: expect.any(Number), approximate: true, encoding: 'cl100k_base' });
    const expected = Math.ceil(local.promptTokens * 1.18);
    const bound = Math.ceil(local.promptTokens * 1.18 * 1.25);
    expect(tokenCounter.countRequest(body(claude))).toEqual({ promptTokens: expected, bound, approximate: true, encoding: 'cl100k_base' });
    expect(tokenCounter.countMessages(body(claude).messages, claude)).toBe(expected);
    expect(tokenCounter.estimatePrompt(body(claude))).toBe(bound);
    expect(raw.estimatePrompt(body(claude))).toBe(local.promptTokens);
  });

  it('are the same off the main thread, and stop at a limit of the corrected tokens', async () => {
    const { tokenCounter } = open();
    const { promptTokens, bound } = tokenCounter.countRequest(body(claude));
    expect((await tokenCounter.countRequestAsync(body(claude))).promptTokens).toBe(promptTokens);
    expect(await tokenCounter.estimatePromptAsync(body(claude), Infinity)).toEqual({ counted: bound, tokens: bound });
    const cut = await tokenCounter.estimatePromptAsync({ ...body(claude), messages: Array(50).fill(body(claude).messages[0]) }, 1000);
    expect(cut.counted).toBeGreaterThan(1000);
    expect(cut.tokens).toBeGreaterThan(10_000);
  });

  it('leave the tokens of images as they are', () => {
    const image = { role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://example.com/cat.png' } }] };
    const { promptTokens } = open().tokenCounter.countRequest({ model: claude, messages: [image] });
    expect(promptTokens).toBe(Math.ceil(7 * 1.18) + 1568);
  });

  it('come closer with each report; a body teaches once, and not with images', () => {
    const { tokenCounter } = open();
    const truth = Math.round(raw.countRequest(body(claude)).promptTokens * 1.4);
    const report = (counter: TokenCounterService): void => {
      const asked = body(claude);
      counter.countRequest(asked);
      counter.reportPromptTokens(asked, truth);
      counter.reportPromptTokens(asked, 7);
    };
    for (let i = 0; i < 30; i++) report(tokenCounter);
    const { promptTokens, bound } = tokenCounter.countRequest(body(claude));
    expect(Math.abs(promptTokens - truth)).toBeLessThanOrEqual(truth * 0.02);
    expect(bound).toBeGreaterThanOrEqual(truth);
    const metrics = tokenCounter.metrics();
    const sample = (name: string) => metrics.find((metric) => metric.name === `token_estimates_${name}`);
    expect(sample('observations_total')?.value).toBe(30);
    expect(sample('ratio')).toMatchObject({ labels: { model: claude, content: 'text' } });
    expect(sample('bound_ratio')?.value).toBeGreaterThanOrEqual(1);
  });

  it('do not change those of a model with a known tokenizer', () => {
    const { tokenCounter } = open();
    const asked = body('gpt-4o');
    expect(tokenCounter.countRequest(asked)).toEqual(raw.countRequest(asked));
    tokenCounter.reportPromptTokens(asked, 100_000);
    expect(tokenCounter.countRequest(asked)).toEqual(raw.countRequest(asked));
    expect(tokenCounter.metrics().find(({ name }) => name === 'token_estimates_observations_total')?.value).toBe(0);
  });

  it.each([
    [null, 1, 'body'],
    [{}, -1, 'promptTokens'],
    [{}, 1.5, 'promptTokens'],
  ])('refuse the report of %j with %d tokens', (asked, tokens, path) => {
    expect(() => open().tokenCounter.reportPromptTokens(asked as never, tokens)).toThrow(expect.objectContaining({ path }));
  });
});

describe('tokenCounter.estimates.file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'estimates-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const body = { model: 'claude-sonnet-4-5', messages: [{ role: 'user', content: 'Some words of a prompt that goes on. '.repeat(20) }] };

  it('keeps corrections across a restart', async () => {
    const file = join(folder, 'kept.json');
    const first = open({ file });
    for (let i = 0; i < 25; i++) {
      const asked = { ...body };
      first.tokenCounter.countRequest(asked);
      first.tokenCounter.reportPromptTokens(asked, 333);
    }
    const before = first.tokenCounter.countRequest(body);
    await first.close();
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ fastLiteLLMEstimates: 1 });
    const second = open({ file });
    expect(second.tokenCounter.countRequest(body)).toEqual(before);
    await second.close();
  });

  it('is named in the log at the start where its folder is missing', async () => {
    const warn = jest.spyOn(silent, 'warn');
    const llm = open({ file: join(folder, 'missing', 'kept.json') });
    const lines = (warn.mock.calls as unknown[][]).map(([line]) => String(line));
    warn.mockRestore();
    expect(lines).toEqual([
      expect.stringMatching(/^Token counter: cannot write tokenCounter\.estimates\.file \(ENOENT.*\); create its folder/),
    ]);
    expect(llm.tokenCounter.health()).toMatchObject({ status: 'degraded' });
    await llm.close();
  });

  it.each([
    ['[', 'is not an estimates file'],
    ['{"other":1}', 'unknown format'],
    ['null', 'unknown format'],
  ])('refuses the file %s', (content, message) => {
    const file = join(folder, 'broken.json');
    writeFileSync(file, content);
    expect(() => open({ file })).toThrow(
      expect.objectContaining({ path: 'tokenCounter.estimates.file', message: expect.stringContaining(message) }),
    );
    expect(readFileSync(file, 'utf8')).toBe(content);
  });

  it.each([
    [7, 'tokenCounter.estimates'],
    [{ file: 7 }, 'tokenCounter.estimates.file'],
    [{ path: 'x' }, 'tokenCounter.estimates.path'],
  ])('refuses the option %j', (estimates, path) => {
    expect(() => open(estimates as never)).toThrow(expect.objectContaining({ name: 'InvalidConfigurationError', path }));
  });
});
