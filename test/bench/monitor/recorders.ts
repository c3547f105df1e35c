import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createHistogram } from 'node:perf_hooks';
import { Histogram, Registry, Summary } from 'prom-client';
import type { PerformanceMonitorService } from '../../../lib/monitor/performance-monitor.service.js';
import { durationsMs, durationsNs } from './durations.js';
import { ROOT } from './ours.js';

/** A way to record durations, one series of it. */
export interface Recorder {
  readonly name: string;
  /** Records all durations of `durations.ts` so many times. */
  run(rounds: number): void;
  /** Of what was recorded; absent where the package gives no such number. */
  readonly percentileMs?: (share: number) => number;
  /** Bytes of one series by its own account, where it has one. */
  readonly bytes?: () => number;
}

const peer = createRequire(join(ROOT, 'test', 'bench', 'package.json'));

interface HdrHistogram {
  recordValue(value: number): void;
  getValueAtPercentile(percentile: number): number;
  readonly estimatedFootprintInBytes: number;
}

interface HdrModule {
  build(options: object): HdrHistogram;
  initWebAssembly(): Promise<void>;
}

export const OURS = 'this package';

export function ours(monitor: PerformanceMonitorService): Recorder {
  const series = monitor.series('bench', 'record');
  return {
    name: OURS,
    run(rounds) {
      for (let round = 0; round < rounds; round++) for (let i = 0; i < durationsMs.length; i++) series.record(durationsMs[i]);
    },
    percentileMs(share) {
      const { p50DurationMs, p95DurationMs, p99DurationMs } = monitor.getPerformanceStats('bench').bench.operations.record;
      return share === 0.5 ? p50DurationMs : share === 0.95 ? p95DurationMs : p99DurationMs;
    },
    bytes: () => (series as unknown as { bytes: number }).bytes,
  };
}

/** A call that is not sampled. */
export function unsampled(monitor: PerformanceMonitorService): Recorder {
  const series = monitor.series('bench', 'sampled');
  let chosen = 0;
  return {
    name: `${OURS}, a call not sampled`,
    run(rounds) {
      for (let round = 0; round < rounds; round++) for (let i = 0; i < durationsMs.length; i++) if (series.sampled()) chosen++;
      if (chosen < 0) throw new Error('never');
    },
  };
}

/** Whole nanoseconds, one by one. */
function each(record: (ns: number) => void): Recorder['run'] {
  return (rounds) => {
    for (let round = 0; round < rounds; round++) for (let i = 0; i < durationsNs.length; i++) record(durationsNs[i]);
  };
}

export async function peers(): Promise<Recorder[]> {
  const hdr = peer('hdr-histogram-js') as HdrModule;
  await hdr.initWebAssembly();
  const options = { lowestDiscernibleValue: 1, highestTrackableValue: 2 ** 41, numberOfSignificantValueDigits: 2 };
  const hdrRecorder = (name: string, useWebAssembly: boolean): Recorder => {
    const histogram = hdr.build({ ...options, useWebAssembly });
    return {
      name,
      run: each((ns) => histogram.recordValue(ns)),
      percentileMs: (share) => histogram.getValueAtPercentile(share * 100) / 1e6,
      bytes: () => histogram.estimatedFootprintInBytes,
    };
  };
  const native = createHistogram({ figures: 2, lowest: 1, highest: 2 ** 41 });
  const registers = [new Registry()];
  const labelNames = ['operation'];
  const histogram = new Histogram({ name: 'h', help: 'h', registers, labelNames }).labels('record');
  const summary = new Summary({ name: 's', help: 's', registers, labelNames, maxAgeSeconds: 60, ageBuckets: 6 }).labels('record');
  return [
    hdrRecorder('hdr-histogram-js', false),
    hdrRecorder('hdr-histogram-js, WebAssembly', true),
    {
      name: 'node:perf_hooks createHistogram',
      run: each((ns) => native.record(ns)),
      percentileMs: (share) => native.percentile(share * 100) / 1e6,
    },
    { name: 'prom-client Histogram', run: each((ns) => histogram.observe(ns / 1e9)) },
    { name: 'prom-client Summary', run: each((ns) => summary.observe(ns / 1e9)) },
  ];
}
