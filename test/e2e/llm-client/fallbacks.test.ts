import { NoDeploymentError, ProviderError } from 'nestjs-fast-litellm';
import type { RouterOptions } from '../../../lib/router/router.options.js';
import type { ProviderBehaviour } from '../../support/local-provider/provider-behaviour.js';
import { clientOf, closeClients, type OpenClient } from '../../support/llm-client-setup.js';
import { deploymentOf, HELLO, provider, stopProviders } from '../../support/llm-client-providers.js';

afterEach(async () => {
  await closeClients();
  await stopProviders();
});

const BROKEN: Partial<ProviderBehaviour> = { fault: 'status', status: 500 };
const TOO_LONG: Partial<ProviderBehaviour> = { fault: 'status', status: 400, errorCode: 'context_length_exceeded' };
const REFUSED: Partial<ProviderBehaviour> = { fault: 'status', status: 400, errorCode: 'content_filter' };

/** A client over one deployment per group, each of a provider of its own, and how often each was asked. */
async function groups(behaviours: Readonly<Record<string, Partial<ProviderBehaviour>>>, settings: RouterOptions, maxAttempts?: number) {
  const providers = await Promise.all(Object.entries(behaviours).map(([name, behaviour]) => provider(name, behaviour)));
  const modelList = providers.map((each) => deploymentOf(each.name, each));
  const open: OpenClient = clientOf({ modelList, numRetries: 0, ...settings }, maxAttempts === undefined ? {} : { maxAttempts });
  const ask = (model: string, more: object = {}) => open.client.chat({ model, messages: HELLO, ...more });
  const asked = () => Object.fromEntries(providers.map(({ name, requests }) => [name, requests]));
  return { ...open, providers, ask, asked };
}

