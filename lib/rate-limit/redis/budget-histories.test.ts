import fc from 'fast-check';
import { Redis } from 'ioredis';
import { budgetHistories } from '../../../test/support/budget-history.js';
import { replayBudgets, type OpenLimiter } from '../../../test/support/budget-replay.js';
import { histories } from '../../../test/support/long.js';
import { hasRedis, RedisServer } from '../../../test/support/redis-server.js';
import { timelessClient } from '../../../test/support/timeless-redis.js';
import { EngineChoice } from '../../engine/engine-choice.js';
import { FeatureFlagsService } from '../../feature-flags/feature-flags.service.js';
import { TypeScriptRateLimitEngine } from '../engine/typescript.js';
import { RateLimiterService } from '../rate-limit.service.js';
import { redisRateLimitStore } from './redis-store.js';

const LONG_MS = 3_600_000;
const flags = new FeatureFlagsService({}, { env: {}, logger: { log() {}, warn() {}, error() {} } });

(hasRedis ? describe : describe.skip)('random histories of budgets over Redis', () => {
  let server: RedisServer;
  let client: Redis;
  beforeAll(async () => {
    server = await RedisServer.start();
    client = new Redis(server.url);
  });
  afterAll(async () => {
    client.disconnect();
    await server.stop();
  });

  it(
    'are decided as the model decides them, never above the bound, and leave nothing held',
    async () => {
      const choice = new EngineChoice(
        'rust_rate_limiting',
        { native: null, typescript: new TypeScriptRateLimitEngine(), reason: 'a test' },
        flags,
      );
      const replayed = fc.asyncProperty(budgetHistories, async (history) => {
        await client.flushall();
        const open: OpenLimiter = (options, now) => {
          const store = redisRateLimitStore({
            client: timelessClient(client, now),
            onStoreError: 'deny',
            timeoutMs: 10_000,
            slotTtlMs: history.ttlMs,
          });
          return new RateLimiterService(choice, { ...options, store }, now);
        };
        await replayBudgets(history, open, { ttlMs: history.ttlMs });
        // Settlements of dead processes that only time forgets.
        const holds = (await client.keys('*')).filter((name) => name.endsWith('/usd/holds'));
        if (holds.length > 0 && history.ttlMs === 1e12) throw new Error(`${holds.join()} are left`);
      });
      await fc.assert(replayed, { numRuns: histories(25) });
    },
    LONG_MS,
  );
});
