import { checkArray, checkObject } from '../../common/options.js';
import type { Environment } from '../../feature-flags/feature-flags.environment.js';
import { readConfigDocument } from './config-document.js';
import { resolveEnvironmentNames } from './environment-names.js';
import { refuseFileValue } from './file-values.js';
import { fromLiteLLM } from './litellm-settings.js';
import { sharedStateOf } from './redis-settings.js';
import type { RouterSettings } from '../settings.js';
import type { RouterSharedState } from '../redis/shared-state.js';

/** What a configuration says of the router. */
export interface RouterConfig {
  readonly modelList: readonly unknown[];
  readonly settings: RouterSettings;
  /** Over the Redis that `router_settings` name. */
  readonly sharedState: RouterSharedState | undefined;
  /** The environment, with the variables that the file sets where there are none of their names. */
  readonly env: Environment;
}

/** Settings of LiteLLM itself that its router falls back on. */
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

/** Sections that are read. */
const READ = new Set(['model_list', 'router_settings', 'environment_variables']);

/**
 * Reads a LiteLLM `config.yaml`, or the same as JSON, and the files that it includes. What it says beside the router (`general_settings`, callbacks) is left
 * alone, and named.
 * @throws InvalidConfigurationError naming file and place.
 */
export function readConfigFile(
  path: string,
  given: Environment,
  warn: (message: string) => void,
  handledSettings: readonly string[] = [],
): RouterConfig {
  const config = readConfigDocument(path);
  const root = `${path}: `;
  const missing = (name: string): void => warn(`${path} names the variable ${name}, which is not set`);
  const object = (key: string): Readonly<Record<string, unknown>> => checkObject(`${root}${key}`, config[key] ?? {}, refuseFileValue);
  const env = environmentOf(path, config, given, missing);
  const part = (key: string): Readonly<Record<string, unknown>> =>
    resolveEnvironmentNames(object(key), env, missing) as Record<string, unknown>;
  const general = Object.fromEntries(Object.entries(part('litellm_settings')).filter(([key]) => GENERAL.has(key)));
  const unheeded = Object.keys(config).flatMap((section) => {
    if (READ.has(section)) return [];
    const value = config[section];
    const keys = typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.keys(value) : [''];
    const unknown = section === 'litellm_settings' ? keys.filter((key) => !GENERAL.has(key)) : keys;
    return unknown.map((key) => (key === '' ? section : `${section}.${key}`));
  });
  const unhandled = unheeded.filter((setting) => !handledSettings.includes(setting));
  // Who sets a `master_key` takes the gateway to be closed.
  if (unhandled.length > 0) warn(`${path}: has no effect here, being for LiteLLM's proxy: ${unhandled.join(', ')}`);
  const routerSettings = part('router_settings');
  return {
    // Resolved entry by entry, so that what is missing is told by place.
    modelList: checkArray(`${root}model_list`, config.model_list ?? [], (_, entry) => entry, refuseFileValue),
    settings: {
      ...fromLiteLLM(`${root}litellm_settings`, general, refuseFileValue, warn),
      ...fromLiteLLM(`${root}router_settings`, routerSettings, refuseFileValue, warn),
    },
    sharedState: sharedStateOf(`${root}router_settings`, routerSettings, { env, refuse: refuseFileValue, warn }),
    env,
  };
}

/** The environment, with the variables that a file sets where there are none of their names. */
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
