import { writeFileSync } from 'node:fs';
import { benchArguments, commandLine } from './harness/arguments.js';
import { environment } from './harness/environment.js';
import { measure, median, speedup } from './harness/measure.js';
import { writeReport } from './harness/documents.js';
import { markdownTable, short } from './harness/table.js';
import { atMost, missedLines } from './harness/verdict.js';
import { DURATIONS, errorPercent } from './monitor/durations.js';
import { interceptorNs } from './monitor/interceptor.js';
import { openInstance } from './monitor/ours.js';
import { ours, OURS, peers, unsampled } from './monitor/recorders.js';
import { scrapeMs } from './monitor/scrape.js';

/** From this load on, the other processes are heard in the figures. */
const BUSY = 1;
const TARGETS = { recordNs: 8, errorPercent: 1, bytes: 8192, interceptorNs: 300, scrapeMs: 5 };

const say = (line: string): void => console.error(line);

/** `npm run bench -- monitor`. */
export async function main(argv: readonly string[]): Promise<void> {
  const options = benchArguments(argv);
  const machine = environment();
  if (machine.loadBefore > BUSY) say(`the machine is busy (load ${machine.loadBefore.toFixed(1)}): take the ratios, not the nanoseconds`);
  const { monitor } = openInstance();
  const recorders = [ours(monitor), unsampled(monitor), ...(await peers())];
  const samples = await measure(recorders, {
    rounds: options.quick ? 3 : 15,
    minMs: options.quick ? 2 : 40,
    keep: () => true,
    cpuTime: true,
  });
  const rows = recorders.map(({ name, percentileMs, bytes }) => ({
    name,
    ns: median(samples.get(name) ?? []) / DURATIONS,
    timesOurs: speedup(samples, OURS, name),
    errorPercent: percentileMs === undefined ? NaN : errorPercent(percentileMs),
    bytes: bytes?.() ?? NaN,
  }));
  const interceptor = await interceptorNs(monitor, options.quick);
  const scrape = await scrapeMs(options.quick);

  const [own] = rows;
  const columns = [
    { title: 'record one duration' },
    { title: 'ns', right: true },
    { title: 'x this package', right: true },
    { title: 'error of p50, p95, p99', right: true },
    { title: 'bytes per series', right: true },
  ];
  const table = markdownTable(columns, [
    ...rows.map((row) => [
      row.name,
      short(row.ns),
      short(row.timesOurs),
      Number.isNaN(row.errorPercent) ? '-' : `${short(row.errorPercent)} %`,
      Number.isNaN(row.bytes) ? '-' : String(row.bytes),
    ]),
    ['target', `${TARGETS.recordNs}`, '', `${TARGETS.errorPercent} %`, `${TARGETS.bytes}`],
  ]);
  const others = markdownTable(
    [{ title: 'other costs' }, { title: 'this package', right: true }, { title: 'peer', right: true }, { title: 'target', right: true }],
    [
      ['interceptor, over an empty one', `${short(interceptor)} ns`, '', `${TARGETS.interceptorNs} ns`],
      [
        'scrape of 200 series (prom-client: its histograms)',
        `${short(scrape.ours)} ms`,
        `${short(scrape.promClient)} ms`,
        `${TARGETS.scrapeMs} ms`,
      ],
    ],
  );
  const { date, cpu, node, platform, loadBefore } = machine;
  const command = commandLine('monitor', argv);
  const facts = `\`${command}\`, ${date}, ${cpu}, Node ${node}, ${platform}, load ${loadBefore.toFixed(1)}. CPU time, medians of interleaved rounds in one process.`;
  const report = [facts, table, others].join('\n\n');
  console.log(`\n${report}\n`);
  const targets = [
    ...atMost('record one duration', own.ns, TARGETS.recordNs, ' ns'),
    ...atMost('error of percentiles', own.errorPercent, TARGETS.errorPercent, ' %'),
    ...atMost('memory of a series', own.bytes, TARGETS.bytes, ' bytes'),
    ...atMost('interceptor, over an empty one', interceptor, TARGETS.interceptorNs, ' ns'),
    ...atMost('scrape of 200 series', scrape.ours, TARGETS.scrapeMs, ' ms'),
  ];
  console.log(missedLines(targets));
  if (options.json !== undefined)
    writeFileSync(
      options.json,
      `${JSON.stringify({ ...machine, command, rows, interceptorNs: interceptor, scrapeMs: scrape, targets }, null, 2)}\n`,
    );
  if (options.writeDocs) writeReport('monitor', report);
}
