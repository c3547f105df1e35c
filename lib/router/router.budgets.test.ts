import { deployment, routerEngines, routerOn, type StandingClock } from '../../test/support/router-engines.js';
import { InvalidConfigurationError } from '../common/errors.js';
import type { SourcedPrices } from '../common/token-cost.js';
import { readPeriod } from './config/budget-settings.js';
import { resolveRouterOptions, type RouterOptions } from './router.options.js';
import type { RouterService } from './router.service.js';
import type { RouterSharedState, StateOfRouter } from './redis/shared-state.js';

const DAY_MS = 86_400_000;
const price = { input_cost_per_token: 0.001, output_cost_per_token: 0.002 };
const modelList = [
  deployment('o1', { model: 'openai/gpt-4o', ...price }),
  deployment('o2', { model: 'openai/gpt-4o-mini', ...price }),
  deployment('z', { model: 'azure/gpt-4o', ...price }),
];
const stateOf = (router: RouterService): string[] => router.status().map(({ id, state }) => `${id} ${state}`);

describe.each(routerEngines().map((engine) => [engine.engine, engine] as const))('budgets, %s', (_, engine) => {
  const open = (options: RouterOptions): { router: RouterService; clock: StandingClock } => routerOn(engine, { modelList, ...options });
  /** A call of 3 USD. */
  const pay = (router: RouterService, model: string): void =>
    router.succeeded(router.acquire(model), { latencyMs: 1, promptTokens: 1_000, completionTokens: 1_000 });

  it.each(['simple_shuffle', 'least_busy', 'latency_based', 'usage_based', 'cost_based'])(
    'takes all deployments of a provider out of rotation until the period ends: %s',
    (strategy) => {
      const { router, clock } = open({
        strategy,
        routerSettings: { provider_budget_config: { openai: { budget_limit: 6, time_period: '1d' } } },
      });
      pay(router, 'o1');
      expect(stateOf(router)).toEqual(['o1 available', 'o2 available', 'z available']);
      clock.pass(DAY_MS / 2);
      pay(router, 'o2');
      expect(stateOf(router)).toEqual(['o1 over_budget', 'o2 over_budget', 'z available']);
      for (let turn = 0; turn < 20; turn++) expect(router.acquire('gpt-4').deployment.id).toBe('z');
      expect(router.explain('gpt-4').deployments.map(({ reason }) => reason)).toEqual(['budget', 'budget', undefined]);
      // The time begins with the first call.
      clock.pass(DAY_MS / 2 - 1);
      expect(router.getAvailableDeployment('o1')).toBeNull();
      clock.pass(1);
      expect(stateOf(router)).toEqual(['o1 available', 'o2 available', 'z available']);
      pay(router, 'o1');
      expect(router.getAvailableDeployment('o1')).not.toBeNull();
    },
  );

  it('rejects with 429, the exceeded budget and the time until its period ends', () => {
    const { router, clock } = open({ providerBudgets: { azure: { budgetUsd: 1e-12, periodMs: 60_000 } } });
    pay(router, 'z');
    clock.pass(20_000);
    expect(() => router.acquire('z')).toThrow(
      expect.objectContaining({
        code: 'ROUTER_RATE_LIMITED',
        retryAfterMs: 40_000,
        message: expect.stringContaining('No deployments available - crossed budget: Exceeded budget for provider azure: 3 >= 1e-12'),
      }),
    );
  });

  it('limits a single deployment by its max_budget', () => {
    const { router } = open({
      modelList: [deployment('a', { max_budget: 2, budget_duration: '1mo', ...price }), deployment('b', { max_budget: 2, ...price })],
    });
    expect(router.warnings).toEqual([
      'litellm_params: max_budget is ignored because budget_duration is not set; set budget_duration, or remove max_budget',
    ]);
    pay(router, 'b');
    pay(router, 'a');
    expect(stateOf(router)).toEqual(['a over_budget', 'b available']);
  });

  it('counts a reported cost and the usage of a cancelled call, and nothing without a price', () => {
    const { router } = open({
      modelList: [deployment('a', price), deployment('free', { model: 'openai/unknown-model' })],
      providerBudgets: { openai: { budgetUsd: 10, periodMs: DAY_MS } },
    });
    router.succeeded(router.acquire('free'), { latencyMs: 1, promptTokens: 1e9 });
    router.failed(router.acquire('a'), { status: 500 });
    router.cancelled(router.acquire('a'));
    router.cancelled(router.acquire('a'), { promptTokens: 1_000, completionTokens: 500 });
    const left = (): number => router.metrics().find(({ name }) => name === 'router_budget_remaining_usd')?.value ?? NaN;
    expect(left()).toBeCloseTo(8);
    router.succeeded(router.acquire('a'), { latencyMs: 1, promptTokens: 1_000, costUsd: 7 });
    expect(left()).toBeCloseTo(1);
    const pick = router.acquire('a');
    for (let turn = 0; turn < 2; turn++) router.succeeded(pick, { latencyMs: 1, costUsd: 0.5 });
    expect(left()).toBeCloseTo(0.5);
  });

  it('counts cached tokens by their own price, also for cancelled calls', () => {
    const { router } = open({
      modelList: [deployment('a', { ...price, cache_read_input_token_cost: 0 })],
      providerBudgets: { openai: { budgetUsd: 10, periodMs: DAY_MS } },
    });
    const used = { promptTokens: 2_000, usageDetails: { cacheReadTokens: 1_000 } };
    const left = (): number => router.metrics().find(({ name }) => name === 'router_budget_remaining_usd')?.value ?? NaN;
    router.succeeded(router.acquire('a'), { latencyMs: 1, ...used });
    expect(left()).toBeCloseTo(9);
    router.cancelled(router.acquire('a'), used);
    expect(left()).toBeCloseTo(8);
  });

  it('counts a call through a pattern by the price of the called model', () => {
    const pricesOf = (model: string): SourcedPrices[] =>
      model === 'openai/gpt-4o' ? [{ prices: { inputPerMillion: 1e6 }, source: 'test' }] : [];
    const { router } = routerOn(
      engine,
      {
        modelList: [deployment('any', { model: 'openai/*' }, 'openai/*')],
        providerBudgets: { openai: { budgetUsd: 10, periodMs: DAY_MS } },
      },
      { modelFacts: { pricesOf } },
    );
    const left = (): number => router.metrics().find(({ name }) => name === 'router_budget_remaining_usd')?.value ?? NaN;
    router.succeeded(router.acquire('openai/gpt-4o'), { latencyMs: 1, promptTokens: 4 });
    expect(left()).toBe(6);
    router.cancelled(router.acquire('openai/gpt-4o'), { promptTokens: 1 });
    router.succeeded(router.acquire('openai/other'), { latencyMs: 1, promptTokens: 4 });
    expect(left()).toBe(5);
  });

  it('rounds fractions of tokens before it prices them', () => {
    const pricesOf = (): SourcedPrices[] => [{ prices: { inputPerMillion: 1e6, outputPerMillion: 2e6 }, source: 'test' }];
    const { router } = routerOn(
      engine,
      { modelList, providerBudgets: { openai: { budgetUsd: 10, periodMs: DAY_MS } } },
      { modelFacts: { pricesOf } },
    );
    router.addDeployment(deployment('own', { model: 'openai/gpt-4.1' }));
    router.succeeded(router.acquire('own'), { latencyMs: 1, promptTokens: 2.5, completionTokens: 1.25 });
    expect(router.metrics().find(({ name }) => name === 'router_budget_remaining_usd')?.value).toBe(10 - 3 - 2);
  });

  it('ends over-budget states when a budget is raised, and keeps cooldowns of failures', () => {
    const { router } = open({ providerBudgets: { openai: { budgetUsd: 3, periodMs: 10_000 } }, cooldownMs: 60_000 });
    const late = router.acquire('o2');
    pay(router, 'o1');
    router.failed(late, { status: 429 });
    expect(stateOf(router)).toEqual(['o1 over_budget', 'o2 over_budget', 'z available']);
    router.updateSettings({ providerBudgets: { openai: { budgetUsd: 30, periodMs: 10_000 } } });
    expect(stateOf(router)).toEqual(['o1 available', 'o2 cooling', 'z available']);
    router.updateSettings({ providerBudgets: { openai: { budgetUsd: 1, periodMs: 10_000 } } });
    expect(stateOf(router)).toEqual(['o1 over_budget', 'o2 over_budget', 'z available']);
    router.updateSettings({ providerBudgets: {} });
    expect(stateOf(router)).toEqual(['o1 available', 'o2 cooling', 'z available']);
  });

  it('keeps what was spent when a deployment is removed and added again', () => {
    const own = deployment('own', { model: 'openai/gpt-4o', max_budget: 1, budget_duration: '10s', ...price });
    const { router, clock } = open({ modelList: [own] });
    pay(router, 'own');
    clock.pass(4_000);
    expect(router.removeDeployment('own')).toBe(true);
    router.addDeployment(own);
    expect(stateOf(router)).toEqual(['own over_budget']);
    router.removeDeployment('own');
    clock.pass(6_000);
    router.addDeployment(own);
    expect(stateOf(router)).toEqual(['own available']);
  });

  it('takes spending and end of the period from all processes', () => {
    let shared: StateOfRouter | undefined;
    const sharedState: RouterSharedState = { start: (state) => void (shared = state), health: () => ({}), close: async () => {} };
    const { router, clock } = open({ providerBudgets: { openai: { budgetUsd: 3, periodMs: 10_000 } }, sharedState });
    pay(router, 'o1');
    const known = { periodMs: 10_000, totalUsd: 3, leftMs: 10_000 };
    expect(shared?.takeSpending?.()).toEqual([{ key: 'provider:openai', usd: 3, ...known }]);
    expect(shared?.takeSpending?.()).toEqual([{ key: 'provider:openai', usd: 0, ...known }]);
    shared?.spent?.('provider:openai', NaN, 2_000);
    shared?.spent?.('provider:openai', 5, 2_000);
    clock.pass(1_999);
    expect(stateOf(router)[0]).toBe('o1 over_budget');
    clock.pass(1);
    expect(stateOf(router)[0]).toBe('o1 available');
    shared?.spent?.('provider:openai', 4, 8_000);
    expect(stateOf(router)[1]).toBe('o2 over_budget');
    shared?.spent?.('provider:openai', 1, 8_000);
    expect(stateOf(router)[1]).toBe('o2 available');
    shared?.spent?.('provider:unheard-of', 1, 8_000);
  });

  it('rejects everything under a budget of 0', () => {
    const { router, clock } = open({ providerBudgets: { openai: { budgetUsd: 0, periodMs: 1_000 } } });
    clock.pass(2_000);
    for (let turn = 0; turn < 20; turn++) expect(router.acquire('gpt-4').deployment.id).toBe('z');
    expect(() => router.acquire('o1')).toThrow(expect.objectContaining({ code: 'ROUTER_RATE_LIMITED', retryAfterMs: undefined }));
  });
});

