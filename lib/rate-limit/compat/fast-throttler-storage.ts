import { InvalidArgumentError } from '../../common/errors.js';
import { compileLimit, LARGEST_LIMIT, LONGEST_WINDOW_MS, type RateLimit } from '../limits.js';
import type { RateLimiterService } from '../rate-limit.service.js';
import type { RateLimitDecision } from '../store.js';

/** `ThrottlerStorageRecord` of `@nestjs/throttler` 6. */
export interface ThrottlerRecord {
  readonly totalHits: number;
  /** Seconds until the hits expire. */
  readonly timeToExpire: number;
  readonly isBlocked: boolean;
  /** Seconds. */
  readonly timeToBlockExpire: number;
}

/** The limits of one combination of a throttler's figures. */
interface Throttle {
  readonly hits: RateLimit;
  /**
   * One permit that a denial takes: while it is taken, the key is blocked. `null`: denied while the
   * window is full.
   */
  readonly block: RateLimit | null;
}

/** Combinations that are remembered: an app may compute figures by functions. */
const MOST_THROTTLES = 1000;

/**
 * A `ThrottlerStorage` for `@nestjs/throttler` 6 (structurally, without importing it). Counts hits
 * in a sliding window, without timers. As in the original, a key over its limit is blocked for
 * `blockDuration` and starts again after that.
 */
export class FastThrottlerStorage {
  private readonly throttles = new Map<string, Throttle>();

  /** @param limiter Returns the limiter whose store has the counters. */
  constructor(private readonly limiter: () => RateLimiterService) {}

  /** Counts a hit. Durations in milliseconds, as `ThrottlerGuard` gives them. */
  async increment(key: string, ttl: number, limit: number, blockDuration: number, throttlerName: string): Promise<ThrottlerRecord> {
    checkName('key', key);
    checkName('throttlerName', throttlerName);
    const { hits, block } = this.throttle(ttl, limit, blockDuration);
    const limiter = this.limiter();
    const { store } = limiter;
    // Keys of a custom `generateKey` may lack the name.
    const scope = { limit: hits, key: `${throttlerName}\0${key}` };
    if (block === null) return answer(hits, await limiter.decide([scope], 1, 0));
    const blocking = [{ ...scope, limit: block }];
    const looked = store.peek(blocking, 1, 0);
    // Awaiting a known decision would let other requests in between.
    const before = looked instanceof Promise ? await looked : looked;
    if (!before.allowed) return refusal(hits, before, before);
    const taking = limiter.decide([scope], 1, 0);
    // Another process may have blocked the key in the meantime, and reset its hits.
    const isShared = store.synchronous !== true || limiter.options.sharedAs !== null;
    const [decision, standing] = isShared ? await Promise.all([taking, store.peek(blocking, 1, 0)]) : [await taking, before];
    if (!standing.allowed) return refusal(hits, standing, standing);
    if (decision.allowed) return answer(hits, decision);
    // In this order, and in one script call: hits are reset only while the key is blocked.
    const [blocked] = await Promise.all([store.check(blocking, 1, 0), store.reset(scope)]);
    return refusal(hits, decision, blocked);
  }

  private throttle(ttl: number, limit: number, blockDuration: number): Throttle {
    checkFigure('ttl', ttl);
    checkFigure('limit', limit);
    checkFigure('blockDuration', blockDuration);
    const name = `${ttl}/${limit}/${blockDuration}`;
    let throttle = this.throttles.get(name);
    if (throttle !== undefined) return throttle;
    const windowMs = (ms: number): number => Math.min(Math.max(Math.ceil(ms), 1), LONGEST_WINDOW_MS);
    const requestsPerWindow = Math.min(Math.max(Math.floor(limit), 0), LARGEST_LIMIT);
    const window = (scope: string, requests: number, lengthMs: number): RateLimit =>
      compileLimit(scope, { requestsPerWindow: requests, windowMs: windowMs(lengthMs) }, 'throttler');
    throttle = {
      hits: window('throttler', requestsPerWindow, ttl),
      block: blockDuration > 0 ? window('throttler-block', 1, blockDuration) : null,
    };
    if (this.throttles.size >= MOST_THROTTLES) this.throttles.clear();
    this.throttles.set(name, throttle);
    return throttle;
  }
}

function answer(hits: RateLimit, decision: RateLimitDecision): ThrottlerRecord {
  if (!decision.allowed) return refusal(hits, decision, decision);
  const [{ limit }] = hits.windows;
  const [standing] = decision.standings;
  // Without a standing, the store is unavailable and configured to allow requests.
  const totalHits = standing === undefined ? 1 : limit - standing.remainingRequests;
  return { totalHits, timeToExpire: seconds(standing?.resetMs ?? 0), isBlocked: false, timeToBlockExpire: 0 };
}

/** `until`: the decision of the block, or of the window. */
function refusal(
  { windows: [{ limit }] }: RateLimit,
  { standings: [standing] }: RateLimitDecision,
  until: RateLimitDecision,
): ThrottlerRecord {
  const blockMs = until.allowed ? (until.standings[0]?.resetMs ?? 0) : until.retryAfterMs;
  return {
    totalHits: limit + 1,
    timeToExpire: seconds(standing?.resetMs ?? 0),
    isBlocked: true,
    timeToBlockExpire: Number.isFinite(blockMs) ? seconds(blockMs) : seconds(LONGEST_WINDOW_MS),
  };
}

function checkName(path: string, value: unknown): void {
  if (typeof value !== 'string') throw new InvalidArgumentError(path, value, 'must be a string');
}

/** A number; `Infinity` means no limit. */
function checkFigure(path: string, value: unknown): void {
  if (typeof value !== 'number' || Number.isNaN(value)) throw new InvalidArgumentError(path, value, 'must be a number');
}

function seconds(ms: number): number {
  return Math.ceil(ms / 1000);
}
