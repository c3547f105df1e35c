import fc from 'fast-check';
import { histories } from '../../../test/support/long.js';
import { rateLimitEngines, rateLimitEnginesAndMore } from '../../../test/support/rate-limit-engines.js';
import { randomHistories } from '../../../test/support/rate-limit-history.js';
import { judge, repeat } from '../../../test/support/rate-limit-replay.js';
import type { RateLimitEngine } from './engine.js';

const LONG_MS = 3_600_000;

/** The first engine is judged, the others have to say the same. */
function replay([first, ...others]: readonly RateLimitEngine[]): void {
  const answered = fc.property(randomHistories({ clockRunsBack: true }), (history) => {
    const calls = judge(first, history);
    for (const engine of others) repeat(engine, history, calls);
  });
  fc.assert(answered, { numRuns: histories(400) });
}

describe('random histories', () => {
  it('are answered alike by the twins, and as an exact log allows', () => replay(rateLimitEngines()), LONG_MS);

  it('are answered alike while keys move from JavaScript to the addon', () => replay(rateLimitEnginesAndMore()), LONG_MS);
});
