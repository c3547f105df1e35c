import { createRequire } from 'node:module';
import { join } from 'node:path';

export const ROOT = join(__dirname, '..', '..', '..');
export const BENCH = join(ROOT, 'test', 'bench');
/** Opens what test/bench has installed. */
export const peer = createRequire(join(BENCH, 'package.json'));

/** Decides on one request of a key. Awaiting the promise of a package is part of its cost. */
export type Decide = (key: string) => unknown;

/** A limiter as the bench knows it, opened with a limit that no row reaches. */
export interface Contender {
  readonly name: string;
  readonly version: string;
  readonly asynchronous: boolean;
  open(): Decide;
}

/** No row comes near it, so that all decide the same: yes. */
export const LIMIT = 2_000_000_000;
export const MINUTE_MS = 60_000;
/** Tokens that ours take beside the request; the others know none. */
export const TOKENS = 50;

interface PeerDefinition {
  readonly name: string;
  readonly package: string;
  readonly asynchronous: boolean;
  open(): Decide;
}

const definitions: readonly PeerDefinition[] = [
  {
    name: 'fast-ratelimit',
    package: 'fast-ratelimit',
    asynchronous: false,
    open() {
      const { FastRateLimit } = peer('fast-ratelimit');
      const limiter = new FastRateLimit({ threshold: LIMIT, ttl: 60 });
      return (key) => limiter.consumeSync(key);
    },
  },
  {
    name: '@fastify/rate-limit store',
    package: '@fastify/rate-limit',
    asynchronous: false,
    open() {
      const LocalStore = peer('@fastify/rate-limit/store/LocalStore');
      const store = new LocalStore(false, false, 1_048_576);
      const ignore = (): void => {};
      return (key) => store.incr(key, ignore, MINUTE_MS, LIMIT);
    },
  },
  {
    name: 'limiter',
    package: 'limiter',
    asynchronous: false,
    open() {
      const { RateLimiter } = peer('limiter');
      // One limiter per key, as its documentation has it.
      const limiters = new Map<string, { tryRemoveTokens(count: number): boolean }>();
      return (key) => {
        let limiter = limiters.get(key);
        if (limiter === undefined)
          limiters.set(
            key,
            (limiter = new RateLimiter({ tokensPerInterval: LIMIT, interval: 'minute' }) as { tryRemoveTokens(count: number): boolean }),
          );
        return limiter.tryRemoveTokens(1);
      };
    },
  },
  {
    name: 'rate-limiter-flexible',
    package: 'rate-limiter-flexible',
    asynchronous: true,
    open() {
      const { RateLimiterMemory } = peer('rate-limiter-flexible');
      const limiter = new RateLimiterMemory({ points: LIMIT, duration: 60 });
      return (key) => limiter.consume(key);
    },
  },
  {
    name: 'express-rate-limit store',
    package: 'express-rate-limit',
    asynchronous: true,
    open() {
      const { MemoryStore } = peer('express-rate-limit');
      const store = new MemoryStore();
      store.init({ windowMs: MINUTE_MS });
      return (key) => store.increment(key);
    },
  },
  {
    name: '@nestjs/throttler storage',
    package: '@nestjs/throttler',
    asynchronous: true,
    open() {
      const { ThrottlerStorageService } = peer('@nestjs/throttler');
      const storage = new ThrottlerStorageService();
      return (key) => storage.increment(key, MINUTE_MS, LIMIT, 0, 'default');
    },
  },
];

/** Those that are installed, and why the others are not measured. */
export function peers(): { readonly installed: Contender[]; readonly missing: { name: string; reason: string }[] } {
  const installed: Contender[] = [];
  const missing: { name: string; reason: string }[] = [];
  for (const { package: name, ...definition } of definitions) {
    try {
      const { version } = peer(join(BENCH, 'node_modules', name, 'package.json')) as { version: string };
      installed.push({ ...definition, version });
    } catch {
      missing.push({ name: definition.name, reason: 'not installed' });
    }
  }
  return { installed, missing };
}
