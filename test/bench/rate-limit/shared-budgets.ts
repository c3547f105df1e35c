import { join } from 'node:path';
import { runForJson } from '../harness/child.js';
import { median } from '../harness/measure.js';
import type * as PostgresModule from '../../../lib/postgres/postgres-store.js';
import type * as PostgresBudgetsModule from '../../../lib/postgres/budgets/rate-limit-store.js';
import type { RateLimitOptions } from '../../../lib/rate-limit/rate-limit.options.js';
import type { RateLimiterService } from '../../../lib/rate-limit/rate-limit.service.js';
import type * as RedisModule from '../../../lib/rate-limit/redis/redis-store.js';
import { compiled, openService, TYPESCRIPT } from './ours.js';

/** A reservation and its settlement under one budget, in stores that processes share. */
export interface SharedBudgetRow {
  readonly label: string;
  readonly perSecond: number;
  /** CPU time of this process for one, in microseconds. */
  readonly cpuUs: number;
}

/** What a child process is to measure. */
export interface SharedBudgetTask {
  readonly redisUrl: string;
  readonly postgresUrl: string;
  readonly rounds: number;
  readonly forMs: number;
}

const IN_FLIGHT = [1, 64];
const KEYS = [1, 1_000];
const USAGE = { usd: 0.000_001 };

/** The rows, measured in a process of its own; none for a store that is not there. */
export function sharedBudgetRowsApart(task: SharedBudgetTask): Promise<SharedBudgetRow[]> {
  return runForJson<SharedBudgetRow[]>(join(__dirname, 'shared-budgets.child.js'), [JSON.stringify(task)], [], 600_000);
}

export async function sharedBudgetRows({ redisUrl, postgresUrl, rounds, forMs }: SharedBudgetTask): Promise<SharedBudgetRow[]> {
  const run = `bench${process.pid}`;
  const open = (store: RateLimitOptions['store']): RateLimiterService => openService(TYPESCRIPT, { usdPerMonth: 4_000_000, store });
  const { redisRateLimitStore } = compiled<typeof RedisModule>('rate-limit/redis/redis-store.js');
  const { postgresStore } = compiled<typeof PostgresModule>('postgres/postgres-store.js');
  const { postgresRateLimitStore } = compiled<typeof PostgresBudgetsModule>('postgres/budgets/rate-limit-store.js');
  const store = postgresStore({ url: postgresUrl, schema: run, timeoutMs: 10_000 });
  const all: [string, RateLimiterService][] = [
    ['Redis', open(redisRateLimitStore({ url: redisUrl, prefix: `${run}:`, onStoreError: 'deny', timeoutMs: 5_000 }))],
    ['PostgreSQL', open(postgresRateLimitStore({ store, onStoreError: 'deny' }))],
  ];
  const rows: SharedBudgetRow[] = [];
  try {
    const there = [];
    for (const one of all) if ((await one[1].reserveAsync('first', USAGE)).outage === undefined) there.push(one);
    for (const keys of KEYS) {
      for (const inFlight of IN_FLIGHT) {
        const rates = there.map((): Rate[] => []);
        for (const [, service] of there) await rate(service, { keys, inFlight, forMs });
        for (let round = 0; round < rounds; round++)
          for (const [i, [, service]] of there.entries()) rates[i].push(await rate(service, { keys, inFlight, forMs }));
        there.forEach(([name], i) =>
          rows.push({
            label: `${name}, ${keys.toLocaleString('en')} ${keys === 1 ? 'key' : 'keys'}, ${inFlight} in flight`,
            perSecond: median(rates[i].map(({ perSecond }) => perSecond)),
            cpuUs: median(rates[i].map(({ cpuUs }) => cpuUs)),
          }),
        );
      }
    }
  } finally {
    for (const [, service] of all) await service.close();
    await dropSchema(postgresUrl, run);
  }
  return rows;
}

type Rate = Omit<SharedBudgetRow, 'label'>;

async function rate(
  service: RateLimiterService,
  { keys, inFlight, forMs }: { readonly keys: number; readonly inFlight: number; readonly forMs: number },
): Promise<Rate> {
  const [start, cpu] = [performance.now(), process.cpuUsage()];
  let [count, next] = [0, 0];
  const work = async (): Promise<void> => {
    while (performance.now() - start < forMs) {
      await service.settleAsync(await service.reserveAsync(`user:${next++ % keys}`, USAGE), USAGE);
      count++;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, work));
  const { user, system } = process.cpuUsage(cpu);
  return { perSecond: (count * 1_000) / (performance.now() - start), cpuUs: (user + system) / count };
}

async function dropSchema(url: string, schema: string): Promise<void> {
  const { Pool } = require('pg') as {
    readonly Pool: new (options: object) => { query(sql: string): Promise<unknown>; end(): Promise<void> };
  };
  const pool = new Pool({ connectionString: url });
  await pool.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`).catch(() => {});
  await pool.end();
}
