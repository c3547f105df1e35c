import type { CalibrationCase, CalibrationRun } from '../../engine/calibration.js';
import type { RateLimitEngine } from './engine.js';

/**
 * Up to some thousand keys both engines decide by the same code, whatever V8 has made of it by then: what tells them apart is more keys than stay in front of the
 * addon, asked about in no order.
 */
const KEY_BITS = 15;
/** A space for so many has none of its keys in JavaScript for good. */
const MAX_KEYS = 4 << KEY_BITS;
const LIMITS = { scope: 'calibration', requestsPerMinute: 1e9, tokensPerMinute: 1e12 };

/** Decisions over requests and tokens, each by a key that is a new string: as keys of requests are. */
export const DECISION_CASES: readonly CalibrationCase<RateLimitEngine>[] = [{ operation: 'check', sizeClass: 0, prepare: prepareCheck }];

function prepareCheck(engine: RateLimitEngine): CalibrationRun {
  const space = engine.open(null, MAX_KEYS);
  const policy = engine.policy(LIMITS);
  let [turn, random] = [0, 1];
  const run = (): void => {
    turn++;
    random = (Math.imul(random, 1_664_525) + 1_013_904_223) | 0;
    engine.check(space, { policy, key: `client:${random >>> (32 - KEY_BITS)}` }, { cost: 1, tokens: 100, nowMs: turn });
  };
  return { run, end: () => engine.close(space) };
}