describe('general fallbacks', () => {
  it('tries each target once', async () => {
    const { ask, asked } = await groups({ m: BROKEN, fb: BROKEN, other: {} }, { fallbacks: [{ m: ['fb', 'fb', 'other'] }] });
    const { call } = await ask('m');
    expect(call).toMatchObject({ deploymentId: 'other', group: 'other', fallbacks: 2, attempts: 3, retries: 0 });
    expect(call.failures).toMatchObject([
      { deploymentId: 'm', status: 500 },
      { deploymentId: 'fb', status: 500 },
    ]);
    expect(asked()).toEqual({ m: 1, fb: 1, other: 1 });
  });

  it('throws the original error when fallbacks form a circle', async () => {
    const { ask, asked } = await groups(
      { a: { fault: 'status', status: 503 }, b: BROKEN, c: BROKEN },
      { fallbacks: [{ a: ['b'] }, { b: ['c'] }, { c: ['a', 'b'] }] },
    );
    await expect(ask('a')).rejects.toMatchObject({ providerStatus: 503, deploymentId: 'a' });
    expect(asked()).toEqual({ a: 1, b: 1, c: 1 });
  });

  it('tries a model group once, under whatever alias', async () => {
    const { ask, asked } = await groups(
      { a: BROKEN, b: BROKEN },
      {
        modelGroupAlias: { first: 'a', second: 'b' },
        fallbacks: [{ a: ['second', 'b', 'first'] }, { b: ['first'] }],
        defaultFallbacks: ['a'],
      },
    );
    await expect(ask('first')).rejects.toMatchObject({ deploymentId: 'a' });
    expect(asked()).toEqual({ a: 1, b: 1 });
    await expect(ask('nobody-knows')).rejects.toMatchObject({ deploymentId: 'a' });
    expect(asked()).toEqual({ a: 2, b: 2 });
  });

  it('falls back from one model of a pattern to another', async () => {
    const one = await provider('one', BROKEN);
    const { client } = clientOf({
      modelList: [{ ...deploymentOf('o/*', one), litellm_params: { model: 'openai/*', api_base: one.apiBase } }],
      fallbacks: [{ 'o/large': ['o/small'] }],
      numRetries: 0,
    });
    await expect(client.chat({ model: 'o/large', messages: HELLO })).rejects.toMatchObject({ providerStatus: 500 });
    expect([one.requests, one.latest?.body]).toMatchObject([2, { model: 'small' }]);
  });

  it('follows fallbacks five levels deep at most', async () => {
    const names = ['m0', 'm1', 'm2', 'm3', 'm4', 'm5', 'm6', 'm7'];
    const chain = names.slice(0, -1).map((name, i) => ({ [name]: [names[i + 1]] }));
    const { ask, asked } = await groups(Object.fromEntries(names.map((name) => [name, BROKEN])), { fallbacks: chain });
    await expect(ask('m0')).rejects.toMatchObject({ deploymentId: 'm0' });
    expect(asked()).toEqual({ m0: 1, m1: 1, m2: 1, m3: 1, m4: 1, m5: 1, m6: 0, m7: 0 });
  });

  it('stops at maxAttempts', async () => {
    const { ask, asked } = await groups({ a: BROKEN, b: BROKEN, c: {} }, { fallbacks: [{ a: ['b', 'c'] }] }, 2);
    await expect(ask('a')).rejects.toMatchObject({ deploymentId: 'a' });
    expect(asked()).toEqual({ a: 1, b: 1, c: 0 });
  });

  it('can be replaced or disabled for one call', async () => {
    const { ask, asked } = await groups({ a: BROKEN, b: {}, c: {} }, { fallbacks: [{ a: ['b'] }] });
    expect((await ask('a', { fallbacks: ['c'] })).call.group).toBe('c');
    await expect(ask('a', { disable_fallbacks: true })).rejects.toMatchObject({ deploymentId: 'a' });
    expect(asked()).toEqual({ a: 2, b: 0, c: 1 });
  });

  it.each<[string, RouterOptions['fallbacks']]>([
    ['names', ['c']],
    ['chains by model group', [{ other: ['b'] }, { a: ['c'] }]],
    ['a chain of every model group', [{ '*': ['c'] }]],
    ['an object of chains', { a: ['c'] }],
    ['targets', [{ model: 'c' }]],
    ['targets in a chain', [{ a: [{ model: 'c' }] }]],
  ])('accepts fallbacks of a request as %s', async (_, fallbacks) => {
    const { ask, asked, client } = await groups({ a: BROKEN, b: {}, c: {} }, { fallbacks: [{ a: ['b'] }] });
    expect((await ask('a', { fallbacks })).call.group).toBe('c');
    expect((await client.chat({ model: 'a', messages: HELLO }, { fallbacks })).call.group).toBe('c');
    expect(asked()).toEqual({ a: 2, b: 0, c: 2 });
  });

  it('applies the changes of a request’s fallback, but no key, address, header or control field', async () => {
    const { ask, providers } = await groups({ a: BROKEN, b: {} }, {});
    const shorter = [{ role: 'user', content: 'Hi' }];
    const credentials = {
      api_key: 'sk-own',
      api_base: 'http://127.0.0.1:1',
      base_url: 'http://127.0.0.1:1',
      extra_headers: { 'x-own': '1' },
    };
    const controls = {
      timeout: 1,
      num_retries: 3,
      stream: true,
      stream_options: {},
      tags: ['t'],
      fallbacks: ['b'],
      metadata: { tags: ['t'] },
    };
    const fallbacks = [{ model: 'b', messages: shorter, temperature: 0, ...credentials, ...controls }];
    const { call } = await ask('a', { fallbacks, top_p: 1 });
    expect(call.group).toBe('b');
    expect(providers[1].latest?.body).toEqual({ model: 'gpt-4o', messages: shorter, temperature: 0, top_p: 1 });
    expect(providers[1].latest?.headers).toMatchObject({ authorization: 'Bearer sk-secret-key' });
    expect(providers[1].latest?.headers).not.toHaveProperty('x-own');
  });

  it.each<[string, unknown]>([
    ['fallbacks[1]', ['b', 7]],
    ['fallbacks[0].model', [{ model: '' }]],
    ['fallbacks[0].a', [{ a: 'b' }]],
    ['fallbacks[0].a[0].model', [{ a: [{ messages: [] }] }]],
    ['fallbacks', 'b'],
  ])('rejects a wrong fallback of a request with its path: %s', async (path, fallbacks) => {
    const { ask, asked } = await groups({ a: {}, b: {} }, {});
    await expect(ask('a', { fallbacks })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', path });
    expect(asked()).toEqual({ a: 0, b: 0 });
  });

  it('uses default fallbacks for every group and for unknown models', async () => {
    const { ask } = await groups({ a: BROKEN, rescue: {} }, { defaultFallbacks: ['rescue'] });
    expect((await ask('a')).call.group).toBe('rescue');
    expect((await ask('nobody-knows')).call.group).toBe('rescue');
  });

  it('changes the request as the target says', async () => {
    const b = { model: 'b', temperature: 0.1, api_key: 'sk-other', timeout: 5 };
    const { ask, providers, router } = await groups({ a: BROKEN, b: {} }, { routerSettings: { fallbacks: [{ a: [b] }] } });
    await ask('a', { temperature: 0.9, top_p: 1 });
    expect(providers[1].latest?.body).toEqual({ model: 'gpt-4o', messages: HELLO, temperature: 0.1, top_p: 1 });
    expect(router.warnings).toEqual(
      ['api_key', 'timeout'].map(
        (key) =>
          `router.routerSettings.fallbacks: ${key} of a fallback has no effect; set it in a deployment of the fallback's model group`,
      ),
    );
  });

  it('uses no fallback after a success, and throws for unknown models without one', async () => {
    const { ask } = await groups({ a: {} }, {});
    expect((await ask('a')).call).toMatchObject({ fallbacks: 0, attempts: 1, failures: [] });
    await expect(ask('nobody-knows')).rejects.toBeInstanceOf(NoDeploymentError);
  });
});

describe('context window and content policy fallbacks', () => {
  it('uses the chains for these errors', async () => {
    const settings: RouterOptions = {
      fallbacks: [{ long: ['general'] }, { bad: ['general'] }, { broken: ['general'] }],
      contextWindowFallbacks: [{ long: ['large'] }],
      contentPolicyFallbacks: [{ bad: ['tolerant'] }],
    };
    const { ask, asked } = await groups({ long: TOO_LONG, bad: REFUSED, broken: BROKEN, large: {}, tolerant: {}, general: {} }, settings);
    expect((await ask('long')).call.group).toBe('large');
    expect((await ask('bad')).call.group).toBe('tolerant');
    expect((await ask('broken')).call.group).toBe('general');
    expect(asked()).toMatchObject({ long: 1, bad: 1, broken: 1, large: 1, tolerant: 1, general: 1 });
  });

  it('uses the general chain for a group without a context window chain', async () => {
    const settings = { fallbacks: [{ long: ['general'] }], contextWindowFallbacks: [{ other: ['general'] }] };
    const { ask } = await groups({ long: TOO_LONG, general: {} }, settings);
    expect((await ask('long')).call.group).toBe('general');
  });

  it('throws the original error for a group without a content policy chain where others have one', async () => {
    const settings = { fallbacks: [{ bad: ['general'] }], contentPolicyFallbacks: [{ other: ['general'] }] };
    const { ask, asked } = await groups({ bad: REFUSED, general: {} }, settings);
    const error = await ask('bad').catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ProviderError);
    expect(error).toMatchObject({ kind: 'content_policy', code: 'PROVIDER_CONTENT_POLICY', providerCode: 'content_filter' });
    expect(asked().general).toBe(0);
  });

  it('uses the general chain where no chain for the error exists', async () => {
    const { ask } = await groups({ long: TOO_LONG, general: {} }, { fallbacks: [{ long: ['general'] }] });
    expect((await ask('long')).call.group).toBe('general');
  });

  it('detects a too long prompt before it is sent', async () => {
    const providers = await Promise.all(['small', 'large'].map((name) => provider(name)));
    const [small, large] = providers.map((each) => deploymentOf(each.name, each));
    const { client } = clientOf({
      modelList: [{ ...small, model_info: { id: 'small', max_input_tokens: 5 } }, large],
      enablePreCallChecks: true,
      contextWindowFallbacks: [{ small: ['large'] }],
    });
    expect((await client.chat({ model: 'small', messages: HELLO })).call.group).toBe('large');
    expect(providers[0].requests).toBe(0);
  });
});

