import { readSync, writeSync } from 'node:fs';
import { FastLiteLLM } from '../../../../lib/fast-litellm.js';
import type { RateLimitOptions } from '../../../../lib/rate-limit/rate-limit.options.js';
import { redisRateLimitStore } from '../../../../lib/rate-limit/redis/redis-store.js';
import type { RedisRateLimitStoreOptions } from '../../../../lib/rate-limit/redis/options.js';

/** The JSON in the only argument of a process. */
export interface ChildTask {
  readonly redis: RedisRateLimitStoreOptions;
  readonly limits: RateLimitOptions;
  readonly key: string;
  readonly inFlight: number;
  /** About how many it lets pass at most; and for how long it asks, unless its input ends before. */
  readonly most: number;
  readonly forMs: number;
}

const quiet = { log: () => {}, warn: () => {}, error: () => {} };

/** Asks as fast as it can and writes one character for each request that is let pass, before it goes on: whoever kills it knows them all. */
async function run({ redis, limits, key, inFlight, most, forMs }: ChildTask): Promise<void> {
  const { rateLimiter } = new FastLiteLLM({ logger: quiet, rateLimit: { ...limits, store: redisRateLimitStore(redis) } });
  await rateLimiter.peekAsync(key);
  // Ready; all begin together.
  writeSync(1, '.');
  readSync(0, new Uint8Array(1));
  const endMs = performance.now() + forMs;
  let isTold = false;
  process.stdin.resume().once('end', () => (isTold = true));
  let passed = 0;
  const ask = async (): Promise<void> => {
    while (!isTold && passed < most && performance.now() < endMs) {
      const { allowed } = await rateLimiter.checkAsync(key);
      if (allowed) passed += writeSync(1, '+');
      else await new Promise((resolve) => setTimeout(resolve, 25));
    }
  };
  await Promise.all(Array.from({ length: inFlight }, ask));
  process.stdin.destroy();
  await rateLimiter.close();
}

void run(JSON.parse(process.argv[2]) as ChildTask);
