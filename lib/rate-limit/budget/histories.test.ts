import fc from 'fast-check';
import { budgetHistories } from '../../../test/support/budget-history.js';
import { replayBudgets } from '../../../test/support/budget-replay.js';
import { histories } from '../../../test/support/long.js';
import { rateLimitEngines } from '../../../test/support/rate-limit-engines.js';
import { EngineChoice } from '../../engine/engine-choice.js';
import { FeatureFlagsService } from '../../feature-flags/feature-flags.service.js';
import type { RateLimitEngine } from '../engine/engine.js';
import { TypeScriptRateLimitEngine } from '../engine/typescript.js';
import { RateLimiterService } from '../rate-limit.service.js';

const LONG_MS = 3_600_000;
const logger = { log() {}, warn() {}, error() {} };
const flags = new FeatureFlagsService({ features: { rust_rate_limiting: 'enabled' } }, { env: {}, logger });

describe.each(rateLimitEngines().map((engine) => [engine.engine, engine] as const))(
  'random histories of budgets, %s engine',
  (_, engine) => {
    it(
      'are decided as the model decides them, never above the bound, and end with nothing held',
      () =>
        fc.assert(
          fc.asyncProperty(budgetHistories, (history) =>
            replayBudgets(history, (options, now) => new RateLimiterService(choiceOf(engine), options, now)),
          ),
          { numRuns: histories(25) },
        ),
      LONG_MS,
    );
  },
);

function choiceOf(engine: RateLimitEngine): EngineChoice<RateLimitEngine> {
  const engines = {
    native: engine.engine === 'native' ? engine : null,
    typescript: engine.engine === 'native' ? new TypeScriptRateLimitEngine() : engine,
  };
  return new EngineChoice('rust_rate_limiting', { ...engines, reason: 'a test' }, flags);
}
