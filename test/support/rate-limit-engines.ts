import { openNativeBinding } from '../../lib/engine/native-binding.js';
import type { RateLimitEngine } from '../../lib/rate-limit/engine/engine.js';
import { NativeRateLimitEngine } from '../../lib/rate-limit/engine/native.js';
import { TypeScriptRateLimitEngine } from '../../lib/rate-limit/engine/typescript.js';

/** The engines under test: TypeScript and, if the addon loads, native. */
export function rateLimitEngines(): RateLimitEngine[] {
  const { binding } = openNativeBinding();
  const engines: RateLimitEngine[] = [new TypeScriptRateLimitEngine()];
  if (binding !== null) engines.push(new NativeRateLimitEngine(binding));
  return engines;
}
