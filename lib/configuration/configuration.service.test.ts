import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FastLiteLLM } from '../fast-litellm.js';
import type { RouterOptions } from '../router/router.options.js';
import type { ConfigurationService } from './configuration.service.js';

const MASTER_KEY = 'sk-master-key-of-the-test-0123456789';
const folder = mkdtempSync(join(tmpdir(), 'configuration-'));
const open: FastLiteLLM[] = [];
let files = 0;

interface Entry {
  readonly name: string;
  readonly params?: Record<string, unknown>;
  readonly info?: Record<string, unknown>;
}

const entry = ({ name, params, info }: Entry) => ({
  model_name: name,
  litellm_params: { model: `openai/${name}`, api_key: 'sk-provider-secret-0001', api_base: 'https://one.example/v1', ...params },
  ...(info && { model_info: info }),
});

/** A file with these models, and everything else that is protected. */
function config(models: readonly Entry[], more: object = {}): object {
  return { model_list: models.map(entry), general_settings: { master_key: MASTER_KEY }, ...more };
}

class Opened {
  readonly lines: string[] = [];
  readonly path = join(folder, `config-${++files}.json`);
  readonly llm: FastLiteLLM;

  constructor(content: object, router: RouterOptions = {}) {
    this.write(content);
    const add = (line: string): void => void this.lines.push(line);
    const handledSettings = [
      'general_settings.master_key',
      'general_settings.allowed_routes',
      'guardrails',
      ...(router.handledSettings ?? []),
    ];
    this.llm = new FastLiteLLM(
      { router: { configPath: this.path, ...router, handledSettings }, logger: { log: add, warn: add, error: add }, engine: 'typescript' },
      { env: { PROVIDER_KEY: 'sk-from-the-environment' } },
    );
    open.push(this.llm);
  }

  get configuration(): ConfigurationService {
    return this.llm.configuration;
  }

  write(content: object | string): void {
    writeFileSync(this.path, typeof content === 'string' ? content : JSON.stringify(content));
  }

  async reloaded(content: object | string): Promise<ReturnType<ConfigurationService['current']>> {
    this.write(content);
    return this.configuration.reload('api');
  }

  names(): readonly string[] {
    return this.llm.router.models();
  }
}

afterAll(async () => {
  await Promise.all(open.map((llm) => llm.close()));
  rmSync(folder, { recursive: true });
});

