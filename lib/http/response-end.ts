import type { ServerResponse } from 'node:http';
import { whenOver } from '../common/response-over.js';
import { usedTokens } from './answer-usage.js';
import type { RequestContext } from './request-context.js';

/** Express's response, or Fastify's reply. */
export type HttpResponse = ServerResponse & { readonly raw?: ServerResponse } & Partial<
    Record<'json' | 'send', (body?: unknown) => unknown>
  >;

/**
 * Ends `context` when the response is over, however that comes about.
 * Not an interceptor: those never see what a guard or a filter answers, and cost more than the rest of the limit.
 */
export function endWithResponse(response: HttpResponse, context: RequestContext): void {
  const raw = response.raw ?? response;
  // It may be over already: keys and costs can be asked for asynchronously.
  whenOver(raw, () => context.end(raw.statusCode >= 400));
}

/** Takes the usage from a JSON answer on its way. Nest answers objects by `json` on Express and by `send` on Fastify, and handlers with a `@Res()` mostly do too. */
export function watchUsage(response: HttpResponse, context: RequestContext): void {
  const method = response.raw === undefined ? 'json' : 'send';
  const answer = response[method];
  if (typeof answer !== 'function') return;
  // Not assigned as it is written: V8 allocates such a function as old, and with it the whole request, for the next full collection.
  const watched = function (this: unknown, body?: unknown): unknown {
    const tokens = usedTokens((body as { readonly usage?: unknown } | null | undefined)?.usage);
    if (tokens !== undefined) context.report(tokens);
    return answer.call(this, body);
  };
  response[method] = watched;
}
