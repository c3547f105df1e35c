import { InvalidConfigurationError } from '../../common/errors.js';
import { checkObject } from '../../common/options.js';
import type { Environment } from '../../feature-flags/feature-flags.environment.js';
import type * as ConfigDocument from './config-yaml.js';
import { BUDGET_SETTING, environmentOf } from './config-file.js';
import { refuseFileValue, resolveEnvironmentNames, shellVariableIn } from './file-values.js';

type Section = Readonly<Record<string, unknown>>;

/** Settings that protect LiteLLM's proxy, for a gateway that replaces it. */
export interface LiteLLMProxySettings {
  /**
   * `general_settings.master_key`, else `LITELLM_MASTER_KEY`: every request must send it. `null`
   * without one.
   */
  readonly masterKey: string | null;
  /** `general_settings.litellm_key_header_name`: the only header that keys are read from. */
  readonly keyHeader: string | null;
  /**
   * Whether `dangerously_permit_weak_or_unset_master_key` is set in the file, or its variable in
   * the environment.
   */
  readonly permitsWeakMasterKey: boolean;
  /**
   * Settings that authenticate clients by other means than the master key:
   * `general_settings.custom_auth`.
   */
  readonly authentication: readonly string[];
  /**
   * Settings that reject some requests of authenticated clients: `general_settings.allowed_ips`.
   */
  readonly restrictions: readonly string[];
}

const AUTHENTICATION = [
  'custom_auth',
  'enable_jwt_auth',
  'litellm_jwtauth',
  'enable_oauth2_auth',
  'enable_oauth2_proxy_auth',
  'database_url',
];
const RESTRICTIONS = ['allowed_ips', 'allowed_routes', 'enforced_params', 'enforce_user_param'];
const WEAK_MASTER_KEY = 'dangerously_permit_weak_or_unset_master_key';

/**
 * Reads the settings that protect LiteLLM's proxy from its `config.yaml` and the environment. They
 * have no effect by themselves: the app has to enforce them by guards, or to refuse to start.
 *
 * @param configPath without it, only the environment is read
 * @throws InvalidConfigurationError when the master key names a variable that is not set or not
 * replaced, is empty or is no string: the gateway would be open.
 */
export function readLiteLLMProxySettings(configPath?: string, env: Environment = process.env): LiteLLMProxySettings {
  const config = configPath === undefined ? {} : documentOf(configPath);
  const path = `${configPath ?? 'the environment'}: general_settings`;
  const general = checkObject(path, config.general_settings ?? {}, refuseFileValue);
  const known = environmentOf(configPath ?? '', config, env, () => {});
  const isOn = (key: string): boolean => isMeant(resolveEnvironmentNames(general[key], known, () => {}));
  const named = (keys: readonly string[]): string[] => keys.filter(isOn).map((key) => `general_settings.${key}`);
  const header = resolveEnvironmentNames(general.litellm_key_header_name, known, () => {});
  return {
    masterKey: masterKeyOf(`${path}.master_key`, general, known),
    keyHeader: typeof header === 'string' && header !== '' ? header.toLowerCase() : null,
    permitsWeakMasterKey: isOn(WEAK_MASTER_KEY) || isMeant(env[`LITELLM_${WEAK_MASTER_KEY.toUpperCase()}`]),
    authentication: named(AUTHENTICATION),
    restrictions: [...named(RESTRICTIONS), ...(hasDefaultGuardrail(config.guardrails) ? ['guardrails'] : [])],
  };
}

/** The budget of LiteLLM's proxy. */
export interface LiteLLMProxyBudget {
  readonly usd: number;
  /** `litellm_settings.budget_duration`; `undefined`: it never starts again. */
  readonly duration: string | undefined;
}

/**
 * Reads `litellm_settings.max_budget` of a `config.yaml`. `undefined` without one and, as in
 * LiteLLM, with one of 0.
 * @throws InvalidConfigurationError for one that is no amount: there would be no limit.
 */
export function readLiteLLMProxyBudget(configPath: string, env: Environment = process.env): LiteLLMProxyBudget | undefined {
  const config = documentOf(configPath);
  const given = checkObject(`${configPath}: litellm_settings`, config.litellm_settings ?? {}, refuseFileValue);
  const known = environmentOf(configPath, config, env, () => {});
  const unset = (name: string): never => {
    throw new InvalidConfigurationError(`${configPath}: ${BUDGET_SETTING}`, `names the variable ${name}, which is not set`);
  };
  const [budget, duration] = [given.max_budget ?? 0, given.budget_duration ?? undefined].map((value) =>
    resolveEnvironmentNames(value, known, unset),
  );
  const usd = typeof budget === 'string' && budget.trim() !== '' ? Number(budget) : budget;
  if (typeof usd !== 'number' || !(usd >= 0))
    throw new InvalidConfigurationError(`${configPath}: ${BUDGET_SETTING}`, 'must be USD, from 0');
  return usd === 0 ? undefined : { usd, duration: duration as string | undefined };
}

function documentOf(configPath: string): ReturnType<typeof ConfigDocument.readConfigDocument> {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- with the first file: the YAML parser takes 10 ms of the start
  const { readConfigDocument } = require('./config-yaml.js') as typeof ConfigDocument;
  return readConfigDocument(configPath);
}

function masterKeyOf(path: string, { master_key: given }: Section, env: Environment): string | null {
  if (given === undefined || given === null) {
    const key = env.LITELLM_MASTER_KEY;
    return key === undefined ? null : checkKey('LITELLM_MASTER_KEY of the environment', key);
  }
  const key = resolveEnvironmentNames(given, env, (name) => {
    throw new InvalidConfigurationError(
      path,
      `names the variable ${name}, which is not set: set it, because without a key the gateway would be open`,
    );
  });
  return checkKey(path, key);
}

function checkKey(path: string, key: unknown): string {
  const name = shellVariableIn(key);
  if (name !== undefined)
    throw new InvalidConfigurationError(
      path,
      `contains \${${name}}, which is not replaced: write os.environ/${name}, or anyone could guess the key`,
    );
  // Spaces around the value of a header are removed.
  if (typeof key === 'string' && key !== '' && key.trim() === key) return key;
  throw new InvalidConfigurationError(path, 'must be a non-empty text without spaces around it; a number needs quotes');
}

function isMeant(value: unknown): boolean {
  if (typeof value === 'string') return value !== '' && !/^(?:false|no|off|0)$/i.test(value);
  if (typeof value === 'object' && value !== null) return Object.keys(value).length > 0;
  return value !== undefined && value !== null && value !== false && value !== 0;
}

/** Whether a guardrail applies to every request; others apply by name. */
function hasDefaultGuardrail(guardrails: unknown): boolean {
  if (!Array.isArray(guardrails)) return false;
  return (guardrails as unknown[]).some((entry) => {
    const params = (entry as Section | null)?.litellm_params as Section | null | undefined;
    return isMeant(params?.default_on);
  });
}
