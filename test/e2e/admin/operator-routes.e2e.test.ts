import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FastLiteLLMAdminModule, FastLiteLLMKeysModule, fileApiKeyStore, fileConfigurationStore, RouterService } from 'nestjs-fast-litellm';
import { startProvider, type TestProvider } from 'nestjs-fast-litellm/testing';
import { ADAPTERS, GatewayApp, type AdapterName, type RawAnswer } from '../../support/gateway-app.js';
import { oneOrAll } from '../../support/long.js';
import { SinkServer } from '../../support/sink-server.js';

const MASTER = 'sk-the-master-key-0123456';
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- JSON of a route
type Fields = Record<string, any>;

describe.each(oneOrAll(Object.keys(ADAPTERS) as AdapterName[]))('the routes for operators on %s', (adapter) => {
  let folder: string;
  let path: string;
  let provider: TestProvider;
  let failing: TestProvider;
  let sink: SinkServer;
  let gateway: GatewayApp;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'operators-'));
    path = join(folder, 'config.json');
    [provider, failing, sink] = await Promise.all([
      startProvider('openai', { script: 'Hello.' }),
      startProvider('openai', { script: { status: 500 } }),
      SinkServer.start(),
    ]);
    writeFileSync(path, JSON.stringify(config()));
    gateway = await GatewayApp.start(
      adapter,
      {},
      {
        module: {
          router: { configPath: path, handledSettings: ['general_settings.master_key'] },
          rateLimit: { requestsPerMinute: 10_000 },
          alerting: { channels: ['slack'], slackUrl: `${sink.url}/slack` },
        },
        imports: [
          FastLiteLLMKeysModule.forRoot({ masterKey: MASTER, store: fileApiKeyStore(join(folder, 'keys.json')) }),
          FastLiteLLMAdminModule.forRoot({ store: fileConfigurationStore(join(folder, 'stored.json')), saltKey: null, health: true }),
        ],
      },
    );
  });
  afterAll(async () => {
    await gateway.stop();
    await Promise.all([provider.close(), failing.close(), sink.stop()]);
    rmSync(folder, { recursive: true });
  });

  function config(more: object = {}): object {
    const entry = (name: string, { apiBase }: TestProvider, id: string): object => ({
      model_name: name,
      litellm_params: { model: 'openai/gpt-4o', api_base: apiBase, api_key: 'sk-secret-of-the-file' },
      model_info: { id },
    });
    return {
      model_list: [entry('good', provider, 'one'), entry('bad', failing, 'two')],
      router_settings: { num_retries: 0 },
      general_settings: { master_key: MASTER },
      ...more,
    };
  }
  const call = (method: string, at: string, fields?: unknown, key: string | undefined = MASTER): Promise<RawAnswer> => {
    const body = fields === undefined ? undefined : JSON.stringify(fields);
    const headers: Record<string, string> = { ...(key !== undefined && { authorization: `Bearer ${key}` }) };
    if (body !== undefined) headers['content-type'] = 'application/json';
    return gateway.ask(at, { method, headers, body });
  };
  const get = async (at: string): Promise<Fields> => JSON.parse((await call('GET', at)).text) as Fields;
  const refusal = async (answer: Promise<RawAnswer>): Promise<unknown[]> => {
    const { status, text } = await answer;
    const { code, param } = (JSON.parse(text) as Fields).error;
    return [status, code, param];
  };

  it('reports deployments by their latest calls, without calling one', async () => {
    const chat = (model: string): Promise<RawAnswer> =>
      call('POST', '/v1/chat/completions', { model, messages: [{ role: 'user', content: 'Hi' }] });
    await Promise.all([chat('good'), chat('bad')]);
    const before = [provider.requests.length, failing.requests.length];
    const health = await get('/health');
    expect(health).toMatchObject({ healthy_count: 1, unhealthy_count: 1 });
    expect(health.healthy_endpoints).toMatchObject([
      { model: 'openai/gpt-4o', model_id: 'one', api_base: provider.apiBase.replace(/\/v1$/, '') },
    ]);
    expect(health.unhealthy_endpoints).toMatchObject([{ model_name: 'bad', error: expect.stringContaining('status 500') as string }]);
    expect(JSON.stringify(health)).not.toContain('sk-secret');
    expect((await get('/health?model=good')).healthy_count).toBe(1);
    expect(await refusal(call('GET', '/health?model_id=two'))).toEqual([503, 'unhealthy', null]);
    expect((await refusal(call('GET', '/health?model=none')))[0]).toBe(400);
    expect([provider.requests.length, failing.requests.length]).toEqual(before);
  });

  it('sends a test event to a service, and reports whether it arrived', async () => {
    expect(await get('/health/services?service=slack')).toMatchObject({ status: 'success' });
    expect(sink.requests.map(({ body }) => body).join()).toContain('test alert');
    expect(await refusal(call('GET', '/health/services?service=datadog'))).toEqual([400, 'invalid_argument', 'service']);
    sink.reply = () => 500;
    expect((await refusal(call('GET', '/health/services?service=slack')))[0]).toBe(503);
    sink.reply = () => 200;
  });

  it('stores settings that the file does not have', async () => {
    const router = gateway.app.get(RouterService);
    expect(
      await refusal(call('POST', '/config/field/update', { field_name: 'num_retries', field_value: 2, config_type: 'router_settings' })),
    ).toEqual([409, 'defined_in_file', null]);
    const updated = await call('POST', '/config/update', { router_settings: { cooldown_time: 9, allowed_fails: 4 } });
    expect(updated.status).toBe(200);
    expect(router.settings).toMatchObject({ numRetries: 0, cooldownMs: 9_000, allowedFails: 4 });
    const listed = (await get('/config/list?config_type=router_settings')) as unknown as Fields[];
    expect(Object.fromEntries(listed.map(({ field_name, source, editable }) => [field_name, [source, editable]]))).toEqual({
      num_retries: ['config', false],
      cooldown_time: ['db', true],
      allowed_fails: ['db', true],
    });
    expect(await get('/config/field/info?config_type=router_settings&field_name=cooldown_time')).toEqual({
      field_name: 'cooldown_time',
      field_value: 9,
      source: 'db',
      editable: true,
    });
    expect((await get('/config/field/info?field_name=master_key')).field_value).toBe('***');
    // All of them, or none.
    expect((await refusal(call('POST', '/config/update', { router_settings: { timeout: 5, cooldown_time: -1 } })))[0]).toBe(400);
    expect(router.settings.cooldownMs).toBe(9_000);
    const removed = { field_name: 'cooldown_time', config_type: 'router_settings' };
    expect((await call('POST', '/config/field/delete', removed)).status).toBe(200);
    expect(router.settings.cooldownMs).not.toBe(9_000);
    expect((await refusal(call('POST', '/config/field/delete', removed)))[0]).toBe(400);
    for (const fields of [
      { router_settings: { fallbacks: 'os.environ/HOME' } },
      { litellm_settings: { no_such_setting: 1 } },
      { model_list: [] },
      {},
    ])
      expect((await refusal(call('POST', '/config/update', fields)))[0]).toBe(400);
  });

  it('reads the file again, and keeps the configuration that is in use if it is invalid', async () => {
    const { version } = await get('/config/version');
    writeFileSync(path, JSON.stringify(config({ router_settings: { num_retries: 3 } })));
    const reloaded = JSON.parse((await call('POST', '/config/reload', {})).text) as Fields;
    expect(reloaded).toMatchObject({
      version: version + 1,
      cause: 'api',
      changes: [{ path: 'router_settings.num_retries', before: 0, after: 3 }],
    });
    writeFileSync(path, JSON.stringify(config({ general_settings: {} })));
    expect(await refusal(call('POST', '/config/reload', {}))).toEqual([400, 'invalid_configuration', null]);
    expect(await get('/config/version')).toMatchObject({
      version: version + 1,
      rejected: { message: expect.stringContaining('master_key') as string },
    });
    writeFileSync(path, JSON.stringify(config()));
    expect((await call('POST', '/config/reload', {})).status).toBe(200);
    expect((await get('/config/version')).rejected).toBeNull();
  });

  it('needs the master key', async () => {
    const { key } = JSON.parse((await call('POST', '/key/generate', {})).text) as Fields;
    for (const at of ['/health', '/health/services?service=slack', '/config/version', '/config/list', '/config/field/info?field_name=a']) {
      expect((await refusal(call('GET', at, undefined, key as string)))[0]).toBe(403);
      expect((await refusal(call('GET', at, undefined, 'sk-none')))[0]).toBe(401);
    }
    for (const at of ['/config/reload', '/config/update', '/config/field/update', '/config/field/delete'])
      expect((await refusal(call('POST', at, {}, key as string)))[0]).toBe(403);
  });
});
