import type { AnswerUsage } from '../http/answer-usage.js';
import type { Abortable } from './cancellation.js';

/** A request whose caller may abandon it. */
export interface AbandonedExchange extends Abortable {
  /** Whether the prompt has left the process. */
  readonly wasSent: boolean;
  /** Whether the provider answered with an error status. */
  readonly isRefused: boolean;
  /**
   * Fails for its caller with `error`, and keeps reading for the usage; calls `done` once, later.
   * Returns `false` if nothing is left to read.
   */
  detach?(error: Error, done: (usage: AnswerUsage | undefined) => void): boolean;
}

/** An answer that is still read although its caller has abandoned it. */
export interface AttemptDrain {
  /** Stops reading; the attempt is settled with the part that has arrived. */
  end(): void;
}

/** Facts about the attempt that is drained. */
export interface DrainedAttempt {
  readonly call: {
    /** How long an abandoned answer is still read; `undefined`: not at all. */
    readonly drainMs: number | undefined;
    draining: number;
  };
  drain: AttemptDrain | undefined;
  drained(error: Error, usage: AnswerUsage | undefined): void;
}

/**
 * Ends an exchange for its caller: the client has disconnected, or a timeout has expired. With
 * `onAbort: 'drain'` the answer is still read to its end, for the usage that the provider reports
 * there, but not longer than `abortDrainMs`, nor after the shutdown's deadline
 * (`LlmClient.endDrains`).
 */
export function abandon(attempt: DrainedAttempt, exchange: AbandonedExchange, error: Error): void {
  const { call } = attempt;
  if (call.drainMs !== undefined && exchange.wasSent && !exchange.isRefused) {
    const end = (): void => exchange.abort(error);
    const timer = setTimeout(end, call.drainMs);
    const stop = (): void => {
      clearTimeout(timer);
      attempt.drain = undefined;
    };
    // Before `detach`, which can synchronously end the caller's stream or read the rest of it.
    attempt.drain = { end };
    call.draining++;
    const isRead = exchange.detach?.(error, (usage) => {
      stop();
      attempt.drained(error, usage);
    });
    if (isRead === true) return;
    stop();
    call.draining--;
  }
  exchange.abort(error);
}
