import { choiceOf, deployment, routerEngines, routerOn } from '../../test/support/router-engines.js';
import { until } from '../../test/support/until.js';
import { AdvancedRouter } from './compat/advanced-router.js';
import type { ModelListEntry } from './deployments/deployment.js';
import { ListRouters } from './compat/router-cache.js';
import { resolveRouterOptions, type RouterOptions } from './router.options.js';

const [engine] = routerEngines();

describe('the router options', () => {
  it.each<[unknown, string]>([
    [{ strategy: 'fastest' }, 'router.strategy'],
    [{ cooldownMs: -1 }, 'router.cooldownMs'],
    [{ coolDownMs: 1 }, 'router.coolDownMs'],
    [{ strategyOptions: { maxSamples: 17 } }, 'router.strategyOptions.maxSamples'],
    [{ strategyOptions: { ttl: 1 } }, 'router.strategyOptions.ttl'],
    [{ fallbacks: [{ a: ['b', 3] }] }, 'router.fallbacks[0].a[1]'],
    [{ fallbacks: 'b' }, 'router.fallbacks'],
    [{ modelGroupAlias: { a: { hidden: true } } }, 'router.modelGroupAlias.a.model'],
    [{ allowedFailsPolicy: { RateLimitErrorAllowedFails: 'many' } }, 'router.allowedFailsPolicy.RateLimitErrorAllowedFails'],
    [{ routingGroups: [{ groupName: 'g', models: ['a', 'a'], strategy: 'least_busy' }] }, 'router.routingGroups[0].models'],
    [{ sharedAs: 'a b' }, 'router.sharedAs'],
    [{ maxDeployments: 70_000 }, 'router.maxDeployments'],
    [{ healthChecks: { intervalMs: 5 } }, 'router.healthChecks.probe'],
    [{ sharedState: {} }, 'router.sharedState.start'],
    [{ modelList: {} }, 'router.modelList'],
    [{ routerSettings: { cooldown_time: 'long' } }, 'router.routerSettings.cooldown_time'],
    [[], 'router'],
  ])('reject %j', (options, path) => {
    expect(() => resolveRouterOptions(options as RouterOptions, {})).toThrow(
      expect.objectContaining({ code: 'INVALID_CONFIGURATION', path }),
    );
  });

  it.each<[Record<string, unknown>, string]>([
    [{ litellm_params: { model: 'a' } }, 'model_name'],
    [{ model_name: 'a' }, 'litellm_params'],
    [{ model_name: 'a', litellm_params: {} }, 'litellm_params.model'],
    [{ model_name: 'a', litellm_params: { model: 'a', rpm: 'x' } }, 'litellm_params.rpm'],
    [{ model_name: 'a', litellm_params: { model: 'a', tags: 'x' } }, 'litellm_params.tags'],
    [{ model_name: 'a', litellm_params: { model: 'a', extra_headers: 'x-a: b' } }, 'litellm_params.extra_headers'],
    [{ model_name: 'a', litellm_params: { model: 'a', extra_body: [] } }, 'litellm_params.extra_body'],
    [{ model_name: 'a', litellm_params: { model: 'a', drop_params: 'yes' } }, 'litellm_params.drop_params'],
    [{ model_name: 'a', litellm_params: { model: 'a', additional_drop_params: 'seed' } }, 'litellm_params.additional_drop_params'],
    [{ model_name: 'a', litellm_params: { model: 'a', allowed_openai_params: [1] } }, 'litellm_params.allowed_openai_params[0]'],
    [{ model_name: 'a', litellm_params: { model: 'a', allowed_fails_policy: 3 } }, 'litellm_params.allowed_fails_policy'],
    [{ model_name: 'a', litellm_params: { model: 'a', base_model: 4 } }, 'litellm_params.base_model'],
    [{ model_name: 'a', litellm_params: { model: 'a' }, model_info: { tags: 'x' } }, 'model_info.tags'],
    [{ model_name: 'a', litellm_params: { model: 'a' }, model_info: { max_output_tokens: 'many' } }, 'model_info.max_output_tokens'],
    [{ model_name: 'a', litellm_params: { model: 'a' }, model_info: { mode: true } }, 'model_info.mode'],
    [{ model_name: 'a', litellm_params: { model: 'a' }, model_info: { routing_strategy: 'x' } }, 'model_info.routing_strategy'],
    [{ model_name: 'a', litellm_params: { model: 'a' }, model_info: { id: 'same' } }, 'model_info.id'],
  ])('reject a list with %j', (entry, path) => {
    const modelList = [deployment('same'), entry as unknown as ModelListEntry];
    expect(() => routerOn(engine, { modelList })).toThrow(expect.objectContaining({ path: `router.modelList[1].${path}` }));
    const { router } = routerOn(engine, { modelList, ignoreInvalidDeployments: true });
    expect(router.deployments()).toHaveLength(1);
    expect(router.warnings).toEqual([expect.stringContaining('skipped an invalid deployment')]);
  });

  it('read numbers and switches of a deployment that are text, as an environment variable has them', () => {
    const entry: ModelListEntry = {
      model_name: 'a',
      litellm_params: { model: 'openai/a', drop_params: 'True', base_model: '', allowed_fails_policy: { TimeoutErrorAllowedFails: 3 } },
      model_info: { max_output_tokens: '4096' },
    };
    const { router } = routerOn(engine, { modelList: [entry] });
    const [{ params, info, allowedFailsPolicy }] = router.deployments();
    expect([params.drop_params, info.max_output_tokens, allowedFailsPolicy]).toEqual([true, 4096, { TimeoutErrorAllowedFails: 3 }]);
  });

  it('warn of settings of a deployment that have no effect without another', () => {
    const params = { model: 'openai/a', budget_duration: '1d', cache_read_input_token_cost: 1e-6, input_cost_per_token_flex: 1e-6 };
    const { router } = routerOn(engine, { modelList: [{ model_name: 'a', litellm_params: params }] });
    expect(router.warnings).toEqual(
      expect.arrayContaining([
        'litellm_params: budget_duration is ignored because max_budget is not set; set max_budget, or remove budget_duration',
        'prices are ignored because neither input_cost_per_token nor output_cost_per_token is set: cache_read_input_token_cost, input_cost_per_token_flex',
      ]),
    );
  });

  it('give a deployment without an id a stable id, and copies of it other ids', () => {
    const entry = { model_name: 'a', litellm_params: { model: 'openai/a', api_key: 'os.environ/OPENAI_API_KEY' } };
    const turned = { litellm_params: { api_key: 'os.environ/OPENAI_API_KEY', model: 'openai/a' }, model_name: 'a' };
    const { router } = routerOn(engine, { modelList: [entry, turned] });
    const [first, second] = router.deployments().map(({ id }) => id);
    expect(first).toMatch(/^a\/openai\/a~[0-9a-f]{8}$/);
    expect(second).toMatch(/^a\/openai\/a~[0-9a-f]{8}$/);
    expect(second).not.toBe(first);
    expect(routerOn(engine, { modelList: [turned] }).router.deployments()[0].id).toBe(first);
  });

  it.each<[string, Record<string, unknown>, boolean]>([
    ['a limit', { rpm: 5 }, true],
    ['a weight', { weight: 2 }, true],
    ['a price', { input_cost_per_token: 1e-6 }, true],
    ['the key', { api_key: 'sk-other' }, false],
    ['the address', { api_base: 'https://other.example' }, false],
    ['the model', { model: 'openai/other' }, false],
  ])('keep the id of a deployment when %s changes, or not', (_, change, isKept) => {
    const idOf = (params: Record<string, unknown>): string => {
      const litellm_params = { model: 'openai/a', api_key: 'sk-a', api_base: 'https://one.example', rpm: 1, ...params };
      return routerOn(engine, { modelList: [{ model_name: 'a', litellm_params }] }).router.deployments()[0].id;
    };
    expect(idOf(change) === idOf({})).toBe(isKept);
  });
});

