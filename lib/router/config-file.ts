import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parse } from 'yaml';
import { errorMessage, InvalidConfigurationError } from '../common/errors.js';
import { checkArray, checkObject, checkString, refuseOption } from '../common/options.js';
import type { Environment } from '../feature-flags/feature-flags.environment.js';
import { resolveEnvironmentNames } from './environment-names.js';
import { fromLiteLLM } from './litellm-settings.js';
import type { RouterSettings } from './router.settings.js';

/** What a configuration says of the router. */
export interface RouterConfig {
  readonly modelList: readonly unknown[];
  readonly settings: RouterSettings;
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
export function readConfigFile(path: string, given: Environment, warn: (message: string) => void): RouterConfig {
  const config = withIncluded(path, readDocument(path));
  const root = `${path}: `;
  const missing = (name: string): void => warn(`${path} names the variable ${name}, which is not set`);
  const object = (key: string): Readonly<Record<string, unknown>> => checkObject(`${root}${key}`, config[key] ?? {});
  const variables = resolveEnvironmentNames(object('environment_variables'), given, missing) as Readonly<Record<string, unknown>>;
  const set = Object.entries(variables).filter(([, value]) => value !== null);
  const env = { ...Object.fromEntries(set.map(([name, value]) => [name, String(value)])), ...given };
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
  // Who sets a `master_key` takes the gateway to be closed.
  if (unheeded.length > 0) warn(`${path}: has no effect here, being for LiteLLM's proxy: ${unheeded.join(', ')}`);
  return {
    // Resolved entry by entry, so that what is missing is told by place.
    modelList: checkArray(`${root}model_list`, config.model_list ?? [], (_, entry) => entry),
    settings: {
      ...fromLiteLLM(`${root}litellm_settings`, general, refuseOption, warn),
      ...fromLiteLLM(`${root}router_settings`, part('router_settings'), refuseOption, warn),
    },
    env,
  };
}

function readDocument(path: string): Readonly<Record<string, unknown>> {
  const unreadable = (error: unknown, options?: ErrorOptions): Error =>
    new InvalidConfigurationError(path, `cannot be read (${errorMessage(error)})`, options);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw unreadable(error, { cause: error });
  }
  let document: unknown;
  try {
    // LiteLLM reads `<<: *name` as YAML 1.1 has it, as often as it stands there.
    document = parse(text, { merge: true, maxAliasCount: -1 });
  } catch (error) {
    // Without its cause, which shows the lines around it: keys stand there.
    throw unreadable(error);
  }
  return checkObject(path, document);
}

/** As LiteLLM puts files together: names are relative to the including one, lists are joined, and of anything else the last file's is taken. */
function withIncluded(path: string, { include, ...config }: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  if (include === undefined || include === null) return config;
  const merged = { ...config };
  for (const name of checkArray(`${path}: include`, include, (at, value) => checkString(at, value))) {
    const included = resolve(dirname(path), name);
    const document = readDocument(included);
    if (document.include !== undefined) throw new InvalidConfigurationError(`${included}: include`, 'must be in the first file alone');
    for (const [key, value] of Object.entries(document)) {
      const known = merged[key];
      merged[key] = Array.isArray(known) && Array.isArray(value) ? [...(known as unknown[]), ...(value as unknown[])] : value;
    }
  }
  return merged;
}
