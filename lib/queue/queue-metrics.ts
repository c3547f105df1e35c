import { samplesOf, type MetricSample } from '../common/capability.js';
import { QUEUE_CLASSES, type QueueClass, rankOf } from './queue-class.js';
import type { CallRecorder, CallSeries } from '../common/recorder.js';

/** How a call leaves: for a deployment, without one in time, with its client, refused. */
const QUEUE_OUTCOMES = ['served', 'timeout', 'cancelled', 'full'] as const;
export type QueueOutcome = (typeof QUEUE_OUTCOMES)[number];

/** Upper bounds of the buckets, in seconds. */
const BOUNDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** A histogram of waiting times, in Prometheus' format. */
class WaitHistogram {
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

/** Figures of one class. */
export interface QueueClassStatus {
  readonly length: number;
  /** Waiting time of its oldest call. */
  readonly oldestMs: number;
}

/** The queue at one moment. */
export interface QueueStatus {
  readonly length: number;
  /** `maxCalls`. */
  readonly most: number;
  readonly promptTokens: number;
  /** Calls that were denied or displaced since the start because the queue was full. */
  readonly refused: number;
  /** Calls since the start for which no deployment became eligible in time. */
  readonly late: number;
  readonly byClass: Readonly<Record<QueueClass, QueueClassStatus>>;
  /** Calls that left the queue for a deployment, per second over the last minute. */
  readonly drainPerSecond: number;
}

/** The figures of a queue. */
interface MeasuredQueue {
  readonly counts: QueueCounts;
  status(): QueueStatus;
}

/** Figures about waiting calls, for metrics. */
export interface QueueSubject {
  /** Of the metrics: `llm_client_queue`. */
  readonly prefix: string;
  /** `Calls`. */
  readonly what: string;
  /** `a deployment`. */
  readonly waitsFor: string;
}

/** A queue's metrics. */
export function queueSamples(queue: MeasuredQueue, subject: QueueSubject): readonly MetricSample[] {
  const { prefix, what, waitsFor } = subject;
  const sample = samplesOf(prefix);
  const left = `${what} that stopped waiting for ${waitsFor}, by class and outcome`;
  const { byClass, promptTokens, drainPerSecond } = queue.status();
  return [
    ...QUEUE_CLASSES.map((name) =>
      sample('length', `${what} waiting for ${waitsFor}, by class`, 'gauge', byClass[name].length, { class: name }),
    ),
    sample('prompt_tokens', `Prompt tokens of the ${what.toLowerCase()} waiting for ${waitsFor}`, 'gauge', promptTokens),
    sample(
      'drain_per_second',
      `${what} that proceed after waiting for ${waitsFor}, per second over the last minute`,
      'gauge',
      drainPerSecond,
    ),
    ...QUEUE_CLASSES.flatMap((name) =>
      QUEUE_OUTCOMES.map((outcome) => sample('left_total', left, 'counter', queue.counts.of(name, outcome), { class: name, outcome })),
    ),
    ...QUEUE_CLASSES.flatMap((name) => waitSamples(queue, name, subject)),
  ];
}

function waitSamples(queue: MeasuredQueue, name: QueueClass, { prefix, what, waitsFor }: QueueSubject): MetricSample[] {
  const { buckets, sumSeconds, count } = queue.counts.waitsOf(name);
  const help = `Time that ${what.toLowerCase()} waited for ${waitsFor} before they proceeded, by class`;
  const sample = (suffix: MetricSample['suffix'], value: number, labels?: object): MetricSample => ({
    name: `${prefix}_wait_seconds`,
    help,
    type: 'histogram',
    suffix,
    value,
    labels: { class: name, ...labels },
  });
  const bucketSamples = buckets.map(({ le, count: upTo }) => sample('_bucket', upTo, { le }));
  return [...bucketSamples, sample('_sum', sumSeconds), sample('_count', count)];
}
