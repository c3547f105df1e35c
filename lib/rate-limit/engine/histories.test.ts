import fc from 'fast-check';
import { histories } from '../../../test/support/long.js';
import { rateLimitEngines } from '../../../test/support/rate-limit-engines.js';
import { fractionalHistories, judgeFractions } from '../../../test/support/rate-limit-fractions.js';
import { randomHistories } from '../../../test/support/rate-limit-history.js';
import { judge, repeat } from '../../../test/support/rate-limit-replay.js';
import { DecisionCode } from './engine.js';

const LONG_MS = 3_600_000;

describe('random histories', () => {
  it(
    'are decided by both engines alike, and as an exact log allows',
    () => {
      const [first, ...others] = rateLimitEngines();
      const decided = fc.property(randomHistories({ clockRunsBack: true }), (history) => {
        const calls = judge(first, history);
        for (const engine of others) repeat(engine, history, calls);
      });
      fc.assert(decided, { numRuns: histories(250) });
    },
    LONG_MS,
  );

  it('between the milliseconds admit no more than the limit in a millisecond less than the window', () => {
    for (const engine of rateLimitEngines()) {
      fc.assert(
        fc.property(fractionalHistories, (history) => judgeFractions(engine, history)),
        { numRuns: histories(500) },
      );
      // The millisecond is needed: the fraction of a time is ignored.
      const space = engine.open(null, 1_000);
      const policy = engine.policy({ requestsPerWindow: 1, windowMs: 1_000 });
      const at = (nowMs: number): number => engine.check(space, { policy, key: 'a' }, { cost: 1, tokens: 0, nowMs });
      expect([at(5.875), at(1_004.875), at(1_005)]).toEqual([DecisionCode.allowed, DecisionCode.window, DecisionCode.allowed]);
      engine.close(space);
      engine.closePolicy(policy);
    }
  });
});
