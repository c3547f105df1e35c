import type { ServerResponse } from 'node:http';
import { whenOver } from '../common/response-over.js';
import { usageFrom, usedTokens } from './answer-usage.js';
import type { RequestContext } from './request-context.js';
import type { RequestHold } from './request-hold.js';

/** Express's response, or Fastify's reply. */
export type HttpResponse = ServerResponse & { readonly raw?: ServerResponse } & Partial<
    Record<'json' | 'send', (body?: unknown) => unknown>
  >;

/**
 * Settles what a request holds when its response has ended, however it ended, and at once if it has
 * already. Not an interceptor: those do not see what a guard or a filter answers.
 * @param readsUsage Whether the usage of its answer counts.
 */
export function settleWithResponse(response: HttpResponse, context: RequestContext, readsUsage: boolean): void {
  if (readsUsage && !context.isUsageWatched) {
    context.isUsageWatched = true;
    watchUsage(response, context.hold);
  }
  if (context.isEndAwaited) return;
  context.isEndAwaited = true;
  const raw = response.raw ?? response;
  whenOver(raw, () => context.hold.end(raw.statusCode >= 400));
}

/**
 * Reports the `usage` of a JSON answer. Nest, and most handlers with `@Res()`, answer objects by
 * `json` on Express and by `send` on Fastify.
 */
function watchUsage(response: HttpResponse, hold: RequestHold): void {
  const method = response.raw === undefined ? 'json' : 'send';
  const answer = response[method];
  if (typeof answer !== 'function') return;
  // Assigned by name: V8 allocates a function expression that is assigned to a field as old, and
  // with it the whole request.
  const watched = function (this: unknown, body?: unknown): unknown {
    const usage = (body as { readonly usage?: unknown } | null | undefined)?.usage;
    const tokens = usedTokens(usage);
    if (tokens !== undefined) hold.report(tokens, hold.readsUsage ? usageFrom(usage) : undefined);
    return answer.call(this, body);
  };
  response[method] = watched;
}
