import { UsageError, type Command, type CommandIo, type GivenArguments, type GivenOptions } from '../command.js';
import { integerOption, isGiven, textOption } from '../given-options.js';
import { alignedLines } from '../output/table.js';
import { FIGURES } from '../plan/figures.js';
import { LIMIT_STORES, planFor, type LimitStore, type PlannedLoad, type ScalingPlan } from '../plan/plan.js';

const DEFAULTS = { promptKb: 4, answerSeconds: 2, streams: 0, chunksPerSecond: 20, limits: 'redis', utilizationPercent: 60 } as const;
const MOST_PERCENT = 100;

/** `npx nestjs-fast-litellm plan` */
export const PLAN: Command = {
  options: {
    rps: { type: 'string', value: 'n', help: 'requests a second, of all processes together' },
    'prompt-kb': { type: 'string', value: 'n', help: `length of a request's body in KB (default ${DEFAULTS.promptKb})` },
    'answer-seconds': { type: 'string', value: 'n', help: `time of a whole answer (default ${DEFAULTS.answerSeconds})` },
    streams: { type: 'string', value: 'n', help: `streams that are open at the same time (default ${DEFAULTS.streams})` },
    'chunks-per-second': { type: 'string', value: 'n', help: `chunks of one stream (default ${DEFAULTS.chunksPerSecond})` },
    limits: { type: 'string', value: LIMIT_STORES.join('|'), help: `where limits are counted (default ${DEFAULTS.limits})` },
    utilization: { type: 'string', value: 'percent', help: `how busy a process and Redis may be (default ${DEFAULTS.utilizationPercent})` },
    json: { type: 'boolean', help: 'write JSON' },
  },
  notes: [
    'It calculates with the figures of one machine (docs/scaling.md). Measure a process of yours under load',
    'before you buy machines: the ratios hold, the processor may be half or twice as fast.',
  ],
  run,
};

async function run({ options }: GivenArguments, { stdout }: CommandIo): Promise<number> {
  const load = loadOf(options);
  const plan = planFor(load, FIGURES);
  if (isGiven(options, 'json')) stdout.write(`${JSON.stringify({ load, plan, figures: FIGURES }, null, 2)}\n`);
  else stdout.write(`${linesOf(load, plan).join('\n')}\n`);
  return 0;
}

function loadOf(options: GivenOptions): PlannedLoad {
  const rps = integerOption(options, 'rps');
  const streams = integerOption(options, 'streams') ?? DEFAULTS.streams;
  if (rps === undefined && streams === 0) throw new UsageError('--rps or --streams: must be given');
  const limits = textOption(options, 'limits') ?? DEFAULTS.limits;
  if (!isLimitStore(limits)) throw new UsageError(`--limits: must be one of ${LIMIT_STORES.join(', ')}, got '${limits}'`);
  const percent = integerOption(options, 'utilization', 1) ?? DEFAULTS.utilizationPercent;
  if (percent > MOST_PERCENT) throw new UsageError(`--utilization: must be at most ${MOST_PERCENT}, got '${percent}'`);
  return {
    rps: rps ?? 0,
    promptKb: integerOption(options, 'prompt-kb') ?? DEFAULTS.promptKb,
    answerSeconds: integerOption(options, 'answer-seconds') ?? DEFAULTS.answerSeconds,
    streams,
    chunksPerSecond: integerOption(options, 'chunks-per-second') ?? DEFAULTS.chunksPerSecond,
    limits,
    utilization: percent / MOST_PERCENT,
  };
}

function isLimitStore(name: string): name is LimitStore {
  return (LIMIT_STORES as readonly string[]).includes(name);
}

function linesOf({ utilization }: PlannedLoad, plan: ScalingPlan): string[] {
  const { cpuUsPerRequest, busyLoops, processes, memoryMiBPerProcess, inFlightPerProcess, networkMbits, redis, bounds } = plan;
  const rows = [
    ['processes', whole(processes), `${short(busyLoops)} event loops of work, each busy for ${whole(utilization * 100)} % at most`],
    ['processor time', `${short(cpuUsPerRequest)} us`, 'of the gateway for a request'],
    ['memory', `${whole(memoryMiBPerProcess)} MiB`, `a process, with ${whole(inFlightPerProcess)} requests in flight`],
    ['connections', whole(inFlightPerProcess), 'a process to providers: connectionPool.maxConnections and maxConnectionsPerEndpoint'],
    ['network', `${whole(networkMbits)} Mbit/s`, 'in and out together, without Redis'],
    ...(redis === undefined
      ? [['Redis', 'none', 'limits in memory: each process counts for itself']]
      : [
          [
            'Redis',
            `${whole(redis.nodes)} ${redis.nodes === 1 ? 'node' : 'nodes'}`,
            `${short(redis.busyCores)} cores of work; a node runs scripts on one`,
          ],
          ['', `${whole(redis.callsPerSecond)} /s`, `script calls, ${whole(redis.mbits)} Mbit/s in and out together`],
        ]),
  ];
  const [first] = bounds;
  return [
    ...alignedLines(rows, ['left', 'right', 'left']),
    ...(first === undefined
      ? []
      : ['', `Breaks first: ${first.resource}, at ${short(first.atTimes)} times this load; what moves it: ${first.setting}.`]),
  ];
}

function whole(value: number): string {
  return Math.ceil(value).toLocaleString('en');
}

/** Three significant digits at most. */
function short(value: number): string {
  return value.toLocaleString('en', { maximumSignificantDigits: 3 });
}
