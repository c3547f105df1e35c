import { BodyAbandonedError } from '../../common/errors.js';
import type { ConnectionPoolEngine } from '../engine/engine.js';
import { SlotState } from '../threads/layout.js';
import type { ResolvedConnectionPoolOptions } from '../connection-pool.options.js';
import type { SlotTable } from './connection-table.js';
import type { PooledConnection } from '../connection/pooled-connection.js';

/** A pool, as it is swept. */
export interface SweptPool {
  readonly options: Pick<ResolvedConnectionPoolOptions, 'maxIdleMs' | 'maxAgeMs' | 'bodyTimeoutMs'>;
  readonly table: SlotTable<PooledConnection>;
  /** Closes a connection and takes it out. */
  discard(connection: PooledConnection, reason: 'expired' | 'lost' | 'abandoned', error?: Error): void;
}

const EVERY_MS = { least: 10, most: 5000 };
/** Found at a time. */
const BATCH = 64;

/**
 * Closes what must not be kept: a little now and then, when somebody comes by after `dueMs`. A timer runs only while there are answers that are read after their
 * lease has ended, as nobody else may come by then.
 */
export class PoolSweep {
  /** When the next sweep is due. */
  dueMs = 0;
  private readonly everyMs: number;
  private readonly found = new Int32Array(BATCH);
  private timer: NodeJS.Timeout | undefined = undefined;

  constructor(
    private readonly pool: SweptPool,
    private readonly expired: ConnectionPoolEngine['expired'],
    private readonly now: () => number,
  ) {
    const { maxIdleMs, maxAgeMs, bodyTimeoutMs } = pool.options;
    this.everyMs = Math.min(Math.max(Math.min(maxIdleMs, maxAgeMs, bodyTimeoutMs) / 4, EVERY_MS.least), EVERY_MS.most);
  }

  /** Returns how many connections were closed. */
  sweep(nowMs: number): number {
    this.dueMs = nowMs + this.everyMs;
    return this.closeExpired(nowMs) + this.closeLost() + this.closeUnread(nowMs);
  }

  /** Looks again by itself for as long as there are answers that are still being read. */
  watch(): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.sweep(this.now());
      if (this.pool.table.inState(SlotState.returning).length > 0) this.watch();
    }, this.everyMs).unref();
  }

  stop(): void {
    clearTimeout(this.timer);
  }

  private closeExpired(nowMs: number): number {
    const { table } = this.pool;
    let closed = 0;
    for (let count = BATCH; count === BATCH;) {
      count = this.expired(table.expiresAtMs, nowMs, this.found);
      // All of them first: where one is closed, somebody who waits may take another.
      const over = Array.from(this.found.subarray(0, count), (slot) => table.at(slot));
      for (const connection of over) {
        if (connection.state !== SlotState.idle || !table.isOver(connection, nowMs)) continue;
        this.pool.discard(connection, 'expired');
        closed++;
      }
    }
    return closed;
  }

  private closeLost(): number {
    let closed = 0;
    for (const connection of this.pool.table.inState(SlotState.idle)) {
      if (connection.usable || connection.state !== SlotState.idle) continue;
      this.pool.discard(connection, 'lost');
      closed++;
    }
    return closed;
  }

  private closeUnread(nowMs: number): number {
    const { table, options } = this.pool;
    let closed = 0;
    for (const connection of table.inState(SlotState.returning)) {
      if (!connection.isUnread(nowMs, options.bodyTimeoutMs) || connection.state !== SlotState.returning) continue;
      this.pool.discard(connection, 'abandoned', new BodyAbandonedError(connection.endpoint.origin, options.bodyTimeoutMs));
      closed++;
    }
    return closed;
  }
}
