import { writeFileSync } from 'node:fs';
import { benchArguments, commandLine } from './harness/arguments.js';
import { writeReport } from './harness/documents.js';
import { environment } from './harness/environment.js';
import { measure, median } from './harness/measure.js';
import { markdownTable, short } from './harness/table.js';
import { atMost, missedLines } from './harness/verdict.js';
import { openTasks } from './spend/calls.js';

const TARGET_US = 5;

/** `npm run bench -- spend`: CPU time that the spend log adds to a call. */
export async function main(argv: readonly string[]): Promise<void> {
  const options = benchArguments(argv);
  const machine = environment();
  const { tasks, close } = openTasks();
  const rounds = options.quick ? 5 : 25;
  const samples = await measure(tasks, { rounds, minMs: options.quick ? 50 : 150, keep: () => true, cpuTime: true });
  await close();
  const [alone] = tasks.map(({ name }) => samples.get(name) ?? []);
  const rows = tasks.map(({ name }) => {
    const own = samples.get(name) ?? [];
    return { name, us: median(own) / 1_000, moreUs: median(own.map((ns, round) => ns - alone[round])) / 1_000 };
  });
  const columns = [{ title: 'a call' }, { title: 'us', right: true }, { title: 'more than alone', right: true }];
  const table = markdownTable(columns, [
    ...rows.map(({ name, us, moreUs }) => [name, short(us), short(moreUs)]),
    ['target', '', `${TARGET_US}`],
  ]);
  const { date, cpu, node, platform, loadBefore } = machine;
  const command = commandLine('spend', argv);
  const facts = `\`${command}\`, ${date}, ${cpu}, Node ${node}, ${platform}, load ${loadBefore.toFixed(1)}. CPU time of calls whose provider answers at once, 1,000 at once with pauses of 105 ms, medians of interleaved rounds in one process.`;
  const report = [facts, table].join('\n\n');
  console.log(`\n${report}\n`);
  const targets = atMost('the spend log, for each call', rows[2].moreUs, TARGET_US, ' us');
  console.log(missedLines(targets));
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify({ ...machine, command, rows, targets }, null, 2)}\n`);
  if (options.writeDocs) writeReport('spend', report);
}
