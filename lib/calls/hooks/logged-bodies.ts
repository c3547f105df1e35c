import type { Fields } from '../../common/objects.js';

/** The request and the answer of a finished call, for logs. */
export interface LoggedBodies {
  readonly request: Fields | undefined;
  readonly answer: unknown;
}
