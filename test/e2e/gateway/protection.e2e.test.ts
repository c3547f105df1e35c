import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FastLiteLLM } from 'nestjs-fast-litellm';
import { GatewayApp } from '../../support/gateway-app.js';
import { provider, stopProviders } from '../../support/llm-client-providers.js';

// A file that protects LiteLLM's proxy must not leave the gateway open, or send a key elsewhere.

const folder = mkdtempSync(join(tmpdir(), 'protection-'));
const configPath = join(folder, 'config.json');
const logger = { log: () => {}, warn: () => {}, error: () => {} };
const MASTER = { general_settings: { master_key: 'sk-of-the-operator' } };
let gateway: GatewayApp | undefined;

afterEach(async () => {
  await gateway?.stop();
  gateway = undefined;
  await stopProviders();
});
afterAll(() => rmSync(folder, { recursive: true }));

/** The message of a start that fails; `undefined`: the gateway serves. */
async function startWith(config: object, router: object = {}, env: Readonly<Record<string, string>> = {}): Promise<string | undefined> {
  const deployment = { model_name: 'gpt-4o', litellm_params: { model: 'openai/gpt-4o', api_key: 'sk-upstream' } };
  writeFileSync(configPath, JSON.stringify({ model_list: [deployment], ...config }));
  const before = { ...process.env };
  Object.assign(process.env, env);
  try {
    gateway = await GatewayApp.start('Express', {}, { module: { router: { configPath, ...router } } });
    return undefined;
  } catch (error) {
    return (error as Error).message;
  } finally {
    process.env = before;
  }
}

describe('a near miss of a setting that protects, limits or addresses', () => {
  const entry = (params: object, more: object = {}): object => ({
    model_list: [{ model_name: 'm', litellm_params: { model: 'openai/m', api_key: 'sk-upstream', ...params }, ...more }],
  });

  it.each<[string, object, string]>([
    ['master_ke', { general_settings: { master_ke: 'sk-secret' } }, 'master_key'],
    ['MASTER_KEY', { general_settings: { MASTER_KEY: 'sk-secret' } }, 'master_key'],
    ['masterKey', { general_settings: { masterKey: 'sk-secret' } }, 'master_key'],
    ['msater_key', { general_settings: { msater_key: 'sk-secret' } }, 'master_key'],
    ['custom_auht', { general_settings: { custom_auht: 'my.auth' } }, 'custom_auth'],
    ['alowed_ips', { general_settings: { alowed_ips: ['10.0.0.1'] } }, 'allowed_ips'],
    ['general-settings', { 'general-settings': { master_key: 'sk-secret' } }, 'general_settings'],
    ['genral_setting', { genral_setting: { master_key: 'sk-secret' } }, 'general_settings'],
    ['gaurdrails', { gaurdrails: [] }, 'guardrails'],
    ['max_bugdet', { litellm_settings: { max_bugdet: 1 } }, 'max_budget'],
    ['request_timout', { litellm_settings: { request_timout: 5 } }, 'request_timeout'],
    ['provider_budget_configs', { router_settings: { provider_budget_configs: {} } }, 'provider_budget_config'],
    ['api_bse', entry({ api_bse: 'http://10.0.0.1' }), 'api_base'],
    ['apibase', entry({ apibase: 'http://10.0.0.1' }), 'api_base'],
    ['bsae_url', entry({ bsae_url: 'http://10.0.0.1' }), 'base_url'],
    ['API_KEY', entry({ API_KEY: 'sk-secret' }), 'api_key'],
    ['max_paralel_requests', entry({ max_paralel_requests: 3 }), 'max_parallel_requests'],
    ['aws_regon_name', entry({ aws_regon_name: 'eu-west-1' }), 'aws_region_name'],
    ['modelinfo', entry({}, { modelinfo: { id: 'a' } }), 'model_info'],
  ])('stops the start: %s', async (typed, config, meant) => {
    const message = await startWith(config);
    expect(message).toMatch(new RegExp(`${typed}: is not a known option \\(did you mean ${meant}\\?\\)`));
    expect(message).not.toContain('sk-secret');
  });

  it.each([
    ['at the top', { master_key: 'sk-secret' }],
    ['in litellm_settings', { litellm_settings: { master_key: 'sk-secret' } }],
  ])('stops the start for a master key %s', async (_, config) => {
    expect(await startWith(config)).toMatch(/master_key: must be set as master_key in general_settings/);
  });

  it.each([
    ['LITELLM_MASTER_KEYS', {}],
    ['LITELLM_MSATER_KEY', {}],
  ])('stops the start for the variable %s', async (name, config) => {
    expect(await startWith(config, {}, { [name]: 'sk-secret' })).toBe(
      `${name} of the environment: is not a known variable (did you mean LITELLM_MASTER_KEY?)`,
    );
  });

  it('also refuses a deployment that is added later', async () => {
    const llm = new FastLiteLLM({ router: { modelList: [] }, logger });
    const added = { model_name: 'm', litellm_params: { model: 'openai/m', api_key: 'k', api_bas: 'http://10.0.0.1' } };
    expect(() => llm.router.addDeployment(added)).toThrow(/api_bas.*did you mean api_base/);
    expect(() => new FastLiteLLM({ router: { modelList: [added] }, logger })).toThrow(/api_bas.*did you mean api_base/);
    await llm.close();
  });

  it('is not seen in parameters of providers and in names of the app', async () => {
    const upstream = await provider('one');
    const params = { api_base: upstream.apiBase, top_k: 5, min_p: 0.1, seed: 1, models: ['a'], fallbak: 1 };
    expect(
      await startWith({ ...entry(params), ...MASTER, environment_variables: { MASTER_KEY: 'x' }, my_own_section: {} }),
    ).toBeUndefined();
  });
});

