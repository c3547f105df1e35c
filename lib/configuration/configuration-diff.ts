import { isDeepStrictEqual } from 'node:util';
import { fieldsOf, isObject, listOf, type Fields } from '../common/objects.js';
import type { ChangeEffect, ConfigurationChange } from './configuration-version.js';
import { maskedValue } from './masked-values.js';

/** The content of a configuration, as it is written. */
export interface ConfigurationContent {
  readonly document: Fields;
  /** The id of each entry of `model_list`; `undefined` for one that is omitted. */
  readonly ids: readonly (string | undefined)[];
  /** The stored entries in use, by id. */
  readonly stored: ReadonlyMap<string, unknown>;
}

/** Most changes of one version; the rest is counted. */
const MOST_CHANGES = 500;
const MODEL_LIST = 'model_list';

/** Sections that are compared key by key, and those whose entries are. */
const DEEP = new Set(['litellm_params', 'model_info', 'router_settings', 'litellm_settings', 'general_settings', 'environment_variables']);

const NEXT_START = new Set([
  'general_settings',
  'callback_settings',
  'litellm_settings.callbacks',
  'litellm_settings.success_callback',
  'litellm_settings.failure_callback',
  'litellm_settings.turn_off_message_logging',
  'litellm_settings.s3_callback_params',
  ...['url', 'host', 'port', 'password', 'db'].map((key) => `router_settings.redis_${key}`),
  'router_settings.cache_kwargs',
]);
/** Sections whose names of variables are resolved again by each version. */
const RESOLVED = [MODEL_LIST, 'credential_list', 'router_settings'];
const VARIABLE = /os\.environ\/([\w.-]+)/g;
/** The tokenizer of a model group is loaded once. */
const TOKENIZER = 'entry.model_info.custom_tokenizer';
/** Exceptions to `NEXT_START`. */
const NOW = new Set(['general_settings.dangerously_allow_mock_testing_request_params']);

/** When a change of a setting (`section.key`) takes effect. @param ignored Those without effect. */
export function effectOf(setting: string, ignored: ReadonlySet<string>): ChangeEffect {
  const [section] = setting.split('.', 1);
  if (ignored.has(setting) || ignored.has(section)) return 'none';
  if (NOW.has(setting)) return 'now';
  return NEXT_START.has(setting) || NEXT_START.has(section) ? 'next_start' : 'now';
}

/**
 * Returns the differences between two configurations, with secrets masked.
 * @param ignored Settings of either without effect.
 */
export function configurationDiff(
  before: ConfigurationContent,
  after: ConfigurationContent,
  ignored: ReadonlySet<string>,
): readonly ConfigurationChange[] {
  const changes: ConfigurationChange[] = [];
  compare([], sectionsOf(before), sectionsOf(after), (keys, old, now) => {
    const [section, name] = keys;
    const isLater = section === 'environment_variables' && !variablesIn(after).has(name);
    const effect = isLater ? 'next_start' : effectOf(keys.slice(0, 2).join('.'), ignored);
    changes.push(changeOf(keys.join('.'), keys, { old, now, effect }));
  });
  const [oldModels, newModels] = [modelsOf(before), modelsOf(after)];
  for (const id of new Set([...oldModels.keys(), ...newModels.keys()])) {
    compare([MODEL_LIST], wrapped(oldModels.get(id)), wrapped(newModels.get(id)), (keys, old, now) => {
      const path = [`${MODEL_LIST}['${id}']`, ...keys.slice(2)].join('.');
      const effect = keys.slice(1, 4).join('.') === TOKENIZER ? 'next_start' : 'now';
      changes.push(changeOf(path, keys, { old, now, effect }));
    });
  }
  if (changes.length <= MOST_CHANGES) return changes;
  const left = changes.length - MOST_CHANGES;
  return [...changes.slice(0, MOST_CHANGES), { path: `(${left} more)`, kind: 'changed', effect: 'now' }];
}

/** Names of the variables that take effect at once. */
function variablesIn({ document }: ConfigurationContent): ReadonlySet<string> {
  const text = JSON.stringify(RESOLVED.map((section) => document[section]));
  return new Set([...text.matchAll(VARIABLE)].map(([, name]) => name));
}

/** One entry, so that an added or removed one is a single change. */
function wrapped(entry: unknown): Fields {
  return entry === undefined ? {} : { entry };
}

function modelsOf({ document, ids, stored }: ConfigurationContent): ReadonlyMap<string, unknown> {
  const entries = listOf(document[MODEL_LIST]).map((entry, index) => [ids[index] ?? `#${index}`, entry] as const);
  return new Map([...entries, ...stored]);
}

/** All sections but the model list, whose entries are compared by id. */
function sectionsOf({ document }: ConfigurationContent): Fields {
  return Object.fromEntries(Object.entries(document).filter(([name]) => name !== MODEL_LIST));
}

type Found = (keys: readonly string[], old: unknown, now: unknown) => void;

function compare(keys: readonly string[], old: Fields, now: Fields, found: Found): void {
  for (const key of new Set([...Object.keys(old), ...Object.keys(now)])) {
    const [a, b] = [old[key], now[key]];
    if (isDeepStrictEqual(a, b)) continue;
    const at = [...keys, key];
    const isDeep = DEEP.has(key) || key === 'entry';
    const isSection = isDeep && (isObject(a) || a === undefined) && (isObject(b) || b === undefined);
    // An added or removed entry is one change; a section is not.
    if (isSection && (key !== 'entry' || (a !== undefined && b !== undefined))) compare(at, fieldsOf(a), fieldsOf(b), found);
    else found(at, a, b);
  }
}

function changeOf(
  path: string,
  keys: readonly string[],
  { old, now, effect }: { readonly old: unknown; readonly now: unknown; readonly effect: ChangeEffect },
): ConfigurationChange {
  return {
    path,
    kind: old === undefined ? 'added' : now === undefined ? 'removed' : 'changed',
    ...(old !== undefined && { before: maskedValue(keys, old) }),
    ...(now !== undefined && { after: maskedValue(keys, now) }),
    effect,
  };
}