describe('budget settings', () => {
  it.each([
    ['30s', 30_000],
    ['10m', 600_000],
    ['24h', DAY_MS],
    ['7d', 7 * DAY_MS],
    ['1w', 7 * DAY_MS],
    ['1mo', 30 * DAY_MS],
  ])('%s', (time, ms) => expect(readPeriod('path', time, (path) => new Error(path))).toBe(ms));

  it.each(['', '0d', 'd', '1y', '1.5h', '-1d', 7, null])('rejects the period %j', (time) =>
    expect(() => readPeriod('path', time, (path) => new Error(path))).toThrow('path'),
  );

  it.each<[RouterOptions, string]>([
    [{ providerBudgets: { openai: { budgetUsd: -1, periodMs: 1 } } }, 'router.providerBudgets.openai.budgetUsd'],
    [{ providerBudgets: { openai: { budgetUsd: 1, periodMs: 0 } } }, 'router.providerBudgets.openai.periodMs'],
    [
      { routerSettings: { provider_budget_config: { openai: { budget_limit: 1, time_period: 'soon' } } } },
      'router.routerSettings.provider_budget_config.openai.time_period',
    ],
    [
      { routerSettings: { provider_budget_config: { openai: { budget_limit: 'x', time_period: '1d' } } } },
      'router.routerSettings.provider_budget_config.openai.budget_limit',
    ],
  ])('%j', (options, path) => {
    expect(() => resolveRouterOptions(options, {})).toThrow(InvalidConfigurationError);
    expect(() => resolveRouterOptions(options, {})).toThrow(expect.objectContaining({ path }));
  });

  it("accepts LiteLLM's other names, and reports unknown keys", () => {
    const { settings, warnings } = resolveRouterOptions(
      { routerSettings: { provider_budget_config: { azure: { max_budget: 5, budget_duration: '30s', soft_budget: 1 } } } },
      {},
    );
    expect([...settings.providerBudgets]).toEqual([['azure', { budgetUsd: 5, periodMs: 30_000 }]]);
    expect(warnings).toEqual([expect.stringContaining('soft_budget')]);
  });
});
