import { IncomingMessage, type ServerResponse } from 'node:http';
import { checkNumber, checkObject, refuseArgument } from '../common/options.js';
import { LARGEST_USD, nanoUsd } from '../common/nano-usd.js';
import { whenOver } from '../common/response-end.js';
import type { RateLimitScope } from '../rate-limit/store.js';
import { usageFrom, usedTokens, type Usage } from './answer-usage.js';
import type { Principal, PrincipalScope } from './principal.js';
import { RequestHold } from './request-hold.js';
import { modelOf } from './token-estimate/requested-tier.js';
import type { BodyFacts } from './token-estimate/body-facts.js';

/** Field of HTTP requests: a WeakMap would keep a context until the next full collection. */
const CONTEXT = Symbol('request context');
/** Others may be frozen, or copied with all of their fields. */
const contexts = new WeakMap<object, RequestContext>();

/** Express's and Node's requests are one object; Fastify's has it as `raw`. */
interface Owned {
  readonly raw?: unknown;
}

interface Message {
  [CONTEXT]?: RequestContext;
}

/** Express's response, or Fastify's reply. */
export type HttpResponse = ServerResponse & { readonly raw?: ServerResponse } & Partial<
    Record<'json' | 'send', (body?: unknown) => unknown>
  >;

/** State of one request: its sender, its counted prompt, and its holds. */
export class RequestContext {
  /** Output that is expected of a model, while its guard estimates the cost. */
  outputOf: ((model: string) => number | undefined) | undefined = undefined;
  /** The model that its body names. */
  model: string | undefined = undefined;
  /** Who sends it; `undefined` until a guard has authenticated it. */
  principal: Principal | undefined = undefined;
  /** Whether the gateway has already checked its host, origin and key. */
  isAdmitted = false;
  /** The route of the gateway for which its key and the type of its body were checked. */
  checkedRoute: object | undefined = undefined;
  /**
   * A limit shared by many requests; `RateLimitGuard` applies it in addition to the route's limits.
   */
  shared: RateLimitScope | undefined = undefined;
  /** Limits of its end user: `RateLimitGuard` applies them in addition. */
  customer: readonly PrincipalScope[] | undefined = undefined;
  /** Tokens of its prompt, as its guard has counted them. */
  promptTokens: number | undefined = undefined;
  /** Facts about a small body, for a call that sends it unchanged. */
  facts: BodyFacts | undefined = undefined;
  /** Tokens that its body was estimated to use, as they were reserved for it. */
  estimated: { readonly tokens: number; readonly tokensPerMinute: number } | undefined = undefined;
  /** Takes the prompt tokens that a provider reports for the counted body. */
  learnPrompt: ((promptTokens: number) => void) | undefined = undefined;
  /** Whether its body is over 16 KiB, once a guard has looked. */
  isLarge: boolean | undefined = undefined;
  /** Its hold on tokens and budgets. */
  readonly hold = new RequestHold(this);
  /** Whether the usage of its answer is read. */
  private isUsageWatched = false;
  /** Whether its end is awaited. */
  private isEndAwaited = false;

  /**
   * The context of a request; Express's, Fastify's and Node's request objects share it.
   * @throws InvalidArgumentError for the `info` of a GraphQL field, which no limit applies to
   */
  static of(request: object): RequestContext {
    const { raw } = request as Owned;
    const key = typeof raw === 'object' && raw !== null ? raw : request;
    if (key instanceof IncomingMessage) return ((key as Message)[CONTEXT] ??= new RequestContext());
    let context = contexts.get(key);
    if (context === undefined) {
      if ('fieldNodes' in key)
        throw refuseArgument('request', key, "must be the HTTP request from the GraphQL context, not the resolver's info argument");
      contexts.set(key, (context = new RequestContext()));
    }
    return context;
  }

  /** The context of a request, if it has one. */
  static find(request: object): RequestContext | undefined {
    const { raw } = request as Owned;
    const key = typeof raw === 'object' && raw !== null ? raw : request;
    return key instanceof IncomingMessage ? (key as Message)[CONTEXT] : contexts.get(key);
  }

