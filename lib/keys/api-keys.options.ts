import {
  checkFunction,
  checkInteger,
  checkKnownKeys,
  checkObject,
  checkString,
  joinPath,
  optional,
  refuseOption,
} from '../common/options.js';
import { unshown } from '../common/errors.js';
import { hashApiKey, publicIdOf } from './api-key.js';
import { checkApiKeySettings, type ApiKeyRecord, type ApiKeySettings } from './api-key-record.js';
import type { ApiKeyStore } from './api-key-store.js';

/** A key of the configuration: the key itself, such as from a variable of the environment. */
export interface ConfiguredApiKey extends ApiKeySettings {
  /** `sk-` and 13 to 125 more letters, digits and `_ . -`; kept as its hash. */
  readonly key: string;
}

/** Options of `FastLiteLLMKeysModule`. */
export interface ApiKeysOptions {
  /** Where keys are. Default: only those of `keys`, and none can be made. */
  readonly store?: ApiKeyStore;
  /** Keys that do not change while the app runs. Default: none. */
  readonly keys?: readonly ConfiguredApiKey[];
  /**
   * The key that may call every model and manage keys. Default: `general_settings.master_key` of
   * `router.configPath`, else `LITELLM_MASTER_KEY`, unless `router.handledSettings` has
   * `general_settings.master_key`. `null`: none.
   */
  readonly masterKey?: string | null;
  /**
   * The only header that keys are read from. Default: `general_settings.litellm_key_header_name`
   * of `router.configPath`, else all that LiteLLM's proxy reads.
   */
  readonly header?: string;
  /**
   * How long a known key is accepted while the store is away, in ms, from when it was read. Default
   * 60,000; 0: not at all.
   */
  readonly maxStaleMs?: number;
}

/** The checked options, with defaults. */
export interface ResolvedApiKeysOptions {
  readonly store: ApiKeyStore | undefined;
  readonly configured: ReadonlyMap<string, ApiKeyRecord>;
  /** `undefined`: that of LiteLLM's configuration. */
  readonly masterKey: string | null | undefined;
  readonly header: string | undefined;
  readonly maxStaleMs: number;
}

const KNOWN: readonly (keyof ApiKeysOptions)[] = ['store', 'keys', 'masterKey', 'header', 'maxStaleMs'];
const DEFAULT_STALE_MS = 60_000;
const DAY_MS = 86_400_000;

/** @throws InvalidConfigurationError naming the option (`keys.keys[0].limits`). */
export function resolveApiKeysOptions(options: ApiKeysOptions = {}, path = 'keys'): ResolvedApiKeysOptions {
  const given = checkObject(path, options);
  checkKnownKeys(path, given, KNOWN);
  const at = (key: keyof ApiKeysOptions): string => joinPath(path, key);
  return {
    store: optional(given.store, undefined, (value) => checkStore(at('store'), value)),
    configured: optional(given.keys, new Map<string, ApiKeyRecord>(), (value) => configuredKeys(at('keys'), value)),
    masterKey: optional(given.masterKey, undefined, (value) => (value === null ? null : checkMasterKey(at('masterKey'), value))),
    header: optional(given.header, undefined, (value) => checkString(at('header'), value).toLowerCase()),
    maxStaleMs: optional(given.maxStaleMs, DEFAULT_STALE_MS, (value) => checkInteger(at('maxStaleMs'), value, { min: 0, max: DAY_MS })),
  };
}

function checkStore(path: string, value: unknown): ApiKeyStore {
  const store = checkObject(path, value);
  for (const method of ['findByPublicId', 'put', 'delete', 'list'] as const) checkFunction(joinPath(path, method), store[method]);
  for (const method of ['onChange', 'fault', 'close'] as const)
    if (store[method] !== undefined) checkFunction(joinPath(path, method), store[method]);
  return value as ApiKeyStore;
}

function checkMasterKey(path: string, value: unknown): string {
  if (typeof value === 'string' && value !== '' && value.trim() === value) return value;
  throw refuseOption(path, unshown(value), 'must be a non-empty text without spaces around it');
}

function configuredKeys(path: string, value: unknown): ReadonlyMap<string, ApiKeyRecord> {
  const records = new Map<string, ApiKeyRecord>();
  const aliases = new Set<string>();
  if (!Array.isArray(value)) throw refuseOption(path, value, 'must be an array');
  Array.from(value as readonly unknown[], (entry, index) => {
    const at = `${path}[${index}]`;
    const { key, ...settings } = checkObject(at, entry);
    const publicId = typeof key === 'string' ? publicIdOf(key) : undefined;
    if (publicId === undefined) throw refuseOption(`${at}.key`, unshown(key), 'must be sk- and 13 to 125 letters, digits and _ . -');
    const checked = checkApiKeySettings(at, settings);
    if (records.has(publicId)) throw refuseOption(`${at}.key`, unshown(key), 'must be unique');
    if (checked.alias !== undefined && aliases.has(checked.alias)) throw refuseOption(`${at}.alias`, checked.alias, 'must be unique');
    if (checked.alias !== undefined) aliases.add(checked.alias);
    records.set(publicId, { publicId, hashes: [{ sha256: hashApiKey(key as string) }], ...checked });
  });
  return records;
}
