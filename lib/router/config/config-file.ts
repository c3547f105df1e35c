import { checkArray, checkObject, checkString, joinPath } from '../../common/options.js';
import type { Environment } from '../../feature-flags/feature-flags.environment.js';
import type * as ConfigDocument from './config-yaml.js';
import type * as Callbacks from './callback-settings.js';
import { refuseFileValue, resolveEnvironmentNames, shellVariableIn } from './file-values.js';
import { fromLiteLLM, pathsOfLiteLLM, settingsWithoutEffect, type SettingPaths } from './litellm-router-settings.js';
import { unenforcedSettings } from './protecting-keys.js';
import { sharedStateOf } from './redis-settings.js';
import type { RouterSettings } from '../settings.js';
import type { RouterSharedState } from '../redis/shared-state.js';

/** A file, or a section of it, as it is written: variables are not resolved. */
export type ConfigSection = Readonly<Record<string, unknown>>;

/** Settings of a configuration file that concern calls, where it has them. */
export interface ClientConfig {
  /** `litellm_settings.drop_params` */
  readonly dropParams?: boolean;
  /** `litellm_settings.include_cost_in_streaming_usage` */
  readonly streamCost?: boolean;
  /** `general_settings.dangerously_allow_mock_testing_request_params` */
  readonly mockTesting?: boolean;
}

/** The router's part of a configuration file. */
export interface RouterConfig {
  readonly modelList: readonly unknown[];
  readonly settings: RouterSettings;
  readonly settingPaths: SettingPaths;
  /** Over the Redis of `router_settings`. */
  readonly sharedState: RouterSharedState | undefined;
  readonly ofClient: ClientConfig;
  readonly ofCallbacks: Callbacks.CallbackConfig | undefined;
  /** Settings that protect LiteLLM's proxy and that nothing enforces. */
  readonly unenforced: readonly string[];
  /** Settings without effect: `section.key`. */
  readonly ignored: readonly string[];
  /** The environment, with the variables of the file that it does not have. */
  readonly env: Environment;
}

/** Settings for reading a file. */
export interface FileContext {
  readonly env: Environment;
  readonly warn: (message: string) => void;
  /** Settings of LiteLLM's proxy that the app enforces: no warning names them. */
  readonly handledSettings: readonly string[];
}

/** Keys of `litellm_settings` that LiteLLM's router uses as defaults. */
const GENERAL = new Set([
  'num_retries',
  'request_timeout',
  'allowed_fails',
  'cooldown_time',
  'fallbacks',
  'context_window_fallbacks',
  'content_policy_fallbacks',
  'default_fallbacks',
]);

/** Keys of `litellm_settings` that concern calls. */
const OF_CLIENT = new Set(['drop_params', 'include_cost_in_streaming_usage', 'enable_azure_ad_token_refresh']);

/** The setting that limits what all requests of LiteLLM's proxy may spend together. */
export const BUDGET_SETTING = 'litellm_settings.max_budget';

/** Keys of `litellm_settings` that the gateway module reads. */
const OF_GATEWAY = new Set(['max_budget', 'budget_duration']);

const MOCK_TESTING = 'dangerously_allow_mock_testing_request_params';

/** Sections that have an effect. */
const READ = new Set(['guardrails', 'model_list', 'router_settings', 'environment_variables', 'credential_list']);

/**
 * Reads a LiteLLM `config.yaml`, or the same as JSON, and the files that it includes. `warn`
 * receives the settings without effect.
 * @param document its content, if it was read already
 * @throws InvalidConfigurationError naming the file and the place in it.
 */
