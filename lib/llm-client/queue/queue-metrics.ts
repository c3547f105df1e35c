import type { MetricSample } from '../../common/capability.js';
import { samplesOf } from '../../common/metric-samples.js';
import type { CallQueue } from './call-queue.js';
import { QUEUE_CLASSES } from './queue-class.js';
import { QUEUE_OUTCOMES } from './queue-counts.js';

const sample = samplesOf('llm_client_queue');

/** The queue's metrics. */
export function queueSamples(queue: CallQueue): readonly MetricSample[] {
  const { byClass, promptTokens, drainPerSecond } = queue.status();
  return [
    ...QUEUE_CLASSES.map((name) =>
      sample('length', 'Calls that wait for a deployment, by class', 'gauge', byClass[name].length, { class: name }),
    ),
    sample('prompt_tokens', 'Prompt tokens of the calls that wait', 'gauge', promptTokens),
    sample('drain_per_second', 'Calls that leave the queue for a deployment, per second over the last minute', 'gauge', drainPerSecond),
    ...QUEUE_CLASSES.flatMap((name) =>
      QUEUE_OUTCOMES.map((outcome) =>
        sample('left_total', 'Calls that have left the queue, by class and outcome', 'counter', queue.counts.of(name, outcome), {
          class: name,
          outcome,
        }),
      ),
    ),
  ];
}
