import { openNativeBinding } from '../../lib/engine/native-binding.js';
import type { RateLimitEngine } from '../../lib/rate-limit/engine/engine.js';
import { NativeRateLimitEngine } from '../../lib/rate-limit/engine/native.js';
import { TypeScriptRateLimitEngine } from '../../lib/rate-limit/engine/typescript.js';

/** The native engine without its front: a name makes a space that other threads may share, so every decision is the addon's. */
class SharedNativeEngine extends NativeRateLimitEngine {
  private opened = 0;

  override open(name: string | null, maxKeys: number): number {
    return super.open(name ?? `a space of the tests ${this.opened++}`, maxKeys);
  }
}

/** Less than the keys of a history: they go from JavaScript to the addon and back all the time. */
const SMALL_FRONT_KEYS = 1;

/** The same engines, and the native one between its two ways to keep keys. */
export function rateLimitEnginesAndMore(): RateLimitEngine[] {
  const { binding } = openNativeBinding();
  return [...rateLimitEngines(), ...(binding === null ? [] : [new NativeRateLimitEngine(binding, SMALL_FRONT_KEYS)])];
}

/** The engines to be tested: TypeScript and, where the addon opens, the native one for spaces of one thread and for shared ones; the suite itself says which. */
export function rateLimitEngines(): RateLimitEngine[] {
  const { binding } = openNativeBinding();
  const engines: RateLimitEngine[] = [new TypeScriptRateLimitEngine()];
  if (binding !== null) engines.push(new NativeRateLimitEngine(binding), new SharedNativeEngine(binding));
  return engines;
}