describe('fallbacks', () => {
  it('are found by model, by its name without provider, by *, and among the defaults', () => {
    const { router } = routerOn(engine, {
      modelList: [deployment('a')],
      modelGroupAlias: { fast: 'gpt-4' },
      fallbacks: [{ 'gpt-4': ['gpt-4o', { model: 'claude', max_tokens: 5 }] }, { '*': ['any'] }],
      contentPolicyFallbacks: { 'gpt-4': ['safe'] },
      contextWindowFallbacks: ['long'],
      defaultFallbacks: ['last'],
    });
    const own = [
      { model: 'gpt-4o', overrides: undefined },
      { model: 'claude', overrides: { max_tokens: 5 } },
    ];
    expect(router.fallbacksOf('gpt-4')).toEqual(own);
    expect(router.fallbacksOf('openai/gpt-4')).toEqual(own);
    expect(router.fallbacksOf('fast')).toEqual(own);
    expect(router.fallbacksOf('other')).toEqual([{ model: 'any' }]);
    expect(router.fallbacksOf('gpt-4', 'content_policy')).toEqual([{ model: 'safe' }]);
    expect(router.fallbacksOf('other', 'content_policy')).toEqual([]);
    expect(router.fallbacksOf('other', 'context_window')).toEqual([{ model: 'long' }]);
    const { router: plain } = routerOn(engine, { modelList: [deployment('a')], defaultFallbacks: ['last'] });
    expect(plain.fallbacksOf('gpt-4')).toEqual([{ model: 'last' }]);
  });
});

