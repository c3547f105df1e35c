import { writeFileSync } from 'node:fs';
import { benchArguments, commandLine } from './harness/arguments.js';
import { environment } from './harness/environment.js';
import { writeReport } from './harness/documents.js';
import { missedLines } from './harness/verdict.js';
import { choosers } from './router/choosers.js';
import { report, SIZES, verdicts, type RouterRow } from './router/report.js';
import { measureAlone } from './router/rounds.js';

/** `npm run bench -- router`. */
export async function main(argv: readonly string[]): Promise<void> {
  const options = benchArguments(argv);
  const before = environment();
  const engines = (['native', 'typescript'] as const).filter((name) => wanted(options.engines, name));
  const effort = options.quick ? { rounds: 2, minMs: 2 } : { rounds: 9, minMs: 15 };
  const asked = choosers(engines).filter(({ name }) => wanted(options.only, name));
  const rows: RouterRow[] = asked.map(({ name, ours, targetsNs }) => ({ name, ours, targetsNs, ns: SIZES.map(() => NaN) }));
  for (const [column, size] of SIZES.entries()) {
    for (const { name, ns } of rows) ns[column] = await measureAlone({ name, size, effort });
    console.error(`${size} deployments: measured`);
  }
  const command = commandLine('router', argv);
  console.log(`\n${report(rows, before, command)}\n`);
  const targets = verdicts(rows);
  console.log(missedLines(targets));
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify({ ...before, command, rows, targets }, null, 2)}\n`);
  if (options.writeDocs) writeReport('router', report(rows, before, command));
}

function wanted(asked: readonly string[], name: string): boolean {
  return asked.length === 0 || asked.some((part) => name.includes(part));
}
