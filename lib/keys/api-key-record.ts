import {
  checkArray,
  checkBoolean,
  checkInteger,
  checkKnownKeys,
  checkObject,
  checkOneOf,
  joinPath,
  optional,
  refuseOption,
  type Refuse,
} from '../common/options.js';
import { unshown } from '../common/errors.js';
import type { PriorityClass } from '../http/principal.js';
import { compileLimit, type RateLimits } from '../rate-limit/limits.js';
import { isPublicId } from './api-key.js';

/** The hash of one valid secret of a key. */
export interface ApiKeyHash {
  /** SHA-256 of the whole key, in lower-case hexadecimal. */
  readonly sha256: string;
  /** ISO 8601: until when an older secret is valid after a rotation. Default: no end. */
  readonly validUntil?: string;
}

/** What the owner of a key and the operator have decided about it. */
export interface ApiKeySettings {
  /** A name for people, unique among the keys of a store. */
  readonly alias?: string;
  readonly user?: string;
  readonly team?: string;
  /** Names of models that it may call, each with any number of `*`. Default: all. */
  readonly models?: readonly string[];
  /** Limits and budgets, beside those of the routes. */
  readonly limits?: RateLimits;
  /** For reports, and for the router where it filters by tags. */
  readonly tags?: readonly string[];
  /** Default: `default`. */
  readonly priority?: PriorityClass;
  /** ISO 8601. Default: never. */
  readonly expiresAt?: string;
  /** Default: `false`. */
  readonly blocked?: boolean;
  /** JSON that the app reads, 16 KiB and 100 levels at most. */
  readonly metadata?: Readonly<Record<string, unknown>>;
}

/** A key as a store keeps it: JSON, without any secret. */
export interface ApiKeyRecord extends ApiKeySettings {
  /** 12 letters and digits, which identify the key in pages and counters. */
  readonly publicId: string;
  /** Its valid secrets: one, or several while a rotation is under its grace period. */
  readonly hashes: readonly ApiKeyHash[];
  /** Number of the record's version, from 1: a store refuses a version that is not the next one. */
  readonly revision?: number;
  /** ISO 8601. */
  readonly createdAt?: string;
  /** ISO 8601. */
  readonly updatedAt?: string;
}

/** The name that the limits of all keys count under. */
export const KEY_LIMIT_NAME = 'api-key';

const SETTINGS = [
  'alias',
  'user',
  'team',
  'models',
  'limits',
  'tags',
  'priority',
  'expiresAt',
  'blocked',
  'metadata',
] as const satisfies readonly (keyof ApiKeySettings)[];
const RECORD = ['publicId', 'hashes', 'revision', 'createdAt', 'updatedAt', ...SETTINGS] as const satisfies readonly (keyof ApiKeyRecord)[];
const PRIORITIES: readonly PriorityClass[] = ['critical', 'default', 'batch'];
const SHA256 = /^[0-9a-f]{64}$/;
const ISO_DATE = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d))?$/;
const LONGEST_TEXT = 256;
const MOST_MODELS = 1_000;
const MOST_TAGS = 64;
/** Secrets of one key that are valid at a time. */
export const MOST_HASHES = 8;
const LARGEST_METADATA = 16_384;
/** Redis reads JSON of at most 1,000 levels. */
const DEEPEST_METADATA = 100;

/**
 * Checks a record of a store or a file.
 * @throws by `refuse`, naming the field; values are not shown where they may be a key.
 */
export function checkApiKeyRecord(path: string, value: unknown, refuse: Refuse = refuseOption): ApiKeyRecord {
  const given = checkObject(path, value, refuse);
  if ('sha256' in given) throw refuse(joinPath(path, 'sha256'), unshown(given.sha256), 'must be within hashes: [{ sha256 }]');
  checkKnownKeys(path, given, RECORD, refuse);
  const { publicId, hashes, revision, createdAt, updatedAt, ...settings } = given;
  if (!isPublicId(publicId)) throw refuse(joinPath(path, 'publicId'), unshown(publicId), 'must be 12 letters and digits');
  const checked = checkArray(joinPath(path, 'hashes'), hashes, (at, hash) => checkHash(at, hash, refuse), refuse);
  if (checked.length === 0 || checked.length > MOST_HASHES)
    throw refuse(joinPath(path, 'hashes'), hashes, `must have 1 to ${MOST_HASHES} hashes`);
  return {
    publicId,
    hashes: checked,
    revision: optional(revision, 1, (number) => checkInteger(joinPath(path, 'revision'), number, { min: 1 }, refuse)),
    ...present({
      createdAt: optional(createdAt, undefined, (date) => checkDate(joinPath(path, 'createdAt'), date, refuse)),
      updatedAt: optional(updatedAt, undefined, (date) => checkDate(joinPath(path, 'updatedAt'), date, refuse)),
    }),
    ...checkApiKeySettings(path, settings, refuse),
  };
}

