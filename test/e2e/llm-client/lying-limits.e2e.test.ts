import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { FastLiteLLM, type RouterOptions } from 'nestjs-fast-litellm';
import { deploymentOf, HELLO, scripted, stopProviders } from '../../support/llm-client-providers.js';
import { isLong, usuallyOrLong } from '../../support/long.js';

const quiet = { log: () => {}, warn: () => {}, error: () => {} };
/** Whatever was told, a request goes after this time. */
const LONGEST_WAIT_MS = 5 * 60_000;
const STEP_MS = isLong ? 5_000 : 15_000;
const START_MS = 1_000 * 60_000;
const BODY = JSON.stringify({
  id: 'x',
  object: 'chat.completion',
  choices: [{ index: 0, message: { role: 'assistant', content: 'hi' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 9, completion_tokens: 1, total_tokens: 10 },
});
const REFUSAL = JSON.stringify({ error: { message: 'slow down', type: 'requests', code: 'rate_limit_exceeded' } });

interface Answer {
  readonly status?: number;
  readonly headers: OutgoingHttpHeaders;
}

const opened: FastLiteLLM[] = [];
afterEach(() => Promise.all(opened.splice(0).map((llm) => llm.close())));
afterAll(stopProviders);

/** Two deployments on one key of a provider that answers as the test says, and a clock to turn. */
async function start(answerOf: (asked: number) => Answer, params: object = {}, router: Partial<RouterOptions> = {}) {
  let nowMs = START_MS;
  const askedAtMs: number[] = [];
  const answer = (response: ServerResponse): void => {
    const { status = 200, headers } = answerOf(askedAtMs.length);
    askedAtMs.push(nowMs);
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(status === 200 ? BODY : REFUSAL);
  };
  const apiBase = await scripted((request, response) => void request.resume().on('end', () => answer(response)));
  const llm = new FastLiteLLM(
    {
      logger: quiet,
      router: {
        modelList: ['a', 'b'].map((name) => deploymentOf('m', { name, apiBase }, { cooldown_time: 0, ...params })),
        learnLimits: true,
        numRetries: 0,
        ...router,
      },
    },
    { now: () => nowMs },
  );
  opened.push(llm);
  const ask = (more: object = {}): Promise<boolean> =>
    llm.client.chat({ model: 'm', messages: HELLO, ...more }).then(
      () => true,
      () => false,
    );
  /** Asks once a step. Returns the longest time in which nothing reached the provider. */
  const askFor = async (forMs: number, stepMs = STEP_MS): Promise<number> => {
    const fromMs = nowMs;
    for (; nowMs <= fromMs + forMs; nowMs += stepMs) await ask();
    const times = [fromMs, ...askedAtMs.filter((atMs) => atMs >= fromMs), nowMs];
    return Math.max(...times.slice(1).map((atMs, i) => atMs - times[i]));
  };
  return { llm, ask, askFor, askedAtMs, pass: (ms: number) => (nowMs += ms) };
}

const openAI = (limit: string, remaining: string, reset?: string): Answer => ({
  headers: {
    'x-ratelimit-limit-requests': limit,
    'x-ratelimit-remaining-requests': remaining,
    ...(reset !== undefined && { 'x-ratelimit-reset-requests': reset }),
    'x-ratelimit-limit-tokens': limit,
    'x-ratelimit-remaining-tokens': remaining,
    ...(reset !== undefined && { 'x-ratelimit-reset-tokens': reset }),
  },
});

describe('a provider that lies about its limits', () => {
  it.each<[string, Answer]>([
    ['a rest below zero', openAI('100', '-5', '1s')],
    ['figures that are none', openAI('NaN', 'NaN', 'NaN')],
    ['figures beyond all numbers', openAI('9'.repeat(400), '9'.repeat(400), `${'9'.repeat(30)}s`)],
    ['more left than the limit', openAI('10', '1000000', '1s')],
    ['a reset in a year', openAI('100', '0', '365d')],
    ['a reset in 31 days', openAI('100', '0', '31d')],
    ['a date in a year', openAI('100', '0', new Date(Date.now() + 365 * 86_400_000).toISOString())],
    ['a date of before', openAI('100', '0', '1970-01-01T00:00:00Z')],
    ['nothing left, and never a reset', openAI('1', '0')],
    ['nothing left of very much', openAI('999999999999', '0', '31d')],
    ['Retry-After in a day', { status: 429, headers: { 'retry-after': '86400' } }],
    [
      'Retry-After in a year, with nothing left',
      { status: 429, headers: { ...openAI('5', '0', '31d').headers, 'retry-after': '31536000' } },
    ],
    ['Retry-After below zero', { status: 429, headers: { 'retry-after': '-1', 'retry-after-ms': 'NaN' } }],
  ])('is asked again after 5 minutes at most: %s', async (_, lie) => {
    const { askFor } = await start(() => lie);
    expect(await askFor(20 * 60_000)).toBeLessThanOrEqual(LONGEST_WAIT_MS + STEP_MS);
  });

  it('is asked again after 5 minutes at most, and is not asked more than its configuration allows, whatever changes', async () => {
    const pick = (values: readonly string[]): string => values[Math.floor(Math.random() * values.length)];
    const figures = ['0', '1', '7', '100', '-1', 'NaN', '999999999999', '1e9', '', '0x10'];
    const resets = ['0s', '1ms', '31d', '365d', '6m0s', 'soon', '-1', '2100-01-01T00:00:00Z', ''];
    const answers = (): Answer => {
      const { headers } = openAI(pick(figures), pick(figures), pick(resets));
      return Math.random() < 0.7
        ? { headers }
        : { status: 429, headers: { ...headers, 'retry-after': pick(['0', '1', '86400', '-5', 'NaN']) } };
    };
    const { askFor, askedAtMs, llm } = await start(answers, { rpm: 3 }, { enablePreCallChecks: true });
    // Twelve times a minute, of which six may go.
    expect(await askFor(usuallyOrLong(40, 600) * 60_000, 5_000)).toBeLessThanOrEqual(LONGEST_WAIT_MS + 5_000);
    const perMinute = new Map<number, number>();
    for (const atMs of askedAtMs) perMinute.set(Math.floor(atMs / 60_000), (perMinute.get(Math.floor(atMs / 60_000)) ?? 0) + 1);
    // Two deployments.
    expect(Math.max(...perMinute.values())).toBeLessThanOrEqual(6);
    const { quota } = llm.router.explain('m').deployments[0];
    for (const { limit, remaining } of quota?.reported ?? [])
      expect(remaining >= 0 && remaining <= limit && Number.isFinite(limit)).toBe(true);
  });

  it('raises no limit of the configuration', async () => {
    const { ask, askedAtMs } = await start(() => openAI('999999999999', '999999999999', '1ms'), { rpm: 2 }, { enablePreCallChecks: true });
    const answers: boolean[] = [];
    for (let i = 0; i < 10; i++) answers.push(await ask());
    expect([answers.filter(Boolean).length, askedAtMs.length]).toEqual([4, 4]);
  });

  it('does not keep requests away by a limit that it told once', async () => {
    const told = { 'x-ratelimit-limit-requests': '60', 'x-ratelimit-remaining-requests': '59', 'x-ratelimit-reset-requests': '1s' };
    const { askFor, askedAtMs } = await start((asked) => ({ headers: asked === 0 ? told : {} }));
    await askFor(10 * 60_000, 1_000);
    expect(askedAtMs.length).toBeGreaterThan(590);
  });

  it('may leave its probe without an answer for a minute', async () => {
    const held: ServerResponse[] = [];
    let isHung = false;
    const server = await scripted((request, response) => {
      request.resume().on('end', () => {
        if (isHung) held.push(response);
        else response.writeHead(429, { 'content-type': 'application/json', 'retry-after': '1' }).end(REFUSAL);
      });
    });
    let nowMs = START_MS;
    const modelList = [deploymentOf('m', { name: 'a', apiBase: server }, { cooldown_time: 0 })];
    const llm = new FastLiteLLM({ logger: quiet, router: { modelList, learnLimits: true, numRetries: 0 } }, { now: () => nowMs });
    opened.push(llm);
    const aborts = new AbortController();
    const ask = () =>
      llm.client.chat({ model: 'm', messages: HELLO }, { signal: aborts.signal }).catch((error: { code: string }) => error.code);
    await ask();
    isHung = true;
    nowMs += 2_000;
    const probes = [ask()];
    expect(await ask()).toBe('ROUTER_RATE_LIMITED');
    nowMs += 60_000;
    probes.push(ask());
    expect(await ask()).toBe('ROUTER_RATE_LIMITED');
    aborts.abort();
    expect(await Promise.all(probes)).toEqual(['REQUEST_CANCELLED', 'REQUEST_CANCELLED']);
    held.forEach((response) => response.destroy());
  });
});

describe('a client that lies about max_tokens', () => {
  it.each([1e300, -1e12])('keeps others away for two minutes at most: %s', async (maxTokens) => {
    const { ask, askFor, askedAtMs } = await start((asked) => (asked < 2 ? openAI('10000', '9000', '6s') : { headers: {} }));
    await ask();
    await ask({ max_tokens: maxTokens });
    const before = askedAtMs.length;
    await askFor(130_000);
    expect(askedAtMs.length).toBeGreaterThan(before);
  });
});
