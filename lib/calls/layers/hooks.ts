import { CallView } from '../attempt.js';
import { Failure } from '../failure.js';
import type { CallSettlement } from '../call-settlement.js';
import { errorOf, type CallLayer } from './layer.js';

/**
 * Runs the hooks that take part in a call: `onRequest` before the prompt is counted and anything is
 * sent, so that it can change, deny or answer the call; and the guards of texts over the error that
 * the client gets. Answers pass their guards as they arrive, where they are read. A call without a
 * body (`execute`, `stream`) is denied if a guard would have to read it.
 */
export function hooks(settlement: CallSettlement): CallLayer {
  return (next) => async (view) => {
    const { call, send } = view;
    const { guards } = call;
    try {
      const answer = await call.cancellation.until(Promise.resolve(guards?.prepare(call)));
      if (answer !== undefined) {
        settlement.answeredByHook(call);
        return answer;
      }
      // Hooks can have changed the request.
      const outcome = await next(new CallView(call, send));
      if (outcome instanceof Failure) throw errorOf(view, outcome);
      return outcome;
    } catch (thrown) {
      const error = guards?.guardFailure === undefined ? thrown : await guards.guardFailure(thrown);
      if (call.callersError === thrown) call.callersError = error;
      throw error;
    }
  };
}
