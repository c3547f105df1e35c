import { writeFileSync } from 'node:fs';
import { benchArguments, commandLine } from './harness/arguments.js';
import { writeReport } from './harness/documents.js';
import { environment } from './harness/environment.js';
import { markdownTable, short } from './harness/table.js';
import { atMost, missedLines } from './harness/verdict.js';
import { started } from './startup/started.js';

const TARGETS = { addedMs: 40, addedMegabytes: 40 };

/** `npm run bench -- startup`: what the module adds to a bare Nest app until it listens, with one encoding loaded. */
export async function main(argv: readonly string[]): Promise<void> {
  const options = benchArguments(argv);
  const machine = environment();
  const rounds = options.quick ? 3 : 15;
  const { bare, withModule } = await started(rounds);
  const [addedMs, addedMegabytes] = [withModule.readyMs - bare.readyMs, withModule.megabytes - bare.megabytes];

  const { date, cpu, node, platform, loadBefore } = machine;
  const command = commandLine('startup', argv);
  const facts = `\`${command}\`, ${date}, ${cpu}, Node ${node}, ${platform}, load ${loadBefore.toFixed(1)}. Medians of ${rounds} processes each, in turns: a Nest app on Fastify until it listens, and its resident memory then.`;
  const table = markdownTable(
    [{ title: 'app' }, { title: 'ms', right: true }, { title: 'MB', right: true }],
    [
      ['bare', short(bare.readyMs), short(bare.megabytes)],
      ['with the module, one encoding loaded', short(withModule.readyMs), short(withModule.megabytes)],
      ['the module adds', short(addedMs), short(addedMegabytes)],
      ['target', `<= ${TARGETS.addedMs}`, `<= ${TARGETS.addedMegabytes}`],
    ],
  );
  const report = [facts, table].join('\n\n');
  console.log(`\n${report}\n`);
  const targets = [
    ...atMost('the module adds to the start', addedMs, TARGETS.addedMs, ' ms'),
    ...atMost('the module adds to the memory', addedMegabytes, TARGETS.addedMegabytes, ' MB'),
  ];
  console.log(missedLines(targets));
  if (options.json !== undefined)
    writeFileSync(options.json, `${JSON.stringify({ ...machine, command, bare, withModule, targets }, null, 2)}\n`);
  if (options.writeDocs) writeReport('startup', report);
}
