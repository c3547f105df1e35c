import { IncomingMessage } from 'node:http';
import { checkObject, refuseArgument } from '../common/options.js';
import { LARGEST_AMOUNT } from '../rate-limit/arguments.js';
import type { RateLimitScope } from '../rate-limit/store.js';
import type { RateLimiterService } from '../rate-limit/rate-limit.service.js';
import { Reservation } from '../rate-limit/reservation.js';
import { usedTokens, type Usage } from './answer-usage.js';
import type { CountedPrompt } from './token-estimate/prompt-memory.js';

/** Of requests of HTTP: a field of theirs. What a `WeakMap` holds survives until it is old, whether its key lives or not. */
const CONTEXT = Symbol('request context');
/** Of all else, which may be frozen, or copied with all of its fields. */
const contexts = new WeakMap<object, RequestContext>();

interface Message {
  [CONTEXT]?: RequestContext;
}

const NOWHERE: readonly RateLimitScope[] = [];

/** A reservation, and the one that was made before it. */
class Held {
  constructor(
    readonly limiter: RateLimiterService,
    readonly reservation: Reservation,
    readonly scopes: readonly RateLimitScope[],
    /** Whose usage settles it: the request's, or that of a field. */
    readonly by: RequestContext,
    readonly before: Held | undefined,
  ) {}

  /** The same counters have the same name. */
  get where(): string {
    return JSON.stringify(this.scopes.map(({ limit, key }) => [limit.name, key]));
  }
}

/** What attempts without an answer have used, whose prompt was sent. */
export interface LostTokens {
  readonly tokens: number;
  /** Whether one of the prompts was not counted: what was reserved for it is not given back. */
  readonly isUncounted: boolean;
}

const NOTHING_LOST: LostTokens = { tokens: 0, isUncounted: false };

/** What this package knows of one request, kept beside it. */
export class RequestContext {
  /** What was counted of its body. */
  prompt: CountedPrompt | undefined = undefined;
  protected reported: number | undefined = undefined;
  protected spent: number | undefined = undefined;
  /** Of calls whose own tokens are not known: on top of whatever is settled. */
  private surplus = 0;
  private isUncounted = false;
  /** Calls of a model that are under way for the request. */
  private calls = 0;
  private isOver = false;
  private hasFailed = false;
  private isWatched = false;
  private held: Held | undefined = undefined;

  /** The context of a request: of Express's, Fastify's or Node's own, which share it. */
  static of(request: object): RequestContext {
    const { raw } = request as { readonly raw?: unknown };
    const key = typeof raw === 'object' && raw !== null ? raw : request;
    if (key instanceof IncomingMessage) return ((key as Message)[CONTEXT] ??= new RequestContext());
    let context = contexts.get(key);
    if (context === undefined) contexts.set(key, (context = new RequestContext()));
    return context;
  }

  /**
   * The context of a field of GraphQL, by the `info` of its resolver: what is reported of it settles its own reservation. Without such a report it has
   * its part in what is reported of the whole request.
   */
  static ofField(info: object, request: object): RequestContext {
    let context = contexts.get(info);
    if (context === undefined) contexts.set(info, (context = new FieldContext(RequestContext.of(request))));
    return context;
  }

  /** What was reserved for the request, to be settled at its end. Whether that end is still to be waited for: it is the first, and there may be more. */
  hold(limiter: RateLimiterService, reservation: Reservation, scopes = NOWHERE, by: RequestContext = this): boolean {
    const isFirst = this.held === undefined;
    this.held = new Held(limiter, reservation, scopes, by, this.held);
    if (!this.isOver) return isFirst;
    // A later guard, or another field of a query, goes on when the client has left; its end is not told again.
    this.end(this.hasFailed);
    return false;
  }

  /** Whether nobody looks for the usage in the answer yet; from now on somebody does. */
  watch(): boolean {
    return !this.isWatched && (this.isWatched = true);
  }

  /** Tokens used so far; the last report counts. After the end it is settled at once. */
  report(tokens: number): void {
    this.reported = bounded(tokens);
    this.settleIfOver();
  }

  /** A call of a model begins, whose usage is to be added. */
  beginCall(): void {
    this.calls += 1;
  }

