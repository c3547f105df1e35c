import { inspect } from 'node:util';
import { InvalidArgumentError, ProviderError, RouterRateLimitError } from 'nestjs-fast-litellm';
import type { ProviderBehaviour } from '../../support/local-provider/provider-behaviour.js';
import { clientOf, closeClients, isOver } from '../../support/llm-client-setup.js';
import { deploymentOf, HELLO, provider, stopProviders } from '../../support/llm-client-providers.js';
import { until } from '../../support/until.js';

afterEach(async () => {
  await closeClients();
  await stopProviders();
});

const status = (code: number, more: Partial<ProviderBehaviour> = {}): Partial<ProviderBehaviour> => ({
  fault: 'status',
  status: code,
  ...more,
});
const chat = { model: 'm', messages: HELLO, stream: false } as const;

async function over(behaviours: readonly Partial<ProviderBehaviour>[], settings: object = {}, options: object = {}, inOrder = true) {
  const providers = await Promise.all(behaviours.map((behaviour, i) => provider(`p${i}`, behaviour)));
  const modelList = providers.map((each, order) => deploymentOf('m', each, inOrder ? { order } : {}));
  const open = clientOf({ modelList, ...settings }, options);
  return { ...open, open, providers };
}

describe('a failed attempt', () => {
  it.each<[string, Partial<ProviderBehaviour>]>([
    ['answers 500', status(500)],
    ['answers 429', status(429)],
    ['answers 401', status(401)],
    ['has no credit left', status(402)],
    ['resets the connection', { fault: 'reset' }],
    ['answers garbage', { fault: 'garbage' }],
    ['speaks no HTTP', { fault: 'protocol' }],
    ['cuts its answer', { fault: 'cut' }],
  ])('is followed by another deployment at once: the first %s', async (_, behaviour) => {
    const { client, open, providers } = await over([behaviour, {}]);
    for (let i = 0; i < 5; i++) expect((await client.chat(chat)).call.deploymentId).toBe('p1');
    expect(providers[0].requests).toBeGreaterThan(0);
    await until(() => isOver(open));
  });

  it('is followed by another deployment when the connection is refused, or no answer comes', async () => {
    // Long enough for the last one to answer on a loaded machine: its attempt has no more time than the one that hangs.
    const { client, providers } = await over([{}, { fault: 'hang' }, {}], { numRetries: 0 }, { attemptTimeoutMs: 2_000 });
    await providers[0].stop();
    expect((await client.chat(chat)).call).toMatchObject({ deploymentId: 'p2', attempts: 3 });
    expect(providers[1].requests).toBe(1);
  });

  it('is followed by another deployment with max_retries: 0, which is for SDKs', async () => {
    const providers = await Promise.all([provider('cheap', status(500)), provider('dear')]);
    const modelList = providers.map((each, at) => deploymentOf('m', each, { input_cost_per_token: at / 1e6, max_retries: 0 }));
    const { client, router } = clientOf({ modelList, strategy: 'cost_based' });
    expect((await client.chat(chat)).call).toMatchObject({ deploymentId: 'dear', retries: 1 });
    expect(router.warnings).toEqual([]);
  });

  it('is recorded, like every attempt of its call', async () => {
    const { client, router } = await over([status(500), status(500)], { numRetries: 1 }, {}, false);
    await expect(client.chat(chat)).rejects.toMatchObject({ providerStatus: 500 });
    expect(router.status().map(({ failures }) => failures)).toEqual([1, 1]);
  });

  it('is retried after the wait that a lone provider asks for', async () => {
    const { client, providers } = await over([status(429, { retryAfter: '0.3' })], { numRetries: 1 });
    const startedMs = performance.now();
    const answer = client.chat(chat);
    await until(() => providers[0].latest !== undefined);
    providers[0].behave({ fault: null });
    expect((await answer).call).toMatchObject({ retries: 1 });
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(299);
  });

  it.each<[string, Partial<ProviderBehaviour>, string]>([
    ['400', status(400), 'bad_request'],
    ['401 of the only one', status(401), 'authentication'],
    ['404', status(404), 'not_found'],
    ['422', status(422), 'bad_request'],
  ])('is not retried after %s', async (_, behaviour, kind) => {
    const { client, providers } = await over([behaviour]);
    await expect(client.chat(chat)).rejects.toMatchObject({ kind });
    expect(providers[0].requests).toBe(1);
  });

  it('is not retried when the provider asks for more time than the call has', async () => {
    const { client, providers } = await over([status(429, { retryAfter: '30' })], { numRetries: 1 });
    await expect(client.chat(chat, { timeoutMs: 20_000 })).rejects.toMatchObject({ providerStatus: 429, retryAfterMs: 30_000 });
    expect(providers[0].requests).toBe(1);
  });

  it('is retried as the policy of its kind, its group or its deployment says', async () => {
    const many = { disableCooldowns: true };
    const { client, providers } = await over(
      [status(400), status(400)],
      { ...many, retryPolicy: { BadRequestErrorRetries: 3 } },
      {},
      false,
    );
    await expect(client.chat(chat)).rejects.toThrow(ProviderError);
    expect(providers[0].requests + providers[1].requests).toBe(4);
    const policies = { retryPolicy: { InternalServerErrorRetries: 0 }, modelGroupRetryPolicy: { m: { InternalServerErrorRetries: 4 } } };
    const group = await over([status(500), status(500)], { ...many, ...policies }, {}, false);
    await expect(group.client.chat(chat)).rejects.toThrow(ProviderError);
    expect(group.providers[0].requests + group.providers[1].requests).toBe(5);
    const one = await provider('own', status(500));
    const two = await provider('own-too', status(500));
    const modelList = [one, two].map((each) => deploymentOf('m', each, { num_retries: 1 }));
    await expect(clientOf({ modelList, ...many, ...policies }).client.chat(chat)).rejects.toThrow(ProviderError);
    expect(one.requests + two.requests).toBe(2);
  });

  it('is not retried when the retry budget is used up', async () => {
    const { client, providers } = await over(
      [status(500), status(500)],
      { disableCooldowns: true },
      { retryRatio: 0, retriesPerSecond: 0 },
      false,
    );
    await expect(client.chat(chat)).rejects.toThrow(ProviderError);
    expect(providers[0].requests + providers[1].requests).toBe(1);
    expect(client.metrics().find(({ name }) => name === 'llm_client_retries_refused_total')?.value).toBe(1);
  });
});

