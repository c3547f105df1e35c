import { MemoryKeyStore } from '../../test/support/memory-key-store.js';
import { KeyCache } from './key-cache.js';
import { usuallyOrLong } from '../../test/support/long.js';

const HASH = 'a'.repeat(64);

describe('the cache of API keys', () => {
  let store: MemoryKeyStore;
  let nowMs: number;
  let cache: KeyCache;
  beforeEach(() => {
    store = new MemoryKeyStore();
    nowMs = 1_000_000;
    cache = new KeyCache(
      (publicId) => store.findByPublicId(publicId),
      60_000,
      () => nowMs,
    );
    store.records.set('known0000000', { publicId: 'known0000000', hashes: [{ sha256: HASH }] });
  });
  const has = async (publicId: string): Promise<boolean> => (await cache.get(publicId)) !== undefined;

  it('asks the store for a known key once in 10 seconds, for an unknown one once in 5', async () => {
    for (const publicId of ['known0000000', 'unknown00000']) {
      await cache.get(publicId);
      await cache.get(publicId);
    }
    expect(store.lookups).toBe(2);
    nowMs += 4_999;
    expect([await has('known0000000'), await has('unknown00000'), store.lookups]).toEqual([true, false, 2]);
    nowMs += 1;
    expect([await has('known0000000'), await has('unknown00000'), store.lookups]).toEqual([true, false, 3]);
    nowMs += 5_000;
    expect([await has('known0000000'), store.lookups]).toEqual([true, 4]);
  });

  it('asks once for all requests that wait for the same key', async () => {
    await Promise.all(Array.from({ length: 500 }, () => cache.get('known0000000')));
    expect(store.lookups).toBe(1);
  });

  it('refuses more than 10,000 look-ups at a time', async () => {
    let open = (): void => {};
    store.gate = new Promise((resolve) => (open = resolve));
    const asked = Array.from({ length: 10_500 }, (_, i) =>
      cache.get(`k${i}`).then(
        () => 'answered',
        (error: Error) => error.message,
      ),
    );
    open();
    const answers = await Promise.all(asked);
    expect(answers.filter((answer) => answer === 'answered')).toHaveLength(10_000);
    expect(answers[10_000]).toBe('more than 10000 concurrent lookups');
    expect(store.lookups).toBe(10_000);
  });

  const invented = usuallyOrLong(12_000, 100_000);

  it(`keeps valid keys and bounded memory when a client invents ${invented} keys`, async () => {
    await cache.get('known0000000');
    for (let i = 0; i < invented; i++) await cache.get(`invented${i}`);
    expect((cache as unknown as { misses: Map<string, number> }).misses.size).toBeLessThanOrEqual(10_000);
    expect(cache.size).toBe(1);
    store.lookups = 0;
    expect([await has('known0000000'), store.lookups]).toEqual([true, 0]);
  });

  it('evicts the keys that were read first when there are more than 10,000', async () => {
    for (let i = 0; i < 10_001; i++) {
      store.records.set(`k${i}`, { publicId: `k${i}`, hashes: [{ sha256: HASH }] });
      await cache.get(`k${i}`);
    }
    expect(cache.size).toBe(9_376);
    store.lookups = 0;
    await cache.get('k625');
    expect(store.lookups).toBe(0);
    await cache.get('k624');
    expect(store.lookups).toBe(1);
  });

  it('queries again after a change, and does not cache a look-up that began before it', async () => {
    let open = (): void => {};
    store.gate = new Promise((resolve) => (open = resolve));
    const before = cache.get('known0000000');
    store.records.set('known0000000', { publicId: 'known0000000', hashes: [{ sha256: HASH }], blocked: true });
    cache.changed('known0000000');
    open();
    expect((await before)?.record.blocked).toBeUndefined();
    expect((await cache.get('known0000000'))?.record.blocked).toBe(true);
    cache.changed(null);
    await cache.get('known0000000');
    expect(store.lookups).toBe(3);
  });

  it('uses a known key for a while when the store is away, and no unknown one', async () => {
    await cache.get('known0000000');
    store.failure = 'away';
    nowMs += 10_000;
    expect(await has('known0000000')).toBe(true);
    expect(await has('known0000000')).toBe(true);
    // One request in a second asks a store that is away.
    expect(store.lookups).toBe(2);
    await expect(cache.get('other0000000')).rejects.toThrow('away');
    cache.changed(null);
    expect(await has('known0000000')).toBe(true);
    nowMs += 50_000;
    await expect(cache.get('known0000000')).rejects.toThrow('away');
    expect(cache.counts).toEqual({ lookups: 5, failures: 4, stale: 2 });
    store.failure = undefined;
    expect(await has('known0000000')).toBe(true);
  });

  it('forgets a deleted key also when the store goes away right after', async () => {
    await cache.get('known0000000');
    cache.changed('known0000000');
    store.failure = 'away';
    await expect(cache.get('known0000000')).rejects.toThrow('away');
  });

  describe('of a store that reports every change', () => {
    let isFollowing: boolean;
    beforeEach(() => {
      isFollowing = true;
      const feed = { isFollowing: () => isFollowing, fault: () => store.failure };
      cache = new KeyCache(
        (publicId) => store.findByPublicId(publicId),
        60_000,
        () => nowMs,
        feed,
      );
    });
    const breakFeed = (): void => {
      isFollowing = false;
      cache.changed(null);
    };

    it('reads a record again after ten minutes, without waiting for it', async () => {
      await cache.get('known0000000');
      nowMs += 599_999;
      expect([await has('known0000000'), store.lookups]).toEqual([true, 1]);
      nowMs += 1;
      store.gate = new Promise(() => {});
      expect([await has('known0000000'), store.lookups]).toEqual([true, 2]);
    });

    it('reads a changed record at once', async () => {
      await cache.get('known0000000');
      store.records.delete('known0000000');
      cache.changed('known0000000');
      expect([await has('known0000000'), store.lookups]).toEqual([false, 2]);
    });

    it('does not wait for a store that is unavailable, for as long as a record may be stale since the last report', async () => {
      await cache.get('known0000000');
      nowMs += 300_000;
      breakFeed();
      store.failure = 'away';
      store.gate = new Promise(() => {});
      expect([await has('known0000000'), cache.counts.stale]).toEqual([true, 1]);
      nowMs += 59_999;
      expect(await has('known0000000')).toBe(true);
      nowMs += 1;
      store.gate = Promise.resolve();
      cache.changed(null);
      await expect(cache.get('known0000000')).rejects.toThrow('away');
    });

    it('waits for a store that answers, once the feed broke', async () => {
      await cache.get('known0000000');
      breakFeed();
      store.records.delete('known0000000');
      expect([await has('known0000000'), store.lookups]).toEqual([false, 2]);
    });
  });
});
