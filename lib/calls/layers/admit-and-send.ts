import { UnsupportedRequestError } from '../../common/http-errors.js';
import type { RetryContext } from '../../router/selection/tried-deployments.js';
import { holdCost, type MaxOutputOf } from '../budget-hold.js';
import { Attempt, type AttemptContext, type CallView } from '../attempt.js';
import type { CallRouter, Selection } from '../call-router.js';
import { Failure, judgeSelection } from '../failure.js';
import type { CallSettlement } from '../call-settlement.js';
import type { Next } from './layer.js';

/** Selects a deployment for an attempt; `Failure`: none can take it, now or within its time. */
export type Admit = (view: CallView) => Selection | Failure | Promise<Selection | Failure>;

/** Dependencies of attempts. */
export interface AttemptSettings extends AttemptContext {
  readonly router: CallRouter;
  readonly settlement: CallSettlement;
  /** Most tokens that a model answers with; `null`: unknown. */
  readonly maxOutputOf: MaxOutputOf;
}

/**
 * The innermost step of a call: admits it to a deployment, holds the most that the attempt can
 * cost, and sends. Reports the attempt from its start to its end, which for a stream comes later.
 * @param admit Default: a call that no deployment can take now fails.
 */
export function admitAndSend(client: AttemptSettings, admit?: Admit): Next {
  const { router, settlement, maxOutputOf } = client;
  return async (view) => {
    const admitted = admit === undefined ? selectNow(router, view) : admit(view);
    const selection = admitted instanceof Promise ? await admitted : admitted;
    if (selection instanceof Failure) return selection;
    const { call, heldAhead } = view;
    const attempt = new Attempt(view, selection, client);
    if (call.observed !== undefined) settlement.attemptStarted(attempt, call.observed);
    try {
      if (call.request?.hold.holdsMoney === true) attempt.hold = heldAhead ?? (await holdCost(attempt, maxOutputOf));
      const answer = await view.send(attempt);
      if (!call.stream) attempt.succeed();
      return answer;
    } catch (thrown) {
      const failure = attempt.fail(thrown);
      if (failure.reason === undefined) throw failure.error;
      if (thrown instanceof UnsupportedRequestError && thrown.details !== undefined) call.recovery = thrown;
      failure.selection = selection;
      return failure;
    }
  };
}

/** Selects a deployment, if one can take the attempt now. */
export function selectNow(router: CallRouter, { call, target, after }: CallView): Selection | Failure {
  const { model, overrides, inputTokens } = target;
  const asked = overrides === undefined ? call.context : { ...call.context, inputTokens };
  try {
    if (after === undefined) return router.acquire(model, asked);
    const again: RetryContext = { ...asked, tried: after.tried };
    return router.acquire(model, again);
  } catch (error) {
    return judgeSelection(error);
  }
}
