import { deployment, routerEngines, routerOn, type StandingClock } from '../../test/support/router-engines.js';
import type { RouterOptions } from './router.options.js';
import type { RouterService } from './router.service.js';

describe.each(routerEngines().map((engine) => [engine.engine, engine] as const))('the router, %s', (_, engine) => {
  const router = (options: RouterOptions): { router: RouterService; clock: StandingClock } => routerOn(engine, options);
  const three = (params: readonly Record<string, unknown>[]) => params.map((own, index) => deployment(`d${index + 1}`, own));
  const fail = (service: RouterService, id: string, outcome: Parameters<RouterService['failed']>[1], model = 'gpt-4'): void => {
    const ids = service.deployments().map((one) => one.id);
    const pick = service.acquire(model, { excludeIds: ids.filter((other) => other !== id) });
    service.failed(pick, outcome);
  };
  const cooling = (service: RouterService): string[] =>
    service
      .status()
      .filter(({ state }) => state === 'cooling')
      .map(({ id }) => id);
  const send = (service: RouterService, id: string, ok: boolean, status = 500): void => {
    const pick = service.acquire(id);
    if (ok) service.succeeded(pick, { latencyMs: 10 });
    else service.failed(pick, { status });
  };

  describe('strategies', () => {
    it('selects the cheapest by cost_based', () => {
      const { router: service } = router({
        strategy: 'cost-based-routing',
        modelList: three([0.004, 0.002, 0.003].map((cost) => ({ input_cost_per_token: cost / 2, output_cost_per_token: cost / 2 }))),
      });
      for (let turn = 0; turn < 50; turn++) expect(service.acquire('gpt-4').deployment.id).toBe('d2');
    });

    it('selects the fastest per output token by latency_based, after each was tried', () => {
      const { router: service } = router({ strategy: 'latency_based', modelList: three([{}, {}, {}]) });
      const latency: Record<string, number> = { d1: 100, d2: 50, d3: 200 };
      for (let turn = 0; turn < 3; turn++) {
        const pick = service.acquire('gpt-4');
        service.succeeded(pick, { latencyMs: latency[pick.deployment.id] * 20, completionTokens: 20, promptTokens: 3 });
      }
      for (let turn = 0; turn < 20; turn++) expect(service.getAvailableDeployment('gpt-4')?.id).toBe('d2');
    });

    it('selects the fewest tokens of the minute by usage_based', () => {
      const { router: service, clock } = router({
        strategy: 'usage-based-routing-v2',
        modelList: three([{ tpm: 100 }, { tpm: 100 }, { tpm: 100 }]),
      });
      const used: Record<string, number> = { d1: 50, d2: 20, d3: 90 };
      for (const id of Object.keys(used))
        service.succeeded(service.acquire(id), { latencyMs: 1, promptTokens: used[id], completionTokens: 0 });
      expect(service.getAvailableDeployment('gpt-4')?.id).toBe('d2');
      expect(service.getAvailableDeployment('gpt-4', { inputTokens: 81 })).toBeNull();
      clock.pass(60_000);
      expect(service.getAvailableDeployment('gpt-4', { inputTokens: 81 })).not.toBeNull();
    });

    it('selects the fewest requests in flight by least_busy', () => {
      const { router: service } = router({ strategy: 'least-busy', modelList: three([{}, {}, {}]) });
      const busy: Record<string, number> = { d1: 5, d2: 2, d3: 8 };
      for (const [id, count] of Object.entries(busy)) for (let i = 0; i < count; i++) service.acquire(id);
      expect(service.getAvailableDeployment('gpt-4')?.id).toBe('d2');
    });

    it('draws in proportion to rpm by simple_shuffle', () => {
      const { router: service } = router({ modelList: three([{ rpm: 900 }, { rpm: 10 }]) });
      let first = 0;
      for (let turn = 0; turn < 10_000; turn++) if (service.acquire('gpt-4').deployment.id === 'd1') first++;
      expect(first / 10_000).toBeGreaterThan(0.979);
      expect(first / 10_000).toBeLessThan(0.999);
    });

    it('draws by a weight that only the second deployment has', () => {
      const { router: service } = router({ modelList: three([{}, { weight: 1 }]) });
      for (let turn = 0; turn < 100; turn++) expect(service.acquire('gpt-4').deployment.id).toBe('d2');
    });

    it.each(['rpm', 'tpm'])('excludes a deployment with a %s of 0, and none without one', (limit) => {
      for (const strategy of ['simple_shuffle', 'least_busy', 'latency_based', 'cost_based', 'usage_based'] as const) {
        const { router: service } = router({ strategy, modelList: three([{ [limit]: 0 }, {}]) });
        for (let turn = 0; turn < 20; turn++) expect(service.acquire('gpt-4').deployment.id).toBe('d2');
      }
    });
  });

  describe('cooldown', () => {
    const two = (options: RouterOptions = {}, params: Record<string, unknown> = {}) =>
      router({ modelList: [deployment('a', params), deployment('b', params)], ...options });

    it('starts after a 429, unless the deployment is alone', () => {
      const { router: service, clock } = two();
      fail(service, 'a', { status: 429 });
      expect(cooling(service)).toEqual(['a']);
      for (let turn = 0; turn < 20; turn++) expect(service.acquire('gpt-4').deployment.id).toBe('b');
      clock.pass(4_999);
      expect(cooling(service)).toEqual(['a']);
      clock.pass(1);
      expect(cooling(service)).toEqual([]);

      const { router: lone } = router({ modelList: [deployment('a')] });
      fail(lone, 'a', { status: 429 });
      expect(cooling(lone)).toEqual([]);
    });

    it.each([
      [401, true],
      [404, true],
      [400, false],
      [422, false],
      [500, false],
    ])('starts after one %d: %s', (status, cools) => {
      const { router: service } = two();
      fail(service, 'a', { status });
      expect(cooling(service)).toEqual(cools ? ['a'] : []);
    });

    it('starts when more than half of at least five failed', () => {
      const { router: service } = two();
      for (let turn = 0; turn < 40; turn++) send(service, 'a', true);
      for (let turn = 0; turn < 40; turn++) send(service, 'a', false);
      expect(cooling(service)).toEqual([]);
      send(service, 'a', false);
      expect(cooling(service)).toEqual(['a']);
      for (let turn = 0; turn < 7; turn++) send(service, 'b', true);
      for (let turn = 0; turn < 3; turn++) send(service, 'b', false);
      expect(cooling(service)).toEqual(['a']);
    });

    it('starts for a lone deployment only when a thousand have all failed', () => {
      const { router: service } = router({ modelList: [deployment('a')] });
      for (let turn = 0; turn < 999; turn++) send(service, 'a', false);
      expect(cooling(service)).toEqual([]);
      send(service, 'a', false);
      expect(cooling(service)).toEqual(['a']);
    });

    it('starts after the 101st failure with 100 allowed', () => {
      const { router: service } = two({ allowedFails: 100 });
      for (let turn = 0; turn < 100; turn++) send(service, 'a', false, 429);
      expect(cooling(service)).toEqual([]);
      send(service, 'a', false, 429);
      expect(cooling(service)).toEqual(['a']);
    });

    it('follows a policy by error class', () => {
      const { router: service } = two({ allowedFailsPolicy: { RateLimitErrorAllowedFails: 1, TimeoutErrorAllowedFails: 0 } });
      send(service, 'a', false, 429);
      expect(cooling(service)).toEqual([]);
      send(service, 'a', false, 429);
      expect(cooling(service)).toEqual(['a']);
      send(service, 'b', false, 408);
      expect(cooling(service)).toEqual(['a', 'b']);
    });

    it("follows the deployment's policy before the router's, and allows three failures of an error that a policy does not name", () => {
      const policy = { RateLimitErrorAllowedFails: 0 };
      const own = [
        deployment('a', {}, 'gpt-4', { allowed_fails: 1 }),
        deployment('b', {}, 'gpt-4', { allowed_fails_policy: { TimeoutErrorAllowedFails: 0 } }),
        deployment('c'),
      ];
      const { router: service } = routerOn(engine, { modelList: own, allowedFailsPolicy: policy });
      const failsOf = (id: string, status: number): number => {
        for (let fails = 1; fails < 10; fails++) {
          send(service, id, false, status);
          if (cooling(service).includes(id)) return fails;
        }
        return NaN;
      };
      expect(failsOf('a', 429)).toBe(2);
      expect(failsOf('b', 429)).toBe(4);
      expect(failsOf('c', 429)).toBe(1);
      const { router: general } = routerOn(engine, { modelList: own, allowedFailsPolicy: policy, allowedFails: 5 });
      for (let fails = 0; fails < 5; fails++) send(general, 'c', false, 500);
      expect(cooling(general)).toEqual([]);
      send(general, 'c', false, 500);
      expect(cooling(general)).toEqual(['c']);
    });

    it('never starts with a cooldown_time of 0', () => {
      const { router: service } = two({}, { cooldown_time: 0 });
      fail(service, 'a', { status: 429, retryAfterMs: 30_000 });
      expect(cooling(service)).toEqual([]);
    });

    it("lasts the deployment's time, else Retry-After, else the router's", () => {
      const [{ router: byAnswer }, { router: byDeployment }] = [two(), two({}, { cooldown_time: 10 })];
      for (const service of [byAnswer, byDeployment]) fail(service, 'a', { status: 429, retryAfterMs: 30_000 });
      const time = (service: RouterService): number | undefined => service.status().find(({ id }) => id === 'a')?.coolingForMs;
      expect([time(byAnswer), time(byDeployment)]).toEqual([30_000, 10_000]);
    });

    it('is never shortened', () => {
      const { router: service } = two();
      const picks = [1, 2].map(() => service.acquire('a'));
      service.failed(picks[0], { status: 429, retryAfterMs: 30_000 });
      service.failed(picks[1], { status: 429, retryAfterMs: 1_000 });
      expect(service.status()[0].coolingForMs).toBe(30_000);
    });

    it('is not extended by a 500 that was in flight when it started', () => {
      const { router: service, clock } = two({ allowedFails: 1 });
      const picks = [1, 2, 3].map(() => service.acquire('a'));
      for (const pick of picks.slice(1)) service.failed(pick, { status: 500 });
      clock.pass(1_000);
      service.failed(picks[0], { status: 500 });
      expect(service.status()[0].coolingForMs).toBe(4_000);
    });

    it('does not start after a refused connection, unless its message mentions a rate limit', () => {
      const { router: service } = two();
      for (let turn = 0; turn < 10; turn++) fail(service, 'a', { error: new Error('Connection refused') });
      fail(service, 'a', { error: Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }) });
      expect(cooling(service)).toEqual([]);
      fail(service, 'a', { error: new Error('Connection error: rate_limit reached') });
      expect(cooling(service)).toEqual(['a']);
    });

    it('of all deployments rejects with 429 and the shortest wait', () => {
      const { router: service, clock } = two();
      const first = service.acquire('gpt-4');
      service.failed(first, { status: 429, retryAfterMs: 20_000 });
      const second = service.acquire('gpt-4', { excludeIds: [first.deployment.id] });
      service.failed(second, { status: 429, retryAfterMs: 9_000 });
      expect(cooling(service)).toEqual(['a', 'b']);
      clock.pass(1_000);
      const refused = { code: 'ROUTER_RATE_LIMITED', retryAfterMs: 8_000, cooldownList: ['a', 'b'] };
      expect(() => service.acquire('gpt-4')).toThrow(expect.objectContaining(refused));
      expect(service.getAvailableDeployment('gpt-4')).toBeNull();
      clock.pass(8_000);
      expect(service.acquire('gpt-4').deployment.id).toBe(second.deployment.id);
    });

    it('never starts when disabled', () => {
      const { router: service } = two({ disableCooldowns: true });
      fail(service, 'a', { status: 429 });
      expect(cooling(service)).toEqual([]);
    });
  });

  it('counts finished calls in total and per deployment, and omits deployments that were never called', () => {
    const { router: service } = router({ modelList: [deployment('a'), deployment('b')], disableCooldowns: true });
    const [first, second, third, ...others] = Array.from({ length: 6 }, () => service.acquire('a'));
    service.succeeded(first, { latencyMs: 1 });
    service.succeeded(first, { latencyMs: 1 });
    service.failed(second, { status: 500 });
    service.cancelled(third);
    service.failed(others[0], { error: Object.assign(new Error('temperature is too high'), { status: 400 }) });
    service.failed(others[1], { status: 403, contentPolicy: true });
    service.failed(others[2], { status: 400, misconfigured: true });
    const of = (metric: string) => service.metrics().flatMap(({ name, labels, value }) => (name === metric ? [{ ...labels, value }] : []));
    expect(of('router_calls_total')).toEqual([
      { outcome: 'success', value: 1 },
      { outcome: 'failure', value: 2 },
      { outcome: 'cancelled', value: 1 },
      { outcome: 'refused', value: 2 },
    ]);
    const { id } = first.deployment;
    expect(of('router_deployment_calls_total')).toEqual([
      { deployment: id, outcome: 'success', value: 1 },
      { deployment: id, outcome: 'failure', value: 2 },
      { deployment: id, outcome: 'refused', value: 2 },
    ]);
    expect(service.status()[0].lastFailure?.cause).toBe('status 400');
  });

  it('releases a selection that is reported without an outcome', () => {
    const { router: service } = router({ modelList: [deployment('a')] });
    for (const nothing of [undefined, null]) {
      service.succeeded(service.acquire('a', null), nothing);
      service.failed(service.acquire('a'), nothing);
      service.cancelled(service.acquire('a'), nothing);
    }
    expect(service.getAvailableDeployment('a', null)?.id).toBe('a');
    expect(service.status()[0]).toMatchObject({ inFlight: 0, requests: 6, successes: 2, failures: 2, latencyMs: 0 });
  });

  it('releases a selection once', () => {
    const { router: service } = router({ modelList: [deployment('a'), deployment('b')] });
    const pick = service.acquire('a');
    service.cancelled(pick);
    service.failed(pick, { status: 429 });
    service.succeeded(pick, { latencyMs: 1 });
    expect(service.status()[0]).toMatchObject({ inFlight: 0, failures: 0, successes: 0, state: 'available' });
  });

  it('returns a selection whose copy keeps its fields, but cannot release it', () => {
    const { router: service } = router({ modelList: [deployment('a', { model: 'openai/*' }, 'gpt-*')] });
    const pick = service.acquire('gpt-4');
    const copy = { ...pick };
    expect(copy).toMatchObject({ model: 'openai/4', group: 'gpt-*', strategy: 'simple_shuffle' });
    for (const giveBack of ['succeeded', 'failed', 'cancelled'] as const) {
      expect(() => service[giveBack](copy, { latencyMs: 1 })).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT', path: 'selection' }),
      );
    }
    expect(service.status()[0]).toMatchObject({ inFlight: 1, successes: 0, failures: 0 });
    service.succeeded(pick, { latencyMs: 1 });
    expect(service.status()[0]).toMatchObject({ inFlight: 0, successes: 1 });
  });
});
