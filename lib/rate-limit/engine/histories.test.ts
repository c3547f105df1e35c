import fc from 'fast-check';
import { histories } from '../../../test/support/long.js';
import { rateLimitEngines } from '../../../test/support/rate-limit-engines.js';
import { randomHistories } from '../../../test/support/rate-limit-history.js';
import { judge, repeat } from '../../../test/support/rate-limit-replay.js';

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
});
