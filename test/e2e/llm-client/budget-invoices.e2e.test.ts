import fc from 'fast-check';
import {
  FastLiteLLM,
  postgresRateLimitStore,
  postgresStore,
  redisRateLimitStore,
  type RateLimiterService,
  type RateLimitOptions,
} from 'nestjs-fast-litellm';
import type { ScriptedAnswer } from 'nestjs-fast-litellm/testing';
import { RequestContext } from '../../../lib/http/request-context.js';
import { stopProviders, testProvider } from '../../support/llm-client-providers.js';
import { usuallyOrLong } from '../../support/long.js';
import { hasPostgres, TestDatabase } from '../../support/postgres.js';
import { hasRedis, RedisServer } from '../../support/redis-server.js';
import { until } from '../../support/until.js';

const quiet = { log: () => {}, warn: () => {}, error: () => {} };
const CALLS = usuallyOrLong(150, 5_000);
const AT_A_TIME = 60;
/** 0.001 USD for a token read, a tenth from a cache, 0.003 for one written; the dear ones ten times that. */
const [INPUT, CACHED, OUTPUT] = [1_000_000, 100_000, 3_000_000];
const LATE_MS = 1_000;
/** Tokens of each prompt, as the program counts them. */
const PROMPT = 25;
const messages = (content: string) => [{ role: 'user' as const, content }];

/** What one attempt gets: an answer with a usage, a stream that breaks behind its usage, or a failure. */
type Fate = readonly ['answer' | 'cut' | 'status' | 'reset', number, number];
/** How a call is made, and what its attempts get, one after the other. */
interface Asked {
  readonly how: 'whole' | 'stream' | 'late' | 'leave';
  readonly attempts: readonly Fate[];
}

const fate: fc.Arbitrary<Fate> = fc.tuple(
  fc.constantFrom('answer', 'answer', 'cut', 'status', 'status', 'reset'),
  // More than the program counts, and with the output no more than it holds.
  fc.integer({ min: 10, max: 35 }),
  fc.integer({ min: 1, max: 40 }),
);
const calls: fc.Arbitrary<Asked> = fc.record({
  how: fc.constantFrom('whole', 'whole', 'whole', 'whole', 'stream', 'stream', 'stream', 'stream', 'late', 'leave'),
  // A retry, and two attempts at the fallback.
  attempts: fc.array(fate, { minLength: 4, maxLength: 4 }),
});

const kinds = ['memory', ...(hasRedis ? ['Redis'] : []), ...(hasPostgres ? ['PostgreSQL'] : [])];

