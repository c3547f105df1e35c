import { jsonIn, nonEmptyString } from '../../common/objects.js';

/** Readers of values in LiteLLM's tables, whose JSON columns can have any content. */

const HAS_ZONE = /(?:Z|[+-]\d\d(?::?\d\d)?)$/;
/** LiteLLM also accepts words. */
const DURATION_WORDS: Readonly<Record<string, string>> = { hourly: '1h', daily: '24h', weekly: '7d', monthly: '30d' };

/** A timestamp in ms. LiteLLM's columns have no zone: they are in UTC. */
export function timeOf(value: unknown): number | undefined {
  if (typeof value !== 'string') return undefined;
  const ms = Date.parse(HAS_ZONE.test(value.slice(10)) ? value : `${value.replace(' ', 'T')}Z`);
  return Number.isNaN(ms) ? undefined : ms;
}

/** ISO 8601 in UTC. */
export function dateOf(value: unknown): string | undefined {
  const ms = timeOf(value);
  return ms === undefined ? undefined : new Date(ms).toISOString();
}

/** A finite number; large integers are strings in some exports. */
export function numberOf(value: unknown): number | undefined {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  return typeof number === 'number' && Number.isFinite(number) ? number : undefined;
}

/** The strings of a list. */
export function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((each): each is string => typeof each === 'string') : [];
}

/** An object; LiteLLM has stored some as JSON in a string. */
export function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  const parsed = parsedJson(value);
  return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed) ? (parsed as Record<string, unknown>) : {};
}

/** The objects of a list, which can be JSON in a string. */
export function objectsOf(value: unknown): readonly Readonly<Record<string, unknown>>[] {
  const parsed = parsedJson(value);
  return Array.isArray(parsed) ? parsed.map(objectOf) : [];
}

/** A `budget_duration` as this package writes it. */
export function durationOf(value: unknown): string | undefined {
  const text = nonEmptyString(value)?.trim().toLowerCase();
  if (text === undefined) return undefined;
  if (Object.hasOwn(DURATION_WORDS, text)) return DURATION_WORDS[text];
  // As in LiteLLM, `1month` is `1mo`.
  return /^\d+(?:mo|[smhdw])/.exec(text)?.[0] ?? text;
}

/** Whether a value sets nothing. */
export function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === '' || value === false || value === 0) return true;
  const parsed = parsedJson(value);
  return parsed === null || (typeof parsed === 'object' && Object.keys(parsed).length === 0);
}

function parsedJson(value: unknown): unknown {
  if (typeof value !== 'string' || !/^[[{]/.test(value)) return value;
  const json = jsonIn(value);
  return json === undefined ? value : json;
}
