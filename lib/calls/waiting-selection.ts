import type { BudgetExceededError } from '../common/http-errors.js';
import { CallQueueError, RouterRateLimitError } from '../common/http-errors.js';
import type { CallQueue, NotYet, QueuedCall } from '../queue/call-queue.js';
import { placeOf } from './caller-place.js';
import type { QueueOptions } from '../queue/queue.options.js';
import type { Call, CallTarget } from './call.js';
import type { RoutingContext, Selection } from './call-router.js';
import { Failure } from './failure.js';
import type { PriorityTiers } from './priority-tiers.js';

/** What a call that may wait needs of its surroundings. */
export interface WaitingSettings {
  readonly queue: CallQueue;
  readonly options: QueueOptions;
  readonly now: () => number;
}

/** A selection that is tried, of one model group of a call. */
export interface Tried {
  readonly tiers: PriorityTiers;
  readonly target: CallTarget;
  /** The group's last attempt, if one failed. */
  readonly last: Failure | undefined;
  /** Whether the call could go to another model group. */
  readonly hasFallback: () => boolean;
}

/** How often a budget is asked again: other processes do not tell when they settle. */
const BUDGET_RETRY_MS = 250;

/** Selects deployments for one call, which waits in the queue for them. */
export class WaitingSelection {
  private queued: QueuedCall | undefined = undefined;

  constructor(
    private readonly call: Call,
    private readonly settings: WaitingSettings,
  ) {}

  /** A deployment where no call waits and one can take this call, as for most calls. */
  atOnce(tiers: PriorityTiers): Selection | undefined {
    if (this.settings.queue.length > 0 || this.call.request?.hold.holdsMoney === true) return undefined;
    const selected = tiers.select();
    return selected instanceof Failure ? undefined : selected;
  }

  /** A deployment, now or when the call's turn has come; a `Failure` where none is waited for. */
  select(tried: Tried): Selection | Failure | Promise<Selection | Failure> {
    const { tiers, target } = tried;
    const tryToGo = (): Selection | Failure | NotYet<Failure> => {
      const selected = tiers.select();
      return selected instanceof Failure ? (notYet(selected, tried) ?? selected) : selected;
    };
    try {
      // After an attempt each call leaves out other deployments.
      const lane = tried.last === undefined ? laneOf(this.call.context, target) : this;
      const result = this.settings.queue.go(this.queuedCall(), { lane, group: target.model, tryToGo });
      return result instanceof Promise ? result.then(selectedIn, failureOf) : selectedIn(result);
    } catch (error) {
      return failureOf(error);
    }
  }

  /**
   * Waits while calls in flight hold the money of a budget. Returns the denial once the call has
   * waited its time.
   */
  async waitForBudget(denial: BudgetExceededError): Promise<Failure | undefined> {
    const failure = new Failure(denial, 'caller', { kind: 'bad_request', status: 429 });
    const { now, queue } = this.settings;
    const later = { isNotYet: true, failure, retryAfterMs: BUDGET_RETRY_MS, mayBeSooner: true, dependsOnTokens: false } as const;
    let atMs = now() + BUDGET_RETRY_MS;
    const wanted = { lane: this, tryToGo: () => (now() >= atMs ? undefined : later) };
    const stop = this.call.request?.hold.whenFreed(() => {
      atMs = 0;
      queue.wake((lane) => lane === this);
    });
    try {
      await queue.go<undefined, Failure>(this.queuedCall(), wanted);
      return undefined;
    } catch (error) {
      if (error instanceof CallQueueError) return failure;
      throw error;
    } finally {
      stop?.();
    }
  }

  private queuedCall(): QueuedCall {
    if (this.queued !== undefined) return this.queued;
    const { call } = this;
    const { model, maxTokens = 0, choices } = call.asked;
    const { tenant, queueClass, callerClass, request } = call.options;
    const promptTokens = call.promptTokens ?? 0;
    const place = placeOf({ model, request, promptTokens }, { tenant, queueClass, callerClass }, this.settings.options);
    return (this.queued = {
      model,
      place,
      promptTokens,
      costTokens: promptTokens + maxTokens * choices,
      cancellation: call.cancellation,
      waitedMs: 0,
      get leftMs() {
        // As in LiteLLM, the limit of an attempt also bounds a wait.
        return Math.min(call.leftMs, call.attemptMs);
      },
    });
  }
}

/** Whether a call waits for what keeps it from its deployments, and until when. */
function notYet(failure: Failure, { last, hasFallback }: Tried): NotYet<Failure> | undefined {
  const { error } = failure;
  if (!(error instanceof RouterRateLimitError)) return undefined;
  // What failed otherwise is no matter of waiting.
  if (last !== undefined && last.reason?.kind !== 'rate_limit') return undefined;
  const { reached, retryAfterMs } = error;
  // As in LiteLLM, only `max_parallel_requests` is waited for where a fallback may answer.
  const isFull = reached.includes('concurrency');
  if (!isFull && hasFallback()) return undefined;
  // A call that ends may give back tokens before the minute is over, or tell that more is left.
  const isOutOfTokens = reached.includes('tokens') || reached.includes('quota');
  return { isNotYet: true, failure, retryAfterMs, mayBeSooner: isFull || isOutOfTokens, dependsOnTokens: isOutOfTokens };
}

/** Calls that differ in none of these need the same deployments. */
function laneOf({ tags, blockedModels, excludeIds, strategy }: RoutingContext, { model }: CallTarget): string {
  const isPlain = [tags, blockedModels, excludeIds, strategy].every((each) => each === undefined);
  return isPlain ? model : JSON.stringify([model, tags, blockedModels, excludeIds, strategy]);
}

function selectedIn(result: Selection | Failure | NotYet<Failure>): Selection | Failure {
  return 'isNotYet' in result ? result.failure : result;
}

/** @throws what is not about waiting */
function failureOf(error: unknown): Failure {
  if (error instanceof CallQueueError) {
    return new Failure(error, 'pool', { kind: 'rate_limit', status: 429, retryAfterMs: error.retryAfterMs });
  }
  throw error;
}
