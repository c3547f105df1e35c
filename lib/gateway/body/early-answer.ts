import { answerTo, errorBody } from '../errors.js';
import type { GatewayRoute } from '../routes/route.js';

/** The answer to a request whose body was not read to its end. */
export interface EarlyAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: object;
}

/** The answer to an error before Nest sees the request. */
export function earlyAnswer(error: unknown, { endpoint }: GatewayRoute): EarlyAnswer {
  const answer = answerTo(error);
  const headers = { 'content-type': 'application/json; charset=utf-8', 'x-content-type-options': 'nosniff' };
  return { status: answer.status, headers, body: errorBody(answer, endpoint === 'messages') };
}
