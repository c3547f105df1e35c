import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { benchArguments, commandLine } from './harness/arguments.js';
import { environment } from './harness/environment.js';
import { writeReport } from './harness/documents.js';
import { missedLines } from './harness/verdict.js';
import { AS_STARTED_LOADS } from './gateway/as-started.js';
import { AS_STARTED, AT_EACH_SIZE, available, GATEWAYS, STREAMING, type GatewayName } from './gateway/contenders.js';
import type { GatewayLoad } from './gateway/load.child.js';
import { measureGateways } from './gateway/measured.js';
import type { GatewayRow } from './gateway/measured.js';
import { report, verdicts } from './gateway/report.js';
import type { GatewayResult } from './gateway/report.js';
import { ANSWERS, BODIES, STREAMS, type SizedLoad } from './gateway/sizes.js';
import { measureStarts } from './gateway/start-up.js';

const say = (line: string): void => console.error(line);

const WHOLE: readonly SizedLoad[] = [1500, 6000].map((requests, at) => {
  const connections = [1, 32][at];
  return { title: `whole ${connections}`, load: { connections, requests, chunks: 0 } };
});
const STREAMED: SizedLoad = { title: 'streamed', load: { connections: 32, requests: 64, chunks: 100 } };

/**
 * `npm run bench -- gateway`. `--only`: `all on` (the gateway that users start), `start`, `whole 1`,
 * `whole 32`, `streamed`, or parts of titles such as `4 KB` and `600 streams`.
 */
export async function main(argv: readonly string[]): Promise<void> {
  const options = benchArguments(argv);
  const machine = environment();
  // Child processes read it, too.
  if (options.before !== undefined) process.env.BENCH_BEFORE = resolve(options.before);
  const share = options.quick ? 0.02 : 1;
  const smaller = (load: GatewayLoad): GatewayLoad => ({
    ...load,
    connections: options.quick ? Math.min(load.connections, 32) : load.connections,
    requests: Math.max(options.quick ? 1 : load.connections, Math.round(load.requests * share)),
    chunks: load.chunks === 0 ? 0 : Math.max(5, Math.round(load.chunks * share)),
  });
  const wanted = (all: readonly SizedLoad[]): SizedLoad[] =>
    all.filter(({ title }) => options.only.length === 0 || options.only.some((part) => title.includes(part)));
  const measured = async (names: readonly GatewayName[], loads: readonly SizedLoad[], rounds: number) => {
    const kinds = wanted(loads).map((each) => ({ ...each, load: smaller(each.load) }));
    const { installed, missing } = available(options.engines, names);
    for (const { name, reason } of missing) say(`not measured: ${name} (${reason})`);
    if (kinds.length === 0) return [];
    const rows = await measureGateways(
      installed,
      kinds.map(({ load }) => load),
      options.quick ? 1 : rounds,
      say,
    );
    return kinds.map((kind) => [kind, rows.get(kind.load) ?? []] as const);
  };
  const rowsOf = (all: readonly (readonly [SizedLoad, readonly GatewayRow[]])[]) => all.map(([, rows]) => rows);
  const started = await measured(AS_STARTED, AS_STARTED_LOADS, 5);
  const isStartWanted = options.only.length === 0 || options.only.some((part) => 'start'.includes(part));
  const starts = isStartWanted ? await measureStarts(options.engines, options.quick ? 1 : 11) : [];
  const classic = await measured(GATEWAYS, [...WHOLE, STREAMED], 5);
  const sized = [...(await measured(AT_EACH_SIZE, [...ANSWERS, ...BODIES], 3)), ...(await measured(STREAMING, STREAMS, 4))];
  const result: GatewayResult = {
    started,
    starts,
    whole: rowsOf(classic.filter(([{ load }]) => load.chunks === 0)),
    streamed: rowsOf(classic.filter(([{ load }]) => load.chunks > 0)).flat(),
    answers: sized.filter(([{ load }]) => load.chunks > 0 || load.answerBytes !== undefined),
    bodies: sized.filter(([{ load }]) => load.chunks === 0 && load.answerBytes === undefined),
  };
  const facts = { environment: machine, command: commandLine('gateway', argv) };
  console.log(`\n${report(result, facts)}\n`);
  const targets = verdicts(result);
  console.log(missedLines(targets));
  if (options.json !== undefined)
    writeFileSync(options.json, `${JSON.stringify({ ...machine, command: facts.command, ...result, targets }, null, 2)}\n`);
  if (options.writeDocs) writeReport('gateway', report(result, facts));
}
