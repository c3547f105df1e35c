import { InvalidConfigurationError } from '../../common/errors.js';
import { nearMiss } from '../../common/nearest-name.js';
import { checkObject } from '../../common/options.js';
import type { Environment } from '../../feature-flags/feature-flags.environment.js';
import { BUDGET_SETTING, documentOf, environmentOf, type ConfigSection } from './config-file.js';
import { refuseFileValue, resolveEnvironmentNames, shellVariableIn } from './file-values.js';
import { isMeant, unenforcedSettings } from './protecting-keys.js';

/** Settings that protect LiteLLM's proxy, for a gateway that replaces it. */
export interface LiteLLMProxySettings {
  /**
   * `general_settings.master_key`, otherwise `LITELLM_MASTER_KEY`: every request must send it.
   * `null` without one.
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
   * Settings that reject some requests of authenticated clients: `general_settings.allowed_ips`,
   * `guardrails`.
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
const MASTER_KEY = `LITELLM_${'master_key'.toUpperCase()}`;
const WEAK_MASTER_KEY = 'dangerously_permit_weak_or_unset_master_key';

/**
 * Reads, from `config.yaml` and the environment, the settings that protect LiteLLM's proxy. They
 * have no effect by themselves: the app must enforce them with guards, or refuse to start.
 *
 * @param configPath without it, only the environment is read
 * @throws InvalidConfigurationError if the master key names a variable that is not set or not
 * replaced, is empty or is not a string, because the gateway would be open.
 */
export function readLiteLLMProxySettings(configPath?: string, env: Environment = process.env): LiteLLMProxySettings {
  return proxySettingsIn({ path: configPath, env });
}

/** A configuration file, or the environment alone. */
export interface ProxyFile {
  readonly path?: string;
  /** Its content, if it was read already. */
  readonly document?: ConfigSection;
  /** Default `process.env`. */
  readonly env?: Environment;
}

/** The same for a file whose content may have been read. */
export function proxySettingsIn(file: ProxyFile): LiteLLMProxySettings {
  const { path: configPath, env = process.env } = file;
  const read = sectionOf(file);
  const header = read.resolved('litellm_key_header_name');
  return {
    masterKey: masterKeyOf(`${configPath ?? 'the environment'}: general_settings.master_key`, read.general, read.env),
    keyHeader: typeof header === 'string' && header !== '' ? header.toLowerCase() : null,
    permitsWeakMasterKey: isMeant(read.resolved(WEAK_MASTER_KEY)) || isMeant(env[`LITELLM_${WEAK_MASTER_KEY.toUpperCase()}`]),
    ...protectionIn(read),
  };
}

/** Those of them that are not enforced here. @throws InvalidConfigurationError for the file */
export function protectionOf(file: ProxyFile): Pick<LiteLLMProxySettings, 'authentication' | 'restrictions'> {
  return protectionIn(sectionOf(file));
}

/** The `general_settings` of a file. */
interface GeneralSettings {
  readonly config: ConfigSection;
  readonly general: ConfigSection;
  readonly env: Environment;
  readonly resolved: (key: string) => unknown;
}

function sectionOf({ path: configPath, document, env: given = process.env }: ProxyFile): GeneralSettings {
  const config = document ?? (configPath === undefined ? {} : documentOf(configPath));
  const general = checkObject(`${configPath ?? 'the environment'}: general_settings`, config.general_settings ?? {}, refuseFileValue);
  const env = environmentOf(configPath ?? '', config, given, () => {});
  return { config, general, env, resolved: (key) => resolveEnvironmentNames(general[key], env, () => {}) };
}

function protectionIn({ config, resolved }: GeneralSettings): Pick<LiteLLMProxySettings, 'authentication' | 'restrictions'> {
  return {
    authentication: AUTHENTICATION.filter((key) => isMeant(resolved(key))).map((key) => `general_settings.${key}`),
    restrictions: unenforcedSettings(config),
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
 * @throws InvalidConfigurationError for one that is not an amount: there would be no limit.
 */
export function proxyBudgetIn(file: ProxyFile & { readonly path: string }): LiteLLMProxyBudget | undefined {
  const { path: configPath, env = process.env } = file;
  const config = file.document ?? documentOf(configPath);
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
    throw new InvalidConfigurationError(`${configPath}: ${BUDGET_SETTING}`, 'must be an amount in USD of at least 0');
  return usd === 0 ? undefined : { usd, duration: duration as string | undefined };
}

function masterKeyOf(path: string, { master_key: given }: ConfigSection, env: Environment): string | null {
  if (given === undefined || given === null) {
    const key = env.LITELLM_MASTER_KEY;
    if (key !== undefined) return checkKey(`${MASTER_KEY} of the environment`, key);
    const meant = Object.keys(env).find((name) => nearMiss(name, [MASTER_KEY]) !== undefined);
    if (meant === undefined) return null;
    throw new InvalidConfigurationError(`${meant} of the environment`, `is not a known variable (did you mean ${MASTER_KEY}?)`);
  }
  const key = resolveEnvironmentNames(given, env, (name) => {
    throw new InvalidConfigurationError(
      path,
      `names the variable ${name}, which is not set; set it, because without a key the gateway would be open`,
    );
  });
  return checkKey(path, key);
}

function checkKey(path: string, key: unknown): string {
  const name = shellVariableIn(key);
  if (name !== undefined)
    throw new InvalidConfigurationError(
      path,
      `contains \${${name}}, which is not replaced; write os.environ/${name}, or anyone could guess the key`,
    );
  // Spaces around the value of a header are removed.
  if (typeof key === 'string' && key !== '' && key.trim() === key) return key;
  throw new InvalidConfigurationError(path, 'must be a non-empty string without leading or trailing spaces; put numbers in quotes');
}
