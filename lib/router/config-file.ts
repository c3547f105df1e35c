import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { errorMessage, InvalidConfigurationError } from '../common/errors.js';
import { checkArray, checkObject, refuseOption } from '../common/options.js';
import type { Environment } from '../feature-flags/feature-flags.environment.js';
import { resolveEnvironmentNames } from './environment-names.js';
import { fromLiteLLM } from './litellm-settings.js';
import type { RouterSettings } from './router.settings.js';

/** What a configuration says of the router. */
export interface RouterConfig {
  readonly modelList: readonly unknown[];
  readonly settings: RouterSettings;
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

/**
 * Reads a LiteLLM `config.yaml`, or the same as JSON. What it says beside the router (`general_settings`, callbacks) is left alone, and named.
 * @throws InvalidConfigurationError naming file and place.
 */
export function readConfigFile(path: string, env: Environment, warn: (message: string) => void): RouterConfig {
  let document: unknown;
  try {
    document = parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new InvalidConfigurationError(path, `cannot be read (${errorMessage(error)})`, { cause: error });
  }
  const root = `${path}: `;
  const config = checkObject(path, document);
  const missing = (name: string): void => warn(`${path} names the variable ${name}, which is not set`);
  const part = (key: string): Readonly<Record<string, unknown>> =>
    resolveEnvironmentNames(checkObject(`${root}${key}`, config[key] ?? {}), env, missing) as Record<string, unknown>;
  const general = Object.fromEntries(Object.entries(part('litellm_settings')).filter(([key]) => GENERAL.has(key)));
  const unheeded = Object.keys(config).flatMap((section) => {
    if (section === 'model_list' || section === 'router_settings') return [];
    const value = config[section];
    const keys = typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.keys(value) : [''];
    const unknown = section === 'litellm_settings' ? keys.filter((key) => !GENERAL.has(key)) : keys;
    return unknown.map((key) => (key === '' ? section : `${section}.${key}`));
  });
  // Who sets a `master_key` takes the gateway to be closed.
  if (unheeded.length > 0) warn(`${path}: has no effect here, being for LiteLLM's proxy: ${unheeded.join(', ')}`);
  return {
    // Resolved entry by entry, so that what is missing is told by place.
    modelList: checkArray(`${root}model_list`, config.model_list ?? [], (_, entry) => entry),
    settings: {
      ...fromLiteLLM(`${root}litellm_settings`, general, refuseOption, warn),
      ...fromLiteLLM(`${root}router_settings`, part('router_settings'), refuseOption, warn),
    },
  };
}