  /** Who sends a request; makes no context for a request that has none. */
  static principalOf(request: object): Principal | undefined {
    return RequestContext.find(request)?.principal;
  }

  /**
   * Settles the request's holds when its response has ended, however it ended, or at once if it
   * already has. Not an interceptor, because those do not see responses of guards and filters.
   * @param readsUsage Whether the usage of its answer counts.
   */
  settleWith(response: HttpResponse, readsUsage: boolean): void {
    if (readsUsage && !this.isUsageWatched) {
      this.isUsageWatched = true;
      watchUsage(response, this.hold);
    }
    if (this.isEndAwaited) return;
    this.isEndAwaited = true;
    const raw = response.raw ?? response;
    whenOver(raw, () => this.hold.end(raw.statusCode >= 400));
  }
}

/**
 * Reports the `usage` of a JSON answer. Nest, and most handlers with `@Res()`, answer objects by
 * `json` on Express and by `send` on Fastify.
 */
function watchUsage(response: HttpResponse, hold: RequestHold): void {
  const method = response.raw === undefined ? 'json' : 'send';
  const answer = response[method];
  if (typeof answer !== 'function') return;
  // Assigned by name: V8 allocates a function expression that is assigned to a field in the old
  // generation, and the whole request with it.
  const watched = function (this: unknown, body?: unknown): unknown {
    const usage = (body as { readonly usage?: unknown } | null | undefined)?.usage;
    const tokens = usage === undefined ? undefined : usedTokens(usage);
    if (tokens !== undefined) hold.report(tokens, hold.readsUsage ? usageFrom(usage) : undefined);
    return answer.call(this, body);
  };
  response[method] = watched;
}

/**
 * Reports the tokens that a request has used. They settle its reservation under `tokensPerMinute`
 * when the response ends. Handlers that stream call it with the `usage` of the last chunk, or
 * repeatedly with the total so far. A JSON response with a `usage` needs no report.
 *
 * @param request The handler's request; for WebSockets the message (an object); for GraphQL the
 * request of the operation, from the context.
 * @param costUsd Cost in USD, from 0 to 4 million: for budgets, and for the cost metrics of
 * `LlmClient` under the body's `model`. A repeated report replaces the previous one. Default:
 * budgets use the prices of that model; metrics record no cost.
 * @example
 * for await (const chunk of stream) if (chunk.usage) reportUsage(request, chunk.usage);
 */
export function reportUsage(request: object, usage: Usage | number, costUsd?: number): void {
  checkObject('request', request, refuseArgument);
  const nano = costUsd === undefined ? undefined : nanoUsd(checkNumber('costUsd', costUsd, { min: 0, max: LARGEST_USD }, refuseArgument));
  const tokens = typeof usage === 'number' ? usage : usedTokens(usage);
  if (tokens === undefined || !(tokens >= 0)) return;
  const context = RequestContext.of(request);
  if (nano !== undefined) context.model ??= modelOf((request as { readonly body?: unknown }).body);
  context.hold.report(tokens, context.hold.readsUsage ? usageFrom(usage) : undefined, nano);
}

/**
 * Returns the sender of a request, as set by `ApiKeyGuard` or `setPrincipal`; `undefined` if it is
 * not set.
 *
 * @param request The request of Express or Fastify, or Node's own.
 */
export function principalOf(request: object): Principal | undefined {
  return RequestContext.principalOf(checkObject('request', request, refuseArgument));
}

/**
 * Sets the sender of a request, for guards that authenticate without `ApiKeyGuard`:
 * `RateLimitGuard` counts the request under `limitKey` and applies `limits`, and the gateway lists
 * and calls the models that `mayCall` allows. Never take any of these values from the body.
 *
 * @param request The request of Express or Fastify, or Node's own.
 */
export function setPrincipal(request: object, principal: Principal): void {
  RequestContext.of(checkObject('request', request, refuseArgument)).principal = principal;
}
