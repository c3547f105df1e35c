import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { codeBlocks, documents } from '../../../test/project/readme-document.js';
import { deployment, routerEngines, routerOn } from '../../../test/support/router-engines.js';
import { resolveRouterOptions } from '../router.options.js';

const folder = mkdtempSync(join(tmpdir(), 'router-'));
afterAll(() => rmSync(folder, { recursive: true }));
const written = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};
const [engine] = routerEngines();
const thrownBy = (work: () => unknown): unknown => {
  try {
    return work();
  } catch (error) {
    return error;
  }
};
const env = { AZURE_API_KEY: 'azure-key', OPENAI_API_KEY: 'openai-key', LIMIT: '60' };

describe('a LiteLLM configuration', () => {
  it('reports prices per million tokens given as per token, and rejects invalid prices', () => {
    const list = (price: unknown): string =>
      written(
        'prices.json',
        JSON.stringify({ model_list: [{ model_name: 'm', litellm_params: { model: 'openai/m', input_cost_per_token: price } }] }),
      );
    const path = `${join(folder, 'prices.json')}: model_list[0].litellm_params.input_cost_per_token`;
    expect(routerOn(engine, { configPath: list(2.5) }).router.warnings).toEqual([
      expect.stringContaining(`${path} is 2.5 USD per token; if this is the price per million tokens, divide it by 1,000,000`),
    ]);
    expect(routerOn(engine, { configPath: list(0.00025) }).router.warnings).toEqual([]);
    expect(() => routerOn(engine, { configPath: list(1e308) })).toThrow(
      expect.objectContaining({ message: expect.stringMatching(/input_cost_per_token.*must be at most 1000 USD/) }),
    );
  });

  it.each<[what: string, config: object, message: string]>([
    ['a deployment', { model_list: [{ model_name: 'm', litellm_params: {} }] }, 'model_list[0].litellm_params.model: must be'],
    [
      'a misspelt key of a deployment',
      { model_list: [{ model_name: 'm', litellm_parms: { model: 'openai/m', api_key: 'sk-secret' } }] },
      'model_list[0].litellm_parms: is not a known option (did you mean litellm_params?), got an object',
    ],
    [
      'a price in words',
      { model_list: [{ model_name: 'm', litellm_params: { model: 'openai/m', output_cost_per_token: 'cheap' } }] },
      'model_list[0].litellm_params.output_cost_per_token: must be a number of at least 0, got a string',
    ],
    [
      'a price in words of model_info',
      { model_list: [{ model_name: 'm', litellm_params: { model: 'openai/m' }, model_info: { input_cost_per_token: 'cheap' } }] },
      'model_list[0].model_info.input_cost_per_token: must be a number of at least 0, got a string',
    ],
    ['a setting', { router_settings: { routing_strategy: 'random' } }, 'router_settings.routing_strategy: must be one of'],
    ['a setting of litellm_settings', { litellm_settings: { num_retries: 'many' } }, 'litellm_settings.num_retries: must be an integer'],
  ])('names the file and its own words for %s that is wrong', (_, config, message) => {
    const configPath = written('wrong.json', JSON.stringify(config));
    expect(() => routerOn(engine, { configPath })).toThrow(`${configPath}: ${message}`);
  });

  it('names the option for a deployment or a setting that is not of the file', () => {
    const configPath = written('right.json', JSON.stringify({ model_list: [deployment('a')], router_settings: { num_retries: 1 } }));
    const wrong = { ...deployment('b'), model_name: 7 } as never;
    expect(() => routerOn(engine, { configPath, modelList: [wrong] })).toThrow('router.modelList[0].model_name: must be');
    expect(() => routerOn(engine, { configPath, numRetries: -1 })).toThrow('router.numRetries: must be');
  });

  it('is read as the docs show', () => {
    const [example] = documents
      .flatMap((document) => codeBlocks(document))
      .filter(({ info, text }) => info === 'yaml' && text.includes('router_settings'));
    const options = resolveRouterOptions({ configPath: written('readme.yaml', example.text) }, env);
    expect(options.warnings).toEqual([]);
    expect(options.settings).toMatchObject({
      strategy: 'latency_based',
      lowestLatencyBuffer: 0.2,
      sampleTtlMs: 600_000,
      numRetries: 2,
      cooldownMs: 30_000,
      allowedFailsPolicy: { RateLimitErrorAllowedFails: 3 },
    });
    const { router } = routerOn(engine, { configPath: join(folder, 'readme.yaml') });
    expect(router.models()).toEqual(['gpt-4o', 'anthropic/*', 'default']);
    expect(router.warnings).toEqual([
      `${join(folder, 'readme.yaml')}: model_list[0].litellm_params names the variable AZURE_API_KEY, which is not set`,
      `${join(folder, 'readme.yaml')}: model_list[1].litellm_params names the variable OPENAI_API_KEY, which is not set`,
      `${join(folder, 'readme.yaml')}: model_list[2].litellm_params names the variable ANTHROPIC_API_KEY, which is not set`,
    ]);
    expect(router.fallbacksOf('gpt-4o')).toEqual([{ model: 'anthropic/claude-sonnet' }]);
    expect(router.acquire('default').deployment.provider).toBe('azure');
  });

  it('may be JSON with litellm_settings, and reports unknown settings once', () => {
    const path = written(
      'config.json',
      JSON.stringify({
        model_list: [
          { model_name: 'a', litellm_params: { model: 'openai/a', rpm: 'os.environ/LIMIT', timeout: 3, made_up: 1 }, tpm: 5 },
          { model_name: 'a', litellm_params: { model: 'openai/b', rpm: null, made_up: 2, num_retries: 4 }, model_info: null },
        ],
        litellm_settings: { num_retries: 7, request_timeout: 9, drop_params: true, context_window_fallbacks: [{ a: ['b'] }] },
        router_settings: { num_retries: 1, stream_timeout: 2, unheard_of: true, redis_host: 'h', set_verbose: true },
        general_settings: { master_key: 'sk-1' },
      }),
    );
    const options = resolveRouterOptions({ configPath: path, timeoutMs: 5 }, env);
    expect(options.settings).toMatchObject({ numRetries: 1, timeoutMs: 5, streamTimeoutMs: 2_000 });
    expect(options.warnings).toEqual([
      expect.stringContaining('general_settings.master_key protects the gateway (unless it has guards) and /key/…, '),
      expect.stringContaining('unheard_of'),
      expect.stringContaining('redis_host'),
    ]);
    const lines: string[] = [];
    const logger = { log: () => {}, warn: (line: string) => void lines.push(line), error: () => {} };
    const { router } = routerOn(engine, { configPath: path }, { logger });
    expect(lines.filter((line) => line.includes('made_up'))).toHaveLength(1);
    expect(router.deployments().map(({ rpm, tpm, timeoutMs, numRetries }) => [rpm, tpm, timeoutMs, numRetries])).toEqual([
      [Infinity, 5, 3_000, undefined],
      [Infinity, Infinity, undefined, 4],
    ]);
    expect(router.deployments()[0].params.made_up).toBe(1);
    expect(router.fallbacksOf('a', 'context_window')).toEqual([{ model: 'b' }]);
  });

  it('may use merge keys, and numbers and flags as text from the environment or YAML 1.1', () => {
    const text = `
shared: &shared { api_base: 'https://eu.example', api_key: os.environ/AZURE_API_KEY, rpm: 5 }
model_list:
  - { model_name: a, litellm_params: { <<: *shared, model: azure/a, rpm: os.environ/LIMIT } }
router_settings:
  cooldown_time: os.environ/LIMIT
  num_retries: os.environ/LIMIT
  enable_tag_filtering: yes
  enable_pre_call_checks: 'False'
  retry_policy: { TimeoutErrorRetries: os.environ/LIMIT }
  routing_strategy_args: { ttl: os.environ/LIMIT, max_latency_list_size: '4', lowest_latency_buffer: '0.5' }
  provider_budget_config: { azure: { budget_limit: os.environ/LIMIT, time_period: 1d } }
  model_group_alias: { b: a }`;
    const { settings, modelList } = resolveRouterOptions({ configPath: written('shared.yaml', text) }, env);
    expect(settings).toMatchObject({
      cooldownMs: 60_000,
      numRetries: 60,
      enableTagFiltering: true,
      enablePreCallChecks: false,
      retryPolicy: { TimeoutErrorRetries: 60 },
      sampleTtlMs: 60_000,
      maxSamples: 4,
      lowestLatencyBuffer: 0.5,
      providerBudgets: new Map([['azure', { budgetUsd: 60, periodMs: 86_400_000 }]]),
    });
    expect(modelList).toMatchObject([{ litellm_params: { api_base: 'https://eu.example', api_key: 'os.environ/AZURE_API_KEY' } }]);
    const many = Array.from({ length: 200 }, (_, i) => `- { model_name: a, litellm_params: { <<: *s, model: openai/${i} } }`);
    const large = written('many.yaml', `s: &s { rpm: 5 }\nmodel_list:\n${many.join('\n')}`);
    expect(resolveRouterOptions({ configPath: large }, {}).modelList[199]).toMatchObject({ litellm_params: { rpm: 5 } });
    expect(() => resolveRouterOptions({ routerSettings: { cooldown_time: 'soon' } }, {})).toThrow('router.routerSettings.cooldown_time');
    expect(() => resolveRouterOptions({ routerSettings: { num_retries: 'soon' } }, {})).toThrow('router.routerSettings.num_retries');
  });

  it('can consist of several files, and set missing variables', () => {
    const entry = (name: string): string =>
      `- { model_name: ${name}, litellm_params: { model: openai/${name}, api_key: os.environ/KEY_${name} } }`;
    written('more.yaml', `model_list:\n${entry('b')}\nrouter_settings: { num_retries: 5 }`);
    const path = written(
      'including.yaml',
      `include: [more.yaml]\nmodel_list:\n${entry('a')}\nrouter_settings: { timeout: 3 }\nenvironment_variables: { KEY_a: here, KEY_b: 7, KEY_c: }`,
    );
    const options = resolveRouterOptions({ configPath: path }, { KEY_a: 'outside' });
    expect(options.warnings).toEqual([]);
    expect(options.settings).toMatchObject({ numRetries: 5, timeoutMs: 6_000_000 });
    expect(options.env).toEqual({ KEY_a: 'outside', KEY_b: '7' });
    const { router } = routerOn(engine, { configPath: path });
    expect(router.deployments().map(({ modelName, params }) => [modelName, params.api_key])).toEqual([
      ['a', 'here'],
      ['b', '7'],
    ]);
  });

  it('with an invalid include is rejected with its name', () => {
    const gone = written('gone.yaml', 'include: [nowhere.yaml]');
    expect(() => resolveRouterOptions({ configPath: gone }, {})).toThrow(/nowhere\.yaml: cannot be read/);
    const wrong = written('text.yaml', 'include: more.yaml');
    expect(() => resolveRouterOptions({ configPath: wrong }, {})).toThrow(expect.objectContaining({ path: `${wrong}: include` }));
    const own = written('own.yaml', 'include: [own.yaml]');
    expect(() => resolveRouterOptions({ configPath: own }, {})).toThrow(expect.objectContaining({ path: `${own}: include` }));
  });

  it("says whom the budget of LiteLLM's proxy limits, unless the app limits spending itself", () => {
    const path = written('budget.json', JSON.stringify({ litellm_settings: { max_budget: 5, budget_duration: '30d' } }));
    const budget = 'litellm_settings.max_budget';
    expect(resolveRouterOptions({ configPath: path }, env).warnings).toEqual([
      `${path}: ${budget} limits the total spend of FastLiteLLMGatewayModule, but not of the app's own routes; limit those with @RateLimit`,
    ]);
    expect(resolveRouterOptions({ configPath: path, handledSettings: [budget] }, env).warnings).toEqual([]);
  });

  it('reads the groups of strategies', () => {
    const groups = (routing_groups: unknown): string => written('groups.json', JSON.stringify({ router_settings: { routing_groups } }));
    const group = { group_name: 'cheap', models: ['a', 'b'], routing_strategy: 'least-busy' };
    const { strategyOfModel } = resolveRouterOptions({ configPath: groups([group]) }, env).settings;
    expect([...strategyOfModel].map(([model]) => model)).toEqual(['a', 'b']);
    expect(() => resolveRouterOptions({ configPath: groups([null]) }, env)).toThrow(/routing_groups\[0\]/);
    expect(() => resolveRouterOptions({ configPath: groups('all') }, env)).toThrow(/routing_groups/);
  });

  it('reports no setting that the app handles, by its name or its section', () => {
    const path = written(
      'handled.json',
      JSON.stringify({ general_settings: { allow_user_auth: true, health_check_interval: 5 }, extra: { a: 1 } }),
    );
    const warningsWith = (handledSettings: string[]): readonly string[] =>
      resolveRouterOptions({ configPath: path, handledSettings }, env).warnings;
    const all = ['general_settings.allow_user_auth', 'general_settings.health_check_interval', 'extra.a'];
    expect(warningsWith([])).toEqual([`${path}: these settings of LiteLLM's proxy have no effect here: ${all.join(', ')}`]);
    expect(warningsWith([all[0]])).toEqual([expect.stringMatching(/no effect here: general_settings.health_check_interval, extra.a$/)]);
    expect(warningsWith(['general_settings', 'extra'])).toEqual([]);
  });

  it('reports where settings belong, and what they require', () => {
    const path = written(
      'misplaced.json',
      JSON.stringify({ general_settings: { drop_params: true, num_retries: 2 }, litellm_settings: { budget_duration: '30d' } }),
    );
    expect(resolveRouterOptions({ configPath: path }, env).warnings).toEqual([
      `${path}: these settings of LiteLLM's proxy have no effect here: general_settings.drop_params, general_settings.num_retries`,
      `${path}: move these settings to litellm_settings: general_settings.drop_params, general_settings.num_retries`,
      `${path}: litellm_settings.budget_duration is ignored because max_budget is not set; set max_budget, or remove budget_duration`,
    ]);
  });

  it.each<[object, object]>([
    [{}, {}],
    [
      {
        general_settings: { dangerously_allow_mock_testing_request_params: true },
        litellm_settings: { drop_params: false, include_cost_in_streaming_usage: true },
      },
      { mockTesting: true, dropParams: false, streamCost: true },
    ],
    [{ litellm_settings: { drop_params: 'yes' } }, {}],
  ])('has the settings of the client: %j', (config, expected) => {
    const { ofClient } = resolveRouterOptions({ configPath: written('client.json', JSON.stringify(config)) }, env);
    expect(JSON.parse(JSON.stringify(ofClient))).toEqual(expected);
  });

  it('reports deployments whose parameters are written as in a shell', () => {
    const modelList = [
      deployment('fine', { extra_headers: null, headers: { a: 'b' } }),
      deployment('key', { api_key: '${KEY}' }),
      deployment('header', { extra_headers: { authorization: 'Bearer ${TOKEN}' } }),
      deployment('body', { extra_body: { text: '${NAME}' } }),
    ];
    const { router } = routerOn(engine, { modelList }, { check: () => ({}) } as never);
    const explained = Object.fromEntries(router.explain('gpt-4').deployments.map(({ id, reason }) => [id, reason]));
    expect(explained.fine).not.toBe('uncallable');
    expect(explained).toEqual({ fine: explained.fine, body: explained.fine, key: 'uncallable', header: 'uncallable' });
  });

  it('reports variables that are written as in a shell', () => {
    const path = written(
      'shell.yaml',
      "router_settings: { redis_host: r, redis_port: 1, redis_password: '${REDIS_PASSWORD}' }\nenvironment_variables: { A: '${B:-b}', C: '$5 {c}' }",
    );
    expect(resolveRouterOptions({ configPath: path }, { B: 'b' }).warnings).toEqual([
      `${path}: router_settings.redis_password contains \${REDIS_PASSWORD}, which is not replaced; write os.environ/REDIS_PASSWORD`,
      `${path}: environment_variables.A contains \${B}, which is not replaced; write os.environ/B`,
    ]);
  });

  it('reports options without effect', () => {
    const params = {
      itpm: 5,
      max_retries: 4,
      tag_regex: ['^x'],
      mock_response: 'hi',
      use_in_pass_through: false,
      litellm_credential_name: null,
    };
    const info = { team_id: 'blue', supported_environments: ['staging'], mode: 'chat' };
    const settings = { cache_responses: true, default_litellm_params: { timeout: 1 }, debug_level: 'INFO' };
    const { router } = routerOn(engine, { modelList: [deployment('a', params, 'g', info)], routerSettings: settings });
    expect(router.warnings).toEqual([
      'unknown option ignored: router.routerSettings.cache_responses',
      'unknown option ignored: router.routerSettings.default_litellm_params',
      'option without effect: model_info.team_id',
      'option without effect: model_info.supported_environments',
      'litellm_params: LiteLLM parameters without effect: itpm, max_retries, tag_regex',
    ]);
  });

  it('fills in the credentials that deployments name, where they have no parameter of their own', () => {
    const entry = (id: string, params: object): object => ({
      model_name: 'g',
      litellm_params: { model: 'openai/a', ...params },
      model_info: { id },
    });
    const path = join(folder, 'credentials.json');
    const config = {
      environment_variables: { MINE: 'sk-mine' },
      credential_list: [{ credential_name: 'mine', credential_values: { api_key: 'os.environ/MINE', api_base: 'https://mine.example' } }],
      model_list: [
        entry('all', { litellm_credential_name: 'mine', api_base: null }),
        entry('own', { litellm_credential_name: 'mine', api_key: 'sk-own' }),
        entry('unknown', { litellm_credential_name: 'other' }),
      ],
    };
    writeFileSync(path, JSON.stringify(config));
    const { router } = routerOn(engine, { configPath: path });
    // The list of uncallable deployments names the third.
    expect(router.warnings).toEqual([]);
    expect(router.deployments().map(({ params }) => params)).toMatchObject([
      { api_key: 'sk-mine', api_base: 'https://mine.example' },
      { api_key: 'sk-own', api_base: 'https://mine.example' },
      { litellm_credential_name: 'other' },
    ]);
    writeFileSync(path, JSON.stringify({ credential_list: [{ credential_name: 'mine' }] }));
    expect(() => resolveRouterOptions({ configPath: path }, {})).toThrow(
      expect.objectContaining({ path: `${path}: credential_list[0].credential_values` }),
    );
  });

  it('that cannot be read is rejected with its name', () => {
    expect(() => resolveRouterOptions({ configPath: join(folder, 'none.yaml') }, {})).toThrow(/none\.yaml: cannot be read/);
    const broken = written('broken.yaml', 'model_list: [\n - }');
    expect(() => resolveRouterOptions({ configPath: broken }, {})).toThrow(expect.objectContaining({ code: 'INVALID_CONFIGURATION' }));
    const open = written('open.yaml', 'model_list:\n- litellm_params: { api_key: "sk-secret }');
    const error = thrownBy(() => resolveRouterOptions({ configPath: open }, {}));
    expect(error).toMatchObject({ message: expect.stringContaining('at line 2') as string });
    expect(inspect(error)).not.toContain('sk-secret');
    const wrong = written('wrong.yaml', 'model_list: 3');
    expect(() => resolveRouterOptions({ configPath: wrong }, {})).toThrow(expect.objectContaining({ path: `${wrong}: model_list` }));
  });
});
