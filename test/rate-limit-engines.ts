import { openNativeBinding } from '../lib/engine/native-binding.js';
import type { RateLimitEngine } from '../lib/rate-limit/rate-limit.engine.js';
import { FRONT_KEYS } from '../lib/rate-limit/rate-limit.front.js';
import { NativeRateLimitEngine } from '../lib/rate-limit/rate-limit.native.js';
import { TypeScriptRateLimitEngine } from '../lib/rate-limit/rate-limit.typescript.js';

/** The native engine without its front: a name makes a space that other threads may share, so every decision is the addon's. */
class SharedNativeEngine extends NativeRateLimitEngine {
  private opened = 0;

  override open(name: string | null, maxKeys: number): number {
    return super.open(name ?? `a space of the tests ${this.opened++}`, maxKeys);
  }
}

/** The native engine whose front is full from the start: its keys go to the addon while a history runs. */
class CrowdedNativeEngine extends NativeRateLimitEngine {
  private readonly crowd = this.policy({ scope: 'crowd', requestsPerDay: 1 });

  override open(name: string | null, maxKeys: number): number {
    const space = super.open(name, maxKeys);
    for (let index = 0; index < FRONT_KEYS - 2; index++) this.check(space, this.crowd, `crowd ${index}`, 1, 0, 0);
    return space;
  }
}

/** The same engines, and the native one between its two ways to keep keys. */
export function rateLimitEnginesAndMore(): RateLimitEngine[] {
  const { binding } = openNativeBinding();
  return [...rateLimitEngines(), ...(binding === null ? [] : [new CrowdedNativeEngine(binding)])];
}

/** The engines to be tested: TypeScript and, where the addon opens, the native one for spaces of one thread and for shared ones; the suite itself says which. */
export function rateLimitEngines(): RateLimitEngine[] {
  const { binding } = openNativeBinding();
  const engines: RateLimitEngine[] = [new TypeScriptRateLimitEngine()];
  if (binding !== null) engines.push(new NativeRateLimitEngine(binding), new SharedNativeEngine(binding));
  return engines;
}