describe('a reload', () => {
  it('applies models, settings and settings of the client', async () => {
    const opened = new Opened(config([{ name: 'a' }]));
    expect(opened.configuration.current()).toMatchObject({ version: 1, cause: 'start', changes: [] });
    const version = await opened.reloaded(
      config([{ name: 'a' }, { name: 'b' }], {
        router_settings: { num_retries: 7, fallbacks: [{ a: ['b'] }] },
        litellm_settings: { drop_params: true },
      }),
    );
    expect(version).toMatchObject({ version: 2, cause: 'api' });
    expect(opened.names()).toEqual(['a', 'b']);
    expect(opened.llm.router.settings.numRetries).toBe(7);
    expect(opened.llm.router.fallbacksOf('a')).toEqual([{ model: 'b' }]);
    expect(opened.configuration.history().map(({ version: number }) => number)).toEqual([2, 1]);
  });

  it('does nothing if the content is the same', async () => {
    const opened = new Opened(config([{ name: 'a' }]));
    const { general_settings, model_list } = config([{ name: 'a' }]) as Record<string, unknown>;
    expect(await opened.reloaded({ general_settings, model_list })).toBe(opened.configuration.history()[0]);
    expect(opened.configuration.history()).toHaveLength(1);
  });

  it('keeps the last 20 versions', async () => {
    const opened = new Opened(config([{ name: 'a' }]));
    for (let retries = 0; retries < 25; retries++)
      await opened.reloaded(config([{ name: 'a' }], { router_settings: { num_retries: retries } }));
    const versions = opened.configuration.history().map(({ version }) => version);
    expect([versions.length, versions[0]]).toEqual([20, 26]);
  });

  it('keeps cooldowns, counters and latencies of deployments whose limits change', async () => {
    const opened = new Opened(config([{ name: 'a' }, { name: 'b' }]));
    const { router } = opened.llm;
    router.succeeded(router.acquire('a'), { latencyMs: 40, promptTokens: 7 });
    router.failed(router.acquire('a'), { status: 401 });
    const inFlight = router.acquire('b');
    const before = router.status();
    await opened.reloaded(config([{ name: 'new' }, { name: 'b', params: { rpm: 9 } }, { name: 'a', params: { weight: 3 } }]));
    const after = new Map(router.status().map((state) => [state.id, state]));
    for (const { id, coolingForMs, lastFailure, ...state } of before) {
      expect(after.get(id)).toMatchObject(state);
      expect(after.get(id)?.lastFailure?.cause).toBe(lastFailure?.cause);
      expect((after.get(id)?.coolingForMs ?? 0) > 0).toBe(coolingForMs > 0);
    }
    router.succeeded(inFlight, { latencyMs: 1 });
    expect(router.status().map(({ inFlight: count }) => count)).toEqual([0, 0, 0]);
  });

  it('keeps the object of an unchanged deployment, with its endpoint and credentials', async () => {
    const opened = new Opened(config([{ name: 'a' }, { name: 'b' }]));
    const [a, b] = opened.llm.router.deployments();
    await opened.reloaded(config([{ name: 'a' }, { name: 'b', params: { rpm: 9 } }]));
    const [next, changed] = opened.llm.router.deployments();
    expect(next).toBe(a);
    expect(changed).not.toBe(b);
    expect(changed.id).toBe(b.id);
    await opened.reloaded(config([{ name: 'a' }, { name: 'b' }], { environment_variables: { REGION: 'eu' } }));
    // Keys of well-known providers come from the environment.
    expect(opened.llm.router.deployments()[0]).not.toBe(a);
  });

  it.each<[string, object | string, string]>([
    ['is not YAML', 'model_list: [', 'must be valid YAML'],
    ['has an invalid limit', config([{ name: 'a', params: { rpm: 'many' } }]), 'model_list[0].litellm_params.rpm: must be a number'],
    ['has an invalid setting', config([{ name: 'a' }], { router_settings: { cooldown_time: -1 } }), 'router_settings.cooldown_time'],
    ['has an invalid credential', config([{ name: 'a' }], { credential_list: [{}] }), 'credential_list[0]'],
    ['has two equal ids', config([1, 2].map(() => ({ name: 'a', info: { id: 'same' } }))), 'must be unique among deployments'],
    ['has no models', config([]), 'model_list: must not become empty'],
    ['has a misspelt key', { ...config([{ name: 'a' }]), modell_list: [] }, 'did you mean model_list?'],
  ])('changes nothing if the file %s, and reports the place', async (_, content, message) => {
    const opened = new Opened(config([{ name: 'a' }]));
    const { configuration } = opened;
    const [version, deployments] = [configuration.current(), opened.llm.router.deployments()];
    await expect(opened.reloaded(content)).rejects.toMatchObject({ code: 'INVALID_CONFIGURATION' });
    expect(configuration.rejected()).toMatchObject({ cause: 'api', message: expect.stringContaining(message) as string });
    expect(configuration.rejected()?.message).toContain(opened.path);
    expect(configuration.current()).toBe(version);
    expect(opened.llm.router.deployments()).toBe(deployments);
    expect(configuration.health()).toMatchObject({ status: 'degraded', reason: expect.stringContaining(message) as string });
    expect(opened.lines.filter((line) => line.startsWith('Configuration: rejected'))).toHaveLength(1);
    // Polling reads the same file again and again.
    await configuration.reload('watch').catch(() => {});
    expect(opened.lines.filter((line) => line.startsWith('Configuration: rejected'))).toHaveLength(1);
    await opened.reloaded(config([{ name: 'b' }]));
    expect(configuration.rejected()).toBeNull();
    expect(configuration.health()).toMatchObject({ status: 'ok', version: 2 });
  });

  it('rejects the file if a part of the app cannot use it, before any part applies it', async () => {
    const opened = new Opened(config([{ name: 'a' }]));
    const applied: unknown[] = [];
    opened.configuration.follow(({ document }) => ({ apply: () => void applied.push(document) }));
    const stop = opened.configuration.follow(() => {
      throw new Error('no');
    });
    await expect(opened.reloaded(config([{ name: 'b' }]))).rejects.toThrow('no');
    expect([applied, opened.names()]).toEqual([[], ['a']]);
    stop();
    await opened.configuration.reload('api');
    expect([applied.length, opened.names()]).toEqual([1, ['b']]);
  });

  it('reports changes that take effect at the next start', async () => {
    const opened = new Opened(config([{ name: 'a' }]));
    const { changes } = await opened.reloaded(
      config([{ name: 'a' }], { litellm_settings: { success_callback: ['langfuse'], num_retries: 1 } }),
    );
    expect(changes).toEqual([
      { path: 'litellm_settings.success_callback', kind: 'added', after: ['langfuse'], effect: 'next_start' },
      { path: 'litellm_settings.num_retries', kind: 'added', after: 1, effect: 'now' },
    ]);
    expect(opened.lines).toContain('Configuration: these changes take effect at the next start: litellm_settings.success_callback');
  });

  it('reports variables and tokenizers of known models for the next start, and variables that deployments name for now', async () => {
    const params = { api_key: 'os.environ/NAMED_KEY' };
    const settings = (value: string): object => ({ environment_variables: { NAMED_KEY: value, LANGFUSE_HOST: value } });
    const opened = new Opened(config([{ name: 'a', info: { id: 'first' }, params }], settings('https://one')));
    const info = { id: 'first', custom_tokenizer: { identifier: 'x/y' } };
    const { changes } = await opened.reloaded(config([{ name: 'a', info, params }], settings('https://two')));
    expect(changes.map(({ path, effect }) => [path, effect])).toEqual([
      ['environment_variables.NAMED_KEY', 'now'],
      ['environment_variables.LANGFUSE_HOST', 'next_start'],
      ["model_list['first'].model_info.custom_tokenizer", 'next_start'],
    ]);
  });

  it('masks secrets in its changes, and names deployments by their ids', async () => {
    const opened = new Opened(config([{ name: 'a', info: { id: 'first' } }]));
    const { changes } = await opened.reloaded({
      ...config([
        {
          name: 'a',
          info: { id: 'first' },
          params: {
            api_key: 'sk-another-secret',
            api_base: 'https://user:pass-word@two.example/v1?key=hidden',
            rpm: 5,
            extra_headers: { 'X-Team': 'hidden' },
          },
        },
        { name: 'b', info: { id: 'second' }, params: { api_key: 'os.environ/PROVIDER_KEY' } },
      ]),
      environment_variables: { TOKEN_OF_SOMETHING: 'hidden' },
      credential_list: [{ credential_name: 'shared', credential_values: { api_key: 'hidden', api_base: 'https://hidden.example' } }],
    });
    expect(JSON.stringify(changes)).not.toMatch(/hidden|sk-another|sk-provider|pass-word/);
    expect(changes).toEqual(
      expect.arrayContaining([
        { path: "model_list['first'].litellm_params.api_key", kind: 'changed', before: '***', after: '***', effect: 'now' },
        {
          path: "model_list['first'].litellm_params.api_base",
          kind: 'changed',
          before: 'https://one.example',
          after: 'https://two.example',
          effect: 'now',
        },
        { path: "model_list['first'].litellm_params.rpm", kind: 'added', after: 5, effect: 'now' },
        {
          path: "model_list['second']",
          kind: 'added',
          after: {
            model_name: 'b',
            litellm_params: { model: 'openai/b', api_key: 'os.environ/PROVIDER_KEY', api_base: 'https://one.example' },
            model_info: { id: 'second' },
          },
          effect: 'now',
        },
      ]),
    );
  });
});