describe('protection that has no effect', () => {
  const CASES: readonly (readonly [string, object])[] = [
    ['policies', { policies: { strict: { guardrails: { add: ['pii'] } } } }],
    ['litellm_settings.callbacks', { litellm_settings: { callbacks: ['prometheus', 'hide_secrets'] } }],
    ['litellm_settings.max_end_user_budget', { litellm_settings: { max_end_user_budget: 1 } }],
    ['general_settings.allowed_ips', { general_settings: { ...MASTER.general_settings, allowed_ips: ['10.0.0.1'] } }],
  ];

  it.each(CASES)('stops the gateway unless the app enforces it: %s', async (name, config) => {
    expect(await startWith({ ...MASTER, ...config })).toContain(`${configPath}: ${name}: has no effect here`);
    expect(await startWith({ ...MASTER, ...config }, { handledSettings: [name] })).toBeUndefined();
  });

  it.each(CASES)('stops a strict router, and is logged without strict: %s', async (name, config) => {
    writeFileSync(configPath, JSON.stringify({ model_list: [], ...config }));
    const open = (router: object): FastLiteLLM => new FastLiteLLM({ router: { configPath, ...router }, logger });
    expect(() => open({ strict: true })).toThrow(`${name}: has no effect here`);
    const strict = open({ strict: true, handledSettings: [name] });
    expect(strict.router.warnings.join()).not.toContain(name);
    const lax = open({});
    expect(lax.router.warnings).toContain(`${configPath}: these settings protect LiteLLM's proxy but have no effect here: ${name}`);
    await Promise.all([strict.close(), lax.close()]);
  });

  it('stops a gateway that would be open although LiteLLM authenticates, and no other', async () => {
    const custom = { custom_auth: 'my.auth' };
    expect(await startWith({ general_settings: custom })).toContain('general_settings.custom_auth: has no effect here');
    expect(await startWith({ general_settings: { ...custom, ...MASTER.general_settings } })).toBeUndefined();
  });

  it('does not stop a gateway for settings that are switched off, or that only observe', async () => {
    const off = { guardrails: [], policies: null, litellm_settings: { callbacks: ['langfuse'], max_user_budget: 0 } };
    expect(await startWith({ ...MASTER, ...off })).toBeUndefined();
  });
});
