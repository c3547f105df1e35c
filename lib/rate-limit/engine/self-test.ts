import { FastLiteLLMError } from '../../common/errors.js';
import { TOO_MANY_POLICIES } from '../algorithm/policy.js';
import type { RateLimitEngine } from './engine.js';

/**
 * Cost, tokens and instant of a request, and the decision on it: 0 allowed, 2 the minute, 5 tokens.
 */
const HISTORY = [
  [1, 60, 1_000, 0],
  [1, 50, 1_000, 5],
  [1, 40, 2_000, 0],
  [1, 0, 60_999, 2],
  [1, 0, 61_000, 0],
] as const;
const LIMITS = { scope: 'self-test', requestsPerMinute: 2, tokensPerMinute: 100 };

/**
 * Whether the engine decides a known history right: for boot and health checks, in a space of its
 * own.
 */
export function selfTest(engine: RateLimitEngine): boolean {
  const policy = openPolicy(engine);
  if (policy === undefined) return true;
  const space = engine.open(null, 1);
  try {
    return HISTORY.every(([cost, tokens, nowMs, code]) => {
      return engine.check(space, { policy, key: 'a key: 東京' }, { cost, tokens, nowMs }) === (code as number);
    });
  } finally {
    engine.close(space);
    engine.closePolicy(policy);
  }
}

/**
 * `undefined` if the app has as many names of limits as there may be: the engine is right to
 * refuse this one.
 */
function openPolicy(engine: RateLimitEngine): number | undefined {
  try {
    return engine.policy(LIMITS);
  } catch (error) {
    if (error instanceof FastLiteLLMError && error.code === TOO_MANY_POLICIES) return undefined;
    throw error;
  }
}
