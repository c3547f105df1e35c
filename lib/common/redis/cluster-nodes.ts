import type { RedisClient } from './client.js';

/** Failures in a row after which Redis, or a node of a Cluster, is not called any longer. */
export const FAILURES_TO_OPEN = 3;
const FIRST_DELAY_MS = 100;
const LAST_DELAY_MS = 2_000;

/**
 * Delays between attempts to reach Redis again: random around 100 ms at first, then around twice
 * the last, at most 2 s.
 */
export class Backoff {
  private delayMs = FIRST_DELAY_MS;

  next(): number {
    const delayMs = Math.min(LAST_DELAY_MS, this.delayMs * (0.5 + Math.random()));
    this.delayMs = Math.min(LAST_DELAY_MS, this.delayMs * 2);
    return delayMs;
  }

  reset(): void {
    this.delayMs = FIRST_DELAY_MS;
  }
}

/** A node without a failure for this long is forgotten: its slots moved, or no call needs it. */
const FORGOTTEN_AFTER_MS = 10_000;
const SLOTS = 16_384;

/** A node that did not answer. */
interface FailingNode {
  failures: number;
  reason: string;
  failedMs: number;
  /** When the next call may try it, once its circuit is open. */
  tryMs: number;
  readonly backoff: Backoff;
}

/**
 * The circuit of each node of a Cluster, so that the keys of healthy nodes are served while one
 * node is down. Half-open, a node is tested by one call at a time. Slots that another node takes
 * over are requested there at once.
 */
export class ClusterNodes {
  private readonly failing = new Map<string, FailingNode>();

  constructor(private readonly client: Pick<RedisClient, 'slots'>) {}

  /**
   * Why no command should be sent to the node that has the keys of this hash tag; `undefined`: send
   * it.
   */
  refusal(tag: string): string | undefined {
    if (this.failing.size === 0) return undefined;
    const node = this.failing.get(this.nodeOf(tag));
    if (node === undefined || node.failures < FAILURES_TO_OPEN) return undefined;
    const nowMs = performance.now();
    if (nowMs < node.tryMs) return node.reason;
    node.tryMs = nowMs + node.backoff.next();
    return undefined;
  }

  /** Why a node's circuit is open; `undefined`: none is. */
  fault(): string | undefined {
    for (const [name, { failures, failedMs, reason }] of this.failing) {
      if (performance.now() - failedMs > FORGOTTEN_AFTER_MS) this.failing.delete(name);
      else if (failures >= FAILURES_TO_OPEN) return reason;
    }
    return undefined;
  }

  succeeded(tag: string): void {
    if (this.failing.size > 0) this.failing.delete(this.nodeOf(tag));
  }

  failed(tag: string, reason: string): void {
    const name = this.nodeOf(tag);
    const node = this.failing.get(name) ?? { failures: 0, reason, failedMs: 0, tryMs: 0, backoff: new Backoff() };
    this.failing.set(name, node);
    node.reason = reason;
    node.failedMs = performance.now();
    if (++node.failures === FAILURES_TO_OPEN) node.tryMs = node.failedMs + node.backoff.next();
  }

  private nodeOf(tag: string): string {
    return this.client.slots?.[slotOf(tag)]?.[0] ?? '';
  }
}

/**
 * The slot of a hash tag of plain characters: CRC16 (XMODEM), as the Redis Cluster specification
 * says.
 */
export function slotOf(tag: string): number {
  let crc = 0;
  for (let i = 0; i < tag.length; i++) {
    crc ^= tag.charCodeAt(i) << 8;
    for (let bit = 0; bit < 8; bit++) crc = (crc << 1) ^ ((crc & 0x8000) === 0 ? 0 : 0x1021);
    crc &= 0xffff;
  }
  return crc % SLOTS;
}
