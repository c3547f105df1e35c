import { hasError } from '../answer/error-body.js';

/** What a stream has begun with: too little to tell, an answer, or an error in the place of one (as JSON). */
export type StreamOpening = 'undecided' | 'answer' | { readonly error: string };

/** Comments keep a connection alive until there is an answer. */
const COMMENTS = /^(?:\s|:[^\n]*\n)*/;
const ERROR_EVENT = /^event: *error\r?\n/;
const DATA = /(?:^|\n)data:([^\n]*)\n/;
/** The beginning of an error that has no end yet. Within a string of JSON the quotes would be escaped. */
const HALF_AN_ERROR = /(?:^|\n)data: *\{\s*"error"\s*:\s*[{"]/;
/** Behind so many characters of an event there is no beginning of an error any more. */
const LONGEST_OPENING = 64;

/** What the first event of nearly every stream begins with. */
const JSON_DATA = Buffer.from('data: {"');
const ERROR = 'error';
const ERROR_KEY = Buffer.from(`"${ERROR}"`);

/** Whether a stream has begun with an answer, seen at a glance: `false` where `openingOf` has to look. */
export function beginsPlainly(chunk: Buffer): boolean {
  if (chunk.length < LONGEST_OPENING) return false;
  for (let i = 0; i < JSON_DATA.length; i++) if (chunk[i] !== JSON_DATA[i]) return false;
  return !chunk.includes(ERROR_KEY);
}

/** @param text all that has come so far, wherever the pieces ended */
export function openingOf(text: string): StreamOpening {
  const begun = text.slice((COMMENTS.exec(text) as RegExpExecArray)[0].length);
  if (begun === '' || begun.startsWith(':')) return 'undecided';
  const isError = ERROR_EVENT.test(begun);
  const data = DATA.exec(begun)?.[1].trim();
  if (data !== undefined) return isError || hasError(data) ? { error: data } : 'answer';
  if (isError || HALF_AN_ERROR.test(begun)) return 'undecided';
  return begun.length < LONGEST_OPENING ? 'undecided' : 'answer';
}

/** The error that a stream has ended with, as JSON. @param tail its last bytes, from anywhere on */
export function errorAtEnd(tail: Buffer): string | undefined {
  if (!tail.includes(ERROR)) return undefined;
  let isCalledSo = false;
  for (const line of tail.toString('utf8').split(/\r?\n/)) {
    const [, field, value = ''] = /^(data|event): ?(.*)$/.exec(line) ?? [];
    if (field === 'data' && (isCalledSo || hasError(value))) return value;
    if (field === 'event') isCalledSo = value.trim() === ERROR;
    else if (line === '') isCalledSo = false;
  }
  return undefined;
}
