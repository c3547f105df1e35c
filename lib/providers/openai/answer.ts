import type { AnswerFault } from '../protocol.js';
import { hasError } from './errors.js';
import { afterSpace } from './usage.js';

const [OPEN, CLOSE, OPEN_LIST, QUOTE, COLON] = Buffer.from('{}[":');
const ERROR = Buffer.from('"error"');
/** A longer error is not parsed: 62 MB of empty objects took 18 s. */
const LONGEST_FAULT = 1024 * 1024;
const LONG_FAULT: AnswerFault = { error: '{"error":{"message":"The provider answered with an error of more than 1 MiB."}}' };
/** White space around an answer: some providers send empty lines while they work. */
const LONGEST_MARGIN = 1024 * 1024;

/** Some providers answer an error with 200. The answer is not parsed: it may be long. */
export function faultIn(answer: Buffer): AnswerFault | undefined {
  const open = braceOf(answer);
  if (open < 0) return 'malformed';
  // Most answers have no whitespace here.
  const name = answer[open + 1] === QUOTE ? open + 1 : afterSpace(answer, open + 1);
  const isError = answer.subarray(name, name + ERROR.length).equals(ERROR);
  return isError && hasValue(answer, name + ERROR.length) ? statedFault(answer, true) : undefined;
}

/**
 * The error of a whole answer that may be one.
 * @param isError whether its beginning says so: a long answer is not parsed
 */
export function statedFault(answer: Buffer, isError: boolean): AnswerFault | undefined {
  if (answer.length > LONGEST_FAULT) return isError ? LONG_FAULT : undefined;
  const text = answer.toString('utf8');
  return hasError(text) ? { error: text } : undefined;
}

/** Offset of the brace that opens the answer; -1 if it does not have the braces of an object. */
export function braceOf(answer: Buffer): number {
  let end = answer.length - 1;
  const first = Math.max(0, end - LONGEST_MARGIN);
  while (end > first && answer[end] <= 32) end--;
  const open = answer[0] === OPEN ? 0 : afterSpace(answer, 0, LONGEST_MARGIN);
  return answer[open] === OPEN && answer[end] === CLOSE ? open : -1;
}

/** An error instead of an answer is its only field, or its first: an object or a text. */
function hasValue(answer: Buffer, from: number): boolean {
  const colon = afterSpace(answer, from);
  const value = afterSpace(answer, colon + 1);
  const first = answer[value];
  return answer[colon] === COLON && (first === OPEN || first === OPEN_LIST || (first === QUOTE && answer[value + 1] !== QUOTE));
}
