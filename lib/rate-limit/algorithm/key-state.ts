import { DecisionCode } from '../engine/engine.js';
import { isLogged, type Policy } from './policy.js';
import { TokenBucket } from './token-bucket.js';
import { WindowLog } from './window-log.js';

/** What was taken under one key. */
export class KeyState {
  inFlight = 0;
  /** Order of use, and place in the order of the sweep: the table's. */
  lastUse = 0;
  place = 0;
  readonly bucket: TokenBucket | null;
  /** One for each window of the policy. */
  readonly logs: readonly WindowLog[];

  /** @param policy Any of the family. */
  constructor(
    readonly id: string,
    policy: Policy,
  ) {
    this.bucket = policy.rate === null ? null : TokenBucket.full(policy);
    this.logs = policy.windows.map(({ lengthMs }) => new WindowLog(lengthMs));
  }

  /** Whether it tells no more than a key never seen. */
  isIdle(nowMs: number): boolean {
    return this.inFlight === 0 && nowMs >= (this.bucket?.fullAtMs ?? 0) && this.logs.every(({ emptyAtMs }) => nowMs >= emptyAtMs);
  }

  /** Forgets what is over at `atMs`. */
  prune(atMs: number): void {
    for (const log of this.logs) log.prune(atMs);
  }

  /** Takes what was decided at `atMs`. */
  take(policy: Policy, { cost, tokens }: { readonly cost: number; readonly tokens: number }, atMs: number): void {
    this.bucket?.take(policy, cost, atMs);
    policy.windows.forEach((window, index) => {
      if (isLogged(policy, window, cost, tokens)) this.logs[index].add(atMs, cost, window.code === DecisionCode.minute ? tokens : 0);
    });
    if (policy.maxConcurrent !== Infinity) this.inFlight += 1;
  }
}
