import { definedFields } from '../common/objects.js';
import { LARGEST_USD } from '../common/nano-usd.js';
import { boolean, custom, integer, number, oneOf, required, resolveOptions, type OptionsOf } from '../common/option.js';
import { checkArray, checkObject, joinPath, refuseOption, type Refuse } from '../common/options.js';
import { unshown } from '../common/errors.js';
import type { PriorityClass } from '../http/principal.js';
import { isPublicId, type ApiKeyHash } from './api-key.js';
import { DATE, METADATA, MODEL_LIMITS, NAMES_BY_NAME, RECORD_LIMITS, TEXT, TEXTS, textsOf } from './record-fields.js';

const SHA256 = /^[0-9a-f]{64}$/;
const MOST_TAGS = 64;
/** Secrets of one key that are valid at a time. */
export const MOST_HASHES = 8;

export const API_KEY_SETTINGS = {
  /** A display name, unique among the keys of a store. */
  alias: TEXT,
  user: TEXT,
  team: TEXT,
  /** Default: that of the team. Its limits apply if the store has a directory. */
  organization: TEXT,
  /** Id of a budget in the store's directory: it fills in the limits that the key does not have. */
  budget: TEXT,
  /**
   * Patterns of the models that the key can call; `*` can occur any number of times. Default: all.
   */
  models: TEXTS,
  /** The key's own limits and budgets, which apply in addition to those of the routes. */
  limits: RECORD_LIMITS,
  /** Limits and budgets for single models, by name or pattern, which apply in addition. */
  modelLimits: MODEL_LIMITS,
  /** USD whose spending is reported, and not denied. */
  softBudgetUsd: number({ min: 0, max: LARGEST_USD }),
  /** USD that `usdPerWindow` and `usdTotal` are raised by until `raisedUntil`. */
  raisedUsd: number({ min: 0, max: LARGEST_USD }),
  /** ISO 8601: when `raisedUsd` ends. */
  raisedUntil: DATE,
  /**
   * Paths that the key can request, such as `/v1/chat/completions` or `/v1/files/*`, or LiteLLM's
   * names of groups: `llm_api_routes`. Default: all.
   */
  allowedRoutes: TEXTS,
  /** The key's own names for models: `{ fast: 'gpt-4o-mini' }`. */
  modelAliases: NAMES_BY_NAME,
  /** Tags for reports, and for the router's tag filtering. */
  tags: custom<readonly string[]>('list of strings', textsOf(MOST_TAGS)),
  /** Priority class of the key's calls. Default: `default`. */
  priority: oneOf<PriorityClass>(['critical', 'default', 'batch']),
  /** ISO 8601. Default: never. */
  expiresAt: DATE,
  /** Default: `false`. */
  blocked: boolean(),
  /** JSON for the app to read, at most 16 KiB and 100 levels. */
  metadata: METADATA,
};

/** Settings of a key, made by its owner and the operator. */
export interface ApiKeySettings extends OptionsOf<typeof API_KEY_SETTINGS> {}

/** A stored key: JSON without any secret. */
export interface ApiKeyRecord extends ApiKeySettings {
  /** 12 letters and digits that identify the key in pages and counters. */
  readonly publicId: string;
  /** The hashes of its valid secrets: one, or several during the grace period of a rotation. */
  readonly hashes: readonly ApiKeyHash[];
  /** Version of the record, from 1: a store rejects any version that is not the next one. */
  readonly revision?: number;
  /** ISO 8601. */
  readonly createdAt?: string;
  /** ISO 8601. */
  readonly updatedAt?: string;
}

/** The name that the limits of all keys count under. */
export const KEY_LIMIT_NAME = 'api-key';

const HASH = { sha256: required(custom<string>('SHA-256', checkSha256)), validUntil: DATE };
const RECORD = {
  publicId: required(custom<string>('string', checkPublicId)),
  hashes: required(custom<readonly ApiKeyHash[]>('list of hashes', checkHashes)),
  revision: integer({ min: 1, default: 1 }),
  createdAt: DATE,
  updatedAt: DATE,
  ...API_KEY_SETTINGS,
};

/**
 * Checks a record of a store or a file.
 * @throws by `refuse`, naming the field; values are not shown where they may be a key.
 */
export function checkApiKeyRecord(path: string, value: unknown, refuse: Refuse = refuseOption): ApiKeyRecord {
  const given = checkObject(path, value, refuse);
  if ('sha256' in given) throw refuse(joinPath(path, 'sha256'), unshown(given.sha256), 'must be an entry of hashes: [{ sha256 }]');
  return definedFields(resolveOptions(RECORD, path, given, { refuse }));
}

/** Checks what may be set about a key. `undefined` counts as absent. @throws by `refuse`. */
export function checkApiKeySettings(path: string, value: unknown, refuse: Refuse = refuseOption): ApiKeySettings {
  return definedFields(resolveOptions(API_KEY_SETTINGS, path, value, { refuse }));
}

function checkPublicId(path: string, value: unknown, refuse: Refuse): string {
  if (isPublicId(value)) return value;
  throw refuse(path, unshown(value), 'must be 12 letters or digits');
}

function checkHashes(path: string, value: unknown, refuse: Refuse): readonly ApiKeyHash[] {
  const hashes = checkArray(path, value, (at, hash) => definedFields(resolveOptions(HASH, at, hash, { refuse })), refuse);
  if (hashes.length === 0 || hashes.length > MOST_HASHES) throw refuse(path, value, `must have 1 to ${MOST_HASHES} hashes`);
  return hashes;
}

function checkSha256(path: string, value: unknown, refuse: Refuse): string {
  if (typeof value === 'string' && SHA256.test(value)) return value;
  throw refuse(path, unshown(value), 'must be a SHA-256 hash in lower-case hexadecimal, never the key itself');
}
