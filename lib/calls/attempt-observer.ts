import type { AttemptStart, CallOutcome, ObservedAttempt } from '../common/call-observer.js';
import type { AnswerUsage } from '../http/answer-usage.js';
import type { AnswerCost } from './answer/answer-cost.js';
import type { Selection } from './call-router.js';

/** Facts about a finished attempt for observers within the package. */
export interface WatchedAttempt {
  readonly call: { readonly isOver: boolean };
  readonly selection: Selection;
  readonly provider: string;
  readonly startedAtMs: number;
  readonly firstChunkAtMs: number | undefined;
  readonly endedAtMs: number;
  /** As the provider reported it. */
  readonly usage: AnswerUsage | undefined;
  readonly estimatedUsage: AnswerUsage | undefined;
  /** Usage of a failed attempt. */
  readonly used: AnswerUsage | undefined;
  costOf(usage: AnswerUsage): AnswerCost | undefined;
}

/** A call, as its observers see it; those of the package see its attempts, too. */
export interface WatchedCall {
  attempt(start: AttemptStart, attempt: WatchedAttempt): ObservedAttempt;
  ended(outcome: CallOutcome): void;
}
