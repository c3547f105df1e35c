import { InvalidArgumentError } from './errors.js';
import { checkString, refuseArgument } from './options.js';

/** Whether PostgreSQL can store a text: no U+0000, no unpaired surrogate. */
export function isStorable(text: string): boolean {
  return !/[\0\p{Cs}]/u.test(text);
}

/**
 * Checks a text of a request. One that no row can have would fail as if the database were
 * unavailable.
 * @throws InvalidArgumentError naming the field
 */
export function checkStorable(path: string, value: unknown): string {
  const text = checkString(path, value, refuseArgument);
  if (isStorable(text)) return text;
  throw new InvalidArgumentError(path, text, 'must not contain U+0000 or an unpaired surrogate');
}
