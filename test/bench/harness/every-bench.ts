import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { benchArguments, commandLine } from './arguments.js';
import { environment } from './environment.js';
import { README, writeReport, writeSection } from './documents.js';
import { headlines } from './headlines.js';
import { markdownTable } from './table.js';
import type { Verdict } from './verdict.js';

interface Outcome {
  readonly name: string;
  /** Nothing when the bench failed. */
  readonly targets?: readonly Verdict[];
}

/** `npm run bench`: every bench in a process of its own, then all targets in one table. */
export function main(names: readonly string[], runner: string, argv: readonly string[]): void {
  const options = benchArguments(argv);
  const machine = environment();
  const folder = mkdtempSync(join(tmpdir(), 'bench-'));
  const outcomes = names.map((name, index): Outcome => {
    console.error(`bench: ${name} (${index + 1} of ${names.length})…`);
    const file = join(folder, `${name}.json`);
    const { status } = spawnSync(process.execPath, [runner, name, ...argv, '--json', file], { stdio: ['ignore', 'inherit', 'inherit'] });
    if (status !== 0) return { name };
    const { targets } = JSON.parse(readFileSync(file, 'utf8')) as { targets: Verdict[] };
    return { name, targets };
  });
  rmSync(folder, { recursive: true });

  const { date, cpu, node, platform, loadBefore } = machine;
  const verdicts = outcomes.flatMap(({ targets }) => targets ?? []);
  const facts = `\`${commandLine(undefined, argv)}\`, ${date}, ${cpu}, Node ${node}, ${platform}, load ${loadBefore.toFixed(1)}: ${verdicts.filter(({ met }) => met).length} of ${verdicts.length} targets met.`;
  console.log(`\n${facts}\n\n${table(outcomes)}`);
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify({ ...machine, outcomes }, null, 2)}\n`);
  if (options.writeDocs) {
    writeReport('all', `${facts}\n\n${summary(outcomes)}`);
    writeReport('targets', `${facts}\n\n${table(outcomes)}`);
    const figures = headlines(verdicts);
    if (figures !== undefined) writeSection(README, 'figures', figures);
  }
  if (outcomes.some(({ targets }) => targets === undefined)) process.exitCode = 1;
}

/** How many targets of each bench are met. */
function summary(outcomes: readonly Outcome[]): string {
  return markdownTable(
    [{ title: 'bench' }, { title: 'targets', right: true }, { title: 'met', right: true }],
    outcomes.map(({ name, targets = [] }) => [name, targets.length, targets.filter(({ met }) => met).length]),
  );
}

function table(outcomes: readonly Outcome[]): string {
  return markdownTable(
    [{ title: 'bench' }, { title: 'target' }, { title: 'wanted' }, { title: 'measured', right: true }, { title: 'met' }],
    outcomes.flatMap(({ name, targets }) =>
      targets === undefined
        ? [[name, 'to run', 'an end', 'failed', '**no**']]
        : targets.map(({ what, target, measured, met }) => [name, what, target, measured, met ? 'yes' : '**no**']),
    ),
  );
}
