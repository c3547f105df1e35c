import { writeFileSync } from 'node:fs';
import { OPENAI_SDK, OTHERS, OURS, OURS_BY, OURS_MESSAGES, OURS_WITH, SDK_BY_OURS, startClients, type Client } from './clients/clients.js';
import { benchArguments, commandLine } from './harness/arguments.js';
import { writeReport } from './harness/documents.js';
import { environment } from './harness/environment.js';
import { measure, median, speedup, type Samples, type Task } from './harness/measure.js';
import { markdownTable, short } from './harness/table.js';
import { atLeast, atMost, missedLines, type Verdict } from './harness/verdict.js';

/** Calls in flight at a time. */
const WIDTHS = [1, 16];
/** How many times less CPU time than the SDK a call may take. */
const TARGET = 5;
/** What a call by another protocol may cost, by OpenAI's. */
const MOST_BY_PROTOCOL = 1.5;
/** What a call of the SDK by our `fetch` may cost, by its own. */
const MOST_BY_FETCH = 1.2;
/** What a queue with free places, or a hook that observes, may add to a call. */
const MOST_BY_OPTION = 1.02;
/** What a stream that passes unchanged may cost, by OpenAI's. */
const MOST_BY_PASSING = 1.1;
const WARM_UPS = 3;

/**
 * `npm run bench -- clients`: CPU time of calls and streams, ours by each protocol and those of the
 * SDKs. The provider is another process.
 */
export async function main(argv: readonly string[]): Promise<void> {
  const options = benchArguments(argv);
  const machine = environment();
  const clients = await startClients();
  const columns: Samples[] = [];
  for (const width of WIDTHS) columns.push(await samplesOf(clients.all, (client) => client.call, width, options.quick));
  const streaming = clients.all.filter(({ stream }) => stream !== undefined);
  columns.push(await samplesOf(streaming, (client) => client.stream as Client['call'], 1, options.quick));
  await clients.close();

  const { date, cpu, node, platform, loadBefore } = machine;
  const command = commandLine('clients', argv);
  const facts = `\`${command}\`, ${date}, ${cpu}, Node ${node}, ${platform}, load ${loadBefore.toFixed(1)}. CPU time of the client process, medians of interleaved rounds; the provider runs in a separate process. A stream has 50 chunks, each parsed into an object.`;
  const text = `${facts}\n\n${table(clients.all, columns)}`;
  const targets = verdicts(columns);
  console.log(`\n${text}\n\n${missedLines(targets)}`);
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify({ ...machine, command, targets }, null, 2)}\n`);
  if (options.writeDocs) writeReport('clients', text);
}

async function samplesOf(
  clients: readonly Client[],
  pick: (client: Client) => Client['call'],
  width: number,
  quick: boolean,
): Promise<Samples> {
  const tasks = clients.map((client) => calling(client.name, pick(client), width));
  // All of them before any is measured: the first would pay for compiling what they share.
  for (let turn = 0; turn < WARM_UPS; turn++) for (const task of tasks) await task.run(quick ? 20 : 1_000);
  return measure(tasks, { rounds: quick ? 2 : 9, minMs: quick ? 5 : 120, keep: () => true, cpuTime: true });
}

/** Keeps `width` calls in flight until `times` are answered. */
function calling(name: string, call: Client['call'], width: number): Task {
  return {
    name,
    run: async (times) => {
      let left = times;
      const caller = async (): Promise<void> => {
        while (left-- > 0) if ((await call()) === 0) throw new Error(`${name}: an empty answer`);
      };
      await Promise.all(Array.from({ length: Math.min(width, times) }, caller));
    },
  };
}

function verdicts([one, sixteen, streams]: readonly Samples[]): Verdict[] {
  const times = (samples: Samples, name: string): number => speedup(samples, OURS, name);
  return [
    ...[one, sixteen].flatMap((samples, at) => [
      ...atLeast(`${OURS}, ${WIDTHS[at]} in flight`, times(samples, OPENAI_SDK), TARGET, ' x less CPU than the openai SDK'),
      ...atMost(
        `${SDK_BY_OURS}, ${WIDTHS[at]} in flight`,
        speedup(samples, OPENAI_SDK, SDK_BY_OURS),
        MOST_BY_FETCH,
        ' x the CPU of plain fetch',
      ),
      ...[...OURS_BY, OURS_MESSAGES].flatMap((name) =>
        atMost(`${name}, ${WIDTHS[at]} in flight`, times(samples, name), MOST_BY_PROTOCOL, " x OpenAI's protocol"),
      ),
      ...OURS_WITH.flatMap((name) =>
        atMost(`${name}, ${WIDTHS[at]} in flight`, times(samples, name), MOST_BY_OPTION, ' x the call without'),
      ),
    ]),
    ...atMost(`${OURS_MESSAGES}, streamed`, times(streams, OURS_MESSAGES), MOST_BY_PASSING, " x OpenAI's protocol"),
  ];
}

function table(clients: readonly Client[], columns: readonly Samples[]): string {
  const heads = [...WIDTHS.map((width) => `CPU us per call, ${width} in flight`), 'CPU us per stream'].flatMap((title) => [
    { title, right: true },
    { title: 'x ours', right: true },
  ]);
  const cells = (name: string, samples: Samples): string[] => {
    const own = samples.get(name);
    return own === undefined ? ['', ''] : [short(median(own) / 1000), speedup(samples, OURS, name).toFixed(2)];
  };
  const others = new Set(OTHERS);
  return markdownTable(
    [{ title: 'client' }, ...heads],
    clients.map(({ name }) => [
      others.has(name) || name.startsWith('undici') ? name : `**${name}**`,
      ...columns.flatMap((samples) => cells(name, samples)),
    ]),
  );
}
