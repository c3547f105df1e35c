import { writeFileSync } from 'node:fs';
import { benchArguments, commandLine } from './harness/arguments.js';
import { environment } from './harness/environment.js';
import { writeReport } from './harness/documents.js';
import { missedLines } from './harness/verdict.js';
import { modelListOf } from './router/model-list.js';
import { choosing, routerOver, serving, standalone, type EngineMode } from './router/ours.js';
import { aliasTable, copying, filtering, scanning, type Peer } from './router/peers.js';
import { report, SIZES, verdicts, type RouterRow } from './router/report.js';
import { chosenInAll, measureInTurns } from './router/rounds.js';

const STRATEGIES = ['simple_shuffle', 'least_busy', 'latency_based', 'usage_based', 'cost_based'];
const CHOICE_TARGET_NS = 40;
const SERVED_TARGET_NS = 120;
const STANDALONE_TARGET_NS = 200;

/** `npm run bench -- router`. */
export function main(argv: readonly string[]): void {
  const options = benchArguments(argv);
  const before = environment();
  const engines = (['native', 'typescript'] as const).filter((name) => wanted(options.engines, name));
  const effort = options.quick ? { rounds: 2, minMs: 2 } : { rounds: 9, minMs: 15 };
  const measured = new Map<string, { ours: boolean; targetNs?: number; ns: number[] }>();
  for (const [column, size] of SIZES.entries()) {
    const entries = tasksFor(size, engines).filter(({ peer }) => wanted(options.only, peer.name));
    const figures = measureInTurns(
      entries.map(({ peer }) => peer),
      effort,
    );
    for (const { peer, ours, targetNs } of entries) {
      const row = measured.get(peer.name) ?? { ours, targetNs, ns: SIZES.map(() => NaN) };
      row.ns[column] = figures.get(peer.name) ?? NaN;
      measured.set(peer.name, row);
    }
    console.error(`${size} deployments: measured`);
  }
  const rows: RouterRow[] = [...measured].map(([name, row]) => ({ name, ...row }));
  const command = commandLine('router', argv);
  console.log(`\n${report(rows, before, command)}\n`);
  const targets = verdicts(rows);
  console.log(missedLines(targets));
  console.error(`chosen in all: ${chosenInAll()}`);
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify({ ...before, command, rows, targets }, null, 2)}\n`);
  if (options.writeReadme) writeReport('router', report(rows, before, command));
}

function wanted(asked: readonly string[], name: string): boolean {
  return asked.length === 0 || asked.some((part) => name.includes(part));
}

function tasksFor(size: number, engines: readonly EngineMode[]): { peer: Peer; ours: boolean; targetNs?: number }[] {
  const list = modelListOf(size);
  const tasks: { peer: Peer; ours: boolean; targetNs?: number }[] = [filtering, copying, scanning, aliasTable].map((make) => ({
    peer: make(list),
    ours: false,
  }));
  const add = (peer: Peer, targetNs?: number): void => void tasks.push({ peer, ours: true, targetNs });
  add(standalone(list), STANDALONE_TARGET_NS);
  for (const engine of engines) {
    const [first] = STRATEGIES;
    add(choosing(`${first}, chosen (${engine})`, routerOver(list, first, engine)), CHOICE_TARGET_NS);
    for (const strategy of STRATEGIES)
      add(serving(`${strategy}, served (${engine})`, routerOver(list, strategy, engine)), SERVED_TARGET_NS);
  }
  if (engines.includes('native')) {
    add(serving('least_busy, served (native, shared)', routerOver(list, 'least_busy', 'native', `bench-${size}`)));
  }
  return tasks;
}
