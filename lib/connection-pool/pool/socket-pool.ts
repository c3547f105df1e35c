import { BroadcastChannel } from 'node:worker_threads';
import { PoolClosedError } from '../../common/errors.js';
import type { ResolvedConnectionPoolOptions } from '../connection-pool.options.js';
import { Routes } from '../connection/connector.js';
import { PooledConnection, type ConnectionEvents } from '../connection/pooled-connection.js';
import type { ConnectionPoolEngine, PoolAccounting } from '../engine/engine.js';
import { ConnectionState } from '../threads/layout.js';
import { ConnectionTable } from './connection-table.js';
import { Endpoints, type PoolConnection, type PoolEndpoint } from './endpoint.js';
import { Sweeper } from './sweeper.js';
import { WaitQueue, type Waiter } from './wait-queue.js';

/** Why a connection was closed. */
export type CloseReason = 'expired' | 'lost' | 'removed' | 'evicted' | 'abandoned' | 'drained';

export interface SocketPoolContext {
  readonly accounting: PoolAccounting;
  readonly expired: ConnectionPoolEngine['expired'];
  /** Milliseconds of a clock that never steps. */
  readonly now: () => number;
}

/** Other threads free connections without notice, so a pool with waiters retries this often. */
const RETRY_MS = 20;
/**
 * Number of returning connections that are checked before an idle one is leased, or if there is
 * none.
 */
const RETURNING_CHECKED = { first: 2, last: 8 };

/** The sockets of one instance: leases, waiters, sweep and drain. */
export class SocketPool implements ConnectionEvents<PoolEndpoint> {
  readonly table: ConnectionTable<PoolConnection>;
  readonly endpoints: Endpoints;
  readonly waiters: WaitQueue;
  readonly closed: Record<CloseReason, number> = { expired: 0, lost: 0, removed: 0, evicted: 0, abandoned: 0, drained: 0 };
  opened = 0;
  timeouts = 0;
  draining = false;
  /** Called when the last connection is closed. */
  onEmpty = (): void => {};
  /** Called with the error that a request's handler has thrown while it handled a failure. */
  onHandlerFailed: (error: unknown) => void = () => {};

  private readonly now: () => number;
  /** Origins that pools of other threads wait for; `null` for a pool that is not shared. */
  private readonly wanted: BroadcastChannel | null;
  private readonly sweeper: Sweeper;
  private readonly closings = new Set<Promise<void>>();
  private retries: NodeJS.Timeout | undefined = undefined;
  private serving = false;

  constructor(
    readonly options: ResolvedConnectionPoolOptions,
    { accounting, expired, now }: SocketPoolContext,
  ) {
    this.now = now;
    this.table = new ConnectionTable(accounting, options);
    this.endpoints = new Endpoints(new Routes(options));
    this.waiters = new WaitQueue(
      (difference) => this.table.countWaiting(difference),
      () => this.timeouts++,
    );
    this.sweeper = new Sweeper(this, expired, now);
    const { sharedAs } = options;
    this.wanted = accounting.shared && sharedAs !== null ? this.listen(sharedAs) : null;
  }

  /**
   * The id of a leased connection; 0: the endpoint is at its cap or has waiters, -1: the pool is at
   * its cap.
   */
  lease(endpoint: PoolEndpoint): number {
    if (this.draining) throw new PoolClosedError(endpoint.origin);
    const nowMs = this.now();
    if (nowMs >= this.sweeper.dueMs) this.sweeper.sweep(nowMs);
    // Other threads may be waiting for a returned connection.
    if (this.wanted === null && endpoint.returning.first !== undefined) {
      const reclaimed = this.reclaim(endpoint, nowMs, RETURNING_CHECKED.first);
      if (reclaimed > 0) return reclaimed;
    }
    for (let { idle } = endpoint; idle !== undefined; idle = endpoint.idle) {
      if (this.table.isOver(idle, nowMs)) this.discard(idle, 'expired');
      else if (idle.usable) return this.table.lease(endpoint, idle);
      else this.discard(idle, 'lost');
    }
    // A waiter is served when a connection is returned: there is nothing to reclaim.
    if (this.serving) return this.open(endpoint, nowMs);
    if (endpoint.waiting > 0) return 0;
    return this.reclaim(endpoint, nowMs, RETURNING_CHECKED.last) || this.open(endpoint, nowMs);
  }

  /**
   * As `lease`; where the pool is at its cap, an idle connection to another endpoint is closed for
   * it.
   */
  take(endpoint: PoolEndpoint): number {
    const id = this.lease(endpoint);
    if (id >= 0 || endpoint.waiting > 0) return id;
    return this.makeRoom() ? this.lease(endpoint) : id;
  }

  /** Ends a lease: at once, or when the answer in flight is complete. */
  release(id: number): void {
    const connection = this.table.leased(id);
    if (connection.isBusy) this.returnLater(connection);
    else this.giveBack(connection);
  }

  /** Ends the lease when the answer to the request that was sent is complete. */
  returnLater(connection: PoolConnection): void {
    connection.state = ConnectionState.returning;
    connection.endpoint.returning.add(connection);
    if (this.sweeper.timer === undefined) this.sweeper.watch();
  }

  /** Closes and removes a connection, leased or idle. */
  discard(connection: PoolConnection, reason: CloseReason, error: Error | null = null): void {
    if (connection.state === ConnectionState.returning) connection.endpoint.returning.delete(connection);
    this.table.remove(connection);
    this.closed[reason]++;
    const closing = connection.close(error).finally(() => this.closings.delete(closing));
    this.closings.add(closing);
    if (this.draining && this.table.size === 0) this.onEmpty();
    this.serve();
  }

