import type { CallRecorder, CallSeries } from '../../common/recorder.js';
import { QUEUE_CLASSES, rankOf, type QueueClass } from './queue-class.js';

/** How a call leaves: for a deployment, without one in time, with its client, refused. */
export const QUEUE_OUTCOMES = ['served', 'timeout', 'cancelled', 'full'] as const;
export type QueueOutcome = (typeof QUEUE_OUTCOMES)[number];

/** Calls that have left the queue since the start, and how long those of each class have waited. */
export class QueueCounts {
  private readonly calls = QUEUE_CLASSES.map(() => ({ served: 0, timeout: 0, cancelled: 0, full: 0 }));
  private readonly waits: readonly CallSeries[];

  constructor(recorder: CallRecorder) {
    this.waits = QUEUE_CLASSES.map((name) => recorder.series('llm_client', `queue_wait_${name}`));
  }

  left(name: QueueClass, outcome: QueueOutcome, waitedMs: number): void {
    const rank = rankOf(name);
    this.calls[rank][outcome]++;
    if (outcome === 'served') this.waits[rank].record(waitedMs);
  }

  /** Of all classes. */
  total(outcome: QueueOutcome): number {
    return this.calls.reduce((sum, each) => sum + each[outcome], 0);
  }

  of(name: QueueClass, outcome: QueueOutcome): number {
    return this.calls[rankOf(name)][outcome];
  }
}
