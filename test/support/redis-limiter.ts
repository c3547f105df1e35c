import { FastLiteLLM } from '../../lib/fast-litellm.js';
import type { RateLimitOptions } from '../../lib/rate-limit/rate-limit.options.js';
import { redisRateLimitStore } from '../../lib/rate-limit/redis/redis-store.js';
import type { RateLimiterService } from '../../lib/rate-limit/rate-limit.service.js';
import type { RedisRateLimitStoreOptions } from '../../lib/rate-limit/redis/options.js';

/** Time enough for a machine that is busy: outages, which have to be short, say their own. */
const TIMEOUT_MS = 10_000;
const quiet = { log: () => {}, warn: () => {}, error: () => {} };

/** Limits over Redis; to be closed by the test. */
export function openLimiter(
  redis: Partial<RedisRateLimitStoreOptions>,
  limits: RateLimitOptions = { requestsPerMinute: 5 },
): RateLimiterService {
  const store = redisRateLimitStore({ onStoreError: 'deny', timeoutMs: TIMEOUT_MS, ...redis });
  return new FastLiteLLM({ logger: quiet, rateLimit: { ...limits, store } }).rateLimiter;
}

/** What ends with the test that began it, the last first. */
export const cleanUp: (() => unknown)[] = [];

afterEach(async () => {
  for (const clean of cleanUp.splice(0).reverse()) await clean();
});

/** The same, closed after the test. */
export function limiter(...args: Parameters<typeof openLimiter>): RateLimiterService {
  const service = openLimiter(...args);
  cleanUp.push(() => service.close());
  return service;
}

/** Requests that pass, of `count` at once. */
export async function passes(service: RateLimiterService, key: string, count: number): Promise<number> {
  const results = await Promise.all(Array.from({ length: count }, () => service.checkAsync(key)));
  return results.filter(({ allowed }) => allowed).length;
}

/** By name and label. */
export function metric(service: RateLimiterService, name: string, label?: string): number | undefined {
  const samples = service.metrics().filter((sample) => sample.name === name);
  return samples.find(({ labels }) => label === undefined || Object.values(labels ?? {}).includes(label))?.value;
}
