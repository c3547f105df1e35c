import { writeFileSync } from 'node:fs';
import { benchArguments, commandLine } from './harness/arguments.js';
import { writeReport } from './harness/documents.js';
import { environment } from './harness/environment.js';
import { missedLines } from './harness/verdict.js';
import { measureStalls } from './stalls/measured.js';
import { missedBodies, report, verdicts } from './stalls/report.js';

/** `npm run bench -- stalls`: how long bodies that are made for it hold up everybody else. */
export async function main(argv: readonly string[]): Promise<void> {
  const options = benchArguments(argv);
  const machine = environment();
  const say = (line: string): void => console.error(line);
  const { rows, overLimit } = await measureStalls(options.quick ? [1] : [1, 8, 32], options.only, options.quick ? 1 : 2, say);
  const facts = { environment: machine, command: commandLine('stalls', argv) };
  const targets = verdicts(rows, overLimit);
  console.log(`\n${report(rows, overLimit, facts)}\n`);
  console.log([missedLines(targets), missedBodies(rows, overLimit)].join('\n'));
  if (options.json !== undefined)
    writeFileSync(options.json, `${JSON.stringify({ ...machine, command: facts.command, rows, overLimit, targets }, null, 2)}\n`);
  if (options.writeDocs) writeReport('stalls', report(rows, overLimit, facts));
}