describe.each(kinds)('the invoices of local providers, budgets in %s', (kind) => {
  let server: RedisServer | undefined;
  let database: TestDatabase | undefined;
  let llm: FastLiteLLM;
  let limiter: RateLimiterService;
  /** What both providers have charged, in nano-USD. */
  let invoiced = 0;
  const open = new Map<string, { readonly asked: Asked; readonly controller: AbortController; made: number }>();

  beforeAll(async () => {
    let shared: RateLimitOptions = {};
    if (kind === 'Redis') {
      server = await RedisServer.start();
      shared = { store: redisRateLimitStore({ url: server.url, onStoreError: 'deny', timeoutMs: 10_000 }) };
    } else if (kind === 'PostgreSQL') {
      database = await TestDatabase.create();
      shared = { store: postgresRateLimitStore({ store: postgresStore({ url: database.url, timeoutMs: 20_000 }), onStoreError: 'deny' }) };
    }
    // A provider charges what it has read where it could not answer, as the table of the guide says.
    const charges =
      (rate: number) =>
      (body: unknown): ScriptedAnswer => {
        const { content } = (body as { messages: { content: string }[] }).messages[0];
        const call = open.get(content);
        if (call === undefined) throw new Error(`no open call has the content "${content}"`);
        const { how, attempts } = call.asked;
        const [what, input, output] = attempts[call.made++];
        if (how === 'leave') setImmediate(() => call.controller.abort());
        // Abandoned answers are billed in full, and drained.
        if (how === 'leave' || how === 'late') {
          invoiced += rate * (INPUT * (input - 10) + CACHED * 10 + OUTPUT * output);
          const usage = { promptTokens: input, completionTokens: output, cacheReadTokens: 10 };
          return { text: 'hello there', usage, delayMs: how === 'late' ? 2 * LATE_MS : 50 };
        }
        if (what === 'status') return { status: [400, 401, 429, 500, 503][input % 5] };
        if (what === 'reset' || (what === 'cut' && how === 'whole')) {
          invoiced += rate * INPUT * PROMPT;
          return { fault: 'reset' };
        }
        invoiced += rate * (INPUT * (input - 10) + CACHED * 10 + OUTPUT * output);
        const usage = { promptTokens: input, completionTokens: output, cacheReadTokens: 10 };
        if (what === 'answer') return { text: 'hello there', usage };
        const told = { prompt_tokens: input, completion_tokens: output, prompt_tokens_details: { cached_tokens: 10 } };
        return {
          respond: (response) => {
            response.writeHead(200, { 'content-type': 'text/event-stream' });
            response.write(`data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: 'hello' } }], usage: told })}\n\n`);
            setTimeout(() => response.destroy(), 5);
          },
        };
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
      cache_read_input_token_cost: (rate * CACHED) / 1e9,
      output_cost_per_token: (rate * OUTPUT) / 1e9,
    });
    llm = new FastLiteLLM({
      logger: quiet,
      llmClient: { onAbort: 'drain' },
      rateLimit: {
        limits: {
          key: { usdPerDay: 1_000_000, usdPerWindow: 1_000_000, usdWindow: '1h', usdWindowKind: 'sliding' },
          team: { usdPerMonth: 4_000_000 },
        },
        ...shared,
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
    await database?.drop();
  });

  it(`are spent to the nano-dollar after ${CALLS} calls with random outcomes, and nothing is held`, async () => {
    const [drawn] = fc.sample(fc.array(calls, { minLength: CALLS, maxLength: CALLS }), { numRuns: 1, seed: 7 });
    const call = async (asked: Asked, index: number): Promise<void> => {
      const content = `call ${String(index).padStart(5, '0')}`;
      const request = {};
      const context = RequestContext.of(request);
      const scopes = [
        { key: `key ${index % 7}`, limit: 'key' },
        { key: 'team', limit: 'team' },
      ];
      context.hold.add(limiter, await limiter.reserveAsync(scopes, { usd: 0.001 }));
      const controller = new AbortController();
      open.set(content, { asked, controller, made: 0 });
      const timeoutMs = asked.how === 'late' ? LATE_MS : undefined;
      const options = { request, signal: controller.signal, routing: { inputTokens: PROMPT }, timeoutMs };
      let failed = false;
      try {
        const body = { model: 'cheap', max_tokens: 50, messages: messages(content) };
        if (asked.how === 'stream' || (asked.how === 'leave' && index % 2 === 0))
          for await (const _ of await llm.client.chat({ ...body, stream: true }, options)) void _;
        else await llm.client.chat({ ...body, stream: false }, options);
      } catch {
        failed = true;
      }
      // As asked, with so many attempts, failed or not.
      ends.add(`${asked.how} ${open.get(content)?.made} ${failed}`);
      // A provider may read, and bill, these after their end.
      if (asked.how !== 'late' && asked.how !== 'leave') open.delete(content);
      context.hold.end(failed);
    };
    const ends = new Set<string>();
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
    const spent = async () => Math.round((await standings('team', 'team'))[0].spentUsd * 1e9);
    await until(async () => (await spent()) === invoiced && (await standings('team', 'team'))[0].heldUsd === 0).catch(() => {});
    const [team] = await standings('team', 'team');
    const ofKeys = await Promise.all(keys.map(([key, limit]) => standings(key, limit)));
    // Calls that the last attempt at the fallback answers, or fails, are among them.
    expect([...ends]).toEqual(expect.arrayContaining(['whole 4 false', 'whole 4 true', 'stream 4 false', 'stream 4 true', 'leave 1 true']));
    expect([team.heldUsd, Math.round(team.spentUsd * 1e9)]).toEqual([0, invoiced]);
    for (const budget of [0, 1]) {
      expect(ofKeys.every((budgets) => budgets[budget].heldUsd === 0)).toBe(true);
      expect(ofKeys.reduce((sum, budgets) => sum + Math.round(budgets[budget].spentUsd * 1e9), 0)).toBe(invoiced);
    }
    expect((await limiter.getBudgetHolds('team', { limit: 'team' })).count).toBe(0);
  }, 240_000);
});
