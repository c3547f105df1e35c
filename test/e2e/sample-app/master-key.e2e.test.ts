import { Logger } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { register } from 'prom-client';
import { MAX_BODY_BYTES } from '../../../sample-app/app.module.js';
import { isExplained, start } from '../../../sample-app/start.js';
import { EXPECTED_HEALTH } from '../observability/expected-health.js';
import { ask, config, count, error, gatewayWith, json, setEnvironment } from './sample-requests.js';

beforeAll(() => Logger.overrideLogger(false));

describe('the sample gateway with a master key', () => {
  const KEY = 'sk-master-0123456789';
  gatewayWith(() => ({ LITELLM_CONFIG: config('{ master_key: os.environ/GATEWAY_MASTER_KEY }'), GATEWAY_MASTER_KEY: KEY }));
  const bearer = { authorization: `Bearer ${KEY}` };

  it.each<[string, Record<string, string>]>([
    ['no key', {}],
    ['an empty key', { authorization: 'Bearer ' }],
    ['another key', { authorization: 'Bearer sk-other' }],
    ['the beginning of it', { authorization: `Bearer ${KEY.slice(0, -1)}` }],
    ['more than it', { authorization: `Bearer ${KEY}x` }],
    ['it in other letters', { authorization: `Bearer ${KEY.toUpperCase()}` }],
    ['the demo key', { authorization: 'Bearer sk-pro-demo' }],
    ['the name of its variable', { authorization: 'Bearer os.environ/GATEWAY_MASTER_KEY' }],
    ['undefined', { authorization: 'Bearer undefined' }],
    ['null', { authorization: 'Bearer null' }],
    ['a wrong header before the right one', { 'x-litellm-api-key': 'sk-other', ...bearer }],
  ])('rejects %s on every protected route', async (_, headers) => {
    const answers = [
      await count(headers),
      await ask('/v1/chat/completions', { method: 'POST', headers: { ...json, ...headers }, body: '{"model":"gpt-4o","messages":[]}' }),
      await ask('/v1/embeddings', { method: 'POST', headers: { ...json, ...headers }, body: '{"model":"gpt-4o","input":"x"}' }),
      ...(await Promise.all(
        ['/v1/models', '/metrics', '/', '/nowhere', '/%76%31/models', '//v1/models', '/V1/models'].map((path) => ask(path, { headers })),
      )),
      await ask('/v1/models', { method: 'HEAD', headers }),
    ];
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 401));
    // No route of Nest, but one of Fastify, with an empty id: 404 for what might be a key.
    expect([401, 404]).toContain((await ask('/v1/models/', { headers })).status);
    expect(error(answers[0])).toMatchObject({ type: 'invalid_request_error', code: 'invalid_api_key' });
    expect(answers[0].headers['www-authenticate']).toBe('Bearer');
    for (const { text } of answers) expect(text).not.toContain('sk-');
  });

  it.each<[string, Record<string, string>]>([
    ['Authorization', bearer],
    ['authorization in small letters', { authorization: `bearer ${KEY}` }],
    ['x-api-key', { 'x-api-key': KEY }],
    ['api-key', { 'api-key': KEY }],
    ['x-litellm-api-key', { 'x-litellm-api-key': `Bearer ${KEY}` }],
    ['x-goog-api-key', { 'x-goog-api-key': KEY }],
    ['Ocp-Apim-Subscription-Key', { 'ocp-apim-subscription-key': KEY }],
  ])('accepts the key from %s', async (_, headers) => {
    expect((await count(headers)).status).toBe(200);
    expect((await ask('/v1/models', { headers })).status).toBe(200);
    expect((await ask('/metrics', { headers })).status).toBe(200);
  });

  it('shows probes only the status, and clients with the key all details', async () => {
    const probe = await ask('/health');
    expect([probe.status, JSON.parse(probe.text)]).toEqual([200, { status: EXPECTED_HEALTH }]);
    expect((await ask('/health', { headers: bearer })).text).toContain('fast_litellm');
  });

  it('requires the key on the dashboard', async () => {
    expect((await ask('/dashboard')).status).toBe(401);
    expect((await ask('/dashboard/data')).status).toBe(401);
    expect((await ask('/dashboard/data', { headers: bearer })).status).toBe(200);
  });

  it('rejects a large body without the key before it is read', async () => {
    expect((await count({}, 'a'.repeat(MAX_BODY_BYTES + 1))).status).toBe(401);
  });

  it('shows the key in no response', async () => {
    for (const path of ['/health', '/metrics', '/v1/models', '/dashboard/data', '/']) {
      expect((await ask(path, { headers: bearer })).text).not.toMatch(/sk-master|sk-provider/);
    }
  });
});

