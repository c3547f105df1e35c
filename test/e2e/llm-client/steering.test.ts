import type { CallOptions, LlmClientOptions, LlmStream } from 'nestjs-fast-litellm';
import type { RouterOptions } from '../../../lib/router/router.options.js';
import type { ProviderBehaviour } from '../../support/local-provider/provider-behaviour.js';
import { clientOf, closeClients } from '../../support/llm-client-setup.js';
import { deploymentOf, HELLO, provider, stopProviders } from '../../support/llm-client-providers.js';

// What a call is steered by: its body, the program's options, its deployment and the router, one before the other.

afterEach(async () => {
  await closeClients();
  await stopProviders();
});

const HANGS: Partial<ProviderBehaviour> = { fault: 'hang' };
const BROKEN: Partial<ProviderBehaviour> = { fault: 'status', status: 500 };
/** Seconds, as LiteLLM has them: soon over, long enough for who answers on a loaded machine, and never over within a test. */
const [AT_ONCE, SOON, LATE] = [0.1, 1, 600];

/** Two deployments of `m`, the first before the second. */
async function over(
  first: Partial<ProviderBehaviour>,
  params: object = {},
  settings: RouterOptions = {},
  llmClient: LlmClientOptions = {},
) {
  const providers = await Promise.all([provider('first', first), provider('second')]);
  const modelList = providers.map((each, order) => deploymentOf('m', each, { order, ...(order === 0 ? params : {}) }));
  const { client, router } = clientOf({ modelList, numRetries: 0, ...settings }, llmClient);
  const ask = (body: object = {}, options: CallOptions = {}) => client.chat({ model: 'm', messages: HELLO, ...body }, options);
  return { ask, providers, router };
}

describe('the time limit of a call', () => {
  it.each<[string, object, RouterOptions, object, CallOptions]>([
    ['an attempt, by its deployment', { timeout: SOON }, {}, {}, {}],
    ['an attempt, by its deployment, streamed', { timeout: SOON }, {}, { stream: true }, {}],
    ['an attempt, by the router', {}, { timeoutMs: 1000 * SOON }, {}, {}],
    ['an attempt, by the router, streamed', {}, { timeoutMs: 1000 * SOON }, { stream: true }, {}],
    ['an attempt, by the body', {}, {}, { timeout: SOON }, {}],
    ['an attempt, by the body, streamed', {}, {}, { timeout: SOON, stream: true }, {}],
    ['an attempt, by the body, within the time of all', {}, {}, { timeout: SOON, total_timeout: LATE }, {}],
    ['a first chunk, by the router', {}, { streamTimeoutMs: 1000 * SOON }, { stream: true }, {}],
    ['a first chunk, by its deployment', { stream_timeout: SOON }, { streamTimeoutMs: 1000 * LATE }, { stream: true }, {}],
    ['a first chunk, by the body', { stream_timeout: LATE }, {}, { stream: true, stream_timeout: SOON }, {}],
    ['a first chunk, by the program', {}, {}, { stream: true, stream_timeout: LATE }, { streamTimeoutMs: 1000 * SOON }],
  ])('leaves time for another deployment when it is that of %s', async (_, params, settings, body, options) => {
    const { ask } = await over(HANGS, params, settings);
    expect((await ask(body, options)).call).toMatchObject({
      deploymentId: 'second',
      failures: [{ deploymentId: 'first', kind: 'timeout' }],
    });
  });

  it.each([false, true])('is reported to the router as a time-out, streamed: %p', async (stream) => {
    const { ask, router } = await over(HANGS, { timeout: AT_ONCE, stream_timeout: AT_ONCE });
    await ask({ stream });
    // 1,000 s, so that the strategy by latency asks others first.
    const { latencyMs, timeToFirstTokenMs, failures } = router.status()[0];
    expect([latencyMs, timeToFirstTokenMs, failures]).toEqual([1_000_000, 1_000_000, 1]);
  });

  it('does not end a stream after its first chunk when it is that of an attempt', async () => {
    const { ask } = await over({ tokens: 40, chunkDelayMs: 50 }, { timeout: SOON, stream_timeout: null });
    const stream = (await ask({ stream: true })) as unknown as LlmStream;
    let chunks = 0;
    for await (const chunk of stream) chunks += (chunk.choices as unknown[]).length;
    expect(stream.call.deploymentId).toBe('first');
    expect(chunks).toBeGreaterThanOrEqual(40);
  });

  it.each<[string, LlmClientOptions, object, CallOptions]>([
    ['the client', { callTimeoutMs: 1000 * AT_ONCE }, {}, {}],
    ['the body', {}, { total_timeout: AT_ONCE }, {}],
    ['the program, before the body', {}, { timeout: LATE }, { timeoutMs: 1000 * AT_ONCE }],
  ])('holds for all attempts when it is set by %s', async (_, llmClient, body, options) => {
    const { ask, providers } = await over(HANGS, {}, {}, llmClient);
    await expect(ask(body, options)).rejects.toMatchObject({ kind: 'timeout', deploymentId: 'first' });
    expect(providers[1].requests).toBe(0);
  });
});

