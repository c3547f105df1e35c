import { steadyNow } from '../../common/clock.js';
import { RequestCancelledError } from '../../common/errors.js';
import { CallQueueError } from '../../common/http-errors.js';
import { whenOver } from '../../common/response-end.js';
import type { RateLimiterService } from '../../rate-limit/rate-limit.service.js';
import type { RateLimitScope } from '../../rate-limit/store.js';
import { CallQueue, type NotYet, type QueueCancellation, type QueuedCall, type QueuePlace } from '../../queue/call-queue.js';
import { queueSamples } from '../../queue/queue-metrics.js';
import { lowered, tenantIn } from './queue-place.js';
import { RequestContext, type HttpResponse } from '../request-context.js';
import type { GuardDecision, GuardedRequest } from './guarded-request.js';

/** Other processes settle without telling. */
const POLL_MS = 250;
const NANO_PER_MICRO = 1_000;
const SUBJECT = { prefix: 'rate_limit_queue', what: 'Requests', waitsFor: 'room in a budget' };

/** A decision, and the money that it held. */
export interface Decided {
  readonly decision: GuardDecision;
  readonly nano: number;
}

/** Amounts to reserve for a request when its turn has come. */
export interface Taking {
  readonly scopes: readonly RateLimitScope[];
  readonly nano: number;
  readonly decide: () => Decided | Promise<Decided>;
  /** Releases the charge of a request whose client has disconnected in the meantime. */
  readonly giveBack: (decided: Decided) => void;
}

/**
 * Requests that wait while requests in flight hold the money that they need
 * (`rateLimit.budgets.queue`). They hold nothing while they wait; a settlement wakes those of its
 * budgets.
 */
export class BudgetQueue {
  private static readonly queues = new WeakMap<RateLimiterService, BudgetQueue>();
  private readonly queue: CallQueue;

  /** The queue of a limiter, which its guards share; `undefined`: requests do not wait. */
  static of(limiter: RateLimiterService): BudgetQueue | undefined {
    if (limiter.options.budgets.queue === undefined) return undefined;
    let queue = this.queues.get(limiter);
    if (queue === undefined) this.queues.set(limiter, (queue = new BudgetQueue(limiter, limiter.options.budgets.queue)));
    return queue;
  }

  private constructor(
    limiter: RateLimiterService,
    { maxRequests, maxRequestsPerTenant, maxPromptTokens, maxWaitMs }: NonNullable<RateLimiterService['options']['budgets']['queue']>,
  ) {
    const bounds = { maxCalls: maxRequests, maxCallsPerTenant: maxRequestsPerTenant, maxPromptTokens, maxWaitMs };
    const pollMs = limiter.store.synchronous === true ? Infinity : POLL_MS;
    const { recorder } = limiter;
    this.queue = new CallQueue(bounds, { now: steadyNow, component: 'rate_limiting', recorder, pollMs });
    limiter.whenFreed((scopes) => this.wake(scopes));
    limiter.addMetrics(() => queueSamples(this.queue, SUBJECT));
  }

  /** Whether a request that a budget denies as held may wait; its prompt is not counted yet. */
  hasRoomFor(request: GuardedRequest, { budget }: GuardDecision): boolean {
    return budget?.reason === 'budget_held' && this.queue.hasRoomFor({ place: placeOf(request), promptTokens: 0 });
  }

  /**
   * Returns the decision at once, or when calls in flight have released enough; the last denial if
   * the time is up or the queue is full; `undefined` if the client has disconnected.
   */
  async take(request: GuardedRequest, { scopes, nano, decide, giveBack }: Taking): Promise<Decided | undefined> {
    let denied: Decided | undefined;
    const held = (decided: Decided): Decided | NotYet<Decided> => {
      const { decision } = decided;
      if (decision.budget?.reason !== 'budget_held') return decided;
      denied = decided;
      // Holds of an expired window no longer matter.
      const retryAfterMs = Math.max(0, decision.budget.standing.resetsAtMs - decision.atMs);
      return { isNotYet: true, failure: decided, retryAfterMs, mayBeSooner: true, dependsOnTokens: true };
    };
    const tryToGo = (): Decided | NotYet<Decided> | Promise<Decided | NotYet<Decided>> => {
      const decided = decide();
      return decided instanceof Promise ? decided.then(held) : held(decided);
    };
    const call = new WaitingRequest(request, nano);
    try {
      const result = await this.queue.go(call, { lane: laneOf(scopes), tryToGo, giveBack });
      return 'isNotYet' in result ? result.failure : result;
    } catch (error) {
      if (error instanceof RequestCancelledError) return undefined;
      if (!(error instanceof CallQueueError)) throw error;
      const { decision, nano: asked } = denied ?? (await decide());
      return { decision: { ...decision, heldRetryMs: error.retryAfterMs }, nano: asked };
    } finally {
      call.end();
    }
  }

  private wake(scopes: readonly RateLimitScope[]): void {
    if (this.queue.length === 0) return;
    const names = scopes.filter(({ limit }) => limit.budgets !== undefined).map(nameOf);
    if (names.length > 0) this.queue.wake((lane) => names.some((name) => (lane as string).includes(name)));
  }
}

/** A request in the queue. Its client is watched only if it has to wait. */
class WaitingRequest implements QueuedCall {
  readonly model: string;
  readonly promptTokens: number;
  readonly costTokens: number;
  readonly leftMs = Infinity;
  waitedMs = 0;
  private watched: ClientWatch | undefined = undefined;

  constructor(
    private readonly request: GuardedRequest,
    nano: number,
  ) {
    const { model, promptTokens } = request.state;
    this.model = model ?? '';
    this.promptTokens = promptTokens ?? 0;
    this.costTokens = nano / NANO_PER_MICRO;
  }

  get place(): QueuePlace {
    return placeOf(this.request);
  }

  get cancellation(): QueueCancellation {
    return (this.watched ??= new ClientWatch(this.request.response));
  }

  end(): void {
    this.watched?.stop();
  }
}

/** Notifies a queue when the client of a request disconnects. A message has no client to watch. */
class ClientWatch implements QueueCancellation {
  error: Error | undefined = undefined;
  active: QueueCancellation['active'] = undefined;
  readonly stop: () => void;

  constructor(response: HttpResponse | undefined) {
    const leave = (): void => {
      this.error = new RequestCancelledError(new Error('the client closed the connection'));
      this.active?.abort(this.error);
    };
    this.stop = response === undefined ? () => {} : whenOver(response.raw ?? response, leave);
  }
}

function placeOf({ request }: GuardedRequest): QueuePlace {
  const principal = RequestContext.principalOf(request);
  return { tenant: tenantIn(request, principal), weight: 1, queueClass: lowered(principal?.priority ?? 'default', request) };
}

/** Requests of the same budgets wait for the same money. */
function laneOf(scopes: readonly RateLimitScope[]): string {
  return scopes
    .filter(({ limit }) => limit.budgets !== undefined)
    .map(nameOf)
    .join();
}

/** Quoted, so that no key can look like another one within a lane. */
function nameOf({ limit, key }: RateLimitScope): string {
  return JSON.stringify([limit.name, key]);
}
