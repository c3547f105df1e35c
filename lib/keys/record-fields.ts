import { custom } from '../common/option.js';
import { checkArray, checkObject, joinPath, type Refuse } from '../common/options.js';
import { unshown } from '../common/errors.js';
import { compileLimit, type RateLimits } from '../rate-limit/limits.js';

const ISO_DATE = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d))?$/;
const LONGEST_TEXT = 256;
const MOST_TEXTS = 1_000;
const MOST_MODEL_LIMITS = 200;
const LARGEST_METADATA = 16_384;
/** Redis reads JSON of at most 1,000 levels. */
const DEEPEST_METADATA = 100;

/** A string of 1 to 256 characters. */
export const TEXT = custom<string>('string', checkText);
export const DATE = custom<string>('ISO 8601 date', checkDate);
export const TEXTS = custom<readonly string[]>('list of names', textsOf(MOST_TEXTS));
export const METADATA = custom<Readonly<Record<string, unknown>>>('object', checkMetadata);

/** Limits of a record. The name has no effect on their check. */
export const RECORD_LIMITS = custom<RateLimits>('object', checkLimits);
/** Limits for single models, by name or pattern. */
export const MODEL_LIMITS = custom<Readonly<Record<string, RateLimits>>>('object', checkModelLimits);
/** Names by names: aliases of models. */
export const NAMES_BY_NAME = custom<Readonly<Record<string, string>>>('object', checkNames);

export function textsOf(most: number): (path: string, value: unknown, refuse: Refuse) => readonly string[] {
  return (path, value, refuse) => {
    const texts = checkArray(path, value, (at, entry) => checkText(at, entry, refuse), refuse);
    if (texts.length > most) throw refuse(path, value, `must have at most ${most} entries`);
    return texts;
  };
}

function checkLimits(path: string, limits: unknown, refuse: Refuse): RateLimits {
  compileLimit('record', limits as RateLimits, path, refuse);
  return limits as RateLimits;
}

function checkModelLimits(path: string, value: unknown, refuse: Refuse): Readonly<Record<string, RateLimits>> {
  const byModel = checkObject(path, value, refuse);
  const models = Object.keys(byModel);
  if (models.length > MOST_MODEL_LIMITS) throw refuse(path, value, `must have at most ${MOST_MODEL_LIMITS} entries`);
  for (const model of models) checkLimits(joinPath(path, checkText(path, model, refuse)), byModel[model], refuse);
  return byModel as Readonly<Record<string, RateLimits>>;
}

function checkNames(path: string, value: unknown, refuse: Refuse): Readonly<Record<string, string>> {
  const names = checkObject(path, value, refuse);
  const entries = Object.entries(names);
  if (entries.length > MOST_TEXTS) throw refuse(path, value, `must have at most ${MOST_TEXTS} entries`);
  for (const [name, other] of entries) checkText(joinPath(path, checkText(path, name, refuse)), other, refuse);
  return names as Readonly<Record<string, string>>;
}

function checkText(path: string, value: unknown, refuse: Refuse): string {
  if (typeof value === 'string' && value !== '' && value.length <= LONGEST_TEXT) return value;
  throw refuse(path, unshown(value), `must be a string of 1 to ${LONGEST_TEXT} characters`);
}

function checkDate(path: string, value: unknown, refuse: Refuse): string {
  if (typeof value === 'string' && ISO_DATE.test(value) && !Number.isNaN(Date.parse(value))) return value;
  throw refuse(path, unshown(value), 'must be an ISO 8601 date such as 2027-01-31T00:00:00Z');
}

function checkMetadata(path: string, value: unknown, refuse: Refuse): Readonly<Record<string, unknown>> {
  const metadata = checkObject(path, value, refuse);
  if (isDeeper(metadata, DEEPEST_METADATA)) throw refuse(path, metadata, `must not be nested deeper than ${DEEPEST_METADATA} levels`);
  if (JSON.stringify(metadata).length <= LARGEST_METADATA) return metadata;
  throw refuse(path, metadata, `must have at most ${LARGEST_METADATA} characters of JSON`);
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((each) => isDeeper(each, levels - 1));
}
