import { clientOf, closeClients } from '../../support/llm-client-setup.js';
import { deploymentOf, HELLO, provider, scripted, stopProviders } from '../../support/llm-client-providers.js';

// What the body of a request may ask for, within `llmClient.callerLimits` and `CallOptions.mayCall`.

afterEach(async () => {
  await closeClients();
  await stopProviders();
});

const body = (more: object) => ({ model: 'm', messages: HELLO, ...more });

describe('llmClient.callerLimits', () => {
  it.each([
    ['timeout', 'timeoutMs', { timeout: 600 }],
    ['timeout of a stream', 'timeoutMs', { timeout: 600, stream: true }],
  ])('shortens the %s of a body', async (_, limit, more) => {
    const apiBase = await scripted(() => {});
    const modelList = [deploymentOf('m', { name: 'silent', apiBase })];
    const { client, router } = clientOf({ modelList, numRetries: 0, timeoutMs: 600_000 }, { callerLimits: { [limit]: 100 } });
    const startedMs = performance.now();
    await expect(client.chat(body(more) as never)).rejects.toMatchObject({ code: 'PROVIDER_TIMEOUT' });
    expect(performance.now() - startedMs).toBeLessThan(10_000);
    // The request was given less time than the operator allows: the deployment is not to blame.
    expect(router.status()[0]).toMatchObject({ failures: 0, state: 'available' });
  });

  it('does not lengthen the stream_timeout of a deployment', async () => {
    const apiBase = await scripted(() => {});
    const modelList = [deploymentOf('m', { name: 'silent', apiBase }, { stream_timeout: 0.1 })];
    const { client, router } = clientOf({ modelList, numRetries: 0 }, { callerLimits: { timeoutMs: 600_000 } });
    await expect(client.chat(body({ stream: true, stream_timeout: 600 }))).rejects.toMatchObject({ code: 'PROVIDER_TIMEOUT' });
    expect(router.status()[0].failures).toBe(1);
  });

  it('bounds the retries of a body', async () => {
    const broken = await provider('broken', { fault: 'status', status: 500 });
    const modelList = ['a', 'b'].map((name) => deploymentOf('m', { name, apiBase: broken.apiBase }));
    const { client } = clientOf({ modelList, disableCooldowns: true, numRetries: 5 }, { callerLimits: { numRetries: 1 } });
    await expect(client.chat(body({ num_retries: 5 }))).rejects.toMatchObject({ providerStatus: 500 });
    expect(broken.requests).toBe(2);
  });

  it.each(['fallbacks', 'context_window_fallbacks', 'content_policy_fallbacks'])('bounds the number of %s in a body', async (field) => {
    const one = await provider('one');
    const modelList = [deploymentOf('m', one), deploymentOf('n', { name: 'n', apiBase: one.apiBase })];
    const { client } = clientOf({ modelList, maxFallbacks: 10 }, { callerLimits: { maxFallbacks: 2 } });
    await expect(client.chat(body({ [field]: ['n', 'n', 'n'] }))).rejects.toMatchObject({ code: 'TOO_MANY_ENTRIES', path: field });
    await expect(client.chat(body({ [field]: [{ m: ['n', 'n'] }, { o: ['n'] }] }))).rejects.toMatchObject({ path: field });
    expect(one.requests).toBe(0);
    expect((await client.chat(body({ [field]: ['n', 'n'] }) as never)).call.deploymentId).toBe('one');
  });

  it('does not bound the options of the program', async () => {
    const broken = await provider('broken', { fault: 'status', status: 500 });
    const modelList = ['a', 'b'].map((name) => deploymentOf('m', { name, apiBase: broken.apiBase }));
    const { client } = clientOf({ modelList, disableCooldowns: true, numRetries: 0 }, { callerLimits: { numRetries: 0, maxFallbacks: 0 } });
    await expect(client.chat(body({}), { numRetries: 2, fallbacks: ['m'] })).rejects.toMatchObject({ providerStatus: 500 });
    expect(broken.requests).toBe(3);
  });
});

describe('CallOptions.mayCall', () => {
  it('is asked for each fallback of a body, in every form, and rejects the others before anything is sent', async () => {
    const [m, n] = await Promise.all([provider('m', { fault: 'status', status: 500 }), provider('n')]);
    const { client } = clientOf({ modelList: [deploymentOf('m', m), deploymentOf('n', n)], numRetries: 0 });
    const asked: string[] = [];
    const mayCall = (model: string): boolean => {
      asked.push(model);
      return model !== 'secret';
    };
    expect((await client.chat(body({ fallbacks: ['n'] }) as never, { mayCall })).call.group).toBe('n');
    expect(asked).toEqual(['m', 'n']);
    for (const fallbacks of [['n', 'secret'], [{ m: ['secret'] }], [{ model: 'secret', messages: HELLO }]]) {
      await expect(client.chat(body({ fallbacks }), { mayCall })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', path: 'fallbacks' });
    }
    expect([m.requests, n.requests]).toEqual([1, 1]);
  });

  it('is not asked for fallbacks of the program or the router', async () => {
    const [m, n] = await Promise.all([provider('m', { fault: 'status', status: 500 }), provider('n')]);
    const modelList = [deploymentOf('m', m), deploymentOf('n', n)];
    const { client } = clientOf({ modelList, numRetries: 0, fallbacks: [{ m: ['n'] }] });
    const mayCall = jest.fn((model: string) => model === 'm');
    expect((await client.chat(body({}) as never, { mayCall })).call.group).toBe('n');
    expect((await client.chat(body({}) as never, { mayCall, fallbacks: ['n'] })).call.group).toBe('n');
    expect(mayCall.mock.calls).toEqual([['m'], ['m']]);
  });

  it('is asked for the model of the body, and rejects another one before anything is sent', async () => {
    const m = await provider('m');
    const { client } = clientOf({ modelList: [deploymentOf('m', m)] });
    const refused = client.chat(body({}), { mayCall: (model) => model !== 'm' });
    await expect(refused).rejects.toMatchObject({ code: 'MODEL_NOT_ALLOWED', status: 403, model: 'm' });
    expect(m.requests).toBe(0);
  });
});
