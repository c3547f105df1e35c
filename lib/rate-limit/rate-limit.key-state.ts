import { DecisionCode } from './rate-limit.engine.js';
import type { Policy } from './rate-limit.policy.js';
import { WindowLog } from './rate-limit.window-log.js';

/** A bucket counts in thousandths of a request: milliseconds times requests per second, without a division. */
export const PARTS = 1000;

/** What was taken under one key. */
export class KeyState {
  /** From when on it tells no more than a key never seen, unless a request is under way. */
  idleAtMs = 0;
  inFlight = 0;
  /** Set when the key was dropped: a handle then looks it up again. */
  dropped = false;
  /** Order of use. */
  touched = 0;
  /** Of the bucket, at `levelAtMs`. */
  level: number;
  levelAtMs = 0;
  readonly logs: WindowLog[];

  constructor(policy: Policy) {
    this.level = policy.burst * PARTS;
    this.logs = policy.windows.map(({ lengthMs }) => new WindowLog(lengthMs));
  }

  isIdle(nowMs: number): boolean {
    return this.inFlight === 0 && nowMs >= this.idleAtMs;
  }

  /** Forgets what is over at `atMs`. */
  prune(atMs: number): void {
    for (const log of this.logs) log.prune(atMs);
  }

  /** Takes what was decided at `atMs`. */
  take(policy: Policy, cost: number, tokens: number, atMs: number): void {
    if (policy.rate !== null) {
      this.level = levelAt(policy, this, atMs) - cost * PARTS;
      this.levelAtMs = atMs;
      this.idleAtMs = Math.max(this.idleAtMs, atMs + waitForLevel(this.level, policy.burst * PARTS, policy.rate));
    }
    for (let index = 0; index < this.logs.length; index++) {
      const { code, lengthMs } = policy.windows[index];
      if (!isLogged(policy, index, cost, tokens)) continue;
      this.logs[index].add(atMs, cost, code === DecisionCode.minute ? tokens : 0);
      this.idleAtMs = Math.max(this.idleAtMs, atMs + lengthMs);
    }
    if (policy.maxConcurrent !== Infinity) this.inFlight += 1;
  }
}

/** A taking of nothing is remembered where its tokens may be corrected later. */
export function isLogged(policy: Policy, index: number, cost: number, tokens: number): boolean {
  return cost > 0 || (policy.windows[index].code === DecisionCode.minute && (tokens > 0 || policy.tokensPerMinute !== Infinity));
}

/** What the bucket holds at `atMs`, in thousandths; a key that is not held has a full one. */
export function levelAt(policy: Policy, state: KeyState | null, atMs: number): number {
  const full = policy.burst * PARTS;
  return state === null ? full : Math.min(full, state.level + (atMs - state.levelAtMs) * (policy.rate ?? 0));
}

/** Whole milliseconds until a bucket at `level` holds `wanted`. */
export function waitForLevel(level: number, wanted: number, rate: number): number {
  if (level >= wanted) return 0;
  let ms = Math.ceil((wanted - level) / rate);
  // The division was rounded, the flow is not.
  while (ms <= Number.MAX_SAFE_INTEGER && level + ms * rate < wanted) ms += 1;
  return ms <= Number.MAX_SAFE_INTEGER ? ms : Infinity;
}
