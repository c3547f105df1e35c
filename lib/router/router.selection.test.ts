import { deployment, routerEngines, routerOn } from '../../test/support/router-engines.js';
import type { RouterOptions } from './router.options.js';
import type { RouterContext } from './router-dependencies.js';
import type { RouterService } from './router.service.js';

describe.each(routerEngines().map((engine) => [engine.engine, engine] as const))('selection, %s', (_, engine) => {
  const router = (options: RouterOptions, context?: RouterContext): RouterService => routerOn(engine, options, context).router;
  const idsOf = (service: RouterService, model: string, context = {}): string[] => {
    const found = new Set(Array.from({ length: 60 }, () => service.getAvailableDeployment(model, context)?.id ?? 'none'));
    return [...found].sort();
  };

  describe('names', () => {
    const service = router({
      modelList: [
        deployment('a', {}, 'gpt-4'),
        deployment('b', { model: 'azure/gpt-4-eu' }, 'gpt-4'),
        deployment('any-openai', { model: 'openai/*' }, 'openai/*'),
        deployment('mini', { model: 'azure/*-small' }, 'openai/*-mini'),
        deployment('two', { model: 'x/*/y/*' }, 'v*/m*'),
      ],
      modelGroupAlias: { fast: 'gpt-4', secret: { model: 'openai/o3', hidden: true } },
      defaultFallbacks: ['none', 'gpt-4'],
    });

    it.each([
      ['an alias', 'fast', ['a', 'b']],
      ['an alias of a pattern', 'secret', ['any-openai']],
      ['an id', 'b', ['b']],
      ['a name', 'gpt-4', ['a', 'b']],
      ['a pattern', 'openai/gpt-5', ['any-openai']],
      ['the most specific pattern', 'openai/gpt-5-mini', ['mini']],
      ["a deployment's model", 'azure/gpt-4-eu', ['b']],
      ['the default fallback', 'unheard-of', ['a', 'b']],
    ])('%s', (__, model, ids) => expect(idsOf(service, model)).toEqual(ids));

    it('replace the * of the called model by what the pattern captured', () => {
      expect(service.acquire('openai/gpt-5').model).toBe('openai/gpt-5');
      expect(service.acquire('openai/gpt-5-mini').model).toBe('azure/gpt-5-small');
      expect(service.acquire('v1/m2').model).toBe('x/1/y/2');
    });

    it('are listed, except hidden aliases', () => {
      expect(service.models()).toEqual(['gpt-4', 'openai/*', 'openai/*-mini', 'v*/m*', 'fast']);
    });

    it('go to the pattern * when nothing else matches', () => {
      const all = router({ modelList: [deployment('all', { model: 'openrouter/*' }, '*'), deployment('a', {}, 'gpt-4')] });
      expect(all.acquire('mistral/large').model).toBe('openrouter/mistral/large');
      expect(all.acquire('gpt-4').deployment.id).toBe('a');
    });

    it('are rejected when unknown', () => {
      const few = router({ modelList: [deployment('a')] });
      expect(few.getAvailableDeployment('gpt-5')).toBeNull();
      expect(() => few.acquire('x'.repeat(10_000))).toThrow(expect.objectContaining({ code: 'NO_DEPLOYMENT', reason: 'unknown_model' }));
      expect(few.healthyCount('gpt-5')).toBe(0);
    });
  });

  it('leaves out blocked ids, models of deployments and names of model groups', () => {
    const service = router({ modelList: [deployment('a'), deployment('b', { model: 'azure/gpt-4' })] });
    expect(idsOf(service, 'gpt-4', { blockedModels: ['a'] })).toEqual(['b']);
    expect(idsOf(service, 'gpt-4', { blockedModels: ['azure/gpt-4'] })).toEqual(['a']);
    expect(idsOf(service, 'gpt-4', { blockedModels: ['gpt-4'] })).toEqual(['none']);
    expect(() => service.acquire('gpt-4', { blockedModels: ['gpt-4'] })).toThrow(expect.objectContaining({ reason: 'blocked' }));
    expect(() => service.acquire('gpt-4', { excludeIds: ['a', 'b'] })).toThrow(expect.objectContaining({ reason: 'excluded' }));
    for (let turn = 0; turn < 200; turn++) expect(idsOf(service, 'gpt-4', { blockedModels: ['a', `other ${turn}`] })).toEqual(['b']);
  });

  it('keeps to the priority tier of the lowest order, and uses the next when none of it is eligible', () => {
    const service = router({
      modelList: [deployment('a', { order: 2 }), deployment('b', { order: 1 }), deployment('c'), deployment('d', { order: 1 })],
    });
    expect(idsOf(service, 'gpt-4')).toEqual(['b', 'd']);
    expect(idsOf(service, 'gpt-4', { excludeIds: ['b'] })).toEqual(['d']);
    for (const id of ['b', 'd']) service.failed(service.acquire(id), { status: 429 });
    expect(idsOf(service, 'gpt-4')).toEqual(['a']);
    expect(idsOf(service, 'gpt-4', { excludeIds: ['a'] })).toEqual(['c']);
  });

  describe('tags', () => {
    const service = router({
      enableTagFiltering: true,
      modelList: [
        deployment('free', { tags: ['free', 'eu'] }),
        deployment('paid', { tags: ['paid', 'eu'] }),
        deployment('usual', { tags: ['default'] }),
      ],
    });

    it.each([
      [['free'], ['free']],
      [
        ['free', 'paid'],
        ['free', 'paid'],
      ],
      [['eu', '!free'], ['paid']],
      [['free', 'paid', '&paid'], ['paid']],
      [['unheard-of'], ['usual']],
      [[], ['usual']],
      [undefined, ['usual']],
      // Without a wanted tag, `default` counts only if none is required.
      [['&eu'], ['free', 'paid']],
      [['!default'], ['free', 'paid']],
      [['!free'], ['usual']],
    ])('%j', (tags, ids) => expect(idsOf(service, 'gpt-4', { tags })).toEqual(ids));

    it('that fit no deployment are rejected', () => {
      const strict = router({ enableTagFiltering: true, tagFilteringMatchAll: true, modelList: [deployment('a', { tags: ['x', 'y'] })] });
      expect(idsOf(strict, 'gpt-4', { tags: ['x', 'y'] })).toEqual(['a']);
      expect(() => strict.acquire('gpt-4', { tags: ['x', 'z'] })).toThrow(
        expect.objectContaining({ code: 'NO_DEPLOYMENT', reason: 'tags' }),
      );
      expect(idsOf(strict, 'gpt-4')).toEqual(['a']);
    });
  });

  describe('context windows', () => {
    const list = [
      deployment('small', {}, 'gpt-4', { max_input_tokens: 100 }),
      deployment('large', {}, 'gpt-4', { max_input_tokens: 1_000 }),
    ];

    it('must fit the input', () => {
      const service = router({ modelList: list });
      expect(idsOf(service, 'gpt-4', { inputTokens: 100 })).toEqual(['large', 'small']);
      expect(idsOf(service, 'gpt-4', { inputTokens: 101 })).toEqual(['large']);
      service.failed(service.acquire('large'), { status: 429 });
      expect(() => service.acquire('gpt-4', { inputTokens: 101 })).toThrow(expect.objectContaining({ code: 'ROUTER_RATE_LIMITED' }));
      const refused = { code: 'CONTEXT_WINDOW_EXCEEDED', maxInputTokens: 1_000, inputTokens: 1_001 };
      expect(() => service.acquire('gpt-4', { inputTokens: 1_001 })).toThrow(expect.objectContaining(refused));
    });

    it('are read from model_info before litellm_params', () => {
      const entry = deployment('both', { max_input_tokens: 5 }, 'gpt-4', { max_input_tokens: 50 });
      expect(router({ modelList: [entry] }).deployments()[0].maxInputTokens).toBe(50);
    });

    it('are checked against messages counted by the app', () => {
      const service = router({ modelList: list, countTokens: (messages, model) => messages.length * (model === 'gpt-4' ? 60 : 1) });
      expect(idsOf(service, 'gpt-4', { messages: [1, 2] })).toEqual(['large']);
    });

    it('are not checked with enablePreCallChecks: false', () => {
      expect(idsOf(router({ modelList: list, enablePreCallChecks: false }), 'gpt-4', { inputTokens: 5_000 })).toEqual(['large', 'small']);
    });
  });

  it('limits by rpm and tpm under every strategy with enablePreCallChecks, until the minute ends', () => {
    for (const strategy of ['simple_shuffle', 'least_busy']) {
      const { router: service, clock } = routerOn(engine, {
        strategy,
        enablePreCallChecks: true,
        modelList: [deployment('a', { rpm: 2, weight: 1 }), deployment('b', { tpm: 100, weight: 1 })],
      });
      for (let turn = 0; turn < 2; turn++) service.cancelled(service.acquire('a'));
      service.succeeded(service.acquire('b'), { latencyMs: 1, promptTokens: 60, completionTokens: 40 });
      const untilMinute = 60_000 - (clock.nowMs % 60_000);
      expect(() => service.acquire('gpt-4')).toThrow(expect.objectContaining({ code: 'ROUTER_RATE_LIMITED', retryAfterMs: untilMinute }));
      clock.pass(untilMinute);
      expect(idsOf(service, 'gpt-4')).toEqual(['a', 'b']);
    }
  });

  it('computes the wait by the strategy of the group that rejects', () => {
    const entry = { ...deployment('b', { rpm: 1 }, 'limited'), model_info: { id: 'b', routing_strategy: 'usage_based' } };
    const { router: service, clock } = routerOn(engine, { modelList: [deployment('a'), entry] });
    service.acquire('limited');
    service.acquire('gpt-4');
    const untilMinute = 60_000 - (clock.nowMs % 60_000);
    expect(() => service.acquire('limited')).toThrow(expect.objectContaining({ retryAfterMs: untilMinute }));
  });

  it('never exceeds max_parallel_requests', () => {
    const service = router({ modelList: [deployment('a', { max_parallel_requests: 1 }), deployment('b')], defaultMaxParallelRequests: 2 });
    const picks = Array.from({ length: 3 }, () => service.acquire('gpt-4'));
    expect(() => service.acquire('gpt-4')).toThrow(expect.objectContaining({ code: 'ROUTER_RATE_LIMITED', retryAfterMs: undefined }));
    service.cancelled(picks[1]);
    expect(service.acquire('gpt-4').deployment.id).toBe(picks[1].deployment.id);
  });

  describe('strategies', () => {
    it("of a request, a deployment and a routing group take precedence over the router's", () => {
      const costs = [{ input_cost_per_token: 2 }, { input_cost_per_token: 1 }];
      const pair = (group: string, info = {}): ReturnType<typeof deployment>[] =>
        costs.map((cost, at) => deployment(`${group}-${at}`, cost, group, info));
      const service = router({
        strategy: 'simple-shuffle',
        routingGroups: [
          { groupName: 'cheap', models: ['b'], strategy: 'cost-based-routing' },
          { groupName: 'even', models: ['d'], strategy: 'least-busy' },
        ],
        modelList: [
          ...pair('a'),
          ...pair('b'),
          ...pair('c', { routing_strategy: 'cost-based-routing' }),
          // What a deployment says goes before what is said of its group; of two, the one with the
          // lower id.
          deployment('z', { input_cost_per_token: 2 }, 'd', { routing_strategy: 'least-busy' }),
          deployment('y', { input_cost_per_token: 1 }, 'd', { routing_strategy: 'cost-based-routing' }),
        ],
      });
      expect(idsOf(service, 'a')).toEqual(['a-0', 'a-1']);
      expect(idsOf(service, 'a', { strategy: 'cost_based' })).toEqual(['a-1']);
      expect(idsOf(service, 'b')).toEqual(['b-1']);
      expect(idsOf(service, 'c')).toEqual(['c-1']);
      expect(idsOf(service, 'd')).toEqual(['y']);
      expect(() => service.acquire('a', { strategy: 'fastest' })).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    });

    it('can be a function of the app', () => {
      const seen: number[] = [];
      const service = router({
        modelList: [deployment('a'), deployment('b'), deployment('c', { rpm: 0 })],
        strategy: (candidates, { requestId }) => {
          seen.push(candidates.length);
          return requestId === 'none' ? null : candidates[candidates.length - 1].deployment;
        },
      });
      expect(service.acquire('gpt-4')).toMatchObject({ deployment: { id: 'b' }, strategy: 'custom' });
      expect(service.getAvailableDeployment('gpt-4', { excludeIds: ['b'] })?.id).toBe('a');
      expect(() => service.acquire('gpt-4', { requestId: 'none' })).toThrow(expect.objectContaining({ reason: 'refused_by_strategy' }));
      expect(seen).toEqual([2, 1, 2]);
      const wrong = router({ modelList: [deployment('a')], strategy: () => service.deployments()[0] });
      expect(() => wrong.acquire('gpt-4')).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    });

    it('by latency select within the buffer, by time to first token for streams, and let samples expire', () => {
      const { router: service, clock } = routerOn(engine, {
        strategy: 'latency_based',
        strategyOptions: { lowestLatencyBuffer: 0.5, sampleTtlMs: 10_000, maxSamples: 2 },
        modelList: [deployment('a'), deployment('b'), deployment('c')],
      });
      const sample = (id: string, latencyMs: number, timeToFirstTokenMs: number): void =>
        service.succeeded(service.acquire(id), { latencyMs, timeToFirstTokenMs, completionTokens: 10, promptTokens: 1 });
      sample('a', 1_000, 90);
      sample('b', 1_400, 30);
      sample('c', 1_600, 20);
      expect(idsOf(service, 'gpt-4')).toEqual(['a', 'b']);
      expect(idsOf(service, 'gpt-4', { stream: true })).toEqual(['b', 'c']);
      for (let turn = 0; turn < 2; turn++) sample('c', 100, 20);
      expect(idsOf(service, 'gpt-4')).toEqual(['c']);
      clock.pass(10_000);
      expect(idsOf(service, 'gpt-4')).toEqual(['a', 'b', 'c']);
    });

    it('by latency select a deployment again that timed out before its cooldown', () => {
      const { router: service, clock } = routerOn(engine, { strategy: 'latency_based', modelList: [deployment('a'), deployment('b')] });
      service.succeeded(service.acquire('b'), { latencyMs: 5 });
      service.failed(service.acquire('a'), { timeout: true });
      expect(idsOf(service, 'gpt-4')).toEqual(['b']);
      service.failed(service.acquire('a'), { status: 429 });
      clock.pass(5_000);
      expect(idsOf(service, 'gpt-4')).toEqual(['a']);
    });

    it('by latency do not send all requests to a deployment after its cooldown', () => {
      const { router: service, clock } = routerOn(engine, { strategy: 'latency_based', modelList: [deployment('a'), deployment('b')] });
      const sample = (id: string, latencyMs: number): void => service.succeeded(service.acquire(id), { latencyMs });
      sample('a', 20);
      sample('b', 10);
      service.failed(service.acquire('a'), { status: 429 });
      clock.pass(5_000);
      expect(service.status().map(({ state, latencyMs }) => `${state} ${latencyMs}`)).toEqual(['available 20', 'available 10']);
      expect(Array.from({ length: 20 }, () => service.acquire('gpt-4').deployment.id)).toEqual(Array(20).fill('b'));
    });

    it('by cost ask the app for missing prices, and select a deployment without a price last', () => {
      const prices: Record<string, number | null> = { 'openai/a': 3, 'openai/b': 2, 'openai/c': null };
      const context = { modelFacts: { costPerToken: (model: string) => prices[model] } };
      const service = router({ strategy: 'cost_based', modelList: ['a', 'b', 'c'].map((id) => deployment(id)) }, context);
      expect(idsOf(service, 'gpt-4')).toEqual(['b']);
      expect(idsOf(service, 'gpt-4', { excludeIds: ['a', 'b'] })).toEqual(['c']);
    });
  });
});