describe('the retries of a call', () => {
  const policy = (retries: number) => ({ InternalServerErrorRetries: retries });
  it.each<[string, Readonly<Record<string, unknown>>, RouterOptions, object, CallOptions, number]>([
    ['the router', {}, { numRetries: 1 }, {}, {}, 2],
    ['the body', {}, { numRetries: 2 }, { num_retries: 1 }, {}, 2],
    ['the router, at most, for the body', {}, { numRetries: 1 }, { num_retries: 10 }, {}, 2],
    ['the program, before the body', {}, {}, { num_retries: 2 }, { numRetries: 0 }, 1],
    ['its deployment, before policies', { num_retries: 1 }, { retryPolicy: policy(3) }, {}, {}, 2],
    ['the program, below those of the deployment', { num_retries: 1 }, {}, {}, { numRetries: 0 }, 1],
    ['the body, below those of the deployment', { num_retries: 3 }, { numRetries: 2 }, { num_retries: 1 }, {}, 2],
    ['its deployment, at most, for the body', { num_retries: 0 }, { numRetries: 2 }, { num_retries: 2 }, {}, 1],
    ['the policy of its group', {}, { modelGroupRetryPolicy: { m: policy(1) }, retryPolicy: policy(4), numRetries: 5 }, {}, {}, 2],
  ])('come from %s', async (_, params, settings, body, options, requests) => {
    // With another one beside it, retries wait for nothing.
    const providers = await Promise.all([provider('a', BROKEN), provider('b', BROKEN)]);
    const modelList = providers.map((each) => deploymentOf('m', each, params));
    const { client } = clientOf({ modelList, disableCooldowns: true, numRetries: 0, ...settings });
    await expect(client.chat({ model: 'm', messages: HELLO, ...body }, options)).rejects.toMatchObject({ providerStatus: 500 });
    expect(providers[0].requests + providers[1].requests).toBe(requests);
  });
});

describe('the deployment of a call', () => {
  it.each<[string, RouterOptions, object, CallOptions]>([
    ['tags of the body', { enableTagFiltering: true }, { tags: ['paid'] }, {}],
    ['tags of its metadata', { enableTagFiltering: true }, { metadata: { tags: ['paid'] } }, {}],
    ['tags of the program, before the body', { enableTagFiltering: true }, { tags: ['free'] }, { routing: { tags: ['paid'] } }],
    ['a strategy of the body', { strategy: 'usage_based' }, { routing_strategy: 'cost-based-routing' }, {}],
    ['a strategy of the program, before the body', {}, { routing_strategy: 'simple-shuffle' }, { routing: { strategy: 'cost_based' } }],
  ])('is selected by %s', async (_, settings, body, options) => {
    const providers = await Promise.all(['free', 'paid'].map((name) => provider(name)));
    const modelList = providers.map((each, at) => deploymentOf('m', each, { tags: [each.name], input_cost_per_token: 2 - at }));
    const { client } = clientOf({ modelList, ...settings });
    for (let i = 0; i < 8; i++) await client.chat({ model: 'm', messages: HELLO, ...body }, options);
    expect(providers.map(({ requests }) => requests)).toEqual([0, 8]);
  });
});
