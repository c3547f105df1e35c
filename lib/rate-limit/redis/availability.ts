import type { RedisClient } from './client.js';

const FAILURES_TO_OPEN = 3;
const FIRST_TRY_MS = 100;
const LAST_TRY_MS = 2_000;
/** Who has not failed for so long is asked nothing any more: its slots have moved, or nobody wants them. */
const FORGOTTEN_AFTER_MS = 10_000;
const SLOTS = 16_384;

/** A node that did not answer. */
interface FailingNode {
  failures: number;
  reason: string;
  failedMs: number;
  /** When the next call may try it, once it is given up, and how long the one after that has to wait. */
  tryMs: number;
  delayMs: number;
}

/**
 * The nodes of a Cluster that do not answer, each by itself: the keys of the others go on. After three failures in a row a node is asked by one call at a time only,
 * at random intervals that double up to 2 s. Slots that another node takes over are asked there at once.
 */
export class RedisNodes {
  private readonly failing = new Map<string, FailingNode>();

  constructor(private readonly client: Pick<RedisClient, 'slots'>) {}

  /** Why no command should be sent now to the node that has the keys of this hash tag; `undefined`: send it. */
  refusal(tag: string): string | undefined {
    if (this.failing.size === 0) return undefined;
    const node = this.failing.get(this.nodeOf(tag));
    if (node === undefined || node.failures < FAILURES_TO_OPEN) return undefined;
    const nowMs = performance.now();
    if (nowMs < node.tryMs) return node.reason;
    node.tryMs = nowMs + Math.min(LAST_TRY_MS, node.delayMs * (0.5 + Math.random()));
    node.delayMs = Math.min(LAST_TRY_MS, node.delayMs * 2);
    return undefined;
  }

  /** Why one of them is given up, if one is. */
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
    const failedMs = performance.now();
    const node = this.failing.get(name);
    if (node === undefined) this.failing.set(name, { failures: 1, reason, failedMs, tryMs: 0, delayMs: FIRST_TRY_MS });
    else {
      if (++node.failures === FAILURES_TO_OPEN) node.tryMs = failedMs + FIRST_TRY_MS * (0.5 + Math.random());
      Object.assign(node, { reason, failedMs });
    }
  }

  private nodeOf(tag: string): string {
    return this.client.slots?.[slotOf(tag)]?.[0] ?? '';
  }
}

/** The slot of a hash tag of plain characters, as the specification of Redis Cluster has it: CRC16 (XMODEM). */
export function slotOf(tag: string): number {
  let crc = 0;
  for (let i = 0; i < tag.length; i++) {
    crc ^= tag.charCodeAt(i) << 8;
    for (let bit = 0; bit < 8; bit++) crc = (crc << 1) ^ ((crc & 0x8000) === 0 ? 0 : 0x1021);
    crc &= 0xffff;
  }
  return crc % SLOTS;
}
