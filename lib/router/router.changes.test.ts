import { deployment, routerEngines, routerOn } from '../../test/support/router-engines.js';
import type { StateOfRouter } from './redis/shared-state.js';

const [engine] = routerEngines();

describe('a router at runtime', () => {
  it('adds, changes and removes deployments, which keep their state by id', () => {
    const { router } = routerOn(engine, { strategy: 'least_busy', modelList: [deployment('a'), deployment('b')] });
    const pick = router.acquire('a');
    for (let number = 0; number < 30; number++) router.addDeployment(deployment(`n${number}`, {}, 'other'));
    expect(router.status().map(({ id, inFlight }) => [id, inFlight])[0]).toEqual(['a', 1]);
    expect(() => router.addDeployment(deployment('a'))).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    expect(router.deployments()).toHaveLength(32);
    expect(router.updateDeployment('a', { litellm_params: { model: 'openai/new', rpm: 5 } })).toMatchObject({
      rpm: 5,
      model: 'openai/new',
    });
    expect(router.deployments()[0].params.api_key).toBe('sk-secret-a');
    expect(router.updateDeployment('none', {})).toBeUndefined();
    expect(router.removeDeployment('a')).toBe(true);
    expect(router.removeDeployment('a')).toBe(false);
    // Its place is not given to another one before the request is back.
    for (let number = 0; number < 20; number++) router.addDeployment(deployment(`m${number}`, {}, 'third'));
    expect(router.status().every(({ inFlight }) => inFlight === 0)).toBe(true);
    router.succeeded(pick, { latencyMs: 1 });
    expect(router.status().every(({ inFlight, successes }) => inFlight === 0 && successes === 0)).toBe(true);
    expect(router.acquire('gpt-4').deployment.id).toBe('b');
  });

  it('keeps the counts of finished calls, and counts those in flight, when settings change', () => {
    const { router } = routerOn(engine, { modelList: [deployment('a')] });
    const pick = router.acquire('a');
    router.succeeded(router.acquire('a'), { latencyMs: 1 });
    router.updateSettings({ cooldownMs: 1 });
    router.updateDeployment('a', { litellm_params: { model: 'openai/a', rpm: 5 } });
    router.failed(pick, { status: 500 });
    const counts = router.metrics().filter(({ name }) => name === 'router_deployment_calls_total');
    expect(counts.map(({ labels, value }) => [labels?.outcome, value])).toEqual([
      ['success', 1],
      ['failure', 1],
      ['refused', 0],
    ]);
  });

  it('restores the state of a removed deployment that is added again beside new ones', () => {
    const { router } = routerOn(engine, { modelList: [deployment('a'), deployment('b')] });
    router.failed(router.acquire('a'), { status: 401 });
    const before = router.status()[0];
    expect(before).toMatchObject({ id: 'a', state: 'cooling', failures: 1 });
    router.setModelList([deployment('b')]);
    router.setModelList([deployment('new'), deployment('a'), deployment('b')]);
    expect(router.status()).toMatchObject([{ id: 'new', state: 'available', failures: 0 }, before, { id: 'b', failures: 0 }]);
    const counts = router.metrics().filter(({ name, value }) => name === 'router_deployment_calls_total' && value > 0);
    expect(counts).toMatchObject([{ value: 1, labels: { deployment: 'a', outcome: 'failure' } }]);
  });

  it('clears the slot of a removed deployment before another one gets it', () => {
    const { router } = routerOn(engine, { modelList: [deployment('a'), deployment('b')] });
    router.succeeded(router.acquire('a'), { latencyMs: 40, timeToFirstTokenMs: 9, promptTokens: 7 });
    router.failed(router.acquire('a'), { status: 401 });
    router.setModelList([deployment('b')]);
    router.addDeployment(deployment('new'));
    const [, state] = router.status();
    expect(state).toEqual({ ...router.status()[0], id: 'new', model: 'openai/new' });
    expect(state).toMatchObject({ state: 'available', requests: 0, latencyMs: 0 });
  });

  it('keeps the id of a deployment when a change names another one', () => {
    const { router } = routerOn(engine, { modelList: [deployment('a'), deployment('b')] });
    expect(router.updateDeployment('a', { model_info: { id: 'b', max_input_tokens: 5 } })).toMatchObject({ id: 'a', maxInputTokens: 5 });
    expect(router.deployments().map(({ id }) => id)).toEqual(['a', 'b']);
  });

  it('forgets latency samples when maxSamples changes', () => {
    const { router } = routerOn(engine, { strategy: 'latency_based', modelList: [deployment('a'), deployment('b')] });
    router.succeeded(router.acquire('a'), { latencyMs: 40 });
    router.updateSettings({ numRetries: 1 });
    expect(router.status()[0].latencyMs).toBe(40);
    router.updateSettings({ strategyOptions: { maxSamples: 2 } });
    expect(router.status()[0].latencyMs).toBe(0);
  });

  it('reports no usage of the deployment that had the slot before', () => {
    let told: StateOfRouter | undefined;
    const sharedState = { start: (state: StateOfRouter) => void (told = state), health: () => ({}), close: () => Promise.resolve() };
    const { router, clock } = routerOn(engine, { modelList: [deployment('a')], sharedState });
    router.succeeded(router.acquire('a'), { latencyMs: 1, promptTokens: 7 });
    router.setModelList([]);
    router.setModelList([deployment('b')]);
    router.succeeded(router.acquire('b'), { latencyMs: 1, promptTokens: 2 });
    expect(told?.takeUsage('b', Math.floor(clock.nowMs / 60_000))).toEqual({ requests: 1, tokens: 2 });
  });

  it('changes settings, and nothing when one is invalid', () => {
    const { router } = routerOn(engine, { modelList: [deployment('a', {}, 'gpt-4', { max_input_tokens: 5 }), deployment('b')] });
    router.updateSettings({ strategy: 'least-busy', cooldownMs: 1, enablePreCallChecks: false, strategyOptions: { maxSamples: 2 } });
    expect(router.settings).toMatchObject({ strategy: 'least_busy', cooldownMs: 1 });
    expect(router.getAvailableDeployment('a', { inputTokens: 9 })?.id).toBe('a');
    expect(() => router.updateSettings({ cooldownMs: -1 })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', path: 'settings.cooldownMs' }),
    );
    expect(router.settings.cooldownMs).toBe(1);
  });
});

