import type { CalibrationCase, CalibrationRun } from '../engine/calibration.js';
import type { RateLimitEngine } from './rate-limit.engine.js';

const KEYS = 256;
const LIMITS = { scope: 'calibration', requestsPerMinute: 1e9, tokensPerMinute: 1e12 };

/** Decisions over requests and tokens, each by a key that is a new string: as keys of requests are. */
export const DECISION_CASES: readonly CalibrationCase<RateLimitEngine>[] = [{ operation: 'check', sizeClass: 0, prepare: prepareCheck }];

function prepareCheck(engine: RateLimitEngine): CalibrationRun {
  const space = engine.open(null, KEYS);
  const policy = engine.policy(LIMITS);
  let turn = 0;
  const run = (): void => {
    turn++;
    engine.check(space, policy, `client:${turn % KEYS}`, 1, 100, turn);
  };
  return { run, end: () => engine.close(space) };
}
