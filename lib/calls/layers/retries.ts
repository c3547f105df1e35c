import type { CallSettings, CallTarget } from '../call.js';
import type { Deployment } from '../call-router.js';
import type { CallView } from '../call-view.js';
import { Failure } from '../failure.js';
import { retriesAllowed, retryWaitMs, type RetryBudget } from '../retry.js';
import type { CallLayer, Next } from './layer.js';

/** What retries need of their client. */
export interface RetrySettings extends CallSettings {
  readonly retryBudget: RetryBudget;
  /** From 0 to 1. */
  readonly random: () => number;
  /** Whether calls wait in a queue. */
  readonly waiting: object | undefined;
}

/**
 * Repeats a failed attempt within its priority tier: at once while another deployment of the tier
 * is healthy, otherwise after a wait. A deployment that is unfit for the request is left for
 * another one, which does not count as a retry. Ends with the last failure once the retries, the
 * attempts or the time of the call, or the retries of all calls together are used up.
 */
export class Retries implements CallLayer {
  readonly name = 'retries';

  constructor(private readonly client: RetrySettings) {}

  async run(view: CallView, next: Next): Promise<unknown> {
    const { call, after } = view;
    if (after === undefined && call.fallbacks === 0) this.client.retryBudget.deposit();
    const doneOrder = after?.tried.doneOrder;
    const failedIds: string[] = [];
    let last: Failure | undefined;
    let order: number | undefined;
    let at = view;
    for (let retry = 0; ; retry++) {
      const outcome = await next(at);
      if (!(outcome instanceof Failure)) return outcome;
      if (outcome.selection === undefined) return last ?? outcome;
      const { deployment } = outcome.selection;
      last = outcome;
      last.tierOrder = order ??= deployment.order;
      failedIds.push(deployment.id);
      const waitMs = this.waitMs(view, last, { deployment, retry });
      if (waitMs === undefined) return last;
      if (waitMs > 0) {
        const beforeMs = performance.now();
        await view.cancellation.wait(waitMs);
        call.waitedMs += performance.now() - beforeMs;
      }
      if (!last.isUnsent) call.retries++;
      if (call.isSpent) return last;
      // What is unfit is unfit the next time, too.
      at = view.with({ after: { last, tried: { doneOrder, order, failedIds: [...failedIds], mayRepeat: !last.isUnfit } } });
    }
  }

  /** How long to wait before the next retry; `undefined`: none is made. */
  private waitMs(
    { call, target }: CallView,
    { isUnfit, reason }: Failure,
    { deployment, retry }: { readonly deployment: Deployment; readonly retry: number },
  ): number | undefined {
    const { router, retryBudget, now, random, waiting } = this.client;
    // As in LiteLLM, a deployment that is called by its id is called once.
    if (reason === undefined || isCalledById(target, deployment)) return undefined;
    const healthy = router.healthyCount(target.model, call.context);
    const healthyOthers = router.healthyCount(target.model, { ...call.context, excludeIds: [deployment.id] });
    // Nothing was sent: another deployment is no retry.
    if (isUnfit && healthyOthers > 0) return 0;
    const { retryPolicy, modelGroupRetryPolicy: ofGroups } = router.settings;
    const policy = Object.hasOwn(ofGroups, target.model) ? ofGroups[target.model] : retryPolicy;
    const isPolicyHeeded = deployment.numRetries === undefined;
    // After a 429 of all deployments the queue waits for the first of them, unless there is a
    // fallback.
    const waits = waiting !== undefined && reason.kind === 'rate_limit' && call.alternatives?.().hasNext(target.model) !== true;
    const facts = {
      ...reason,
      healthy: waits ? Math.max(1, healthy) : healthy,
      healthyOthers,
      numRetries: call.retriesOn(deployment),
      policy: isPolicyHeeded ? policy : undefined,
    };
    if (retry >= retriesAllowed(facts)) return undefined;
    const { retryAfterMs } = reason;
    const waitMs = retryWaitMs(retry, { healthyOthers, retryAfterMs, leastMs: router.settings.retryAfterMs }, random());
    // A fallback answers sooner than a provider that sent `Retry-After`.
    if (waitMs > 0 && retryAfterMs !== undefined && call.alternatives?.().hasHealthy(target.model) === true) return undefined;
    if (!call.hasTimeFor(waitMs)) return undefined;
    if (retryBudget.withdraw(now())) return waitMs;
    call.isRetryDenied = true;
    return undefined;
  }
}

function isCalledById({ model }: CallTarget, { id, modelName }: Deployment): boolean {
  return model === id && modelName !== model;
}