  /** It is over. `tokens`: what its answer has used; `undefined` where that is not known. */
  endCall(tokens: number | undefined, lost = NOTHING_LOST): void {
    this.calls -= 1;
    this.isUncounted ||= lost.isUncounted;
    if (tokens !== undefined) this.spent = bounded((this.spent ?? 0) + tokens + lost.tokens);
    else this.surplus = bounded(this.surplus + lost.tokens);
    this.settleIfOver();
  }

  /**
   * The response is over. Known usage is settled; without it a failure has used no more than the attempts whose prompt was sent, and whatever else stands
   * as reserved: a client that left early may still have had its answer made.
   */
  end(failed: boolean): void {
    this.isOver = true;
    this.hasFailed = failed;
    for (let held = this.held; held !== undefined; held = held.before) held.limiter.release(held.reservation);
    this.settle();
  }

  /** Once its response is over, what becomes known is settled at once. */
  settleIfOver(): void {
    if (this.isOver) this.settle();
  }

  /** A report may tell of some calls only, or of what is no call. */
  protected get used(): number | undefined {
    const { reported, spent } = this;
    return reported === undefined && spent === undefined ? undefined : Math.max(reported ?? 0, spent ?? 0);
  }

  /** Once no call is under way, by what is known. */
  private settle(): void {
    if (this.calls > 0) return;
    const known = this.used ?? (this.hasFailed && !this.isUncounted ? 0 : undefined);
    const used = known === undefined ? undefined : bounded(known + this.surplus);
    const counted = new Set<string>();
    let unknown: Held | undefined;
    for (let { held } = this; held !== undefined; held = held.before) {
      const { limiter, reservation, scopes, by, before } = held;
      const own = by === this ? undefined : by.used;
      if (own !== undefined) limiter.settle(reservation, own);
      else if (used === undefined) {
        // Attempts that failed come on top of what was reserved for the answer.
        if (this.surplus > 0 && !counted.has(held.where)) limiter.settle(reservation, Reservation.tokensOf(reservation) + this.surplus);
        else unknown = new Held(limiter, reservation, scopes, by, unknown);
        counted.add(held.where);
      }
      // Where several guards, or fields, have reserved under the same limits, what all have used counts once.
      else if (used > 0 && scopes.length > 0 && (before !== undefined || counted.size > 0)) {
        const { where } = held;
        limiter.settle(reservation, counted.has(where) ? 0 : used);
        counted.add(where);
      } else limiter.settle(reservation, used);
    }
    this.held = unknown;
    // The request may be one that lasts, of a connection that sends many messages: the next one is not settled by this.
    this.reported = this.spent = undefined;
    this.surplus = 0;
    this.isUncounted = false;
  }
}

/** A part of a request that is limited by itself. It ends with the request. */
class FieldContext extends RequestContext {
  constructor(private readonly whole: RequestContext) {
    super();
  }

  override hold(limiter: RateLimiterService, reservation: Reservation, scopes?: readonly RateLimitScope[]): boolean {
    return this.whole.hold(limiter, reservation, scopes, this);
  }

  override watch(): boolean {
    return this.whole.watch();
  }

  override beginCall(): void {
    this.whole.beginCall();
  }

  override endCall(tokens: number | undefined, lost = NOTHING_LOST): void {
    if (tokens !== undefined || lost.tokens > 0) this.spent = bounded((this.spent ?? 0) + (tokens ?? 0) + lost.tokens);
    this.whole.endCall(undefined, { tokens: 0, isUncounted: lost.isUncounted });
  }

  override end(failed: boolean): void {
    this.whole.end(failed);
  }

  override settleIfOver(): void {
    this.whole.settleIfOver();
  }
}

function bounded(tokens: number): number {
  return Math.min(Math.max(0, Math.ceil(tokens)), LARGEST_AMOUNT);
}

/**
 * Tells how many tokens the request has used, for its reservation under `tokensPerMinute` to be settled when the response is over.
 * For handlers that stream: with the last chunk's `usage`, or again and again with what has been used so far. A JSON answer with a `usage` needs no report.
 * `request` is the one that the handler is given; for WebSockets the message, if it is an object; for GraphQL the resolver's `info`, where a query may
 * have several fields that use tokens.
 *
 * @example
 * for await (const chunk of stream) if (chunk.usage) reportUsage(request, chunk.usage);
 */
export function reportUsage(request: object, usage: Usage | number): void {
  checkObject('request', request, refuseArgument);
  const tokens = typeof usage === 'number' ? usage : usedTokens(usage);
  if (tokens !== undefined && tokens >= 0) RequestContext.of(request).report(tokens);
}
