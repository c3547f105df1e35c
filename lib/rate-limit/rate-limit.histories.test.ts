import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { rateLimitEngines, rateLimitEnginesAndMore } from '../../test/rate-limit-engines.js';
import { policySpecs, replay } from '../../test/rate-limit-history.js';
import type { History, Step } from '../../test/rate-limit-history.js';

/** `LONG=1` replays as many random histories as the contract asks for. */
const HISTORIES = process.env.LONG ? 100_000 : 1_000;

const engines = rateLimitEngines();

const policyIndex = fc.nat({ max: 2 });
const key = fc.constantFrom('a', 'b', '');
const cost = fc.constantFrom(1, 1, 1, 1, 0, 2, 5, 30);
const tokens = fc.constantFrom(0, 1, 10, 50, 400);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 30, arbitrary: fc.record({ call: fc.constant('check' as const), policy: policyIndex, key, cost, tokens }) },
  { weight: 1, arbitrary: fc.record({ call: fc.constant('peek' as const), policy: policyIndex, key, cost, tokens }) },
  {
    weight: 5,
    arbitrary: fc.record({
      call: fc.constant('checkAll' as const),
      scopes: fc.array(fc.tuple(policyIndex, key), { minLength: 1, maxLength: 4 }),
      cost,
      tokens,
    }),
  },
  { weight: 6, arbitrary: fc.record({ call: fc.constant('settle' as const), taking: fc.nat(), actual: tokens }) },
  { weight: 8, arbitrary: fc.record({ call: fc.constant('release' as const), policy: policyIndex, key }) },
  { weight: 1, arbitrary: fc.record({ call: fc.constant('reset' as const), policy: policyIndex, key }) },
);
const advance = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(0, 1, 10, 100, 500, 999, 1000, 1001) },
  { weight: 2, arbitrary: fc.nat({ max: 20_000 }) },
  { weight: 1, arbitrary: fc.constantFrom(59_999, 60_000, 60_001, 61_000, 3_600_000, 86_400_000, -1, -1000, -3_600_000) },
);
const history: fc.Arbitrary<History> = fc.record({
  // A scope for each that is not the same, as the oracle knows nothing of limits that change.
  policies: fc
    .array(policySpecs, { minLength: 3, maxLength: 3 })
    .map((all) => all.map((spec) => ({ ...spec, scope: String(all.findIndex((other) => isDeepStrictEqual(other, spec))) }))),
  steps: fc.array(fc.tuple(advance, step), { minLength: 1, maxLength: 120, size: 'max' }),
});

describe('random histories', () => {
  it('are answered alike by the twins, and as an exact log allows', () => {
    fc.assert(
      fc.property(history, (given) => {
        const [first, ...others] = engines.map((engine) => replay(engine, given));
        for (const answers of others) expect(answers).toEqual(first);
      }),
      { numRuns: HISTORIES },
    );
  }, 3_600_000);

  it('are answered alike while keys move from JavaScript to the addon', () => {
    fc.assert(
      fc.property(history, (given) => {
        const [first, ...others] = rateLimitEnginesAndMore().map((engine) => replay(engine, given));
        for (const answers of others) expect(answers).toEqual(first);
      }),
      { numRuns: HISTORIES },
    );
  }, 3_600_000);
});
