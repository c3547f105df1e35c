import { join } from 'node:path';
import { Histogram, Registry } from 'prom-client';
import { runForJson } from '../harness/child.js';
import { measure, median, type Task } from '../harness/measure.js';
import { durationsMs } from './durations.js';
import { compiled, openInstance } from './ours.js';

const SERIES = 200;

/** Milliseconds of CPU time. */
interface ScrapeMs {
  readonly ours: number;
  readonly promClient: number;
}

/** Time of a scrape of 200 series, in a process of its own because of the heap of other rows. */
export function scrapeMs(quick: boolean): Promise<ScrapeMs> {
  return runForJson(join(__dirname, 'scrape.child.js'), quick ? ['quick'] : []);
}

/** Ours with three percentiles each, prom-client's own histograms with eleven buckets each. */
export async function measuredScrapeMs(quick: boolean): Promise<ScrapeMs> {
  const llm = openInstance();
  const [own, other] = [new Registry(), new Registry()];
  const histogram = new Histogram({ name: 'call_duration_seconds', help: 'h', registers: [other], labelNames: ['component', 'operation'] });
  for (let index = 0; index < SERIES; index++) {
    const series = llm.monitor.series(`component_${index % 10}`, `operation_${index}`);
    const child = histogram.labels(`component_${index % 10}`, `operation_${index}`);
    for (const ms of durationsMs.subarray(0, 500)) {
      series.record(ms);
      child.observe(ms / 1000);
    }
  }
  const remove = compiled().registerPrometheusMetrics(llm, own);
  const task = (name: string, registry: Registry): Task => ({
    name,
    async run(times) {
      for (let i = 0; i < times; i++) await registry.metrics();
    },
  });
  const tasks = [task('ours', own), task('prom-client', other)];
  const samples = await measure(tasks, { rounds: quick ? 3 : 15, minMs: quick ? 2 : 40, keep: () => true, cpuTime: true });
  remove();
  await llm.close();
  const milliseconds = (name: string): number => median(samples.get(name) ?? []) / 1e6;
  return { ours: milliseconds('ours'), promClient: milliseconds('prom-client') };
}