describe('health checks', () => {
  it('make a failing or late deployment unhealthy while others are healthy, and healthy again', async () => {
    const well: Record<string, boolean | 'never'> = { a: true, b: false, c: 'never' };
    const { router } = routerOn(engine, {
      modelList: ['a', 'b', 'c'].map((id) => deployment(id)),
      healthChecks: {
        intervalMs: 5,
        timeoutMs: 30,
        probe: ({ id }) => (well[id] === 'never' ? new Promise(() => {}) : well[id] === true ? true : Promise.reject(new Error('no'))),
      },
    });
    const states = (): string =>
      router
        .status()
        .map(({ state }) => state)
        .join();
    await until(() => states() === 'available,unhealthy,unhealthy');
    for (let turn = 0; turn < 30; turn++) expect(router.getAvailableDeployment('gpt-4')?.id).toBe('a');
    expect(router.healthyCount('gpt-4')).toBe(1);
    well.a = false;
    await until(() => states() === 'unhealthy,unhealthy,unhealthy');
    expect(router.getAvailableDeployment('gpt-4')).not.toBeNull();
    well.b = true;
    await until(() => states() === 'unhealthy,available,unhealthy');
    for (let turn = 0; turn < 30; turn++) expect(router.acquire('gpt-4').deployment.id).toBe('b');
    await router.close();
    well.c = true;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(states()).toBe('unhealthy,available,unhealthy');
  });
});

describe('model lists passed with each call', () => {
  const lists = new ListRouters(choiceOf(engine), {});
  const modelList = (): ModelListEntry[] => [
    { model_name: 'gpt-4', litellm_params: { model: 'gpt-4', input_cost_per_token: 2 } },
    { model_name: 'gpt-4', litellm_params: { model: 'gpt-4-turbo', input_cost_per_token: 1 } },
  ];

  it('return the entry itself, or null', () => {
    const router = new AdvancedRouter('cost-based-routing', () => lists);
    const list = modelList();
    expect(router.strategy).toBe('cost_based');
    expect(router.getAvailableDeployment(list, 'gpt-4', [])).toBe(list[1]);
    expect(router.getAvailableDeployment(list, 'gpt-4', ['gpt-4-turbo'])).toBe(list[0]);
    expect(router.getAvailableDeployment(list, 'gpt-4', ['gpt-4'])).toBeNull();
    expect(router.getAvailableDeployment(list, 'gpt-5')).toBeNull();
    expect(router.getAvailableDeployment([], 'gpt-4')).toBeNull();
  });

  it('are read once, again when their length changes, and on refresh', () => {
    const router = new AdvancedRouter('cost_based', () => lists);
    const list = modelList();
    const service = router.routerOf(list);
    service.acquire('gpt-4');
    expect(router.routerOf(list)).toBe(service);
    list.push({ model_name: 'gpt-4', litellm_params: { model: 'mini', input_cost_per_token: 0.5 } });
    expect(router.getAvailableDeployment(list, 'gpt-4')).toBe(list[2]);
    expect(service.status().find(({ model }) => model === 'gpt-4-turbo')?.inFlight).toBe(1);
    list[0] = { model_name: 'gpt-4', litellm_params: { model: 'free', input_cost_per_token: 0 } };
    expect(router.getAvailableDeployment(list, 'gpt-4')).toBe(list[2]);
    router.refresh(list);
    expect(router.getAvailableDeployment(list, 'gpt-4')).toBe(list[0]);
  });

  it('are rejected with the place of an invalid entry', () => {
    const router = new AdvancedRouter('simple_shuffle', () => lists);
    expect(() => new AdvancedRouter('fastest', () => lists)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', path: 'strategy' }),
    );
    const refused = (list: unknown): unknown => {
      try {
        return router.getAvailableDeployment(list as ModelListEntry[], 'gpt-4');
      } catch (error) {
        return error;
      }
    };
    expect(refused(undefined)).toMatchObject({ code: 'INVALID_ARGUMENT', path: 'modelList' });
    expect(refused([{ model_name: 'a' }])).toMatchObject({ code: 'INVALID_ARGUMENT', path: 'modelList[0].litellm_params' });
  });

  it.each([null, undefined, 5, {}])('reject the model %p', (model) => {
    const router = new AdvancedRouter('simple_shuffle', () => lists);
    expect(() => router.getAvailableDeployment(modelList(), model as string)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', path: 'model' }),
    );
  });

  it('accept an array of blocked names, and nothing else', () => {
    const router = new AdvancedRouter('cost_based', () => lists);
    const list = modelList();
    expect(router.getAvailableDeployment(list, 'gpt-4', null)).toBe(list[1]);
    expect(() => router.getAvailableDeployment(list, 'gpt-4', 'gpt-4' as never)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', path: 'blockedModels' }),
    );
  });

  it("have their own settings, also in LiteLLM's names", () => {
    const list = modelList();
    const chosen = (settings: object): unknown => lists.of(list, settings).getAvailableDeployment('gpt-4')?.source;
    expect(chosen({ routing_strategy: 'cost-based-routing' })).toBe(list[1]);
    expect(lists.of(list, { cooldown_time: 7, cooldownMs: 3, num_retries: 1 }).settings).toMatchObject({ cooldownMs: 3, numRetries: 1 });
    for (const [settings, path] of [
      [{ routing_strategy: 'fastest' }, 'settings.strategy'],
      [{ cooldown_time: 'long' }, 'settings.cooldown_time'],
      [{ nothing: 1 }, 'settings.nothing'],
    ] as const) {
      expect(() => lists.of(list, settings)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', path }));
    }
  });
});
