import type { CallRecorder, CallSeries } from '../common/recorder.js';
import { QUEUE_CLASSES, rankOf, type QueueClass } from './queue-class.js';

/** How a call leaves: for a deployment, without one in time, with its client, refused. */
export const QUEUE_OUTCOMES = ['served', 'timeout', 'cancelled', 'full'] as const;
export type QueueOutcome = (typeof QUEUE_OUTCOMES)[number];

/** Upper bounds of the buckets, in seconds. */
const BOUNDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** A histogram of waiting times, as Prometheus counts. */
export class WaitHistogram {
  sumSeconds = 0;
  count = 0;
  private readonly perBucket = new Array<number>(BOUNDS.length).fill(0);

  add(seconds: number): void {
    this.sumSeconds += seconds;
    this.count++;
    const bucket = BOUNDS.findIndex((bound) => seconds <= bound);
    if (bucket >= 0) this.perBucket[bucket]++;
  }

  /** Waits up to each bound, and all of them. */
  get buckets(): readonly { readonly le: string; readonly count: number }[] {
    let count = 0;
    const upTo = BOUNDS.map((bound, at) => ({ le: String(bound), count: (count += this.perBucket[at]) }));
    return [...upTo, { le: '+Inf', count: this.count }];
  }
}

/** Calls that have left the queue since the start, and how long those of each class have waited. */
export class QueueCounts {
  private readonly calls = QUEUE_CLASSES.map(() => ({ served: 0, timeout: 0, cancelled: 0, full: 0 }));
  private readonly waits: readonly CallSeries[];
  private readonly histograms = QUEUE_CLASSES.map(() => new WaitHistogram());

  constructor(recorder: CallRecorder, component: string) {
    this.waits = QUEUE_CLASSES.map((name) => recorder.series(component, `queue_wait_${name}`));
  }

  left(name: QueueClass, outcome: QueueOutcome, waitedMs: number): void {
    const rank = rankOf(name);
    this.calls[rank][outcome]++;
    if (outcome !== 'served') return;
    this.waits[rank].record(waitedMs);
    this.histograms[rank].add(waitedMs / 1_000);
  }

  /** Of all classes. */
  total(outcome: QueueOutcome): number {
    return this.calls.reduce((sum, each) => sum + each[outcome], 0);
  }

  /** Waiting times of the calls of a class that were served. */
  waitsOf(name: QueueClass): WaitHistogram {
    return this.histograms[rankOf(name)];
  }

  of(name: QueueClass, outcome: QueueOutcome): number {
    return this.calls[rankOf(name)][outcome];
  }
}
