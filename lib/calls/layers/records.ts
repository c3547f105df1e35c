import { type CallView, answerOf, type CallLayer, type Next } from './layer.js';
import type { CallReporter } from '../settlement.js';

/**
 * Reports the start of each call, and its end without an answer. The attempt that answers reports
 * the end of its call, which for a stream comes after `run`.
 */
export class Records implements CallLayer {
  readonly name = 'records';

  constructor(private readonly reporter: CallReporter) {}

  async run(view: CallView, next: Next): Promise<unknown> {
    this.reporter.callStarted(view.call);
    try {
      return answerOf(view, await next(view));
    } catch (error) {
      this.reporter.callFailed(view.call, error);
      throw error;
    }
  }
}
