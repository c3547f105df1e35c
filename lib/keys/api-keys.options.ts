import { custom, instance, integer, resolveOptions, type OptionsOf, type Resolved } from '../common/option.js';
import { checkObject, checkString, refuseOption } from '../common/options.js';
import { unshown } from '../common/errors.js';
import { isNewApiKey, NEW_KEY_RULE, publicIdOf, hashApiKey } from './api-key.js';
import { checkApiKeySettings, type ApiKeyRecord, type ApiKeySettings } from './api-key-record.js';
import type { ApiKeyStore } from './api-key-store.js';

/** A key in the configuration: the key itself, for example from an environment variable. */
export interface ConfiguredApiKey extends ApiKeySettings {
  /** `sk-` and 13 to 125 more letters, digits and `_ . -`; only its hash is kept. */
  readonly key: string;
}

export const API_KEYS = {
  /** Where keys are stored. Default: only the keys in `keys` exist, and none can be created. */
  store: instance<ApiKeyStore>(
    'store',
    ['findByPublicId', 'put', 'delete', 'list'],
    ['onChange', 'isFollowing', 'putAll', 'findByAlias', 'search', 'fault', 'close'],
  ),
  /** Keys that do not change while the app runs. Default: none. */
  keys: custom<readonly ConfiguredApiKey[], ReadonlyMap<string, ApiKeyRecord>>('list of keys', configuredKeys, new Map()),
  /**
   * The key that can call every model and manage keys. Default: `general_settings.master_key` of
   * `router.configPath`, else `LITELLM_MASTER_KEY`, unless `router.handledSettings` has
   * `general_settings.master_key`. `null`: none.
   */
  masterKey: custom<string | null>('string or `null`', checkMasterKey),
  /**
   * The only header that keys are read from. Default: `general_settings.litellm_key_header_name` of
   * `router.configPath`, else all headers that LiteLLM's proxy reads.
   */
  header: custom<string>('string', (path, value) => checkString(path, value).toLowerCase()),
  /**
   * How long a known key is accepted while the store is unavailable, in ms since it was last read.
   * Default 60,000; 0: not at all.
   */
  maxStaleMs: integer({ min: 0, max: 86_400_000, default: 60_000 }),
};

/** Options of `FastLiteLLMKeysModule`. */
export interface ApiKeysOptions extends OptionsOf<typeof API_KEYS> {}

export type ResolvedApiKeysOptions = Omit<Resolved<typeof API_KEYS>, 'keys'> & { readonly configured: ReadonlyMap<string, ApiKeyRecord> };

/** @throws InvalidConfigurationError naming the option (`keys.keys[0].limits`). */
export function resolveApiKeysOptions(options: ApiKeysOptions = {}, path = 'keys'): ResolvedApiKeysOptions {
  const { keys, ...resolved } = resolveOptions(API_KEYS, path, options);
  return { ...resolved, configured: keys };
}

function checkMasterKey(path: string, value: unknown): string | null {
  if (value === null) return null;
  if (typeof value === 'string' && value !== '' && value.trim() === value) return value;
  throw refuseOption(path, unshown(value), 'must be a non-empty string without leading or trailing spaces');
}

function configuredKeys(path: string, value: unknown): ReadonlyMap<string, ApiKeyRecord> {
  const records = new Map<string, ApiKeyRecord>();
  const aliases = new Set<string>();
  if (!Array.isArray(value)) throw refuseOption(path, value, 'must be an array');
  Array.from(value as readonly unknown[], (entry, index) => {
    const at = `${path}[${index}]`;
    const { key, ...settings } = checkObject(at, entry);
    const publicId = typeof key === 'string' && isNewApiKey(key) ? publicIdOf(key) : undefined;
    if (publicId === undefined) throw refuseOption(`${at}.key`, unshown(key), NEW_KEY_RULE);
    const checked = checkApiKeySettings(at, settings);
    if (records.has(publicId)) throw refuseOption(`${at}.key`, unshown(key), 'must be unique');
    if (checked.alias !== undefined && aliases.has(checked.alias)) throw refuseOption(`${at}.alias`, checked.alias, 'must be unique');
    if (checked.alias !== undefined) aliases.add(checked.alias);
    records.set(publicId, { publicId, hashes: [{ sha256: hashApiKey(key as string) }], ...checked });
  });
  return records;
}
