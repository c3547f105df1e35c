import { join } from 'node:path';
import { runForJson } from '../harness/child.js';
import { measure, median, type Task } from '../harness/measure.js';
import type * as StoreModule from '../../../lib/rate-limit/redis/redis-store.js';
import type { RateLimitOptions } from '../../../lib/rate-limit/rate-limit.options.js';
import type { RateLimiterService } from '../../../lib/rate-limit/rate-limit.service.js';
import { LIMIT, TOKENS } from './contenders.js';
import type { Effort } from './decisions.js';
import { freshKey } from './keys.js';
import { compiled, openService, TYPESCRIPT, type EngineKind } from './ours.js';

/** A reservation and its settlement, without and with one budget beside requests and tokens. */
export interface BudgetRow {
  readonly label: string;
  /** Nanoseconds of CPU time; over Redis of wall time, 64 at once. */
  readonly plainNs: number;
  readonly budgetNs: number;
  /** Of one round each: the machine may have been busier in another. */
  readonly ratio: number;
}

/** What a child process is to measure. */
export interface BudgetTask {
  /** An engine of the memory store, or the URL of a Redis. */
  readonly where: string;
  readonly effort: Effort;
}

const PLAIN = 'without a budget';
const BUDGET = 'with one budget';
const KEYS = 1_000;
const IN_FLIGHT = 64;
const RATES = { requestsPerMinute: LIMIT, tokensPerMinute: LIMIT };
const USAGE = { tokens: TOKENS, usd: 0.000_001 };

/** The row, measured in a process of its own; `null` without the Redis. */
export function budgetRowApart(task: BudgetTask): Promise<BudgetRow | null> {
  return runForJson<BudgetRow | null>(join(__dirname, 'budgets.child.js'), [JSON.stringify(task)], [], 600_000);
}

/** `null` without the Redis. */
export async function budgetRow({ where, effort }: BudgetTask): Promise<BudgetRow | null> {
  const isRedis = where.startsWith('redis');
  const open = (limits: RateLimitOptions): RateLimiterService =>
    isRedis ? openService(TYPESCRIPT, { ...limits, store: redisStore(where) }) : openService(where as EngineKind, limits);
  const services = [open(RATES), open({ ...RATES, usdPerMonth: 4_000_000 })] as const;
  try {
    if (isRedis && (await services[0].reserveAsync('user:0')).outage !== undefined) return null;
    const tasks = services.map((service, i): Task => ({ name: [PLAIN, BUDGET][i], run: isRedis ? pipelined(service) : inMemory(service) }));
    const samples = await measure(tasks, { ...effort, keep: () => true, cpuTime: !isRedis });
    const [plain, budget] = [PLAIN, BUDGET].map((name) => samples.get(name) ?? []);
    const ratio = median(budget.map((ns, round) => ns / plain[round]));
    return { label: isRedis ? 'Redis' : where, plainNs: median(plain), budgetNs: median(budget), ratio };
  } finally {
    await Promise.all(services.map((service) => service.close()));
  }
}

function redisStore(url: string): RateLimitOptions['store'] {
  const { redisRateLimitStore } = compiled<typeof StoreModule>('rate-limit/redis/redis-store.js');
  return redisRateLimitStore({ url, prefix: `bench:${process.pid}:${Date.now()}:`, onStoreError: 'deny', timeoutMs: 5_000 });
}

function inMemory(service: RateLimiterService): Task['run'] {
  let next = 0;
  return (times) => {
    for (let i = 0; i < times; i++) service.settle(service.reserve(freshKey(next++ % KEYS), USAGE), USAGE);
  };
}

function pipelined(service: RateLimiterService): Task['run'] {
  let next = 0;
  return async (times) => {
    let left = times;
    const work = async (): Promise<void> => {
      while (left-- > 0) await service.settleAsync(await service.reserveAsync(freshKey(next++ % KEYS), USAGE), USAGE);
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, work));
  };
}
