import fc from 'fast-check';
import { FastLiteLLM, redisRateLimitStore, type RateLimiterService } from 'nestjs-fast-litellm';
import type { ScriptedAnswer } from 'nestjs-fast-litellm/testing';
import { RequestContext } from '../../../lib/http/request-context.js';
import { stopProviders, testProvider } from '../../support/llm-client-providers.js';
import { usuallyOrLong } from '../../support/long.js';
import { hasRedis, RedisServer } from '../../support/redis-server.js';

const quiet = { log: () => {}, warn: () => {}, error: () => {} };
const CALLS = usuallyOrLong(150, 5_000);
const AT_A_TIME = 60;
/** 0.001 USD for a token read, 0.003 for one written; the dear ones ten times that. */
const [INPUT, OUTPUT] = [1_000_000, 3_000_000];
const LATE_MS = 60;
/** Tokens of each prompt, as the program counts them. */
const PROMPT = 25;
const messages = (content: string) => [{ role: 'user' as const, content }];

/** What one attempt gets: an answer with a usage, a failure, or nothing before the caller leaves. */
type Fate = readonly ['answer' | 'stream' | 'status' | 'reset' | 'late' | 'leave', number, number];

const fates: fc.Arbitrary<Fate> = fc.tuple(
  fc.constantFrom('answer', 'answer', 'answer', 'stream', 'stream', 'status', 'reset', 'late', 'leave'),
  fc.nat(40),
  fc.nat(40),
);

describe.each(hasRedis ? ['memory', 'Redis'] : ['memory'])('the invoices of local providers, budgets in %s', (kind) => {
  let server: RedisServer | undefined;
  let llm: FastLiteLLM;
  let limiter: RateLimiterService;
  /** What both providers have charged, in nano-USD. */
  let invoiced = 0;
  const leaving = new Map<string, AbortController>();

  beforeAll(async () => {
    if (kind === 'Redis') server = await RedisServer.start();
    // A provider charges what it has read where it could not answer, as the table of the guide says.
    const charges =
      (rate: number) =>
      (body: unknown): ScriptedAnswer => {
        const { content } = (body as { messages: { content: string }[] }).messages[0];
        const [id, what, input, output] = content.split(' ');
        const usage = { promptTokens: Number(input), completionTokens: Number(output) };
        const isAnswered = what === 'answer' || what === 'stream';
        if (what !== 'status')
          invoiced += rate * (INPUT * (isAnswered ? usage.promptTokens : PROMPT) + OUTPUT * (isAnswered ? usage.completionTokens : 0));
        if (what === 'leave') setImmediate(() => leaving.get(id)?.abort());
        if (isAnswered) return { text: 'hello there', usage };
        return what === 'status'
          ? { status: [400, 401, 429, 500, 503][Number(input) % 5] }
          : { fault: what === 'reset' ? 'reset' : 'hang' };
      };
    const [cheap, dear] = await Promise.all(
      [1, 10].map((rate) => {
        const charge = charges(rate);
        return testProvider('openai', { script: (request) => charge(request.body) });
      }),
    );
    const prices = (rate: number) => ({
      model: 'openai/x',
      input_cost_per_token: (rate * INPUT) / 1e9,
      output_cost_per_token: (rate * OUTPUT) / 1e9,
    });
    llm = new FastLiteLLM({
      logger: quiet,
      rateLimit: {
        limits: {
          key: { usdPerDay: 1_000_000, usdPerWindow: 1_000_000, usdWindow: '1h', usdWindowKind: 'sliding' },
          team: { usdPerMonth: 4_000_000 },
        },
        ...(server && { store: redisRateLimitStore({ url: server.url, onStoreError: 'deny', timeoutMs: 10_000 }) }),
      },
      router: {
        numRetries: 1,
        retryAfterMs: 0,
        fallbacks: [{ cheap: ['dear'] }],
        disableCooldowns: true,
        modelList: [cheap.deployment('cheap', prices(1)), dear.deployment('dear', prices(10))],
      },
    });
    limiter = llm.rateLimiter;
  });
  afterAll(async () => {
    await llm.close();
    await stopProviders();
    await server?.stop();
  });

  it(`are spent to the nano-dollar after ${CALLS} calls with random outcomes, and nothing is held`, async () => {
    const [drawn] = fc.sample(fc.array(fates, { minLength: CALLS, maxLength: CALLS }), { numRuns: 1, seed: 7 });
    // All prompts are as long, whatever they ask for.
    const contentOf = (index: number, [what, input, output]: Fate): string =>
      `${String(index).padStart(5, '0')} ${what} ${String(input).padStart(2, '0')} ${String(output).padStart(2, '0')}`;
    const call = async (fate: Fate, index: number): Promise<void> => {
      const content = contentOf(index, fate);
      const request = {};
      const context = RequestContext.of(request);
      const scopes = [
        { key: `key ${index % 7}`, limit: 'key' },
        { key: 'team', limit: 'team' },
      ];
      context.hold(limiter, await limiter.reserveAsync(scopes, { usd: 0.001 }));
      const controller = new AbortController();
      leaving.set(content.slice(0, 5), controller);
      // A busy machine must not be late with an answer, whose output its provider charges.
      const timeoutMs = fate[0] === 'late' ? LATE_MS : undefined;
      const options = { request, signal: controller.signal, routing: { inputTokens: PROMPT }, timeoutMs };
      let failed = false;
      try {
        const body = { model: 'cheap', max_tokens: 50, messages: messages(content) };
        // A whole answer that is left costs an estimate; a stream, as far as it came.
        if (fate[0] === 'stream' || fate[0] === 'leave')
          for await (const _ of await llm.client.chat({ ...body, stream: true }, options)) void _;
        else await llm.client.chat({ ...body, stream: false }, options);
      } catch {
        failed = true;
      }
      leaving.delete(content.slice(0, 5));
      context.end(failed);
    };
    let next = 0;
    const work = async (): Promise<void> => {
      while (next < CALLS) {
        const index = next++;
        await call(drawn[index], index);
      }
    };
    await Promise.all(Array.from({ length: AT_A_TIME }, work));
    const keys = Array.from({ length: 7 }, (_, i) => [`key ${i}`, 'key'] as const);
    const standings = async (key: string, limit: string) => limiter.getBudgetsAsync(key, { limit });
    const [team] = await standings('team', 'team');
    const ofKeys = await Promise.all(keys.map(([key, limit]) => standings(key, limit)));
    expect(new Set(drawn.map(([what]) => what)).size).toBe(6);
    expect([team.heldUsd, Math.round(team.spentUsd * 1e9)]).toEqual([0, invoiced]);
    for (const budget of [0, 1]) {
      expect(ofKeys.every((budgets) => budgets[budget].heldUsd === 0)).toBe(true);
      expect(ofKeys.reduce((sum, budgets) => sum + Math.round(budgets[budget].spentUsd * 1e9), 0)).toBe(invoiced);
    }
    expect((await limiter.getBudgetHolds('team', { limit: 'team' })).count).toBe(0);
  }, 240_000);
});
