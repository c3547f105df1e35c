import { FastLiteLLM, RateLimiterService, type FastLiteLLMOptions, type LlmClientOptions } from 'nestjs-fast-litellm';
import type { ProviderProtocol, ScriptedAnswer, TestProvider } from 'nestjs-fast-litellm/testing';
import { request as httpRequest } from 'node:http';
import { GatewayApp } from '../../support/gateway-app.js';
import { stopProviders, testProvider } from '../../support/llm-client-providers.js';
import { until, untilMinuteLasts } from '../../support/until.js';

// Answers that a provider writes and bills although their callers have abandoned them: their invoice and the budget, seen through a gateway.

const PRICES = { input_cost_per_token: 1e-3, output_cost_per_token: 2e-3 };
const PROMPT = 120;
const OUTPUT = 40;
const BILL = PROMPT * 1e-3 + OUTPUT * 2e-3;
const LATE_MS = 800;
const TIMEOUT = 0.5;
const TEXT = 'one two three four five six seven eight nine ten';

class Invoiced {
  billed = 0;
  asked = 0;
  answer: ScriptedAnswer = {};
  provider!: TestProvider;
  gateway!: GatewayApp;

  static async start(
    protocol: ProviderProtocol,
    llmClient: LlmClientOptions,
    params: object = {},
    {
      usdPerDay = 1_000,
      shutdown = {},
      ...router
    }: { usdPerDay?: number; shutdown?: { drainMs?: number }; [setting: string]: unknown } = {},
  ): Promise<Invoiced> {
    const invoiced = new Invoiced();
    invoiced.provider = await testProvider(protocol, {
      script: () => {
        invoiced.asked++;
        invoiced.billed += BILL;
        return { text: TEXT, usage: { promptTokens: PROMPT, completionTokens: OUTPUT }, ...invoiced.answer };
      },
    });
    const backup = await testProvider('openai', {
      script: () => {
        invoiced.billed += BILL;
        return { text: TEXT, usage: { promptTokens: PROMPT, completionTokens: OUTPUT } };
      },
    });
    const module: FastLiteLLMOptions = {
      llmClient,
      rateLimit: { usdPerDay },
      shutdown,
      router: {
        numRetries: 0,
        disableCooldowns: true,
        modelList: [
          invoiced.provider.deployment('m', { ...PRICES, ...params }),
          backup.deployment('backup', PRICES),
          backup.deployment('mocked', { ...PRICES, mock_response: 'Try again later.' }),
        ],
        ...(router as object),
      },
    };
    invoiced.gateway = await GatewayApp.start('Fastify', {}, { module });
    started.push(invoiced.gateway);
    return invoiced;
  }

  get standing() {
    return this.gateway.app.get(RateLimiterService).getBudgets('ip:127.0.0.1')[0];
  }

  body(more: object = {}) {
    return { model: 'm', max_tokens: 200, messages: [{ role: 'user', content: 'hello '.repeat(PROMPT) }], ...more };
  }

  ask(more: object = {}): Promise<{ readonly status: number; readonly text: string }> {
    return this.gateway.post('/v1/chat/completions', this.body(more));
  }

  /** A client that disconnects, at the first bytes of a stream or once the provider was asked. */
  async leave(more: object, isAtFirstBytes: boolean): Promise<void> {
    const before = this.asked;
    const headers = { 'content-type': 'application/json' };
    await new Promise<void>((resolve) => {
      const options = { port: this.gateway.port, path: '/v1/chat/completions', method: 'POST', headers, agent: false };
      const request = httpRequest(options, (response) => response.on('error', () => {}).once('data', () => request.destroy()));
      request.on('close', () => resolve()).on('error', () => {});
      request.end(JSON.stringify(this.body(more)));
      if (!isAtFirstBytes) void until(() => this.asked > before).then(() => request.destroy());
    });
  }

  /** What was spent, once nothing is held. */
  async spent(): Promise<number> {
    await until(() => this.standing.heldUsd === 0 && this.standing.spentUsd > 0);
    return this.standing.spentUsd;
  }
}

