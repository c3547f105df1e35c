import { FastLiteLLM } from 'nestjs-fast-litellm';
import { once } from 'node:events';
import { clientOf, closeClients } from '../../support/llm-client-setup.js';
import { deploymentOf, HELLO, scripted, stopProviders } from '../../support/llm-client-providers.js';

const HOUR_MS = 3_600_000;
const chat = { model: 'm', messages: HELLO, stream: false } as const;

describe('a call to a model, when the wall clock steps in the middle of it', () => {
  const wall = Date.now;
  let steppedMs = 0;

  beforeEach(() => {
    steppedMs = 0;
    jest.spyOn(Date, 'now').mockImplementation(() => wall() + steppedMs);
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    await closeClients();
    await stopProviders();
  });

  /** A provider that always fails; the clock steps while it does. */
  async function failing(stepMs: number) {
    let requests = 0;
    const apiBase = await scripted((request, response) => {
      if (requests++ === 0) steppedMs = stepMs;
      void once(request.resume(), 'end').then(() => response.writeHead(500).end('{"error":{"message":"no"}}'));
    });
    return { deployment: { name: 'failing', apiBase }, requests: () => requests };
  }

  it('keeps the call’s time limit when the clock steps ahead', async () => {
    const { deployment } = await failing(HOUR_MS);
    const apiBase = await scripted((request, response) => {
      void once(request.resume(), 'end').then(() => response.writeHead(200, { 'content-type': 'application/json' }).end('{"choices":[]}'));
    });
    const modelList = [deploymentOf('m', deployment, { order: 0 }), deploymentOf('m', { name: 'other', apiBase }, { order: 1 })];
    const { client } = clientOf({ modelList, numRetries: 0 });
    const answer = await client.chat(chat, { timeoutMs: 60_000 });
    expect(answer.call).toMatchObject({ deploymentId: 'other', attempts: 2 });
  });

  it('does not extend the call’s time limit when the clock steps back', async () => {
    const { deployment, requests } = await failing(-HOUR_MS);
    const { client } = clientOf({ modelList: [deploymentOf('m', deployment)], retryAfterMs: 30_000 });
    // The first retry would wait longer than that.
    await expect(client.chat(chat, { timeoutMs: 20_000 })).rejects.toMatchObject({ providerStatus: 500 });
    expect(requests()).toBe(1);
  });

  it.each([
    ['a whole answer', {}],
    ['a stream', { stream: true }],
  ])('asks no other deployment for %s once its time is over, though the timer was early', async (_, fields) => {
    let requests = 0;
    const apiBase = await scripted(() => void requests++);
    const modelList = ['m', 'other'].map((group) => deploymentOf(group, { name: group, apiBase }));
    // On a busy event loop timers are milliseconds early; here by all of their time.
    const llm = new FastLiteLLM(
      { router: { modelList, fallbacks: [{ m: ['other'] }], numRetries: 2 }, logger: { log: () => {}, warn: () => {}, error: () => {} } },
      { env: {}, now: () => 0 },
    );
    await expect(llm.client.chat({ ...chat, ...fields }, { timeoutMs: 100 })).rejects.toMatchObject({ code: 'PROVIDER_TIMEOUT' });
    expect(requests).toBeLessThanOrEqual(1);
    await llm.close();
  });

  it('leaves the retry budget as it is when the clock steps', async () => {
    const { deployment, requests } = await failing(HOUR_MS);
    const modelList = ['a', 'b'].map((name) => deploymentOf('m', { ...deployment, name }, { cooldown_time: 0 }));
    const { client } = clientOf({ modelList, numRetries: 1 }, { retryRatio: 0, retriesPerSecond: 0.1 });
    for (let i = 0; i < 3; i++) await expect(client.chat(chat)).rejects.toMatchObject({ providerStatus: 500 });
    expect(requests()).toBe(4);
    steppedMs += HOUR_MS;
    await expect(client.chat(chat)).rejects.toMatchObject({ providerStatus: 500 });
    expect(requests()).toBe(5);
  });
});
