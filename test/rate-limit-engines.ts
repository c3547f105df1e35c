import { openNativeBinding } from '../lib/engine/native-binding.js';
import type { RateLimitEngine } from '../lib/rate-limit/rate-limit.engine.js';
import { NativeRateLimitEngine } from '../lib/rate-limit/rate-limit.native.js';
import { TypeScriptRateLimitEngine } from '../lib/rate-limit/rate-limit.typescript.js';

/** The engines to be tested: both, where the addon opens; the suite itself says which. */
export function rateLimitEngines(): RateLimitEngine[] {
  const { binding } = openNativeBinding();
  const engines: RateLimitEngine[] = [new TypeScriptRateLimitEngine()];
  if (binding !== null) engines.push(new NativeRateLimitEngine(binding));
  return engines;
}
