import { writeFileSync } from 'node:fs';
import { benchArguments, commandLine, type BenchArguments } from './harness/arguments.js';
import { environment } from './harness/environment.js';
import { writeReport } from './harness/documents.js';
import { missedLines } from './harness/verdict.js';
import type { Contender } from './rate-limit/contenders.js';
import { budgetRowApart, type BudgetRow } from './rate-limit/budgets.js';
import { measuredApart, type DecisionRow, type DecisionTask, type Effort } from './rate-limit/decisions.js';
import { guardRows } from './rate-limit/guard.js';
import { KEY_COUNTS, type Freshness } from './rate-limit/keys.js';
import { churnRows, memoryRow } from './rate-limit/memory.js';
import { contenders } from './rate-limit/open.js';
import { ALLOWED, handleNames, NATIVE, OURS, SERVICE, TYPESCRIPT, type EngineKind } from './rate-limit/ours.js';
import { pauseRow, type PauseRow } from './rate-limit/pause.js';
import { redisRowsApart } from './rate-limit/redis.js';
import { report } from './rate-limit/report.js';
import { sharedBudgetRowsApart } from './rate-limit/shared-budgets.js';
import { verdicts, type RateLimitResult } from './rate-limit/targets.js';
import { threadsRow } from './rate-limit/threads.js';

const say = (line: string): void => console.error(line);
const REDIS = process.env.REDIS_URL ?? 'redis://127.0.0.1:6379';
const POSTGRES = process.env.POSTGRES_URL ?? 'postgres://postgres@127.0.0.1:5432/postgres';
/** Peers this many times slower than the fastest peer are left out of the next row. */
const HOPELESS = 4;

/**
 * `npm run bench -- rate-limit`. `--only`: fresh, reused, handle, memory, churn, pause, threads,
 * guard, budgets, redis, shared.
 */
export async function main(argv: readonly string[]): Promise<void> {
  const options = benchArguments(argv);
  const wants = (section: string): boolean => options.only.length === 0 || options.only.some((part) => section.includes(part));
  const { quick } = options;
  const { installed, missing } = contenders(options.engines);
  for (const { name, reason } of missing) say(`not measured: ${name} (${reason})`);
  const kinds = ([NATIVE, TYPESCRIPT] as const).filter((kind) => installed.some(({ name }) => name === kind));
  const effort = quick ? { rounds: 2, minMs: 2 } : { rounds: 9, minMs: 20 };
  const names = installed.map(({ name }) => name).filter((name) => ![SERVICE, ALLOWED].includes(name));

  const result: RateLimitResult = {
    // First: a heap that has held millions of keys makes each allocation of a guard dearer.
    guards: wants('guard') ? await guardRows(kinds, effort) : [],
    decisions: [...(await decisionRows(installed, options, wants)), ...(wants('handle') ? [await handlesApart(effort)] : [])],
    memory: wants('memory') ? await memoryRow(names, quick ? 20_000 : 1_000_000) : {},
    churn: wants('churn') ? await churnRows(names, quick ? 20_000 : 10_000_000, quick ? 1_000 : 100_000) : [],
    pauses: wants('pause') ? await pausesOf(kinds, quick) : [],
    threads: wants('threads') && kinds.includes(NATIVE) ? await threadsRow(1_000, quick ? 1 : 7, quick ? 20 : 500) : undefined,
    budgets: wants('budgets') ? await budgetRows(kinds, effort) : [],
    redis: wants('redis') ? ((await redisRowsApart({ url: REDIS, rounds: quick ? 1 : 25, forMs: quick ? 20 : 80 })) ?? []) : [],
    shared: wants('shared')
      ? await sharedBudgetRowsApart({ redisUrl: REDIS, postgresUrl: POSTGRES, rounds: quick ? 1 : 7, forMs: quick ? 100 : 1_000 })
      : [],
  };
  const facts = { environment: environment(), command: commandLine('rate-limit', argv), contenders: installed };
  console.log(`\n${report(result, facts)}\n`);
  const targets = verdicts(result);
  console.log(missedLines(targets));
  if (options.json !== undefined) {
    const all = { ...facts.environment, command: facts.command, missing, ...result, targets };
    writeFileSync(options.json, `${JSON.stringify(all, null, 2)}\n`);
  }
  if (options.writeDocs) writeReport('rate-limit', report(result, facts));
  // Some peers leave timers of a minute behind.
  process.exit(0);
}

async function decisionRows(
  installed: readonly Contender[],
  { quick }: BenchArguments,
  wants: (section: string) => boolean,
): Promise<DecisionRow[]> {
  const rows: DecisionRow[] = [];
  for (const freshness of ['fresh', 'reused'] satisfies Freshness[]) {
    let running = installed;
    for (const count of quick ? KEY_COUNTS.slice(0, 2) : KEY_COUNTS) {
      if (!wants(freshness)) continue;
      const row = await rowApart({
        count,
        freshness,
        names: running.map(({ name }) => name),
        effort: quick ? { rounds: 2, minMs: 2 } : { rounds: 9, minMs: 20 },
      });
      say(
        `${row.label}: ${Object.entries(row.ns)
          .map(([name, ns]) => `${name} ${ns.toFixed(0)}`)
          .join(', ')}`,
      );
      rows.push(row);
      const best = row.best === undefined ? Infinity : row.ns[row.best];
      running = running.filter(({ name }) => OURS.includes(name) || row.ns[name] <= best * HOPELESS);
    }
  }
  return rows;
}

/**
 * Native engine and peers in one process, our other variants each in one: V8 inlines for the one in
 * use.
 */
async function rowApart(task: DecisionTask): Promise<DecisionRow> {
  const isOther = (name: string): boolean => name !== NATIVE && OURS.includes(name);
  const row = await measuredApart({ ...task, names: task.names.filter((name) => !isOther(name)) });
  const ns: Record<string, number> = {};
  for (const name of task.names.filter(isOther)) Object.assign(ns, (await measuredApart({ ...task, names: [name] })).ns);
  return { ...row, ns: { ...ns, ...row.ns } };
}

/** Each in a process of its own: there is no peer, and an app uses one engine. */
async function handlesApart(effort: Effort): Promise<DecisionRow> {
  const ns: Record<string, number> = {};
  for (const name of handleNames()) Object.assign(ns, (await measuredApart({ count: 1, freshness: 'handle', names: [name], effort })).ns);
  return { label: 'handle', ns };
}

async function budgetRows(kinds: readonly EngineKind[], effort: Effort): Promise<BudgetRow[]> {
  const rows: BudgetRow[] = [];
  for (const where of [...kinds, REDIS]) {
    const row = await budgetRowApart({ where, effort });
    if (row !== null) rows.push(row);
  }
  return rows;
}

async function pausesOf(kinds: readonly EngineKind[], quick: boolean): Promise<PauseRow[]> {
  const rows: PauseRow[] = [];
  for (const kind of kinds) {
    // The TypeScript engine's objects burden the collector: a million keys suffice.
    rows.push(await pauseRow(kind, quick ? 10_000 : kind === NATIVE ? 10_000_000 : 1_000_000, quick ? 1 : 3));
  }
  return rows;
}
