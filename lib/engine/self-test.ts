import type { CapabilityHealth, EngineName } from '../common/capability.js';
import { errorMessage } from '../common/errors.js';
import type { EngineChoice } from './engine-choice.js';

/**
 * Asks an engine a question whose answer is known, and returns whether it is right. Runs at boot
 * and in health checks.
 */
export type SelfTest<E> = (engine: E) => boolean;

/** Why the engine fails its self-test, or `undefined`. */
export function faultOf<E>(selfTest: SelfTest<E>, engine: E): string | undefined {
  try {
    return selfTest(engine) ? undefined : 'self-test failed: wrong answer';
  } catch (error) {
    return `self-test failed: ${errorMessage(error)}`;
  }
}

/**
 * Health of a capability by the self-test of its engine: `degraded` while native errors keep the
 * native engine off.
 */
export function engineHealth<E extends { readonly engine: EngineName }>(
  choice: EngineChoice<E>,
  selfTest: SelfTest<E>,
  engine = choice.activeEngine,
): CapabilityHealth {
  const fault = faultOf(selfTest, engine);
  if (fault !== undefined) return { status: 'down', engine: engine.engine, reason: `${engine.engine} engine ${fault}` };
  return { status: choice.impaired ? 'degraded' : 'ok', engine: engine.engine, reason: choice.reason };
}