describe('priority tiers', () => {
  it('are tried one after the other, each with its own retries', async () => {
    const providers = await Promise.all([provider('first', BROKEN), provider('second', BROKEN), provider('third')]);
    const modelList = providers.map((each, order) => deploymentOf('m', each, { order: order + 1 }));
    const { client } = clientOf({ modelList, disableCooldowns: true, numRetries: 1, retryPolicy: { InternalServerErrorRetries: 0 } });
    const { call } = await client.chat({ model: 'm', messages: HELLO });
    expect(call).toMatchObject({ deploymentId: 'third', attempts: 3, fallbacks: 0 });
    expect(providers.map(({ requests }) => requests)).toEqual([1, 1, 1]);
  });

  it('are tried across groups for a request that names the deployments’ own model', async () => {
    const providers = await Promise.all([provider('first', BROKEN), provider('second')]);
    const modelList = providers.map((each, order) => deploymentOf(each.name, each, { order }));
    const { client } = clientOf({ modelList, numRetries: 0 });
    expect((await client.chat({ model: 'openai/gpt-4o', messages: HELLO })).call).toMatchObject({ deploymentId: 'second', retries: 0 });
  });

  it('end with the error of the last tier', async () => {
    const providers = await Promise.all([provider('first', BROKEN), provider('second', { fault: 'status', status: 503 })]);
    const modelList = providers.map((each, order) => deploymentOf('m', each, { order }));
    const { client } = clientOf({ modelList, disableCooldowns: true, numRetries: 0 });
    await expect(client.chat({ model: 'm', messages: HELLO })).rejects.toMatchObject({ providerStatus: 503 });
    expect(providers.map(({ requests }) => requests)).toEqual([1, 1]);
  });

  it('are tried after a 400, too, but not after a content policy error', async () => {
    const providers = await Promise.all([provider('first', { fault: 'status', status: 400 }), provider('second')]);
    const { client } = clientOf({ modelList: providers.map((each, order) => deploymentOf('m', each, { order })) });
    expect((await client.chat({ model: 'm', messages: HELLO })).call).toMatchObject({ deploymentId: 'second', attempts: 2, retries: 0 });
    providers[0].behave(REFUSED);
    await expect(client.chat({ model: 'm', messages: HELLO })).rejects.toMatchObject({ kind: 'content_policy' });
    expect(providers.map(({ requests }) => requests)).toEqual([2, 1]);
  });
});
