import { clientOf, closeClients } from '../../support/llm-client-setup.js';
import { deploymentOf, HELLO, provider, stopProviders } from '../../support/llm-client-providers.js';
import { until } from '../../support/until.js';

afterEach(async () => {
  await closeClients();
  await stopProviders();
});

describe('overheadMs', () => {
  it.each([false, true])('excludes the time of providers and waits before retries, streamed: %p', async (stream) => {
    const slow = await provider('slow', { fault: 'status', status: 500, latencyMs: 300 });
    const { client } = clientOf({ modelList: [deploymentOf('m', slow)], numRetries: 1 });
    const answer = client.chat({ model: 'm', messages: HELLO, stream });
    await until(() => slow.latest !== undefined);
    slow.behave({ fault: null });
    const { call } = await answer;
    expect(call).toMatchObject({ attempts: 2, retries: 1 });
    // 300 ms each of the attempts, and half a second of back-off at least.
    expect(call.overheadMs).toBeGreaterThanOrEqual(0);
    expect(call.durationMs - call.overheadMs).toBeGreaterThanOrEqual(1_090);
  });

  it('excludes the wait for a connection', async () => {
    const slow = await provider('slow', { latencyMs: 400 });
    const { client } = clientOf({ modelList: [deploymentOf('m', slow)] }, {}, { maxConnectionsPerEndpoint: 1 });
    const calls = await Promise.all([1, 2].map(() => client.chat({ model: 'm', messages: HELLO, stream: false })));
    const others = calls.map(({ call }) => call.durationMs - call.overheadMs);
    // The second waits for the first's connection, then for its own answer.
    expect(Math.min(...others)).toBeGreaterThanOrEqual(390);
    expect(Math.max(...others)).toBeGreaterThanOrEqual(780);
  });

  it('includes the time for counting and writing the request', async () => {
    const quick = await provider('quick');
    const { client } = clientOf({ modelList: [deploymentOf('m', quick)] });
    const content = 'one two three four '.repeat(100_000);
    await client.chat({ model: 'm', messages: HELLO });
    const before = performance.now();
    const { call } = await client.chat({ model: 'm', messages: [{ role: 'user', content }], stream: false });
    expect(call.durationMs).toBeLessThanOrEqual(performance.now() - before);
    expect(call.overheadMs).toBeGreaterThan(1);
  });
});
