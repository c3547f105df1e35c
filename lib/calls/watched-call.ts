import type { AttemptStart, CallOutcome, ObservedAttempt } from '../common/call-observer.js';
import type { AnswerUsage } from '../http/answer-usage.js';
import type { AnswerCost } from './answer/answer-cost.js';
import type { Selection } from './call-router.js';

/** What an observer within the package reads of an attempt when it has ended. */
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
  /** What it has used although it failed. */
  readonly used: AnswerUsage | undefined;
  costOf(usage: AnswerUsage): AnswerCost | undefined;
}

/** A call, as its observers see it; those of the package see its attempts, too. */
export interface WatchedCall {
  attempt(start: AttemptStart, attempt: WatchedAttempt): ObservedAttempt;
  ended(outcome: CallOutcome): void;
}
