import { samplesOf, type MetricSample } from '../common/capability.js';
import type { CallQueue } from './call-queue.js';
import { QUEUE_CLASSES, type QueueClass } from './queue-class.js';
import { QUEUE_OUTCOMES } from './queue-counts.js';

/** What waits in a queue, for its metrics. */
export interface QueueSubject {
  /** Of the metrics: `llm_client_queue`. */
  readonly prefix: string;
  /** `Calls`. */
  readonly what: string;
  /** `a deployment`. */
  readonly waitsFor: string;
}

/** A queue's metrics. */
export function queueSamples(queue: CallQueue, subject: QueueSubject): readonly MetricSample[] {
  const { prefix, what, waitsFor } = subject;
  const sample = samplesOf(prefix);
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
      QUEUE_OUTCOMES.map((outcome) =>
        sample(
          'left_total',
          `${what} that stopped waiting for ${waitsFor}, by class and outcome`,
          'counter',
          queue.counts.of(name, outcome),
          {
            class: name,
            outcome,
          },
        ),
      ),
    ),
    ...QUEUE_CLASSES.flatMap((name) => waitSamples(queue, name, subject)),
  ];
}

function waitSamples(queue: CallQueue, name: QueueClass, { prefix, what, waitsFor }: QueueSubject): MetricSample[] {
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
