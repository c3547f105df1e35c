import type { Redis } from 'ioredis';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { runForJson } from '../harness/child.js';
import { median } from '../harness/measure.js';
import type * as StoreModule from '../../../lib/rate-limit/redis/redis-store.js';
import { BENCH, LIMIT, MINUTE_MS, peer, ROOT, TOKENS } from './contenders.js';
import { compiled, openService, TYPESCRIPT } from './ours.js';

/** Decisions a second over Redis on loopback, so many at once. */
export interface RedisRow {
  readonly label: string;
  readonly perSecond: Record<string, number>;
  /** Times the peer's, within a round: the machine may have been busier in another. */
  readonly timesPeer: Record<string, number>;
}

export const REDIS_OURS = 'ours';
export const REDIS_PEER = 'rate-limiter-flexible';
export const REDIS_STORAGE = '@nest-lab/throttler-storage-redis';
const IN_FLIGHT = 64;

/** What a child process is to measure. */
export interface RedisTask {
  readonly url: string;
  readonly rounds: number;
  readonly forMs: number;
}

/** The rows, measured in a process of its own. */
export function redisRowsApart(task: RedisTask): Promise<RedisRow[] | null> {
  return runForJson<RedisRow[] | null>(join(__dirname, 'redis.child.js'), [JSON.stringify(task)], [], 600_000);
}

interface RedisContender {
  readonly name: string;
  decide(key: string): Promise<unknown>;
  close(): unknown;
}

/** `null` without a Redis to ask. */
export async function redisRows({ url, rounds, forMs }: RedisTask): Promise<RedisRow[] | null> {
  const run = `bench:${process.pid}:${Date.now()}`;
  const all = await open(url, run).catch(() => undefined);
  if (all === undefined) return null;
  try {
    const rows: RedisRow[] = [];
    for (const keys of [1, 1_000, 100_000]) {
      const rates: Record<string, number[]> = Object.fromEntries(all.map(({ name }) => [name, []]));
      for (const contender of all) await rate(contender, keys, forMs, keys);
      for (let round = 0; round < rounds; round++) {
        for (let turn = 0; turn < all.length; turn++) {
          const contender = all[(turn + round) % all.length];
          rates[contender.name][round] = await rate(contender, keys, forMs);
        }
      }
      const over = (figure: (name: string) => number): Record<string, number> =>
        Object.fromEntries(Object.keys(rates).map((name) => [name, figure(name)]));
      rows.push({
        label: `${keys.toLocaleString('en')} ${keys === 1 ? 'key' : 'keys'}`,
        perSecond: over((name) => median(rates[name])),
        timesPeer: over((name) => median(rates[name].map((own, round) => own / (rates[REDIS_PEER]?.[round] ?? NaN)))),
      });
    }
    return rows;
  } finally {
    for (const { close } of all) await close();
  }
}

/** For `forMs` at least, and `least` decisions. */
async function rate({ decide }: RedisContender, keys: number, forMs: number, least = 0): Promise<number> {
  const start = performance.now();
  let [count, next, isOver] = [0, 0, false];
  setTimeout(() => (isOver = true), forMs);
  const work = async (): Promise<void> => {
    while (!isOver || count < least) {
      // A step that meets all keys before it meets one again.
      next = (next + 7_919) % keys;
      await decide(`user:${next}`);
      count++;
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, work));
  return (count * 1_000) / (performance.now() - start);
}

async function open(url: string, run: string): Promise<RedisContender[]> {
  const { Redis: Client } = createRequire(join(ROOT, 'package.json'))('ioredis') as { Redis: new (url: string, options: object) => Redis };
  const connect = async (): Promise<Redis> => {
    const client = new Client(url, { lazyConnect: true, retryStrategy: () => null });
    client.on('error', () => {});
    await client.connect();
    return client;
  };
  const { redisRateLimitStore } = compiled<typeof StoreModule>('rate-limit/redis/redis-store.js');
  const own = (name: string): RedisContender => {
    const store = redisRateLimitStore({ url, prefix: `${run}:${name}`, onStoreError: 'deny', timeoutMs: 5_000 });
    const service = openService(TYPESCRIPT, { requestsPerMinute: LIMIT, tokensPerMinute: LIMIT, store });
    const options = { tokens: TOKENS };
    return { name, decide: (key) => service.checkAsync(key, options), close: () => service.close() };
  };
  const first = await connect();
  const all = [own(REDIS_OURS)];
  try {
    const { RateLimiterRedis } = peer('rate-limiter-flexible');
    const limiter = new RateLimiterRedis({ storeClient: first, points: LIMIT, duration: 60, keyPrefix: `${run}:rlf` });
    all.push({ name: REDIS_PEER, decide: (key) => limiter.consume(key), close: () => first.disconnect() });
  } catch {
    first.disconnect();
  }
  try {
    const { ThrottlerStorageRedisService } = createRequire(join(BENCH, 'package.json'))('@nest-lab/throttler-storage-redis');
    const storage = new ThrottlerStorageRedisService(url);
    const decide = (key: string): Promise<unknown> => storage.increment(`${run}:${key}`, MINUTE_MS, LIMIT, 0, 'default');
    all.push({ name: REDIS_STORAGE, decide, close: () => storage.onModuleDestroy() });
  } catch {
    // Not installed.
  }
  return all;
}
