import type { StreamOpening } from '../protocol.js';
import { hasError } from './errors.js';

/** Comments keep a connection alive until there is an answer. */
const COMMENTS = /^(?:\s|:[^\n]*\n)*/;
const ERROR_EVENT = /^event: *error\r?\n/;
const DATA = /(?:^|\n)data:([^\n]*)\n/;
/** The start of an unfinished error. Within a JSON string its quotes would be escaped. */
const HALF_AN_ERROR = /(?:^|\n)data: *\{\s*"error"\s*:\s*[{"]/;
/** Behind this many characters of an event no error begins any longer. */
const LONGEST_OPENING = 64;
/** More of a beginning is not read. */
const LONGEST_READ = 64 * 1024;
const ERROR = 'error';
/** Azure's first event has the results of its filter, and nothing of the answer. */
const NO_CHOICES = '{"choices":[]';
const FILTER_RESULTS = '"prompt_filter_results"';

/** @param bytes all that has arrived so far, wherever the chunks ended */
export function openingOf(bytes: Buffer): StreamOpening {
  let begun = skipComments(bytes.toString('utf8', 0, LONGEST_READ));
  let first = DATA.exec(begun);
  while (first !== null && isFilterResult(first[1].trim())) {
    begun = skipComments(begun.slice(first.index + first[0].length));
    first = DATA.exec(begun);
  }
  if (begun === '' || begun.startsWith(':')) return 'undecided';
  const isError = ERROR_EVENT.test(begun);
  const data = first?.[1].trim();
  if (data !== undefined) return isError || hasError(data) ? { error: data } : 'answer';
  if (isError || HALF_AN_ERROR.test(begun)) return 'undecided';
  return begun.length < LONGEST_OPENING ? 'undecided' : 'answer';
}

function skipComments(text: string): string {
  return text.slice((COMMENTS.exec(text) as RegExpExecArray)[0].length);
}

function isFilterResult(data: string): boolean {
  return data.startsWith(NO_CHOICES) && data.includes(FILTER_RESULTS);
}

/** The error that a stream ended with, as JSON. @param tail its last bytes, starting anywhere */
export function errorAtEnd(tail: Buffer): string | undefined {
  if (!tail.includes(ERROR)) return undefined;
  let isErrorEvent = false;
  for (const line of tail.toString('utf8').split(/\r?\n/)) {
    const [, field, value = ''] = /^(data|event): ?(.*)$/.exec(line) ?? [];
    if (field === 'data' && (isErrorEvent || hasError(value))) return value;
    if (field === 'event') isErrorEvent = value.trim() === ERROR;
    else if (line === '') isErrorEvent = false;
  }
  return undefined;
}
