import { custom, resolveOptions, type OptionsOf, type Resolved } from '../common/option.js';
import { checkArray, checkFunction, checkObject, checkString, joinPath } from '../common/options.js';
import type { ConfigurationStoreSource } from '../configuration/stored/configuration-store.js';
import { checkSaltKey } from '../configuration/stored/salt-keys.js';

export const ADMIN = {
  /**
   * `postgresStore(…)` or `fileConfigurationStore(…)`: keeps what the API adds. Default: none;
   * routes that change something answer with 409.
   */
  store: custom<ConfigurationStoreSource>('`postgresStore(…)` or `fileConfigurationStore(…)`', checkSource),
  /**
   * Encrypts the secrets in the store: at least 16 characters, and not the master key. Default: the
   * variable `LITELLM_SALT_KEY`; `null`: none, so no secret can be stored.
   */
  saltKey: custom<string | null>('string or `null`', (path, value) => (value === null ? null : checkSaltKey(path, value))),
  /**
   * Further salt keys that can be read, while `npx nestjs-fast-litellm rotate-salt` replaces one.
   * Default: those of the variable `FAST_LITELLM_OTHER_SALT_KEYS`, separated by commas.
   */
  otherSaltKeys: custom<readonly string[]>('list of strings', checkSaltKeys),
  /**
   * Hosts, addresses and ranges that models of the store may be called at although they are not
   * public: `ollama`, `*.internal.example`, `10.0.0.0/8`. Default: those of the variable
   * `FAST_LITELLM_ALLOWED_ADDRESSES`, separated by commas.
   */
  allowedAddresses: custom<readonly string[]>('list of strings', (path, value) => checkArray(path, value, checkString)),
};

/** Options of `FastLiteLLMAdminModule`. */
export interface AdminOptions extends OptionsOf<typeof ADMIN> {}

export type ResolvedAdminOptions = Resolved<typeof ADMIN>;

/** @throws InvalidConfigurationError naming the option. */
export function resolveAdminOptions(options: AdminOptions = {}): ResolvedAdminOptions {
  return resolveOptions(ADMIN, 'admin', options);
}

function checkSource(path: string, value: unknown): ConfigurationStoreSource {
  const store = checkObject(joinPath(path, 'configuration'), checkObject(path, value).configuration);
  for (const method of ['list', 'put', 'delete', 'onChange']) checkFunction(joinPath(path, `configuration.${method}`), store[method]);
  return value as ConfigurationStoreSource;
}

function checkSaltKeys(path: string, value: unknown): readonly string[] {
  return (Array.isArray(value) ? (value as readonly unknown[]) : [value]).map((key, index) => checkSaltKey(`${path}[${index}]`, key));
}