/** Checks what may be set about a key. `undefined` counts as absent. @throws by `refuse`. */
export function checkApiKeySettings(path: string, value: unknown, refuse: Refuse = refuseOption): ApiKeySettings {
  const given = checkObject(path, value, refuse);
  checkKnownKeys(path, given, SETTINGS, refuse);
  const at = (key: keyof ApiKeySettings): string => joinPath(path, key);
  const text = (key: keyof ApiKeySettings): string | undefined =>
    optional(given[key], undefined, (entry) => checkText(at(key), entry, refuse));
  const texts = (key: keyof ApiKeySettings, most: number): readonly string[] | undefined =>
    optional(given[key], undefined, (list) => checkTexts(at(key), list, most, refuse));
  return present({
    alias: text('alias'),
    user: text('user'),
    team: text('team'),
    models: texts('models', MOST_MODELS),
    limits: optional(given.limits, undefined, (limits) => {
      compileLimit(KEY_LIMIT_NAME, limits as RateLimits, at('limits'), refuse);
      return limits as RateLimits;
    }),
    tags: texts('tags', MOST_TAGS),
    priority: optional(given.priority, undefined, (priority) => checkOneOf(at('priority'), priority, PRIORITIES, refuse)),
    expiresAt: optional(given.expiresAt, undefined, (date) => checkDate(at('expiresAt'), date, refuse)),
    blocked: optional(given.blocked, undefined, (blocked) => checkBoolean(at('blocked'), blocked, refuse)),
    metadata: optional(given.metadata, undefined, (metadata) => checkMetadata(at('metadata'), metadata, refuse)),
  });
}

/** Without the fields that are `undefined`, which JSON does not have either. */
function present<T extends object>(fields: T): T {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;
}

function checkHash(path: string, value: unknown, refuse: Refuse): ApiKeyHash {
  const hash = checkObject(path, value, refuse);
  checkKnownKeys(path, hash, ['sha256', 'validUntil'], refuse);
  const { sha256, validUntil } = hash;
  if (typeof sha256 !== 'string' || !SHA256.test(sha256)) {
    throw refuse(joinPath(path, 'sha256'), unshown(sha256), 'must be a SHA-256 in lower-case hexadecimal, never the key itself');
  }
  return {
    sha256,
    ...present({ validUntil: optional(validUntil, undefined, (date) => checkDate(joinPath(path, 'validUntil'), date, refuse)) }),
  };
}

function checkText(path: string, value: unknown, refuse: Refuse): string {
  if (typeof value === 'string' && value !== '' && value.length <= LONGEST_TEXT) return value;
  throw refuse(path, unshown(value), `must be a text of 1 to ${LONGEST_TEXT} characters`);
}

function checkTexts(path: string, value: unknown, most: number, refuse: Refuse): readonly string[] {
  const texts = checkArray(path, value, (at, entry) => checkText(at, entry, refuse), refuse);
  if (texts.length > most) throw refuse(path, value, `must have ${most} entries at most`);
  return texts;
}

function checkDate(path: string, value: unknown, refuse: Refuse): string {
  if (typeof value === 'string' && ISO_DATE.test(value) && !Number.isNaN(Date.parse(value))) return value;
  throw refuse(path, unshown(value), 'must be a date of ISO 8601 such as 2027-01-31T00:00:00Z');
}

function checkMetadata(path: string, value: unknown, refuse: Refuse): Readonly<Record<string, unknown>> {
  const metadata = checkObject(path, value, refuse);
  if (isDeeper(metadata, DEEPEST_METADATA)) throw refuse(path, metadata, `must have ${DEEPEST_METADATA} levels at most`);
  if (JSON.stringify(metadata).length <= LARGEST_METADATA) return metadata;
  throw refuse(path, metadata, `must have ${LARGEST_METADATA} characters of JSON at most`);
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((each) => isDeeper(each, levels - 1));
}