describe('parallel health checks', () => {
  it('abort when the router closes, and add one listener per signal', async () => {
    const listening = jest.spyOn(EventTarget.prototype, 'addEventListener');
    const signals: AbortSignal[] = [];
    const { router } = routerOn(engine, {
      modelList: Array.from({ length: 30 }, (_, number) => deployment(`n${number}`)),
      healthChecks: { concurrency: 30, probe: (_, signal) => (signals.push(signal), new Promise<boolean>(() => {})) },
    });
    while (signals.length < 30) await new Promise((resolve) => setTimeout(resolve, 1));
    const listeners = new Map<unknown, number>();
    for (const target of listening.mock.contexts) listeners.set(target, (listeners.get(target) ?? 0) + 1);
    listening.mockRestore();
    await router.close();
    expect(signals.every(({ aborted }) => aborted)).toBe(true);
    expect(Math.max(...listeners.values())).toBe(1);
  });
});

describe('names in requests', () => {
  it('are cached up to 512 characters and 1,000 names', () => {
    const { router } = routerOn(engine, { modelList: [deployment('any', {}, '*')] });
    for (const length of [5, 100_000]) expect(router.getAvailableDeployment('x'.repeat(length))?.id).toBe('any');
    const { names } = (router as unknown as { core: { names: { known: ReadonlyMap<string, unknown> } } }).core;
    expect([...names.known.keys()].map(({ length }) => length)).toEqual([5]);
    for (let turn = 0; turn < 3_000; turn++) expect(router.getAvailableDeployment(`model-${turn}`)?.id).toBe('any');
    expect(names.known.size).toBe(1_000);
  });

  it('keep tiers for at most 64 combinations of tags and blocked names', () => {
    const { router } = routerOn(engine, { modelList: [deployment('a')], enableTagFiltering: true });
    for (let turn = 0; turn < 200; turn++) expect(router.getAvailableDeployment('a', { blockedModels: [`b${turn}`] })?.id).toBe('a');
    const { names } = (router as unknown as { core: { names: { find(name: string): { group: object } } } }).core;
    expect((names.find('a').group as { selections: ReadonlyMap<string, unknown> }).selections.size).toBe(64);
  });
});