const started: GatewayApp[] = [];
beforeEach(untilMinuteLasts);
afterEach(async () => {
  await Promise.all(started.splice(0).map((gateway) => gateway.stop()));
  await stopProviders();
});

describe('with onAbort: drain', () => {
  const drain: LlmClientOptions = { onAbort: 'drain', abortDrainMs: 10_000 };

  it.each<[string, ProviderProtocol, LlmClientOptions, object, object, ScriptedAnswer]>([
    ['a deployment’s timeout', 'openai', {}, { timeout: TIMEOUT }, {}, { delayMs: LATE_MS }],
    ['a deployment’s timeout', 'anthropic', {}, { timeout: TIMEOUT }, {}, { delayMs: LATE_MS }],
    ['a deployment’s timeout', 'gemini', {}, { timeout: TIMEOUT }, {}, { delayMs: LATE_MS }],
    ['a deployment’s timeout', 'bedrock', {}, { timeout: TIMEOUT }, {}, { delayMs: LATE_MS }],
    ['attemptTimeoutMs', 'openai', { attemptTimeoutMs: TIMEOUT * 1e3 }, {}, {}, { delayMs: LATE_MS }],
    ['the body’s timeout', 'anthropic', {}, {}, { timeout: TIMEOUT }, { delayMs: LATE_MS }],
    ['the body’s timeout', 'openai', {}, {}, { timeout: TIMEOUT }, { delayMs: LATE_MS }],
    ['a first chunk’s timeout', 'openai', {}, { stream_timeout: TIMEOUT }, { stream: true }, { firstChunkDelayMs: LATE_MS }],
    ['a first chunk’s timeout', 'anthropic', {}, { stream_timeout: TIMEOUT }, { stream: true }, { firstChunkDelayMs: LATE_MS }],
  ])('charges the invoice after %s (%s)', async (_, protocol, client, params, body, answer) => {
    const invoiced = await Invoiced.start(protocol, { ...drain, ...client }, params);
    invoiced.answer = answer;
    const answers = await Promise.all([invoiced.ask(body), invoiced.ask(body), invoiced.ask(body)]);
    expect(answers.every(({ status, text }) => status === 504 || /tim/.test(text))).toBe(true);
    expect(invoiced.asked).toBeGreaterThan(0);
    expect(await invoiced.spent()).toBeCloseTo(invoiced.billed, 9);
  });

  it('answers from the fallback at once, and charges both', async () => {
    const invoiced = await Invoiced.start('openai', drain, { timeout: TIMEOUT }, { fallbacks: [{ m: ['backup'] }] });
    invoiced.answer = { delayMs: 1_500 };
    const { status, text } = await invoiced.ask();
    expect([status, JSON.parse(text)]).toMatchObject([200, { usage: { completion_tokens: OUTPUT } }]);
    // The first one is still read.
    expect(invoiced.standing.spentUsd).toBe(0);
    expect(invoiced.standing.heldUsd).toBeGreaterThanOrEqual(2 * PROMPT * 1e-3);
    expect(await invoiced.spent()).toBeCloseTo(2 * BILL, 9);
  });

  it('charges it also where a mocked fallback answers', async () => {
    const invoiced = await Invoiced.start('openai', drain, { timeout: TIMEOUT }, { fallbacks: [{ m: ['mocked'] }] });
    invoiced.answer = { delayMs: 1_500 };
    expect(await invoiced.ask()).toMatchObject({ status: 200, text: expect.stringContaining('Try again later.') as string });
    expect(await invoiced.spent()).toBeCloseTo(BILL, 9);
  });

  it('holds the money of each answer that is still read, so that a fallback does not exceed the budget', async () => {
    const budget = { usdPerDay: 0.7, fallbacks: [{ m: ['backup'] }] };
    const invoiced = await Invoiced.start('openai', drain, { timeout: TIMEOUT }, budget);
    invoiced.answer = { delayMs: 1_500 };
    // Each of both may cost 0.52.
    expect((await invoiced.ask()).status).not.toBe(200);
    expect(await invoiced.spent()).toBeCloseTo(BILL, 9);
    expect(invoiced.billed).toBeCloseTo(BILL, 9);
  });

  it.each([
    ['what the provider reports', 10_000, BILL],
    ['what has arrived at the deadline', 100, PROMPT * 1e-3],
  ])('waits for answers that are still read when the app shuts down, and charges %s', async (_, drainMs, charged) => {
    const invoiced = await Invoiced.start('openai', drain, {}, { shutdown: { drainMs } });
    invoiced.answer = { delayMs: 1_500 };
    await invoiced.leave({}, false);
    await invoiced.gateway.app.get(FastLiteLLM).shutdown.drain();
    expect(invoiced.standing.heldUsd).toBe(0);
    expect(invoiced.standing.spentUsd / charged).toBeGreaterThan(0.999);
    expect(invoiced.standing.spentUsd / charged).toBeLessThan(1.3);
  });

  it.each<[string, ProviderProtocol, object, ScriptedAnswer, boolean]>([
    ['a whole answer', 'openai', {}, { delayMs: LATE_MS }, false],
    ['a whole answer', 'bedrock', {}, { delayMs: LATE_MS }, false],
    ['a stream before its first chunk', 'gemini', { stream: true }, { delayMs: LATE_MS }, false],
    ['a stream', 'openai', { stream: true }, { chunkDelayMs: 40 }, true],
    ['a stream', 'anthropic', { stream: true }, { chunkDelayMs: 40 }, true],
    ['a stream', 'bedrock', { stream: true }, { chunkDelayMs: 40 }, true],
  ])('charges the invoice of %s that its client leaves (%s)', async (_, protocol, body, answer, isAtFirstBytes) => {
    const invoiced = await Invoiced.start(protocol, drain);
    invoiced.answer = answer;
    await invoiced.leave(body, isAtFirstBytes);
    expect(await invoiced.spent()).toBeCloseTo(invoiced.billed, 9);
  });

  it('charges nothing for an error that arrives too late, and an estimate if the provider hangs', async () => {
    const invoiced = await Invoiced.start('openai', { onAbort: 'drain', abortDrainMs: 500 }, { timeout: TIMEOUT });
    invoiced.answer = { status: 500, delayMs: LATE_MS };
    expect((await invoiced.ask()).status).toBe(504);
    await until(() => invoiced.standing.heldUsd === 0);
    expect(invoiced.standing.spentUsd).toBe(0);
    invoiced.answer = { fault: 'hang' };
    expect((await invoiced.ask()).status).toBe(504);
    const spent = await invoiced.spent();
    // The prompt alone: nothing is known of this group's answers.
    expect(spent).toBeGreaterThan(PROMPT * 1e-3);
    expect(spent).toBeLessThan(PROMPT * 1.3e-3);
  });
});

