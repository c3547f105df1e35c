import { BodyAbandonedError } from '../../common/errors.js';
import type { ConnectionPoolEngine } from '../engine/engine.js';
import { ConnectionState } from '../threads/layout.js';
import type { ResolvedConnectionPoolOptions } from '../connection-pool.options.js';
import type { ConnectionTable } from './connection-table.js';
import type { PoolConnection } from './endpoint.js';

/** The part of a pool that the sweeper uses. */
export interface SweptPool {
  readonly options: Pick<ResolvedConnectionPoolOptions, 'maxIdleMs' | 'maxAgeMs' | 'bodyTimeoutMs'>;
  readonly table: ConnectionTable<PoolConnection>;
  /** Closes and removes a connection. */
  discard(connection: PoolConnection, reason: 'expired' | 'lost' | 'abandoned', error?: Error): void;
}

const EVERY_MS = { least: 10, most: 5000 };
/** Expired connections found by one call of the engine. */
const BATCH = 64;

/**
 * Closes expired, lost and abandoned connections whenever the pool is used after `dueMs`. A timer
 * runs only while answers are read after the end of their leases.
 */
export class Sweeper {
  /** When the next sweep is due. */
  dueMs = 0;
  private readonly everyMs: number;
  private readonly found = new Int32Array(BATCH);
  /** Set while it sweeps by a timer. */
  timer: NodeJS.Timeout | undefined = undefined;

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

  /** Sweeps by a timer for as long as there are answers in flight without a lease. */
  watch(): void {
    this.timer = setTimeout(() => {
      this.timer = undefined;
      this.sweep(this.now());
      if (this.pool.table.inState(ConnectionState.returning).length > 0) this.watch();
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
      // Collected first, because a waiter can lease one while another is being closed.
      const over = Array.from(this.found.subarray(0, count), (slot) => table.at(slot));
      for (const connection of over) {
        if (connection.state !== ConnectionState.idle || !table.isOver(connection, nowMs)) continue;
        this.pool.discard(connection, 'expired');
        closed++;
      }
    }
    return closed;
  }

  private closeLost(): number {
    let closed = 0;
    for (const connection of this.pool.table.inState(ConnectionState.idle)) {
      if (connection.usable || connection.state !== ConnectionState.idle) continue;
      this.pool.discard(connection, 'lost');
      closed++;
    }
    return closed;
  }

  private closeUnread(nowMs: number): number {
    const { table, options } = this.pool;
    let closed = 0;
    for (const connection of table.inState(ConnectionState.returning)) {
      if (!connection.isUnread(nowMs, options.bodyTimeoutMs) || connection.state !== ConnectionState.returning) continue;
      this.pool.discard(connection, 'abandoned', new BodyAbandonedError(connection.endpoint.origin, options.bodyTimeoutMs));
      closed++;
    }
    return closed;
  }
}