describe('protection', () => {
  const guardrails = [{ guardrail_name: 'pii', litellm_params: { guardrail: 'presidio', mode: 'pre_call' } }];
  const withNames = (names: readonly string[]) => ({
    model_name: 'a',
    litellm_params: { model: 'openai/a', api_key: 'sk-1', guardrails: names },
  });
  const withParams = (params: object) => ({ ...guardrails[0], litellm_params: { ...guardrails[0].litellm_params, ...params } });
  const budgets = { router_settings: { provider_budget_config: { openai: { budget_limit: 5, time_period: '1d' } } } };
  const limited = { name: 'a', params: { max_budget: 5, budget_duration: '1d' }, info: { id: 'one' } };
  const general = (settings: object): object => ({ general_settings: { master_key: MASTER_KEY, ...settings } });

  it.each<[string, object, object, string]>([
    [
      'the master key',
      config([{ name: 'a' }]),
      config([{ name: 'a' }], { general_settings: {} }),
      'general_settings.master_key: must not change',
    ],
    ['a strong key', config([{ name: 'a' }]), config([{ name: 'a' }], { general_settings: { master_key: 'sk-1234' } }), 'must not change'],
    ['guardrails', config([{ name: 'a' }], { guardrails }), config([{ name: 'a' }]), "guardrails['pii']: must not be removed"],
    ...(
      [
        ['mode', { mode: 'post_call' }],
        ['default_on', { default_on: false }],
        ['unreachable_fallback', { unreachable_fallback: 'fail_open' }],
        ['language', { language: 'de' }],
      ] as const
    ).map(
      ([key, params]) =>
        [
          `${key} of a guardrail`,
          config([{ name: 'a' }], { guardrails: [withParams({ default_on: true })] }),
          config([{ name: 'a' }], { guardrails: [withParams({ default_on: true, ...params })] }),
          `guardrails['pii'].litellm_params.${key}: must not become weaker`,
        ] as [string, object, object, string],
    ),
    [
      'guardrails of a deployment',
      { ...config([{ name: 'a' }], { guardrails }), model_list: [withNames(['pii'])] },
      { ...config([{ name: 'a' }], { guardrails }), model_list: [withNames([])] },
      "model_list['a'].litellm_params.guardrails: must not be removed",
    ],
    [
      'a guardrail',
      config([{ name: 'a' }], { guardrails }),
      config([{ name: 'a' }], { guardrails: [{ ...guardrails[0], guardrail_name: 'other' }] }),
      "guardrails['pii']: must not be removed",
    ],
    [
      'allowed routes',
      config([{ name: 'a' }], general({ allowed_routes: ['/v1/chat/completions'] })),
      config([{ name: 'a' }]),
      'general_settings.allowed_routes: must not be removed',
    ],
    ['the budget of the proxy', config([{ name: 'a' }], { litellm_settings: { max_budget: 5 } }), config([{ name: 'a' }]), 'max_budget'],
    ['a provider budget', config([{ name: 'a' }], budgets), config([{ name: 'a' }]), 'provider_budget_config.openai: must not be removed'],
    [
      'the budget of a deployment',
      config([limited]),
      config([{ name: 'a', info: { id: 'one' } }]),
      "model_list['one'].litellm_params.max_budget: must not be removed",
    ],
    [
      'tag filtering',
      config([{ name: 'a' }], { router_settings: { enable_tag_filtering: true } }),
      config([{ name: 'a' }]),
      'enable_tag_filtering: must not be removed',
    ],
    [
      'the ban on mocks',
      config([{ name: 'a' }]),
      config([{ name: 'a' }], general({ dangerously_allow_mock_testing_request_params: true })),
      'must not be switched on',
    ],
    [
      'authentication',
      config([{ name: 'a' }], general({ enable_jwt_auth: true })),
      config([{ name: 'a' }]),
      'general_settings.enable_jwt_auth',
    ],
  ])('cannot be removed by a reload: %s', async (_, before, after, message) => {
    const opened = new Opened(before);
    await expect(opened.reloaded(after)).rejects.toThrow(message);
    expect(opened.configuration.rejected()?.message).not.toMatch(/sk-/);
    expect(opened.configuration.current().version).toBe(1);
    await expect(opened.reloaded(before)).resolves.toMatchObject({ version: 1 });
  });

  it.each<[string, object, object]>([
    [
      'the budget of the proxy is raised',
      config([{ name: 'a' }], { litellm_settings: { max_budget: 5 } }),
      config([{ name: 'a' }], { litellm_settings: { max_budget: 50 } }),
    ],
    ['a budget is added', config([{ name: 'a' }]), config([{ name: 'a' }], budgets)],
    ['a deployment with a budget is removed', config([limited, { name: 'b' }]), config([{ name: 'b' }])],
    ...(
      [
        ['another mode', { mode: ['post_call', 'pre_call'] }],
        ['that it runs for all requests', { default_on: true }],
        ['that it fails closed', { unreachable_fallback: 'fail_closed' }],
        ['another key', { api_key: 'other' }],
      ] as const
    ).map(
      ([what, params]) =>
        [
          `a guardrail gets ${what}`,
          config([{ name: 'a' }], { guardrails }),
          config([{ name: 'a' }], { guardrails: [{ ...guardrails[0], litellm_params: { ...guardrails[0].litellm_params, ...params } }] }),
        ] as [string, object, object],
    ),
    ['a handled restriction is added', config([{ name: 'a' }]), config([{ name: 'a' }], { guardrails })],
  ])('allows that %s', async (_, before, after) => {
    await expect(new Opened(before).reloaded(after)).resolves.toMatchObject({ version: 2 });
  });
});

