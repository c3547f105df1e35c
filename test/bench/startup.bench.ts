import { writeFileSync } from 'node:fs';
import { benchArguments, commandLine } from './harness/arguments.js';
import { writeReport } from './harness/documents.js';
import { environment } from './harness/environment.js';
import { markdownTable, short } from './harness/table.js';
import { atMost, missedLines } from './harness/verdict.js';
import { started, type StartUp } from './startup/started.js';

const TARGETS = { addedMs: 40, addedMegabytes: 40 };

/** `npm run bench -- startup`: what the module adds to a bare Nest app until it listens, with one encoding loaded. */
export async function main(argv: readonly string[]): Promise<void> {
  const options = benchArguments(argv);
  const machine = environment();
  const rounds = options.quick ? 3 : 15;
  const { bare, withModule } = await started(rounds);
  const added = {
    readyMs: withModule.readyMs - bare.readyMs,
    cpuMs: withModule.cpuMs - bare.cpuMs,
    megabytes: withModule.megabytes - bare.megabytes,
  };

  const { date, cpu, node, platform, loadBefore } = machine;
  const command = commandLine('startup', argv);
  const facts = `\`${command}\`, ${date}, ${cpu}, Node ${node}, ${platform}, load ${loadBefore.toFixed(1)}. Medians of ${rounds} processes each, alternating: the time until a Nest app on Fastify listens, and its resident memory at that point.`;
  const table = markdownTable(
    [{ title: 'app' }, { title: 'ms', right: true }, { title: 'CPU ms', right: true }, { title: 'MB', right: true }],
    [
      rowOf('bare', bare),
      rowOf('with the module, one encoding loaded', withModule),
      rowOf('the module adds', added),
      ['target', `<= ${TARGETS.addedMs}`, '', `<= ${TARGETS.addedMegabytes}`],
    ],
  );
  const report = [facts, table].join('\n\n');
  console.log(`\n${report}\n`);
  const targets = [
    ...atMost('the module adds to the start', added.readyMs, TARGETS.addedMs, ' ms'),
    ...atMost('the module adds to the memory', added.megabytes, TARGETS.addedMegabytes, ' MB'),
  ];
  console.log(missedLines(targets));
  if (options.json !== undefined)
    writeFileSync(options.json, `${JSON.stringify({ ...machine, command, bare, withModule, targets }, null, 2)}\n`);
  if (options.writeDocs) writeReport('startup', report);
}

function rowOf(app: string, { readyMs, cpuMs, megabytes }: StartUp): string[] {
  return [app, short(readyMs), short(cpuMs), short(megabytes)];
}
