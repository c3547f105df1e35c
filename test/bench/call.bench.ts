import { writeFileSync } from 'node:fs';
import { callClients, OPENAI_SDK, OURS, type CallClient } from './call/clients.js';
import { startProvider } from './gateway/processes.js';
import { benchArguments, commandLine } from './harness/arguments.js';
import { writeReport } from './harness/documents.js';
import { environment } from './harness/environment.js';
import { measure, median, speedup, type Samples, type Task } from './harness/measure.js';
import { markdownTable, short } from './harness/table.js';
import { atLeast, missedLines } from './harness/verdict.js';

/** Calls in flight at a time. */
const WIDTHS = [1, 32];
/** How many times less processor time than the SDK a call may take. */
const TARGET = 5;
const WARM_UPS = 3;

/**
 * `npm run bench -- call`: CPU time of a chat call and of the openai SDK's; provider in a child.
 */
export async function main(argv: readonly string[]): Promise<void> {
  const options = benchArguments(argv);
  const machine = environment();
  const provider = await startProvider();
  const clients = callClients(provider.origin);
  const columns: Samples[] = [];
  for (const width of WIDTHS) columns.push(await samplesOf(clients, width, options.quick));
  await Promise.all(clients.map((client) => client.close()));
  provider.stop();

  const { date, cpu, node, platform, loadBefore } = machine;
  const command = commandLine('call', argv);
  const text = [
    `\`${command}\`, ${date}, ${cpu}, Node ${node}, ${platform}, load ${loadBefore.toFixed(1)}. Processor time of the client's process, medians of interleaved rounds; the provider is another process.`,
    table(clients, columns),
  ].join('\n\n');
  const targets = WIDTHS.flatMap((width, i) =>
    atLeast(`${OURS}, ${width} in flight`, speedup(columns[i], OURS, OPENAI_SDK), TARGET, ' x less CPU than the openai SDK'),
  );
  console.log(`\n${text}\n\n${missedLines(targets)}`);
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify({ ...machine, command, targets }, null, 2)}\n`);
  if (options.writeDocs) writeReport('call', text);
}

async function samplesOf(clients: readonly CallClient[], width: number, quick: boolean): Promise<Samples> {
  const tasks = clients.map((client) => calling(client, width));
  // All of them before any is measured: the first would pay for compiling what they share.
  for (let turn = 0; turn < WARM_UPS; turn++) for (const task of tasks) await task.run(quick ? 50 : 3_000);
  return measure(tasks, { rounds: quick ? 2 : 11, minMs: quick ? 5 : 150, keep: () => true, cpuTime: true });
}

/** Keeps `width` calls in flight until `times` are answered. */
function calling(client: CallClient, width: number): Task {
  return {
    name: client.name,
    run: async (times) => {
      let left = times;
      const caller = async (): Promise<void> => {
        while (left-- > 0) {
          const { choices } = await client.call();
          if (!choices[0].message.content) throw new Error(`${client.name}: an empty answer`);
        }
      };
      await Promise.all(Array.from({ length: Math.min(width, times) }, caller));
    },
  };
}

function table(clients: readonly CallClient[], columns: readonly Samples[]): string {
  const heads = WIDTHS.flatMap((width) => [
    { title: `CPU us a call, ${width} in flight`, right: true },
    { title: 'x openai SDK', right: true },
  ]);
  return markdownTable(
    [{ title: 'client' }, ...heads],
    clients.map(({ name }) => [
      name === OURS ? `**${name}**` : name,
      ...columns.flatMap((samples) => [short(median(samples.get(name) ?? []) / 1000), speedup(samples, name, OPENAI_SDK).toFixed(2)]),
    ]),
  );
}