describe('stored models', () => {
  const stored = (name: string, info: Record<string, unknown> = { id: `id-${name}` }, params: Record<string, unknown> = {}) =>
    entry({ name, info, params });

  it('are added to those of the file, and replaced together', async () => {
    const opened = new Opened(config([{ name: 'a', info: { id: 'of-the-file' } }]));
    const { configuration } = opened;
    configuration.useStoredModels([stored('x'), stored('y')]);
    expect(opened.names()).toEqual(['a', 'x', 'y']);
    expect(configuration.current()).toMatchObject({ version: 2, cause: 'store' });
    expect(configuration.current().changes.map(({ path }) => path)).toEqual(["model_list['id-x']", "model_list['id-y']"]);
    expect([...configuration.fileModelIds()]).toEqual(['of-the-file']);
    await opened.reloaded(config([{ name: 'b' }]));
    expect(opened.names()).toEqual(['b', 'x', 'y']);
    configuration.useStoredModels([stored('y')]);
    expect(opened.names()).toEqual(['b', 'y']);
  });

  it('resolve no variables of the environment, also when settings change', () => {
    const opened = new Opened(config([{ name: 'a', params: { api_key: 'os.environ/PROVIDER_KEY' } }]));
    opened.configuration.useStoredModels([stored('x', { id: 'x' }, { api_key: 'os.environ/PROVIDER_KEY' })]);
    opened.llm.router.updateSettings({ numRetries: 1 });
    const [ofFile, ofStore] = opened.llm.router.deployments();
    expect(ofFile.params.api_key).toBe('sk-from-the-environment');
    expect(ofStore.params.api_key).toBeUndefined();
    expect(ofStore.uncallable).toBeDefined();
  });

  it('are rejected with the name of the model, and nothing changes', () => {
    const opened = new Opened(config([{ name: 'a' }]));
    const { configuration } = opened;
    const bad = stored('x', { id: 'x' }, { rpm: -1 });
    expect(() => configuration.useStoredModels([stored('y'), bad])).toThrow('stored model x.litellm_params.rpm: must be a number');
    expect([opened.names(), configuration.current().version, configuration.rejected()]).toEqual([['a'], 1, null]);
  });

  it('are left out and reported if they are invalid at the start, and later', async () => {
    const opened = new Opened(config([{ name: 'a', info: { id: 'one' } }]));
    const { configuration } = opened;
    const bad = stored('x', { id: 'x' }, { rpm: -1 });
    configuration.useStoredModels([bad, stored('y')], { isStart: true });
    expect(opened.names()).toEqual(['a', 'y']);
    expect(configuration.leftOut()).toMatchObject([{ entry: bad, message: expect.stringContaining('rpm') as string }]);
    expect(configuration.health()).toMatchObject({ status: 'degraded', reason: expect.stringContaining('rpm') as string });
    configuration.useStoredModels([bad, stored('y'), stored('z')]);
    expect(opened.names()).toEqual(['a', 'y', 'z']);
    // What the file defines takes precedence.
    await opened.reloaded(config([{ name: 'a', info: { id: 'id-y' } }]));
    expect(opened.names()).toEqual(['a', 'z']);
    expect(configuration.leftOut().map(({ message }) => message)).toEqual(
      expect.arrayContaining([expect.stringContaining('must be unique among deployments')]),
    );
  });

  it('can be used without a file', async () => {
    const llm = new FastLiteLLM({ router: { modelList: [entry({ name: 'a' })] }, logger: false, engine: 'typescript' });
    open.push(llm);
    llm.configuration.useStoredModels([stored('x')]);
    expect(llm.router.models()).toEqual(['a', 'x']);
    await expect(llm.configuration.reload('api')).rejects.toThrow('router.configPath: must be set');
  });

  describe('stored settings', () => {
    const settings = (more: Record<string, unknown>): ReadonlyMap<string, unknown> => new Map(Object.entries(more));

    it('apply where the file does not set them, and follow the file', async () => {
      const app = new Opened(config([{ name: 'a' }], { router_settings: { num_retries: 1 } }));
      app.configuration.useStoredSettings(settings({ 'router_settings.num_retries': 5, 'router_settings.cooldown_time': 7 }));
      expect(app.llm.router.settings).toMatchObject({ numRetries: 1, cooldownMs: 7_000 });
      expect(app.configuration.settingAt('router_settings.num_retries')).toEqual({ source: 'file', value: 1 });
      expect(app.configuration.settingAt('router_settings.cooldown_time')).toEqual({ source: 'store', value: 7 });
      expect(app.configuration.settingAt('router_settings.timeout')).toEqual({ source: 'unset' });
      expect(app.configuration.current()).toMatchObject({
        version: 2,
        cause: 'store',
        changes: [{ path: 'router_settings.cooldown_time' }],
      });
      await app.reloaded(config([{ name: 'a' }, { name: 'b' }]));
      expect(app.llm.router.settings).toMatchObject({ numRetries: 5, cooldownMs: 7_000 });
      app.configuration.useStoredSettings(settings({}));
      expect(app.llm.router.settings.numRetries).not.toBe(5);
      expect(app.llm.router.models()).toEqual(['a', 'b']);
    });

    it('change nothing when they are invalid, without effect, for the next start, or name a variable', () => {
      const app = new Opened(config([{ name: 'a' }]));
      const check = (more: Record<string, unknown>) => () => app.configuration.checkStoredSettings(settings(more));
      expect(check({ 'router_settings.num_retries': 2 })).not.toThrow();
      expect(check({ 'router_settings.num_retries': -1 })).toThrow(/num_retries/);
      expect(check({ 'router_settings.redis_host': 'localhost', 'router_settings.redis_port': 6379 })).toThrow(/next start/);
      expect(check({ 'litellm_settings.unknown_setting': true })).toThrow(/no.*effect|has an effect/);
      expect(check({ 'litellm_settings.drop_params': 'os.environ/PROVIDER_KEY' })).toThrow(/environment variable/);
      expect(check({ 'general_settings.master_key': 'sk-another-master-key-0123456789' })).toThrow();
      expect(check({ 'model_list.0': {} })).toThrow(/must be a setting in/);
      expect(() => app.configuration.useStoredSettings(settings({ 'router_settings.num_retries': 'os.environ/PROVIDER_KEY' }))).toThrow();
      expect(app.configuration.current().version).toBe(1);
    });
  });
});