describe('the start of the sample gateway', () => {
  afterEach(() => {
    setEnvironment({});
    register.clear();
  });

  async function startWith(env: Readonly<Record<string, string>>): Promise<{ app?: NestFastifyApplication; message?: string }> {
    setEnvironment(env);
    try {
      return { app: (await start({ PORT: '0' })).app };
    } catch (thrown) {
      expect(isExplained(thrown)).toBe(true);
      return { message: (thrown as Error).message };
    }
  }

  it.each<[string, string, string, Readonly<Record<string, string>>, RegExp]>([
    [
      'a variable that is not set',
      '{ master_key: os.environ/NOT_SET_ANYWHERE }',
      '',
      {},
      /general_settings\.master_key: names the variable NOT_SET_ANYWHERE, which is not set/,
    ],
    [
      'a variable that is empty',
      '{ master_key: os.environ/EMPTY_KEY }',
      '',
      { EMPTY_KEY: '' },
      /general_settings\.master_key: must be a non-empty string/,
    ],
    [
      'a variable as a shell writes it',
      "{ master_key: '${LITELLM_MASTER_KEY}' }",
      '',
      { LITELLM_MASTER_KEY: 'sk-set' },
      /general_settings\.master_key: contains \$\{LITELLM_MASTER_KEY\}, which is not replaced; write os\.environ\/LITELLM_MASTER_KEY/,
    ],
    ['an empty text', "{ master_key: '' }", '', {}, /general_settings\.master_key: must be a non-empty string/],
    ['spaces', "{ master_key: ' ' }", '', {}, /general_settings\.master_key: must be a non-empty string/],
    ['a number', '{ master_key: 1234567 }', '', {}, /general_settings\.master_key: must be a non-empty string/],
    ['a list', '{ master_key: [sk-secret] }', '', {}, /general_settings\.master_key: must be a non-empty string/],
    [
      'an empty LITELLM_MASTER_KEY',
      '',
      '',
      { LITELLM_MASTER_KEY: '' },
      /LITELLM_MASTER_KEY of the environment: must be a non-empty string/,
    ],
    ['general_settings that are none', 'sk-secret', '', {}, /general_settings: must be an object/],
    ['custom_auth alone', '{ custom_auth: my_module.auth }', '', {}, /general_settings\.custom_auth/],
    ['JWT alone', '{ enable_jwt_auth: true }', '', {}, /general_settings\.enable_jwt_auth/],
    ['OAuth2 alone', '{ enable_oauth2_auth: true }', '', {}, /general_settings\.enable_oauth2_auth/],
    ['virtual keys without a master key', "{ database_url: 'postgres://u:sk-secret@h/d' }", '', {}, /general_settings\.database_url/],
    ['allowed addresses', '{ master_key: sk-a-b-c, allowed_ips: [10.0.0.1] }', '', {}, /general_settings\.allowed_ips/],
    ['allowed routes', '{ master_key: sk-a-b-c, allowed_routes: [/v1/models] }', '', {}, /general_settings\.allowed_routes/],
    [
      'guardrails for every request',
      '{ master_key: sk-a-b-c }',
      'guardrails: [{ guardrail_name: pii, litellm_params: { default_on: true } }]',
      {},
      /guardrails/,
    ],
    [
      'no key on all addresses',
      '',
      '',
      { HOST: '0.0.0.0' },
      /general_settings\.master_key: is not set, and other machines can reach 0\.0\.0\.0/,
    ],
    [
      'the key of the documentation on all addresses',
      '{ master_key: sk-1234 }',
      '',
      { HOST: '0.0.0.0' },
      /general_settings\.master_key: is an example from the documentation/,
    ],
  ])('fails with %s instead of serving without a key', async (_, general, more, env, message) => {
    const started = await startWith({ LITELLM_CONFIG: config(general, more), ...env });
    await started.app?.close();
    expect(started.message).toMatch(message);
    expect(started.message).not.toContain('sk-secret');
  });

  it.each<[string, string, Readonly<Record<string, string>>]>([
    ['a setting that is switched off', '{ enable_jwt_auth: false, allowed_ips: [], custom_auth: null }', {}],
    [
      'a setting that the operator gives up',
      '{ custom_auth: my.auth, allowed_ips: [10.0.0.1] }',
      { IGNORE_LITELLM_SETTINGS: 'general_settings.custom_auth,general_settings.allowed_ips' },
    ],
    ['a weak key on all addresses that LiteLLM would permit', '{ dangerously_permit_weak_or_unset_master_key: true }', { HOST: '0.0.0.0' }],
  ])('succeeds with %s', async (_, general, env) => {
    const { app, message } = await startWith({ LITELLM_CONFIG: config(general), ...env });
    expect(message).toBeUndefined();
    await app?.close();
  });

  it.each<[string, string, Readonly<Record<string, string>>, string]>([
    ['LITELLM_MASTER_KEY alone', '', { LITELLM_MASTER_KEY: 'sk-of-environment' }, 'sk-of-environment'],
    ['the key of the file before that', '{ master_key: sk-of-file }', { LITELLM_MASTER_KEY: 'sk-of-environment' }, 'sk-of-file'],
    ['custom_auth beside it', '{ master_key: sk-of-file, custom_auth: my.auth }', {}, 'sk-of-file'],
  ])('requires %s', async (_, general, env, key) => {
    const { app } = await startWith({ LITELLM_CONFIG: config(general), ...env });
    if (app === undefined) throw new Error('it has not started');
    const status = async (shown?: string) =>
      (await app.inject({ url: '/v1/models', headers: shown === undefined ? {} : { authorization: `Bearer ${shown}` } })).statusCode;
    expect([await status(), await status('sk-pro-demo'), await status('sk-of'), await status(key)]).toEqual([401, 401, 401, 200]);
    await app.close();
  });

  it('reads the key only from the header of general_settings', async () => {
    const { app } = await startWith({ LITELLM_CONFIG: config('{ master_key: sk-of-file, litellm_key_header_name: X-Team-Key }') });
    if (app === undefined) throw new Error('it has not started');
    const status = async (headers: Record<string, string>) => (await app.inject({ url: '/v1/models', headers })).statusCode;
    expect([await status({ 'x-team-key': 'Bearer sk-of-file' }), await status({ authorization: 'Bearer sk-of-file' })]).toEqual([200, 401]);
    await app.close();
  });

  it('requires LITELLM_MASTER_KEY also without a file', async () => {
    const { app } = await startWith({ LITELLM_MASTER_KEY: 'sk-of-environment' });
    expect((await app?.inject({ url: '/v1/models' }))?.statusCode).toBe(401);
    await app?.close();
  });

  it('fails with invalid CORS_ORIGINS', async () => {
    for (const CORS_ORIGINS of ['app.example', 'https://app.example/', 'https://app.example/path', 'null'])
      expect((await startWith({ CORS_ORIGINS })).message).toMatch(/^CORS_ORIGINS: must be origins such as/);
  });
});
