import { QueueCounts, queueSamples } from './queue-metrics.js';
import { QUEUE_CLASSES, classInHeader, classOfPriority, lowerOf } from './queue-class.js';

const recorded: [string, string, number][] = [];
const recorder = {
  series: (component: string, operation: string) => ({
    sampled: () => true,
    record: (ms: number) => void recorded.push([component, operation, ms]),
  }),
};

describe('QueueCounts', () => {
  const counts = () => new QueueCounts(recorder, 'queue');

  it.each([
    [0, '0.01'],
    [10, '0.01'],
    [10.1, '0.025'],
    [250, '0.25'],
    [60_000, '60'],
    [60_001, '+Inf'],
  ])('counts a wait of %s ms from the bucket %s on', (ms, first) => {
    const all = counts();
    all.left('batch', 'served', ms);
    const { buckets, sumSeconds, count } = all.waitsOf('batch');
    const at = buckets.findIndex(({ le }) => le === first);
    expect(buckets.map((bucket) => bucket.count)).toEqual(buckets.map((_, index) => (index < at ? 0 : 1)));
    expect([sumSeconds, count, buckets.length]).toEqual([ms / 1000, 1, 13]);
    expect(all.waitsOf('default').count).toBe(0);
  });

  it('records the waits of served calls only, by class', () => {
    recorded.length = 0;
    const all = counts();
    for (const outcome of ['timeout', 'cancelled', 'full'] as const) all.left('critical', outcome, 5);
    all.left('critical', 'served', 7);
    all.left('batch', 'served', 9);
    expect(recorded).toEqual([
      ['queue', 'queue_wait_critical', 7],
      ['queue', 'queue_wait_batch', 9],
    ]);
    expect([all.total('served'), all.of('critical', 'served'), all.of('critical', 'full'), all.of('default', 'full')]).toEqual([
      2, 1, 1, 0,
    ]);
    expect(all.waitsOf('critical')).toMatchObject({ count: 1, sumSeconds: 0.007 });
  });
});

it('has samples of each class, outcome and bucket', () => {
  const counts = new QueueCounts(recorder, 'queue');
  counts.left('default', 'served', 20);
  const byClass = Object.fromEntries(QUEUE_CLASSES.map((name, at) => [name, { length: at + 1, oldestMs: 0 }])) as never;
  const status = () => ({ length: 6, most: 9, promptTokens: 70, refused: 0, late: 0, byClass, drainPerSecond: 2 });
  const samples = queueSamples({ counts, status }, { prefix: 'q', what: 'Calls', waitsFor: 'a place' });
  const lines = samples.map(({ name, suffix = '', value, labels = {} }) => `${name}${suffix} ${Object.values(labels).join(' ')} ${value}`);
  expect(lines.slice(0, 5)).toEqual([
    'q_length critical 1',
    'q_length default 2',
    'q_length batch 3',
    'q_prompt_tokens  70',
    'q_drain_per_second  2',
  ]);
  expect(lines.filter((line) => line.startsWith('q_left_total'))).toHaveLength(12);
  expect(lines).toEqual(
    expect.arrayContaining([
      'q_left_total default served 1',
      'q_left_total batch full 0',
      'q_wait_seconds_bucket default 0.01 0',
      'q_wait_seconds_bucket default 0.025 1',
      'q_wait_seconds_bucket default +Inf 1',
      'q_wait_seconds_sum default 0.02',
      'q_wait_seconds_count default 1',
      'q_wait_seconds_count batch 0',
    ]),
  );
  expect(samples.map(({ help }) => help)).toEqual(
    expect.arrayContaining(['Calls waiting for a place, by class', 'Prompt tokens of the calls waiting for a place']),
  );
  expect(samples.find(({ name }) => name === 'q_wait_seconds')?.type).toBe('histogram');
});

it.each([
  [-1, 'critical'],
  [0, 'critical'],
  [1, 'default'],
  [127, 'default'],
  [128, 'batch'],
])('the class of priority %s is %s', (priority, name) => {
  expect(classOfPriority(priority)).toBe(name);
});

it.each<[unknown, string | undefined]>([
  ['critical', 'critical'],
  ['batch', 'batch'],
  ['Batch', undefined],
  ['0', 'critical'],
  ['999', 'batch'],
  ['1000', undefined],
  ['-1', undefined],
  ['1.5', undefined],
  ['', undefined],
  [['batch'], undefined],
  [0, undefined],
])('the class in a header %j is %j', (value, name) => {
  expect(classInHeader(value)).toBe(name);
});

it('the lower of two classes is the less urgent one', () => {
  expect([lowerOf('critical', 'batch'), lowerOf('batch', 'default'), lowerOf('default', 'default')]).toEqual(['batch', 'batch', 'default']);
});
