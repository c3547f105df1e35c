import { ApiKeyError } from '../../common/http-errors.js';
import { retryAfterHeaders } from '../../http/retry-after-headers.js';
import { answerTo, errorBody } from '../errors.js';
import { apiOf, type GatewayRoute } from '../routes/route.js';

/** The answer to a request whose body was not read to its end. */
export interface EarlyAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: object;
}

/** The answer to an error before Nest sees the request. */
export function earlyAnswer(error: unknown, route: Pick<GatewayRoute, 'endpoint' | 'api'>): EarlyAnswer {
  const answer = answerTo(error);
  const headers: Record<string, string> = { 'content-type': 'application/json; charset=utf-8', 'x-content-type-options': 'nosniff' };
  if (answer.status === 401) headers['www-authenticate'] = 'Bearer';
  if (error instanceof ApiKeyError && error.retryAfterMs !== undefined) Object.assign(headers, retryAfterHeaders(error.retryAfterMs));
  return { status: answer.status, headers, body: errorBody(answer, apiOf(route)) };
}
