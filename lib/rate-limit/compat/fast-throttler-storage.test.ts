import { ThrottlerStorageService } from '@nestjs/throttler';
import fc from 'fast-check';
import { engineNames } from '../../../test/support/engine-names.js';
import { FastLiteLLM } from '../../fast-litellm.js';
import { FastThrottlerStorage } from './fast-throttler-storage.js';

const logger = { log: () => {}, warn: () => {}, error: () => {} };
let nowMs = 1_700_000_000_000;

describe.each(engineNames())('FastThrottlerStorage on the %s engine', (engine) => {
  const open = () => {
    const { rateLimiter } = new FastLiteLLM({ logger, engine }, { env: {}, now: () => nowMs });
    return new FastThrottlerStorage(() => rateLimiter);
  };

  it('counts hits, blocks for the block duration, and starts again', async () => {
    const storage = open();
    const hit = () => storage.increment('key', 10_000, 2, 30_000, 'default');
    await expect(hit()).resolves.toEqual({ totalHits: 1, timeToExpire: 10, isBlocked: false, timeToBlockExpire: 0 });
    await expect(hit()).resolves.toMatchObject({ totalHits: 2, isBlocked: false });
    await expect(hit()).resolves.toMatchObject({ totalHits: 3, isBlocked: true, timeToBlockExpire: 30 });
    nowMs += 29_000;
    await expect(hit()).resolves.toMatchObject({ isBlocked: true, timeToBlockExpire: 1 });
    nowMs += 1000;
    await expect(hit()).resolves.toMatchObject({ totalHits: 1, isBlocked: false });
  });

  it('denies without a block while the window is full', async () => {
    const storage = open();
    const hit = () => storage.increment('key', 10_000, 1, 0, 'default');
    await hit();
    nowMs += 4000;
    await expect(hit()).resolves.toMatchObject({ totalHits: 2, isBlocked: true, timeToBlockExpire: 6 });
    nowMs += 6000;
    await expect(hit()).resolves.toMatchObject({ totalHits: 1, isBlocked: false });
  });

  it('counts throttlers apart, and accepts any figures', async () => {
    const storage = open();
    await expect(storage.increment('key', 1000, 1, 1000, 'a')).resolves.toMatchObject({ isBlocked: false });
    await expect(storage.increment('key', 1000, 1, 1000, 'b')).resolves.toMatchObject({ isBlocked: false });
    await expect(storage.increment('key', 1000, 1, 1000, 'a')).resolves.toMatchObject({ isBlocked: true });
    await expect(storage.increment('none', 1000, 0, 1000, 'a')).resolves.toMatchObject({ isBlocked: true, timeToBlockExpire: 1 });
    await expect(storage.increment('all', 0.5, Infinity, 1e300, 'a')).resolves.toMatchObject({ totalHits: 1, isBlocked: false });
  });

  it("returns the results of Nest's own storage", async () => {
    const step = fc.record({ waitMs: fc.integer({ min: 0, max: 900 }), key: fc.constantFrom('a', 'b') });
    const original = new ThrottlerStorageService();
    const clock = jest.spyOn(Date, 'now').mockImplementation(() => nowMs);
    let round = 0;
    const property = fc.asyncProperty(
      fc.array(step, { maxLength: 60 }),
      fc.integer({ min: 1, max: 4 }),
      fc.constantFrom(0, 500, 1000, 3000),
      async (steps, limit, blockMs) => {
        const storage = open();
        round++;
        for (const { waitMs, key } of steps) {
          nowMs += waitMs;
          const [ours, theirs] = [
            await storage.increment(key, 1000, limit, blockMs, 'default'),
            await original.increment(`${round}${key}`, 1000, limit, blockMs, 'default'),
          ];
          // While it blocks, the original goes on forgetting hits: its `totalHits` says nothing
          // then.
          const shown = ({ isBlocked, totalHits, timeToBlockExpire }: typeof ours) => (isBlocked ? [timeToBlockExpire] : [totalHits]);
          expect([ours.isBlocked, ...shown(ours)]).toEqual([theirs.isBlocked, ...shown(theirs)]);
        }
      },
    );
    try {
      await fc.assert(property, { numRuns: 100 });
    } finally {
      clock.mockRestore();
      original.onApplicationShutdown();
    }
  });
});