  wait(waiter: Waiter): void {
    this.waiters.add(waiter);
    if (this.wanted === null) return;
    if (waiter.endpoint.waiting === 1) this.wanted.postMessage(waiter.endpoint.origin);
    this.retries ??= setInterval(() => this.retry(), RETRY_MS);
  }

  /** Closes expired and lost connections, and those whose answers stay unread. Returns how many. */
  sweep(): number {
    return this.sweeper.sweep(this.now());
  }

  /** Gives connections to the waiters, in order. */
  serve(): void {
    if (this.waiters.size === 0 || this.serving) return;
    this.serving = true;
    const stuck = new Set<PoolEndpoint>();
    for (let waiter = this.waiters.first(stuck); waiter !== undefined; waiter = this.waiters.first(stuck)) {
      const id = this.takeFor(waiter);
      if (id === undefined) continue;
      if (id > 0) {
        if (this.waiters.remove(waiter)) waiter.grant(id);
      } else if (waiter.endpoint.waiting === this.waiters.size) break;
      else stuck.add(waiter.endpoint);
    }
    this.serving = false;
    if (this.waiters.size === 0) this.stopRetries();
  }

  /**
   * Refuses new leases. Idle connections are closed before the waiters fail, because these may ask
   * for another one at once.
   */
  startDraining(): void {
    this.draining = true;
    const waiting = this.waiters.clear();
    this.stopRetries();
    for (const idle of this.table.inState(ConnectionState.idle)) this.discard(idle, 'drained');
    for (const waiter of waiting) waiter.fail(new PoolClosedError(waiter.endpoint.origin));
  }

  closeLeased(): void {
    for (const state of [ConnectionState.leased, ConnectionState.returning]) {
      for (const each of this.table.inState(state)) this.discard(each, 'drained', new PoolClosedError(each.endpoint.origin));
    }
  }

  /** Resolves when all sockets are closed; the pool is not used afterwards. */
  async end(): Promise<void> {
    this.sweeper.stop();
    this.wanted?.close();
    await Promise.all(this.closings);
  }

  free(connection: PoolConnection): void {
    if (connection.state !== ConnectionState.returning) return;
    connection.endpoint.returning.delete(connection);
    this.giveBack(connection);
  }

  lost(connection: PoolConnection): void {
    const { state } = connection;
    // undici moves a request that was not sent yet to another socket.
    if (state === ConnectionState.idle || (state === ConnectionState.returning && connection.answered)) this.discard(connection, 'lost');
  }

  handlerFailed(error: unknown): void {
    this.onHandlerFailed(error);
  }

  private giveBack(connection: PoolConnection): void {
    const nowMs = this.now();
    connection.sent = false;
    if (connection.isLost) this.discard(connection, 'lost');
    else if (this.draining) this.discard(connection, 'drained');
    else if (nowMs >= connection.diesAtMs) this.discard(connection, 'expired');
    else {
      this.table.giveBack(connection, nowMs);
      if (this.waiters.size > 0) this.serve();
    }
    if (nowMs >= this.sweeper.dueMs) this.sweeper.sweep(nowMs);
  }

  /**
   * Leases a returning connection whose answer is complete. Checks few: where many are busy, nearly
   * all are.
   */
  private reclaim(endpoint: PoolEndpoint, nowMs: number, most: number): number {
    if (endpoint.returning.first === undefined) return 0;
    const isPromised = this.waiters.size > 0 && (endpoint.waiting > 0 || this.table.isFull);
    const connection = isPromised ? undefined : endpoint.returning.ready(most);
    if (connection === undefined || nowMs >= connection.diesAtMs) return 0;
    endpoint.returning.delete(connection);
    connection.sent = connection.answered = false;
    return this.table.renew(connection);
  }

  private open(endpoint: PoolEndpoint, nowMs: number): number {
    const diesAtMs = nowMs + this.options.maxAgeMs;
    const id = this.table.open(endpoint, (given) => new PooledConnection(endpoint, this.options, this, given, diesAtMs));
    if (id > 0) this.opened++;
    return id;
  }

  /** `undefined` if it fails; the waiter has been rejected. */
  private takeFor(waiter: Waiter): number | undefined {
    try {
      const id = this.lease(waiter.endpoint);
      return id < 0 && this.makeRoom() ? this.lease(waiter.endpoint) : id;
    } catch (error) {
      if (this.waiters.remove(waiter)) waiter.fail(error);
      return undefined;
    }
  }

  /** Closes an idle connection whenever another thread's pool waits for one. */
  private listen(name: string): BroadcastChannel {
    const channel = new BroadcastChannel(`nestjs-fast-litellm connection pool ${name}`);
    channel.onmessage = (event: unknown) => {
      const { data } = event as { data: string };
      if (!this.evict(({ origin }) => origin === data)) this.makeRoom();
    };
    // The channel does not keep the process alive.
    channel.unref();
    return channel;
  }

  private makeRoom(): boolean {
    return this.evict(() => true);
  }

  private evict(may: (endpoint: { readonly origin: string }) => boolean): boolean {
    const idle = this.table.oldestIdle(may);
    if (idle !== undefined) this.discard(idle, 'evicted');
    return idle !== undefined;
  }

  private retry(): void {
    this.serve();
    for (const { origin } of this.waiters.endpoints()) this.wanted?.postMessage(origin);
    if (this.waiters.size === 0) this.stopRetries();
  }

  private stopRetries(): void {
    clearInterval(this.retries);
    this.retries = undefined;
  }
}