describe('without it', () => {
  it.each([
    ['a deployment’s timeout', { timeout: TIMEOUT }, {}],
    ['the body’s timeout', {}, { timeout: TIMEOUT }],
  ])('charges prompt and median output for a whole answer after %s', async (_, params, body) => {
    const invoiced = await Invoiced.start('openai', {}, params);
    for (let call = 0; call < 5; call++) expect((await invoiced.ask()).status).toBe(200);
    const before = await invoiced.spent();
    expect(before).toBeCloseTo(invoiced.billed, 9);
    invoiced.answer = { delayMs: LATE_MS };
    // One by one: a busy provider would read some only after their time limit.
    for (let call = 0; call < 10; call++) expect((await invoiced.ask(body)).status).toBe(504);
    await until(() => invoiced.asked === 15);
    const [charged, billed] = [(await invoiced.spent()) - before, invoiced.billed - before];
    expect(Math.abs(charged / billed - 1)).toBeLessThan(0.1);
    // Of `max_tokens` no more than the request allows.
    expect((await invoiced.ask({ ...body, max_tokens: 16 })).status).toBe(504);
    const clamped = (await invoiced.spent()) - before - charged;
    expect(clamped).toBeCloseTo(charged / 10 - (OUTPUT - 16) * 2e-3, 9);
  });
});
