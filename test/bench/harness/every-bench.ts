import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { benchArguments } from './arguments.js';
import { environment } from './environment.js';
import { recordTargets } from './targets.js';
import { missedLines, type Verdict } from './verdict.js';

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

  const verdicts = outcomes.flatMap(({ targets }) => targets ?? []);
  console.log(`\n${verdicts.filter(({ met }) => met).length} of ${verdicts.length} targets are met.\n\n${missedLines(verdicts)}`);
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify({ ...machine, outcomes }, null, 2)}\n`);
  for (const { name } of outcomes.filter(({ targets }) => targets === undefined)) console.error(`bench: ${name} failed`);
  if (outcomes.some(({ targets }) => targets === undefined)) process.exitCode = 1;
}

/** A bench alone, and its rows in the list of all targets. */
export async function one(name: string, run: (argv: readonly string[]) => void | Promise<void>, argv: readonly string[]): Promise<void> {
  const options = benchArguments(argv);
  if (!options.writeDocs) return run(argv);
  const folder = mkdtempSync(join(tmpdir(), 'bench-'));
  const file = options.json ?? join(folder, `${name}.json`);
  try {
    await run(options.json === undefined ? [...argv, '--json', file] : argv);
    const { targets } = JSON.parse(readFileSync(file, 'utf8')) as { targets: Verdict[] };
    recordTargets({ name, ...environment(), targets, isPart: options.only.length > 0 || options.engines.length > 0 });
  } finally {
    rmSync(folder, { recursive: true });
  }
}
