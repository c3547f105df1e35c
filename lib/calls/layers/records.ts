import { Failure } from '../failure.js';
import type { CallSettlement } from '../call-settlement.js';
import { errorOf, type CallLayer } from './layer.js';

/**
 * Reports the start of each call, and its end without an answer. The attempt that answers reports
 * the end of its call, which for a stream comes after the layers are done.
 */
export function records(settlement: CallSettlement): CallLayer {
  return (next) => async (view) => {
    settlement.callStarted(view.call);
    try {
      const outcome = await next(view);
      if (outcome instanceof Failure) throw errorOf(view, outcome);
      return outcome;
    } catch (error) {
      settlement.callFailed(view.call, error);
      throw error;
    }
  };
}