describe('a call', () => {
  it('ends at its time limit', async () => {
    const { client, open, providers } = await over([{ fault: 'hang' }, { fault: 'hang' }]);
    const error: unknown = await client.chat(chat, { timeoutMs: 1500 }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ kind: 'timeout', code: 'PROVIDER_TIMEOUT' });
    expect((error as ProviderError).getStatus()).toBe(504);
    expect(providers[0].requests + providers[1].requests).toBe(1);
    await until(() => isOver(open));
  });

  it('says how long to wait when all deployments are in cooldown', async () => {
    const { client } = await over([status(429, { retryAfter: '30' }), status(429, { retryAfter: '20' })]);
    await expect(client.chat(chat)).rejects.toMatchObject({ kind: 'rate_limit', retryAfterMs: expect.any(Number) as number });
    const error: unknown = await client.chat(chat).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(RouterRateLimitError);
    const { retryAfterMs = 0 } = error as RouterRateLimitError;
    expect(retryAfterMs).toBeGreaterThan(15_000);
    expect(retryAfterMs).toBeLessThanOrEqual(20_000);
  });

  it('shows no key in its error, whatever the provider repeats', async () => {
    const { client, providers } = await over([status(401)]);
    providers[0].behave({ errorCode: 'sk-secret-key' });
    const error: unknown = await client.chat(chat).catch((thrown: unknown) => thrown);
    expect(inspect(error, { depth: 10 })).not.toContain('sk-secret-key');
  });

  it.each<[string, object]>([
    ['model', { messages: HELLO }],
    ['model', { model: '', messages: HELLO }],
    ['stream', { ...chat, stream: 'yes' }],
    ['num_retries', { ...chat, num_retries: 1000 }],
    ['timeout', { ...chat, timeout: 0 }],
    ['fallbacks', { ...chat, fallbacks: 'other' }],
    ['tags[0]', { ...chat, tags: [7] }],
    ['routing_strategy', { ...chat, routing_strategy: '' }],
  ])('is rejected for a wrong %s', async (path, body) => {
    const { client, providers } = await over([{}]);
    const attempt = client.chat(body as never);
    await expect(attempt).rejects.toBeInstanceOf(InvalidArgumentError);
    await expect(attempt).rejects.toMatchObject({ path });
    expect(providers[0].requests).toBe(0);
  });

  it('does not call a deployment whose address is an unset variable', async () => {
    const one = await provider('one');
    const nowhere = deploymentOf('m', { name: 'nowhere', apiBase: 'os.environ/NO_SUCH_BASE' }, { order: 0 });
    const { client, router } = clientOf({ modelList: [nowhere, deploymentOf('m', one, { order: 1 })] });
    expect(router.warnings).toEqual([expect.stringContaining('nowhere: the environment variable NO_SUCH_BASE is not set')]);
    // Whatever client is made from these, it can ask nobody either.
    expect(router.deployments()[0].params.api_base).toBe('os.environ/NO_SUCH_BASE');
    expect((await client.chat(chat)).call).toMatchObject({ deploymentId: 'one', failures: [] });
    router.removeDeployment('one');
    await expect(client.chat(chat)).rejects.toMatchObject({ code: 'DEPLOYMENT_MISCONFIGURED', deploymentIds: ['nowhere'] });
  });

  it('goes to another deployment when one is uncallable, and throws when there is none', async () => {
    const one = await provider('one');
    const nowhere = { model_name: 'm', litellm_params: { model: 'sagemaker/claude', order: 1 }, model_info: { id: 'nowhere' } };
    const open = clientOf({ modelList: [nowhere, deploymentOf('m', one, { order: 2 })], numRetries: 0 });
    expect((await open.client.chat(chat)).call).toMatchObject({ deploymentId: 'one', failures: [] });
    const lone = clientOf({ modelList: [nowhere] });
    await expect(lone.client.chat(chat)).rejects.toMatchObject({
      code: 'DEPLOYMENT_MISCONFIGURED',
      deploymentIds: ['nowhere'],
    });
    expect(lone.router.status()[0]).toMatchObject({ state: 'uncallable', requests: 0, failures: 0, inFlight: 0 });
    const any = clientOf({ modelList: [{ model_name: '*', litellm_params: { model: '*' } }] });
    await expect(any.client.chat({ ...chat, model: 'sagemaker/claude' })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      path: 'model',
    });
    expect(any.router.status()[0]).toMatchObject({ failures: 0, inFlight: 0 });
  });

  it('rejects when reading its body throws', async () => {
    const { client } = await over([{}]);
    const broken = Object.defineProperty({ model: 'm' }, 'messages', { enumerable: true, get: () => JSON.parse('{') as unknown });
    for (const operation of ['chat', 'embeddings'] as const) {
      const attempt: unknown = client[operation](broken as never);
      expect(attempt).toBeInstanceOf(Promise);
      await expect(attempt).rejects.toBeInstanceOf(SyntaxError);
    }
  });

  it('does not send the router’s fields to the provider', async () => {
    const { client, providers } = await over([{}]);
    const steering = {
      num_retries: 0,
      timeout: 20,
      fallbacks: [],
      tags: ['a'],
      routing_strategy: 'least-busy',
      disable_fallbacks: true,
      api_key: 'sk-own',
    };
    await client.chat({ ...chat, ...steering, metadata: { tags: ['a'], team: 'b' }, user: 'u' });
    const sent = { model: 'gpt-4o', messages: HELLO, stream: false, user: 'u' };
    expect(providers[0].latest?.body).toEqual({ ...sent, metadata: { team: 'b' } });
    await client.chat({ ...chat, metadata: { tags: ['a'] }, user: 'u' });
    expect(providers[0].latest?.body).toEqual(sent);
    await client.chat({ ...chat, metadata: { tags: 'a' }, user: 'u' });
    expect(providers[0].latest?.body).toEqual({ ...sent, metadata: { tags: 'a' } });
    expect(providers[0].latest?.headers).toMatchObject({ authorization: 'Bearer sk-secret-key', 'content-type': 'application/json' });
  });

  it('adds the deployment’s fields, and prefers those of the request', async () => {
    const one = await provider('one');
    const thinking = { type: 'enabled', budget_tokens: 1024 };
    const params = { temperature: 0.3, max_tokens: 5, thinking, extra_body: { min_p: 0.1 }, extra_headers: { 'x-team': 'a' } };
    const { client } = clientOf({ modelList: [deploymentOf('m', one, params)] });
    await client.chat({ ...chat, temperature: 1 });
    expect(one.latest).toMatchObject({ body: { temperature: 1, max_tokens: 5, thinking, min_p: 0.1 }, headers: { 'x-team': 'a' } });
  });

  it('returns the unchanged answer with its usage', async () => {
    const { client, router } = await over([{}]);
    const answer = await client.chat(chat);
    expect(answer.json()).toMatchObject({ object: 'chat.completion', usage: { completion_tokens: 12 } });
    expect(answer.usage).toMatchObject({ completionTokens: 12 });
    expect(router.status()[0]).toMatchObject({ successes: 1, tokens: answer.usage?.totalTokens });
    const vectors = await client.embeddings({ model: 'm', input: ['a', 'b'] });
    expect(vectors.json<{ data: unknown[] }>().data).toHaveLength(2);
  });
});
