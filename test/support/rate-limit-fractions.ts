import fc from 'fast-check';
import { DecisionCode, type RateLimitEngine } from '../../lib/rate-limit/engine/engine.js';
import { limitsOver, Oracle } from './rate-limit-oracle.js';

/** Times are multiples of it: no sum of them is rounded. */
const STEP_MS = 1 / 8;
const START_MS = 1_700_000_000_000;

/** Requests of one key under one window, at times between the milliseconds. */
export interface FractionalHistory {
  readonly limit: number;
  readonly windowMs: number;
  readonly requests: readonly { readonly afterMs: number; readonly cost: number }[];
}

/** Mostly at what is a window after an earlier request, but for a few steps. */
export const fractionalHistories: fc.Arbitrary<FractionalHistory> = fc
  .record({
    limit: fc.integer({ min: 1, max: 5 }),
    windowMs: fc.oneof(fc.integer({ min: 1, max: 4 }), fc.constantFrom(59, 60, 61, 1_000, 86_400_000)),
  })
  .chain(({ limit, windowMs }) => {
    const around = fc.integer({ min: -12, max: 12 }).map((steps) => Math.max(windowMs + steps * STEP_MS, 0));
    const afterMs = fc.oneof(
      around,
      around,
      fc.integer({ min: 0, max: 20 }).map((steps) => steps * STEP_MS),
    );
    const requests = fc.array(fc.record({ afterMs, cost: fc.integer({ min: 1, max: 2 }) }), { maxLength: 40 });
    return requests.map((all) => ({ limit, windowMs, requests: all }));
  });

/**
 * Checks each answer against an exact log: no span that is a millisecond shorter than the window
 * has more than the limit, and nothing is denied that a window longer by a millisecond and by a
 * 60th allows.
 */
export function judgeFractions(engine: RateLimitEngine, { limit, windowMs, requests }: FractionalHistory): void {
  const oracle = new Oracle();
  // The oracle's span is open at its end, and times are steps: one more step closes it.
  const shorter = oracle.counter('shorter', { requestsPerWindow: limit, windowMs: windowMs - 1 + STEP_MS });
  const longer = oracle.counter('longer', { requestsPerWindow: limit, windowMs: windowMs + 1 });
  const space = engine.open(null, 1_000);
  const policy = engine.policy({ requestsPerWindow: limit, windowMs });
  let atMs = START_MS;
  try {
    for (const { afterMs, cost } of requests) {
      atMs += afterMs;
      const isAllowed = engine.check(space, { policy, key: 'a' }, { cost, tokens: 0, nowMs: atMs }) === DecisionCode.allowed;
      const over = limitsOver(isAllowed ? shorter : longer, atMs, cost, 0, 0, !isAllowed);
      if (isAllowed !== (over.length === 0))
        throw new Error(`${engine.engine} ${isAllowed ? 'allows' : 'denies'} ${cost} at ${atMs - START_MS}`);
      if (isAllowed) for (const { takings } of [shorter, longer]) takings.push({ atMs, cost, tokens: 0 });
    }
  } finally {
    engine.close(space);
    engine.closePolicy(policy);
  }
}
