import type { AnswerUsage } from '../../http/answer-usage.js';

/** An attempt without an answer: what was thrown, and the tokens that it costs all the same. `undefined`: none. */
export class AttemptError extends Error {
  constructor(
    readonly error: unknown,
    readonly usage: AnswerUsage | undefined,
    /** Whether it ran out of a time that the caller has set: no failure of the deployment. */
    readonly isOverByCaller = false,
  ) {
    super('an attempt has failed');
  }
}

/** Something that the caller gave has thrown, once there was an answer: no failure of the attempt. */
export class CallersMistake extends Error {
  constructor(readonly error: unknown) {
    super('a function of the caller has thrown');
  }
}

/** Tokens of an attempt whose provider does not report any: each event of a stream is about a token. */
export function estimate(promptTokens: number, completionTokens: number): AnswerUsage {
  return { promptTokens, completionTokens, totalTokens: promptTokens + completionTokens };
}
