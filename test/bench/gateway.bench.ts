import { writeFileSync } from 'node:fs';
import { benchArguments, commandLine } from './harness/arguments.js';
import { environment } from './harness/environment.js';
import { writeReport } from './harness/documents.js';
import { missedLines } from './harness/verdict.js';
import { available } from './gateway/contenders.js';
import { measureGateways } from './gateway/measured.js';
import type { GatewayLoad } from './gateway/measured.js';
import { report, verdicts } from './gateway/report.js';
import type { GatewayResult } from './gateway/report.js';

const say = (line: string): void => console.error(line);

/** `npm run bench -- gateway`. */
export async function main(argv: readonly string[]): Promise<void> {
  const options = benchArguments(argv);
  const machine = environment();
  const { installed, missing } = available(options.engines);
  for (const { name, reason } of missing) say(`not measured: ${name} (${reason})`);
  const size = options.quick ? 0.02 : 1;
  const load = (connections: number, requests: number, chunks = 0): GatewayLoad => ({
    connections,
    requests: Math.max(connections, Math.round(requests * size)),
    chunks: chunks === 0 ? 0 : Math.max(5, Math.round(chunks * size)),
  });
  const wanted = (name: string): boolean => options.only.length === 0 || options.only.some((part) => name.includes(part));
  const loads = [load(1, 1500), load(32, 6000), load(32, 64, 100)].filter((_, i) => wanted(['whole 1', 'whole 32', 'streamed'][i]));
  const rounds = options.quick ? 1 : 7;
  const rows = await measureGateways(installed, loads, rounds, say);
  const result: GatewayResult = {
    whole: loads.filter(({ chunks }) => chunks === 0).map((kind) => rows.get(kind) ?? []),
    streamed: loads.filter(({ chunks }) => chunks > 0).flatMap((kind) => rows.get(kind) ?? []),
  };
  const facts = { environment: machine, command: commandLine('gateway', argv) };
  if (result.whole.length > 0) console.log(`\n${report(result, facts)}\n`);
  const targets = verdicts(result);
  console.log(missedLines(targets));
  if (options.json !== undefined)
    writeFileSync(options.json, `${JSON.stringify({ ...machine, command: facts.command, ...result, targets }, null, 2)}\n`);
  if (options.writeDocs) writeReport('gateway', report(result, facts));
}
