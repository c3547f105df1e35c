import { DecisionCode } from '../engine/engine.js';
import type { HashedKey } from './key-index.js';
import { isLogged, type Policy } from './policy.js';
import { TokenBucket } from './token-bucket.js';
import { WindowLog } from './window-log.js';

const NONE: readonly WindowLog[] = [];

/** Usage counted under one key. */
export class KeyState implements HashedKey {
  readonly low: number;
  readonly high: number;
  readonly family: number;
  inFlight = 0;
  /** Order of use, and number: the table's. */
  lastUse = 0;
  number = 0;
  readonly bucket: TokenBucket | null;
  /** Of the first window, and of the others. */
  private readonly first: WindowLog | null;
  private readonly others: readonly WindowLog[];

  /** @param policy Any of the family. */
  constructor({ low, high, family }: HashedKey, policy: Policy) {
    this.low = low;
    this.high = high;
    this.family = family;
    this.bucket = policy.rate === null ? null : TokenBucket.full(policy);
    const [first = null, ...others] = policy.windows.map(({ lengthMs }) => new WindowLog(lengthMs));
    this.first = first;
    this.others = others.length === 0 ? NONE : others;
  }

  /** The log of the policy's window with this index. */
  log(index: number): WindowLog {
    return index === 0 ? (this.first as WindowLog) : this.others[index - 1];
  }

  /** Whether it is equivalent to a key never seen. */
  isIdle(nowMs: number): boolean {
    if (this.inFlight > 0 || nowMs < (this.bucket?.fullAtMs ?? 0) || nowMs < (this.first?.emptyAtMs ?? 0)) return false;
    return this.others.every(({ emptyAtMs }) => nowMs >= emptyAtMs);
  }

  /** Removes entries that have expired at `atMs`. */
  prune(atMs: number): void {
    this.first?.prune(atMs);
    for (let index = 0; index < this.others.length; index++) this.others[index].prune(atMs);
  }

  /** Charges the decision of `atMs`. */
  take(policy: Policy, { cost, tokens }: { readonly cost: number; readonly tokens: number }, atMs: number): void {
    this.bucket?.take(policy, cost, atMs);
    for (let index = 0; index < policy.windows.length; index++) {
      const window = policy.windows[index];
      if (isLogged(policy, window, cost, tokens)) this.log(index).add(atMs, cost, window.code === DecisionCode.minute ? tokens : 0);
    }
    if (policy.maxConcurrent !== Infinity) this.inFlight += 1;
  }
}