export function readConfigFile(path: string, { env: given, warn, handledSettings }: FileContext, document?: ConfigSection): RouterConfig {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- with the first file
  const { callbackConfigOf, isOfCallbacks } = require('./callback-settings.js') as typeof Callbacks;
  const config = document ?? documentOf(path);
  const root = `${path}: `;
  const missing = (name: string): void => warn(`${path} names the variable ${name}, which is not set`);
  const object = (key: string): Readonly<Record<string, unknown>> => checkObject(`${root}${key}`, config[key] ?? {}, refuseFileValue);
  const settings = resolveEnvironmentNames(object('litellm_settings'), given, missing) as Readonly<Record<string, unknown>>;
  const env = withAzureCredential(environmentOf(path, config, given, missing), settings);
  const part = (key: string): Readonly<Record<string, unknown>> =>
    resolveEnvironmentNames(object(key), env, missing) as Record<string, unknown>;
  const general = Object.fromEntries(Object.entries(part('litellm_settings')).filter(([key]) => GENERAL.has(key)));
  const unheeded = Object.keys(config).flatMap((section) => {
    if (READ.has(section)) return [];
    const value = config[section];
    const keys = typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.keys(value) : [''];
    const unknown =
      section === 'litellm_settings' ? keys.filter((key) => !GENERAL.has(key) && !OF_CLIENT.has(key) && !OF_GATEWAY.has(key)) : keys;
    return unknown.map((key) => (key === '' ? section : `${section}.${key}`));
  });
  const masterKey = 'general_settings.master_key';
  const ofGateway = new Set([`general_settings.${MOCK_TESTING}`, masterKey, 'general_settings.litellm_key_header_name']);
  const isNamed = (names: readonly string[], setting: string): boolean =>
    names.includes(setting) || names.includes(setting.slice(0, setting.indexOf('.')));
  const unhandled = unheeded.filter((setting) => !isNamed(handledSettings, setting) && !isOfCallbacks(setting));
  const unenforced = unenforcedSettings(config).filter((setting) => !handledSettings.includes(setting));
  const ignored = unhandled.filter((setting) => !ofGateway.has(setting) && !isNamed(unenforced, setting));
  if (ignored.length > 0) warn(`${path}: these settings of LiteLLM's proxy have no effect here: ${ignored.join(', ')}`);
  const misplaced = ignored.filter((setting) => {
    const [section, key] = setting.split('.');
    return section === 'general_settings' && (GENERAL.has(key) || OF_CLIENT.has(key) || OF_GATEWAY.has(key));
  });
  if (misplaced.length > 0) warn(`${path}: move these settings to litellm_settings: ${misplaced.join(', ')}`);
  if (settings.budget_duration !== undefined && settings.max_budget === undefined)
    warn(`${path}: litellm_settings.budget_duration is ignored because max_budget is not set; set max_budget, or remove budget_duration`);
  if (unhandled.includes(masterKey)) {
    const others = "but not the app's own routes; protect those with ApiKeyGuard";
    warn(`${path}: ${masterKey} protects the gateway (unless it has guards) and /key/…, ${others}`);
  }
  if (settings.max_budget !== undefined && !handledSettings.includes(BUDGET_SETTING)) {
    const others = "but not of the app's own routes; limit those with @RateLimit";
    warn(`${path}: ${BUDGET_SETTING} limits the total spend of FastLiteLLMGatewayModule, ${others}`);
  }
  for (const section of ['router_settings', 'environment_variables'])
    for (const [key, value] of Object.entries(object(section))) {
      const name = shellVariableIn(value);
      if (name !== undefined) warn(`${root}${section}.${key} contains \${${name}}, which is not replaced; write os.environ/${name}`);
    }
  const routerSettings = part('router_settings');
  const reporting = { refuse: refuseFileValue, warn };
  return {
    // Each entry resolves its own variables, so that a missing one is reported with its path.
    modelList: withCredentials(
      `${root}credential_list`,
      config.credential_list,
      checkArray(`${root}model_list`, config.model_list ?? [], (_, entry) => entry, refuseFileValue),
    ),
    settings: {
      ...fromLiteLLM(`${root}litellm_settings`, general, reporting),
      ...fromLiteLLM(`${root}router_settings`, routerSettings, reporting),
    },
    settingPaths: new Map([
      ...pathsOfLiteLLM(`${root}litellm_settings`, general),
      ...pathsOfLiteLLM(`${root}router_settings`, routerSettings),
    ]),
    ofCallbacks: callbackConfigOf(
      path,
      {
        litellm_settings: part('litellm_settings'),
        general_settings: part('general_settings'),
        callback_settings: part('callback_settings'),
      },
      (setting) => isNamed(handledSettings, setting),
    ),
    sharedState: sharedStateOf(`${root}router_settings`, routerSettings, { env, ...reporting }),
    unenforced,
    ignored: [...ignored, ...settingsWithoutEffect(routerSettings).map((key) => `router_settings.${key}`)],
    ofClient: {
      mockTesting: flagIn(part('general_settings')[MOCK_TESTING]),
      dropParams: flagIn(settings.drop_params),
      streamCost: flagIn(settings.include_cost_in_streaming_usage),
    },
    env,
  };
}

