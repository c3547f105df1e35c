import { CallView, answerOf, type CallLayer, type Next } from './layer.js';
import type { CallReporter } from '../settlement.js';

/**
 * Runs the hooks that take part in a call: `onRequest` before the prompt is counted and anything is
 * sent, so that it can change, deny or answer the call; and the guards of texts over the error that
 * the client gets. Answers pass their guards as they arrive, in the sender. A call without a body
 * (`execute`, `stream`) is denied if a guard would have to read it.
 */
export class Hooks implements CallLayer {
  readonly name = 'hooks';

  constructor(private readonly reporter: CallReporter) {}

  async run(view: CallView, next: Next): Promise<unknown> {
    const { call, sender } = view;
    try {
      const answer = await call.cancellation.until(Promise.resolve(sender.prepare?.(call)));
      if (answer !== undefined) {
        this.reporter.answeredByHook(call);
        return answer;
      }
      // The hooks may have changed what the call asks for.
      return answerOf(view, await next(new CallView(call, sender)));
    } catch (thrown) {
      const error = sender.guardFailure === undefined ? thrown : await sender.guardFailure(thrown);
      if (call.callersError === thrown) call.callersError = error;
      throw error;
    }
  }
}
