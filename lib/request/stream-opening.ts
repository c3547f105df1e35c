/** What a stream has begun with: too little to tell, an answer, or an error in the place of one (as JSON). */
export type StreamOpening = 'undecided' | 'answer' | { readonly error: string };

/** Comments keep a connection alive until there is an answer. */
const COMMENTS = /^(?:\s|:[^\n]*\n)*/;
const ERROR_EVENT = /^event: *error\r?\n/;
const DATA = /(?:^|\n)data: *([^\n]*)\n/;
/** Not `"error":null`, which some have in every chunk. Within a string of JSON the quotes would be escaped. */
const ERROR_DATA = /^\s*\{\s*"error"\s*:\s*[{"]/;
const ERROR_LINE = /(?:^|\n)data: *(\{\s*"error"\s*:\s*[{"][^\n]*)/;
/** Behind so many characters of an event there is no beginning of an error any more. */
const LONGEST_OPENING = 64;

/** What the first event of nearly every stream begins with. */
const JSON_DATA = Buffer.from('data: {"');
const [FIRST_OF_ERROR] = Buffer.from('error');

/** Whether a stream has begun with an answer, seen at a glance: `false` where `openingOf` has to look. */
export function beginsPlainly(chunk: Buffer): boolean {
  if (chunk.length < LONGEST_OPENING || chunk[JSON_DATA.length] === FIRST_OF_ERROR) return false;
  for (let i = 0; i < JSON_DATA.length; i++) if (chunk[i] !== JSON_DATA[i]) return false;
  return true;
}

/** @param text all that has come so far, wherever the pieces ended */
export function openingOf(text: string): StreamOpening {
  const begun = text.slice((COMMENTS.exec(text) as RegExpExecArray)[0].length);
  if (begun === '' || begun.startsWith(':')) return 'undecided';
  const isError = ERROR_EVENT.test(begun);
  const [, data] = DATA.exec(begun) ?? [];
  if (data !== undefined) return isError || ERROR_DATA.test(data) ? { error: data } : 'answer';
  if (isError || ERROR_LINE.test(begun)) return 'undecided';
  return begun.length < LONGEST_OPENING ? 'undecided' : 'answer';
}

/** Whether the `data` of an event is an error. */
export function isError(data: string): boolean {
  return ERROR_DATA.test(data);
}

/** The error that a stream has ended with, as JSON. @param tail its last bytes, from anywhere on */
export function errorAtEnd(tail: Buffer): string | undefined {
  return tail.includes('"error"') ? ERROR_LINE.exec(tail.toString('utf8'))?.[1] : undefined;
}