/**
 * Reads a configuration file with the files that it includes.
 * @param files Receives the path of each file.
 * @throws InvalidConfigurationError naming the file and the place in it.
 */
export function documentOf(path: string, files?: string[]): ConfigSection {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- with the first file: the YAML parser takes 10 ms of the start
  return (require('./config-yaml.js') as typeof ConfigDocument).readConfigDocument(path, files);
}

function flagIn(value: unknown): boolean | undefined {
  return typeof value === 'boolean' ? value : undefined;
}

/** The setting has LiteLLM ask for tokens as this variable does. */
function withAzureCredential(env: Environment, { enable_azure_ad_token_refresh: isAsked }: Readonly<Record<string, unknown>>): Environment {
  return isAsked === true ? { AZURE_CREDENTIAL: 'DefaultAzureCredential', ...env } : env;
}

/** Returns the environment, with the variables of the file that it does not have. */
export function environmentOf(
  path: string,
  { environment_variables: section }: Readonly<Record<string, unknown>>,
  given: Environment,
  missing: (name: string) => void,
): Environment {
  const variables = checkObject(`${path}: environment_variables`, section ?? {}, refuseFileValue);
  const resolved = resolveEnvironmentNames(variables, given, missing) as Readonly<Record<string, unknown>>;
  const set = Object.entries(resolved).filter(([, value]) => value !== null);
  return { ...Object.fromEntries(set.map(([name, value]) => [name, String(value)])), ...given };
}

type Section = Readonly<Record<string, unknown>>;

const NAME = 'litellm_credential_name';

/**
 * Fills in the parameters of entries that name a credential of LiteLLM's `credential_list`. As
 * there, parameters of the entry itself take precedence. An entry whose credential is not listed
 * keeps the name, which makes the deployment uncallable.
 * @throws InvalidConfigurationError naming the place in the list
 */
export function withCredentials(path: string, list: unknown, modelList: readonly unknown[]): readonly unknown[] {
  const credentials = new Map(checkArray(path, list ?? [], readCredential, refuseFileValue));
  if (credentials.size === 0) return modelList;
  return modelList.map((entry) => {
    const params = (entry as { litellm_params?: Section | null } | null)?.litellm_params;
    const values = credentials.get(params?.[NAME]);
    if (params === undefined || params === null || values === undefined) return entry;
    const own = Object.entries(params).filter(([key, value]) => key !== NAME && value !== null && value !== undefined);
    return { ...(entry as Section), litellm_params: { ...values, ...Object.fromEntries(own) } };
  });
}

function readCredential(path: string, value: unknown): readonly [unknown, Section] {
  const { credential_name: name, credential_values: values } = checkObject(path, value, refuseFileValue);
  const at = joinPath(path, 'credential_values');
  return [checkString(joinPath(path, 'credential_name'), name, refuseFileValue), checkObject(at, values, refuseFileValue)];
}
