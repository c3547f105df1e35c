import { BudgetExceededError, CallQueueError, RouterRateLimitError } from '../../common/http-errors.js';
import type { CallQueue, NotYet, QueuedCall } from '../../queue/call-queue.js';
import { placeOf } from './queue-place.js';
import type { QueueOptions } from '../../queue/queue.options.js';
import type { Call, CallTarget } from '../call.js';
import { holdCost, type MaxOutputOf } from '../budget-hold.js';
import type { CallRouter, RoutingContext, Selection } from '../call-router.js';
import type { CallView } from '../attempt.js';
import { Failure } from '../failure.js';
import { selectNow, type Admit } from './admit-and-send.js';

/** The queue of a client, and how calls wait in it. */
export interface WaitingSettings {
  readonly queue: CallQueue;
  readonly options: QueueOptions;
  readonly now: () => number;
}

/** Dependencies of queued admission. */
export interface AdmissionSettings {
  readonly router: CallRouter;
  readonly maxOutputOf: MaxOutputOf;
}

/** Interval of budget checks: other processes do not report when they settle. */
const BUDGET_RETRY_MS = 250;

/**
 * Admits attempts in turn: selects a deployment and holds the cost as one step, which is repeated
 * when something that the call waits for may be free. A selection whose cost cannot be held yet is
 * released, so that other calls can use the deployment.
 */
export function queuedAdmission(waiting: WaitingSettings, client: AdmissionSettings): Admit {
  const calls = new WeakMap<Call, WaitingCall>();
  return (view) => {
    const { call } = view;
    // The usual case: no call waits, and a deployment is eligible.
    if (waiting.queue.length === 0 && call.request?.hold.holdsMoney !== true) {
      const selected = selectNow(client.router, view);
      if (!(selected instanceof Failure)) return selected;
    }
    let own = calls.get(call);
    if (own === undefined) calls.set(call, (own = new WaitingCall(call, waiting)));
    return inTurn(view, own, client);
  };
}

async function inTurn(view: CallView, waiting: WaitingCall, { router, maxOutputOf }: AdmissionSettings): Promise<Selection | Failure> {
  const { call, target } = view;
  const beforeMs = performance.now();
  try {
    for (;;) {
      const selection = await waiting.select(view, router);
      if (selection instanceof Failure || call.request?.hold.holdsMoney !== true) return selection;
      try {
        view.heldAhead = await holdCost({ call, selection, target, promptTokens: target.inputTokens ?? call.promptTokens }, maxOutputOf);
        return selection;
      } catch (error) {
        // Any other denial is handled by the attempt.
        if (!(error instanceof BudgetExceededError) || error.reason !== 'budget_held') return selection;
        router.release(selection);
        const late = await waiting.waitForBudget(error);
        if (late !== undefined) return late;
      }
    }
  } finally {
    call.waitedMs += performance.now() - beforeMs;
  }
}

/** One call in the queue. */
class WaitingCall {
  private queued: QueuedCall | undefined = undefined;

  constructor(
    private readonly call: Call,
    private readonly settings: WaitingSettings,
  ) {}

  /** A deployment, now or when the call's turn has come; a `Failure` where none is waited for. */
  select(view: CallView, router: CallRouter): Selection | Failure | Promise<Selection | Failure> {
    const { target, after } = view;
    const tryToGo = (): Selection | Failure | NotYet<Failure> => {
      const selected = selectNow(router, view);
      return selected instanceof Failure ? (notYet(selected, view) ?? selected) : selected;
    };
    try {
      // After an attempt, each call excludes different deployments.
      const lane = after === undefined ? laneOf(this.call.context, target, router) : this;
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
    const { model, maxTokens = 0, facts } = call.asked;
    const { tenant, queueClass, callerClass, request } = call.options;
    const promptTokens = call.promptTokens ?? 0;
    const place = placeOf({ model, request, promptTokens }, { tenant, queueClass, callerClass }, this.settings.options);
    return (this.queued = {
      model,
      place,
      promptTokens,
      costTokens: promptTokens + maxTokens * facts.output.choices,
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
function notYet(failure: Failure, { call, target, after }: CallView): NotYet<Failure> | undefined {
  const { error } = failure;
  if (!(error instanceof RouterRateLimitError)) return undefined;
  // Waiting cannot help after any other failure.
  if (after !== undefined && after.last.reason?.kind !== 'rate_limit') return undefined;
  const { reached, retryAfterMs } = error;
  // As in LiteLLM, calls that have a fallback wait only for `max_parallel_requests`.
  const isFull = reached.includes('concurrency');
  if (!isFull && call.alternatives?.().hasNext(target.model) === true) return undefined;
  // A call that ends can return tokens before the minute ends, or report that more are left.
  const isOutOfTokens = reached.includes('tokens') || reached.includes('quota');
  return { isNotYet: true, failure, retryAfterMs, mayBeSooner: isFull || isOutOfTokens, dependsOnTokens: isOutOfTokens };
}

/** Calls that agree in all of these, and in the configuration, need the same deployments. */
function laneOf(
  { tags, blockedModels, excludeIds, strategy }: RoutingContext,
  { model }: CallTarget,
  { version }: Pick<CallRouter, 'version'>,
): string {
  const isPlain = [tags, blockedModels, excludeIds, strategy].every((each) => each === undefined);
  return isPlain ? `${version} ${model}` : JSON.stringify([version, model, tags, blockedModels, excludeIds, strategy]);
}

function selectedIn(result: Selection | Failure | NotYet<Failure>): Selection | Failure {
  return 'isNotYet' in result ? result.failure : result;
}

/** @throws errors that waiting cannot resolve */
function failureOf(error: unknown): Failure {
  if (error instanceof CallQueueError) {
    return new Failure(error, 'pool', { kind: 'rate_limit', status: 429, retryAfterMs: error.retryAfterMs });
  }
  throw error;
}
