import type { PreparedWork } from '../../engine/comparison.js';
import type { RateLimitEngine } from './engine.js';
import { NativeRateLimitEngine } from './native.js';
import { selfTest } from './self-test.js';
import type * as TypeScriptEngine from './typescript.js';
import type { EngineProvider } from '../../engine/engine-choice.js';

/** The two engines that decide limits. */
export const RATE_LIMIT_ENGINES: EngineProvider<RateLimitEngine> = {
  name: 'Rate limiter',
  feature: 'rust_rate_limiting',
  native: (binding) => new NativeRateLimitEngine(binding),
  // Loaded on first use, because with the addon it is rarely used.
  typescript: () => {
    // eslint-disable-next-line @typescript-eslint/no-require-imports
    const { TypeScriptRateLimitEngine } = require('./typescript.js') as typeof TypeScriptEngine;
    return new TypeScriptRateLimitEngine();
  },
  selfTest,
  comparison: [{ operation: 'check', prepare: prepareCheck }],
};

const KEY_BITS = 15;
const LIMITS = { scope: 'comparison', requestsPerMinute: 1e9, tokensPerMinute: 1e12 };

/**
 * Decisions over requests and tokens for 32,768 keys in random order, each by a new string: as the
 * keys of requests are.
 */
function prepareCheck(engine: RateLimitEngine): PreparedWork {
  const space = engine.open(null, 1 << KEY_BITS);
  const policy = engine.policy(LIMITS);
  let [turn, random] = [0, 1];
  const run = (): void => {
    turn++;
    random = (Math.imul(random, 1_664_525) + 1_013_904_223) | 0;
    engine.check(space, { policy, key: `client:${random >>> (32 - KEY_BITS)}` }, { cost: 1, tokens: 100, nowMs: turn });
  };
  return { run, end: () => engine.close(space) };
}
