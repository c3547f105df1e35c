import { postgresStore, type CallRecord, type SpendStoreSource } from 'nestjs-fast-litellm';
import { SpendLog } from '../../../lib/spend/spend-log.js';
import { resolveSpendLogOptions } from '../../../lib/spend/spend-log.options.js';

/** A run of a spend log at a time. */
export interface MonthEndRun {
  readonly nowMs: number;
  readonly retentionMonths?: number;
  /** When its calls start. */
  readonly calls: readonly number[];
}

const [url, text] = process.argv.slice(2);
const say = (line: string): void => void process.stdout.write(`${line}\n`);

function call(startedAtMs: number): CallRecord {
  return {
    id: `at ${startedAtMs}`,
    startedAtMs,
    endedAtMs: startedAtMs + 5_000,
    operation: 'chat',
    stream: false,
    model: 'm',
    team: 'red',
    tags: [],
    nanoUsd: 7,
    durationMs: 5_000,
    status: 'success',
    retries: 0,
    fallbacks: 0,
    attempts: [],
  };
}

async function run({ nowMs, retentionMonths, calls }: MonthEndRun): Promise<void> {
  const store = postgresStore({ url, timeoutMs: 10_000 });
  let maintained = (): void => {};
  const isMaintained = new Promise<void>((resolve) => (maintained = resolve));
  const observed: SpendStoreSource = {
    spend: {
      ...store.spend,
      createMonths: (now) => store.spend.createMonths(now).finally(() => retentionMonths === undefined && maintained()),
      dropBefore: (time) => store.spend.dropBefore(time).finally(() => maintained()),
    },
    close: () => store.close(),
  };
  const log = new SpendLog(
    resolveSpendLogOptions({ store: observed, retentionMonths, closeTimeoutMs: 60_000 }),
    { log: () => {}, warn: say, error: say },
    () => nowMs,
  );
  log.start();
  await isMaintained;
  for (const startedAtMs of calls) log.add(call(startedAtMs));
  await log.close();
  await store.close();
}

async function main(): Promise<void> {
  say(Intl.DateTimeFormat().resolvedOptions().timeZone);
  for (const each of JSON.parse(text) as readonly MonthEndRun[]) await run(each);
}

void main();
