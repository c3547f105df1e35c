import { writeFileSync } from 'node:fs';
import { benchArguments, commandLine } from './harness/arguments.js';
import { writeReport } from './harness/documents.js';
import { environment } from './harness/environment.js';
import type { GatewayLoad } from './gateway/load.child.js';
import { missedLines } from './harness/verdict.js';
import { ARRANGEMENTS, BASE, type Arrangement } from './scaling/arrangements.js';
import { measureScaling, type ScalingLoad } from './scaling/measured.js';
import { CALLERS, PROMPT_KB, report, STREAMS, verdicts } from './scaling/report.js';

/** Few in a turn, so that what is compared runs at nearly the same time. */
const REQUESTS = 400;
const ROUNDS = 8;
const SHORT: ScalingLoad = { title: 'short', load: { connections: 32, requests: REQUESTS, chunks: 0, callers: CALLERS } };
const FEW_CALLERS: ScalingLoad = { title: 'of ten callers', load: { ...SHORT.load, callers: 10 } };
const STREAMED: GatewayLoad = { connections: STREAMS, requests: STREAMS, chunks: 40, gapMs: 100, callers: CALLERS };
const OF_BASE: readonly ScalingLoad[] = [
  { title: 'streams', load: STREAMED, oneOf: 4 },
  { title: 'streams of long prompts', load: { ...STREAMED, bytes: PROMPT_KB * 1000 }, oneOf: 4 },
  { title: 'prompts', load: { connections: 8, requests: 100, chunks: 0, bytes: PROMPT_KB * 1000, callers: CALLERS } },
];

/** `npm run bench -- scaling`: what processes, threads, workers and Redis add to a request. Linux, with redis-server. */
export async function main(argv: readonly string[]): Promise<void> {
  const options = benchArguments(argv);
  const machine = environment();
  const smaller = ({ load, ...others }: ScalingLoad): ScalingLoad => ({
    ...others,
    load: options.quick ? { ...load, connections: 8, requests: 40, chunks: Math.min(load.chunks, 3) } : load,
  });
  // Each event loop has the same number of requests in flight: what comes together costs less.
  const ofLoops = ({ title, load }: ScalingLoad, loops: number): ScalingLoad => ({
    title,
    load: { ...load, connections: load.connections * loops, requests: load.requests * loops },
  });
  const loadsOf = ({ name, limits, loops }: Arrangement): ScalingLoad[] => {
    const others = name === BASE ? OF_BASE : limits === 'memory' ? [] : [ofLoops(FEW_CALLERS, loops)];
    return [ofLoops(SHORT, loops), ...others].map(smaller);
  };
  const rounds = options.quick ? 1 : ROUNDS;
  const rows = await measureScaling(ARRANGEMENTS, loadsOf, { rounds, warmsUp: !options.quick, say: (line) => console.error(line) });

  const facts = { environment: machine, command: commandLine('scaling', argv), rounds };
  const targets = verdicts(rows);
  console.log(`\n${report(rows, facts)}\n`);
  console.log(missedLines(targets));
  if (options.json !== undefined)
    writeFileSync(options.json, `${JSON.stringify({ ...machine, command: facts.command, rows, targets }, null, 2)}\n`);
  if (options.writeDocs) writeReport('scaling', report(rows, facts));
}
