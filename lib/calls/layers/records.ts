import type { CallView } from '../call-view.js';
import type { CallReporter } from '../reporter.js';
import { answerOf, type CallLayer, type Next } from './layer.js';

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
