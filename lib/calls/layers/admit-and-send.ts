import { UnsupportedRequestError } from '../../common/http-errors.js';
import type { RetryContext } from '../../router/selection/tried.js';
import { holdCost, type MaxOutputOf } from '../attempt-hold.js';
import { Attempt, type AttemptContext } from '../attempt.js';
import type { CallRouter, Selection } from '../call-router.js';
import type { CallView, Outcome } from './layer.js';
import { Failure, judgeSelection } from '../failure.js';
import type { CallReporter } from '../settlement.js';

/** Selects a deployment for an attempt; `Failure`: none can take it, now or within its time. */
export type Admit = (view: CallView) => Selection | Failure | Promise<Selection | Failure>;

/** What attempts need of their client. */
export interface AttemptSettings extends AttemptContext {
  readonly reporter: CallReporter;
  /** Most tokens that a model answers with; `null`: unknown. */
  readonly maxOutputOf: MaxOutputOf;
}

/**
 * The innermost step of a call: admits it to a deployment, holds the most that the attempt can
 * cost, and sends. Reports the attempt from its start to its end, which for a stream comes later.
 */
export async function attempt(view: CallView, admit: Admit, client: AttemptSettings): Promise<Outcome> {
  const admitted = admit(view);
  const selection = admitted instanceof Promise ? await admitted : admitted;
  if (selection instanceof Failure) return selection;
  const { call, sender, target, cancellation, heldAhead } = view;
  const one = new Attempt(call, selection, target, client, cancellation);
  client.reporter.attemptStarted(one);
  try {
    if (call.request?.hold.holdsMoney === true) one.hold = heldAhead ?? (await holdCost(one, client.maxOutputOf));
    const answer = await sender.send(one);
    if (!call.stream) one.succeed();
    return answer;
  } catch (thrown) {
    const failure = one.fail(thrown);
    if (failure.reason === undefined) throw failure.error;
    if (thrown instanceof UnsupportedRequestError && thrown.details !== undefined) call.recovery = thrown;
    failure.selection = selection;
    return failure;
  }
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
