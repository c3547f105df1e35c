import { randomBytes } from 'node:crypto';
import { renewalMs } from '../outage/open-holds.js';
import { OperationKind, type RedisScope } from './protocol.js';
import type { RedisScriptQueue } from './script-queue.js';

/** The slots of one request in flight; its scopes are in one slot of a Cluster. */
interface HeldSlot {
  readonly tag: string;
  readonly scopes: readonly RedisScope[];
}

/**
 * Slots of this process's requests in flight under `maxConcurrent`. They expire in Redis, so that a
 * process that dies frees them, and are renewed while the process lives.
 */
export class RedisSlots {
  /** Name of this process. */
  readonly process = randomBytes(9).toString('base64url');
  private readonly held = new Map<string, HeldSlot>();
  private taken = 0;
  private timer: NodeJS.Timeout | undefined = undefined;

  constructor(
    private readonly queue: RedisScriptQueue,
    readonly ttlMs: number,
  ) {}

  /** A unique slot name. */
  next(): string {
    return `${this.process}.${this.taken++}`;
  }

  hold(slot: string, tag: string, scopes: readonly RedisScope[]): void {
    this.held.set(slot, { tag, scopes });
    if (this.timer !== undefined) return;
    this.timer = setInterval(this.renew, renewalMs(this.ttlMs));
    this.timer.unref();
  }

  /** Any slot of this process on this key. */
  find(stateKey: string): string | undefined {
    for (const [slot, { scopes }] of this.held) if (scopes.some((scope) => scope.stateKey === stateKey)) return slot;
    return undefined;
  }

  release(slot: string): Promise<void> {
    const held = this.held.get(slot);
    if (held === undefined) return Promise.resolve();
    this.held.delete(slot);
    if (this.held.size === 0) this.close();
    // Without an answer the slot expires.
    return this.queue.ask({ kind: OperationKind.release, ...held, values: [slot] }, () => undefined).catch(() => {});
  }

  close(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private readonly renew = (): void => {
    for (const [slot, held] of this.held) this.queue.push({ kind: OperationKind.keep, ...held, values: [slot, this.ttlMs] });
  };
}
