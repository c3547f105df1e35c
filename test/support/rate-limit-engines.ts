import { openNativeBinding } from '../../lib/engine/native-binding.js';
import type { RateLimitEngine } from '../../lib/rate-limit/engine/engine.js';
import { NativeRateLimitEngine } from '../../lib/rate-limit/engine/native.js';
import { TypeScriptRateLimitEngine } from '../../lib/rate-limit/engine/typescript.js';

/** The engines to be tested: TypeScript and, where the addon opens, the native one; the suite itself says which. */
export function rateLimitEngines(): RateLimitEngine[] {
  const { binding } = openNativeBinding();
  const engines: RateLimitEngine[] = [new TypeScriptRateLimitEngine()];
  if (binding !== null) engines.push(new NativeRateLimitEngine(binding));
  return engines;
}
