import { FastLiteLLM, type LlmClientOptions, type RateLimiterService, type RateLimitOptions, type Reservation } from 'nestjs-fast-litellm';
import type { ProviderScript } from 'nestjs-fast-litellm/testing';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RequestContext } from '../../../lib/http/request-context.js';
import { stopProviders, testProvider } from '../../support/llm-client-providers.js';
import { until } from '../../support/until.js';

// Budgets that LiteLLM has got wrong, by the number of the issue at github.com/BerriAI/litellm. Each test is what its reporters expected.

const quiet = { log: () => {}, warn: () => {}, error: () => {} };
const DAY_MS = 86_400_000;
const messages = [{ role: 'user' as const, content: 'hello world' }];

describe('budgets that LiteLLM got wrong', () => {
  let nowMs = Date.parse('2026-01-31T12:00:00Z');
  const open: FastLiteLLM[] = [];
  afterEach(async () => {
    await Promise.all(open.splice(0).map((llm) => llm.close()));
    await stopProviders();
  });

  const limiterOf = (rateLimit: RateLimitOptions): RateLimiterService => {
    const llm = new FastLiteLLM({ logger: quiet, rateLimit }, { env: {}, now: () => nowMs });
    open.push(llm);
    return llm.rateLimiter;
  };
  const spend = (limiter: RateLimiterService, key: string, usd: number): Reservation => {
    const reservation = limiter.reserve(key, { usd });
    if (reservation.allowed) limiter.settle(reservation, { usd });
    return reservation;
  };
  const spentBy = (limiter: RateLimiterService, key: string): number => limiter.getBudgets(key)[0].spentUsd;

  it('#23714 #26672 deny a key that has spent its budget, also in calls that begin together', () => {
    const limiter = limiterOf({ usdPerDay: 1 });
    spend(limiter, 'key', 1);
    for (let i = 0; i < 3; i++)
      expect(spend(limiter, 'key', 0.000_001)).toMatchObject({ allowed: false, budgetDenial: 'budget_exhausted' });
    expect(spentBy(limiter, 'key')).toBe(1);
  });

  it('#34732 #40095 never let calls race past a budget, nor count a part of a denied one', async () => {
    const limiter = limiterOf({ limits: { key: { usdPerDay: 1 }, team: { usdPerDay: 1.5 } } });
    const scopes = (key: string) => [
      { key, limit: 'key' },
      { key: 'team', limit: 'team' },
    ];
    const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => limiter.reserveAsync(scopes(`key ${i % 2}`), { usd: 0.1 })));
    expect(answers.filter(({ allowed }) => allowed)).toHaveLength(15);
    const held = ['key 0', 'key 1'].map((key) => limiter.getBudgets(key, { limit: 'key' })[0].heldUsd);
    expect(held[0] + held[1]).toBeCloseTo(1.5, 9);
  });

  it('#27509 #38647 tell a key that has hardly spent anything to wait for its calls, not that its budget is spent', () => {
    const limiter = limiterOf({ usdPerDay: 10 });
    const agents = [limiter.reserve('key', { usd: 4 }), limiter.reserve('key', { usd: 5 })];
    expect(limiter.reserve('key', { usd: 2 })).toMatchObject({ allowed: false, budgetDenial: 'budget_held' });
    for (const agent of agents) limiter.settle(agent, { usd: 0.01 });
    expect(limiter.reserve('key', { usd: 9.9 }).allowed).toBe(true);
  });

  it('#30522 #40050 #27735 count exactly what calls cost, whatever was held for them', () => {
    const limiter = limiterOf({ usdPerMonth: 100 });
    for (let i = 0; i < 200; i++) limiter.settle(limiter.reserve('key', { usd: 20 }), { usd: 0.05 });
    expect(limiter.getBudgets('key')).toMatchObject([{ spentUsd: 10, heldUsd: 0, totalUsd: 10 }]);
    expect(limiter.reserve('key', { usd: 90 }).allowed).toBe(true);
  });

  it('#7129 #8364 #22013 #25495 reset a budget of any scope with its window, without a job', () => {
    const limiter = limiterOf({ usdPerDay: 1, usdPerMonth: 5, timeZone: 'America/New_York' });
    for (const key of ['end user', 'team', 'member']) {
      nowMs = Date.parse('2026-01-31T12:00:00Z');
      spend(limiter, key, 1);
      expect(spend(limiter, key, 0.1).allowed).toBe(false);
      nowMs = Date.parse('2026-02-01T04:59:59Z');
      expect(spend(limiter, key, 0.1).allowed).toBe(false);
      nowMs = Date.parse('2026-02-01T05:00:00Z');
    }
    for (const key of ['end user', 'team', 'member']) {
      expect(spend(limiter, key, 1).allowed).toBe(true);
      expect(limiter.getBudgets(key)).toMatchObject([{ spentUsd: 1 }, { spentUsd: 1, totalUsd: 2 }]);
    }
  });

  it('#34492 count nothing that a key has spent before it had a budget', () => {
    const limiter = limiterOf({ requestsPerMinute: 100 });
    spend(limiter, 'key', 50);
    expect(limiter.reserve('key', { limits: { usdPerMonth: 10 }, usd: 10 }).allowed).toBe(true);
  });

  it('#25646 keep the total of a key over windows and restarts', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'budget-totals-'));
    try {
      const budgets = { snapshotFile: join(folder, 'budgets.jsonl') };
      const first = limiterOf({ usdPerDay: 1, budgets });
      for (let day = 0; day < 3; day++, nowMs += DAY_MS) spend(first, 'key', 0.5);
      await first.close();
      const second = limiterOf({ usdPerDay: 1, budgets });
      expect(second.getBudgets('key')).toMatchObject([{ spentUsd: 0, totalUsd: 1.5 }]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  /** A client over one local provider, and a request that holds next to nothing. */
  const over = async (
    script: ProviderScript,
    prices: object,
    llmClient: LlmClientOptions = {},
  ): Promise<{ llm: FastLiteLLM; request: object; context: RequestContext }> => {
    const provider = await testProvider('openai', { script });
    const llm = new FastLiteLLM({
      logger: quiet,
      llmClient,
      rateLimit: { usdPerDay: 1_000 },
      tokenCounter: { pricing: { overrides: { tiered: TIERED } } },
      router: { numRetries: 0, modelList: [provider.deployment('m', { model: 'openai/x', ...prices })] },
    });
    open.push(llm);
    const request = {};
    const context = RequestContext.of(request);
    context.hold.add(llm.rateLimiter, llm.rateLimiter.reserve('key', { usd: 0.001 }));
    return { llm, request, context };
  };
  const TIERED = {
    inputPerMillion: 1_000,
    outputPerMillion: 2_000,
    tiers: [{ aboveInputTokens: 200_000, inputPerMillion: 2_000, outputPerMillion: 4_000 }],
  };
  const PRICES = { input_cost_per_token: 0.001, output_cost_per_token: 0.002 };

  it('#33736 #37558 #39893 charge the prompt and the seen output of a stream that its client leaves', async () => {
    const text = 'one two three four five six seven eight nine ten '.repeat(20);
    const { llm, request, context } = await over({ text, chunkDelayMs: 2 }, PRICES);
    const seen: unknown[] = [];
    for await (const chunk of await llm.client.chat({ model: 'm', max_tokens: 500, messages, stream: true }, { request })) {
      if (seen.push(chunk) === 50) break;
    }
    context.hold.end(true);
    const { spentUsd, heldUsd } = llm.rateLimiter.getBudgets('key')[0];
    expect(heldUsd).toBe(0);
    expect(spentUsd).toBeGreaterThan(30 * 0.002);
    expect(spentUsd).toBeLessThan(200 * 0.002);
  });

  it('#13245 #36008 charge the prompt of a call that its client leaves before the answer', async () => {
    const controller = new AbortController();
    const { llm, request, context } = await over(() => {
      setImmediate(() => controller.abort());
      return { fault: 'hang' };
    }, PRICES);
    const call = llm.client.chat({ model: 'm', max_tokens: 500, messages }, { request, signal: controller.signal });
    await expect(call).rejects.toMatchObject({ code: 'REQUEST_CANCELLED' });
    context.hold.end(true);
    const { spentUsd, heldUsd } = llm.rateLimiter.getBudgets('key')[0];
    expect(heldUsd).toBe(0);
    expect(spentUsd).toBeCloseTo(llm.tokenCounter.estimatePrompt({ model: 'm', messages }) * 0.001, 9);
  });

  it.each([
    ['usual output', { max_tokens: 500 }, 40],
    ['usual output of each choice', { max_tokens: 500, n: 2 }, 80],
    ['most output that it allows', { max_tokens: 30 }, 30],
    ['usual output after the time that the client has set', { max_tokens: 500, timeout: 2 }, 40],
  ])('#13245 charge the %s, too, where answers of the model are known', async (_, fields, output) => {
    const controller = new AbortController();
    let isLeft = false;
    const { llm, request, context } = await over(() => {
      if (isLeft && !('timeout' in fields)) setImmediate(() => controller.abort());
      return isLeft ? { fault: 'hang' } : { usage: { promptTokens: 10, completionTokens: 40 } };
    }, PRICES);
    await llm.client.chat({ model: 'm', max_tokens: 500, messages });
    isLeft = true;
    const call = llm.client.chat({ model: 'm', ...fields, messages }, { request, signal: controller.signal });
    await expect(call).rejects.toMatchObject({ code: 'timeout' in fields ? 'PROVIDER_TIMEOUT' : 'REQUEST_CANCELLED' });
    context.hold.end(true);
    const { spentUsd, heldUsd } = llm.rateLimiter.getBudgets('key')[0];
    expect(heldUsd).toBe(0);
    expect(spentUsd).toBeCloseTo(llm.tokenCounter.estimatePrompt({ model: 'm', messages }) * 0.001 + output * 0.002, 9);
  });

  it.each([
    ['what the provider reports', { delayMs: 150, usage: { promptTokens: 10, completionTokens: 33 } }, 60_000, 10 * 0.001 + 33 * 0.002],
    ['nothing for an error', { delayMs: 50, status: 500 }, 60_000, 0],
    ['the prompt where abortDrainMs are over before', { fault: 'hang' }, 50, undefined],
  ] as const)('#13245 #36008 charge %s with onAbort: drain, though the caller waits no more', async (_, answer, abortDrainMs, usd) => {
    const controller = new AbortController();
    const outcomes: string[] = [];
    const { llm, request, context } = await over(
      () => {
        setImmediate(() => controller.abort());
        return answer;
      },
      PRICES,
      { onAbort: 'drain', abortDrainMs },
    );
    llm.client.addHook({ onEnd: (_call, { outcome }) => void outcomes.push(outcome), onAnswer: () => ({ deny: 'it is not read' }) });
    const call = llm.client.chat({ model: 'm', max_tokens: 500, messages }, { request, signal: controller.signal });
    await expect(call).rejects.toMatchObject({ code: 'REQUEST_CANCELLED' });
    context.hold.end(true);
    const standing = () => llm.rateLimiter.getBudgets('key')[0];
    expect([outcomes, standing().spentUsd]).toEqual([[], 0]);
    expect(standing().heldUsd).toBeGreaterThan(1);
    await until(() => standing().heldUsd === 0);
    const prompt = llm.tokenCounter.estimatePrompt({ model: 'm', messages }) * 0.001;
    expect(standing().spentUsd).toBeCloseTo(usd ?? prompt, 9);
    expect(outcomes).toEqual(['cancelled']);
  });

  it('#40002 hold and charge the price of a prompt’s tier', async () => {
    const usage = { promptTokens: 250_000, completionTokens: 10 };
    const { llm, request, context } = await over({ usage }, { model: 'openai/tiered' });
    await llm.client.chat({ model: 'm', max_tokens: 10, messages }, { request, routing: { inputTokens: 250_000 } });
    context.hold.end(false);
    expect(llm.rateLimiter.getBudgets('key')).toMatchObject([{ spentUsd: 250_000 * 0.002 + 10 * 0.004, heldUsd: 0 }]);
    expect(llm.rateLimiter.metrics().find(({ name }) => name === 'rate_limit_budget_overshoot_usd_total')?.value).toBe(0);
  });
});
