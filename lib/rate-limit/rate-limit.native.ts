import type { EngineName } from '../common/capability.js';
import type { NativeBinding } from '../engine/native-binding.js';
import { RateLimitEngine } from './rate-limit.engine.js';
import type { PolicySpec, SpaceStats } from './rate-limit.engine.js';

/** The engine in Rust, whose spaces all threads of the process share: hands over and converts, nothing else. */
export class NativeRateLimitEngine extends RateLimitEngine {
  readonly engine: EngineName = 'native';
  readonly lastDecision: Float64Array;
  readonly check: RateLimitEngine['check'];
  readonly checkAll: RateLimitEngine['checkAll'];
  readonly peek: RateLimitEngine['peek'];
  readonly settle: RateLimitEngine['settle'];
  readonly release: RateLimitEngine['release'];
  readonly checkHandle: RateLimitEngine['checkHandle'];

  constructor(private readonly binding: NativeBinding) {
    super();
    this.lastDecision = binding.rateLimitDecision();
    // The addon's own functions: a method around each would cost as much as some of the work.
    this.check = binding.rateLimitCheck;
    this.checkAll = binding.rateLimitCheckAll;
    this.peek = binding.rateLimitPeek;
    this.settle = binding.rateLimitSettle;
    this.release = binding.rateLimitRelease;
    this.checkHandle = binding.rateLimitCheckHandle;
  }

  policy(spec: PolicySpec): number {
    return this.binding.rateLimitPolicy(spec);
  }

  open(name: string | null, maxKeys: number): number {
    return this.binding.rateLimitOpen(name, maxKeys);
  }

  close(space: number): void {
    this.binding.rateLimitClose(space);
  }

  reset(space: number, policy: number, key: string): void {
    this.binding.rateLimitReset(space, policy, key);
  }

  stats(space: number): SpaceStats {
    const { keys, allowed, denied, evicted } = this.binding.rateLimitStats(space);
    return { keys, checks: allowed + denied, allowed, denied, evicted };
  }

  handle(space: number, policy: number, key: string): number {
    return this.binding.rateLimitHandle(space, policy, key);
  }

  closeHandle(handle: number): void {
    this.binding.rateLimitCloseHandle(handle);
  }
}
