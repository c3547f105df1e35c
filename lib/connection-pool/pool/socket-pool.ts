import { PoolClosedError } from '../../common/errors.js';
import type { ConnectionPoolEngine, PoolBooks } from '../engine/engine.js';
import { SlotState } from '../threads/layout.js';
import type { ResolvedConnectionPoolOptions } from '../connection-pool.options.js';
import { SlotTable } from './connection-table.js';
import { Routes } from '../connection/connector.js';
import { PoolNeighbours } from '../threads/thread-fairness.js';
import { Endpoints, type PoolEndpoint } from '../connection/endpoint.js';
import { PoolSweep } from './sweeper.js';
import { PooledConnection, type ConnectionEvents } from '../connection/pooled-connection.js';
import { WaitingLine, type Waiter } from './wait-queue.js';

/** Why connections were closed. */
export type CloseReason = 'expired' | 'lost' | 'removed' | 'evicted' | 'abandoned' | 'drained';

/** What a pool takes from its surroundings. */
export interface SocketPoolContext {
  readonly books: PoolBooks;
  /** Runs on the engine in charge. */
  readonly expired: ConnectionPoolEngine['expired'];
  /** Milliseconds; coarse is enough. */
  readonly now: () => number;
}

/** Other threads' ends make room without a word, and what was asked of them is to be asked again. */
const LOOK_AGAIN_MS = 20;
/** Connections that may be about to be returned: of those looked at before an idle one is leased, and where there is none. */
const LOOKED_AT = { first: 2, last: 8 };

/** The sockets of one instance: leases, waiters, sweep and drain. */
export class SocketPool implements ConnectionEvents {
  readonly table: SlotTable<PooledConnection>;
  readonly endpoints: Endpoints;
  readonly line: WaitingLine;
  readonly closed: Record<CloseReason, number> = { expired: 0, lost: 0, removed: 0, evicted: 0, abandoned: 0, drained: 0 };
  opened = 0;
  timeouts = 0;
  draining = false;

  private readonly now: () => number;
  private readonly neighbours: PoolNeighbours | null;
  private readonly sweeper: PoolSweep;
  /** Whether what is returned may be somebody's: there are those who wait, other threads, or a drain. */
  private isClaimed: boolean;
  private lookingAgain: NodeJS.Timeout | undefined = undefined;
  private serving = false;
  private readonly closings = new Set<Promise<void>>();
  /** Called when the last connection is gone. */
  onEmpty = (): void => {};
  /** Called with what a request's handler has thrown when it was told of an error. */
  onMisled: (error: unknown) => void = () => {};

  constructor(
    readonly options: ResolvedConnectionPoolOptions,
    context: SocketPoolContext,
  ) {
    this.now = context.now;
    this.table = new SlotTable(context.books, options);
    this.endpoints = new Endpoints(new Routes(options));
    this.line = new WaitingLine(
      (difference) => {
        this.table.countWaiting(difference);
        this.noteClaims();
      },
      () => this.timeouts++,
    );
    this.sweeper = new PoolSweep(this, context.expired, this.now);
    this.neighbours =
      context.books.shared && options.sharedAs !== null
        ? new PoolNeighbours(options.sharedAs, this, context.books, options.maxConnections)
        : null;
    this.isClaimed = this.neighbours !== null;
  }

  /** A leased connection's id; 0 where the endpoint's cap is reached or others wait for it, -1 where the pool's is. */
  lease(endpoint: PoolEndpoint): number {
    const nowMs = this.now();
    const { idle } = endpoint;
    if (
      idle === undefined ||
      endpoint.returning.first !== undefined ||
      nowMs >= this.sweeper.dueMs ||
      this.table.isOver(idle, nowMs) ||
      !idle.usable
    )
      return this.leaseAnother(endpoint, nowMs);
    return this.table.lease(endpoint, idle);
  }

  /** As `lease`, and where the pool's cap is reached an idle connection to another endpoint makes room. */
  take(endpoint: PoolEndpoint): number {
    const id = this.lease(endpoint);
    if (id >= 0 || endpoint.waiting > 0) return id;
    return this.makeRoom() ? this.lease(endpoint) : id;
  }

  /** The connection of a leased id. */
  leased(id: number): PooledConnection {
    return this.table.leased(id);
  }

  isLeased(id: number): boolean {
    return this.table.find(id)?.state === SlotState.leased;
  }

  /** The connection of an id, or `undefined` where it is gone or leased again. */
  known(id: number): PooledConnection | undefined {
    return this.table.find(id);
  }

  /** Ends a lease: at once, or when the answer under way is complete. */
  release(id: number): void {
    const connection = this.table.leased(id);
    if (connection.sent && connection.isBusy) this.returnLater(connection);
    else this.giveBack(connection);
  }

  /** The lease ends by itself when the answer to what was sent is complete. */
  returnLater(connection: PooledConnection): void {
    this.table.markReturning(connection);
    connection.endpoint.returning.add(connection);
    this.sweeper.watch();
  }

  /** Closes a connection, leased or idle, and takes it out. */
  discard(connection: PooledConnection, reason: CloseReason, error: Error | null = null): void {
    if (connection.state === SlotState.returning) connection.endpoint.returning.delete(connection);
    this.table.remove(connection);
    this.closed[reason]++;
    const closing = connection.close(error).finally(() => this.closings.delete(closing));
    this.closings.add(closing);
    if (this.draining && this.table.size === 0) this.onEmpty();
    this.neighbours?.tell();
    this.serve();
  }

  /** Puts somebody in the line. */
  wait(waiter: Waiter): void {
    this.line.add(waiter);
    if (this.neighbours === null) return;
    if (waiter.endpoint.waiting === 1) this.neighbours.ask(waiter.endpoint.origin);
    this.lookingAgain ??= setInterval(() => this.lookAgain(), LOOK_AGAIN_MS);
  }

  /** Closes idle connections whose time is over, and leased ones whose answer nobody reads. Returns how many. */
  sweep(): number {
    return this.sweeper.sweep(this.now());
  }

  /** Closes an idle connection that somebody in another thread may need the place of. Whether there was one. */
  giveWay(origin: string): boolean {
    const idle = this.table.oldestIdle((endpoint) => endpoint.origin === origin) ?? this.table.oldestIdle(() => true);
    if (idle !== undefined) this.discard(idle, 'evicted');
    return idle !== undefined;
  }

  /** Gives connections to those who wait, in order. */
  serve(): void {
    if (this.line.size === 0 || this.serving) return;
    this.serving = true;
    let stuck: ReadonlySet<PoolEndpoint> = new Set();
    for (let waiter = this.line.first(stuck); waiter !== undefined; waiter = this.line.first(stuck)) {
      const id = this.takeFor(waiter);
      if (id === undefined) continue;
      if (id > 0) {
        if (this.line.remove(waiter)) waiter.grant(id);
      } else if (waiter.endpoint.waiting === this.line.size) break;
      else stuck = new Set(stuck).add(waiter.endpoint);
    }
    this.serving = false;
    if (this.line.size === 0) this.stopLookingAgain();
  }

  /** No more leases: idle connections are closed before those who wait are sent away, as these may ask for another at once. */
  startDraining(): void {
    this.draining = true;
    this.noteClaims();
    const waiting = this.line.clear();
    this.stopLookingAgain();
    for (const idle of this.table.inState(SlotState.idle)) this.discard(idle, 'drained');
    for (const waiter of waiting) waiter.fail(new PoolClosedError(waiter.endpoint.origin));
  }

  /** Closes what is leased. */
  closeLeased(): void {
    for (const state of [SlotState.leased, SlotState.returning]) {
      for (const each of this.table.inState(state)) this.discard(each, 'drained', new PoolClosedError(each.endpoint.origin));
    }
  }

  /** Done when all sockets that were being closed are; the pool is not used after that. */
  async end(): Promise<void> {
    this.sweeper.stop();
    this.neighbours?.close();
    await Promise.all(this.closings);
  }

  free(connection: PooledConnection): void {
    if (connection.state !== SlotState.returning) return;
    connection.endpoint.returning.delete(connection);
    this.giveBack(connection);
  }

  lost(connection: PooledConnection): void {
    const { state } = connection;
    // A request that has no answer yet may be one that was not sent: then it goes over another socket.
    if (state === SlotState.idle || (state === SlotState.returning && connection.answered)) this.discard(connection, 'lost');
  }

  misled(error: unknown): void {
    this.onMisled(error);
  }

  private giveBack(connection: PooledConnection): void {
    const nowMs = this.now();
    connection.sent = false;
    // One that is about to be lost is idle until then, and is looked at again before it is leased.
    if (connection.isLost || nowMs >= connection.diesAtMs || this.isClaimed) this.giveBackOrDiscard(connection, nowMs);
    else this.table.giveBack(connection, nowMs);
    if (nowMs >= this.sweeper.dueMs) this.sweeper.sweep(nowMs);
  }

  private noteClaims(): void {
    this.isClaimed = this.line.size > 0 || this.neighbours !== null || this.draining;
  }

  private giveBackOrDiscard(connection: PooledConnection, nowMs: number): void {
    if (connection.isLost) this.discard(connection, 'lost');
    else if (this.draining) this.discard(connection, 'drained');
    else if (nowMs >= connection.diesAtMs) this.discard(connection, 'expired');
    else if (this.neighbours?.yields(connection.endpoint.origin, nowMs)) this.discard(connection, 'evicted');
    else {
      this.table.giveBack(connection, nowMs);
      this.serve();
    }
  }

  private leaseAnother(endpoint: PoolEndpoint, nowMs: number): number {
    if (this.draining) throw new PoolClosedError(endpoint.origin);
    if (nowMs >= this.sweeper.dueMs) this.sweeper.sweep(nowMs);
    // Other threads may wait for one that is returned.
    const warm = this.neighbours === null ? this.reclaim(endpoint, nowMs, LOOKED_AT.first) : 0;
    if (warm > 0) return warm;
    for (let { idle } = endpoint; idle !== undefined; idle = endpoint.idle) {
      if (this.table.isOver(idle, nowMs)) this.discard(idle, 'expired');
      else if (idle.usable) return this.table.lease(endpoint, idle);
      else this.discard(idle, 'lost');
    }
    // Who waits is told when a connection is returned, so that nothing is to be looked for.
    if (this.serving) return this.open(endpoint, nowMs);
    if (endpoint.waiting > 0) return 0;
    return this.reclaim(endpoint, nowMs, LOOKED_AT.last) || this.open(endpoint, nowMs);
  }

  /** Leases a connection that is about to be returned and has nothing under way any more. Looks at a few: where many are busy, nearly all of them are. */
  private reclaim(endpoint: PoolEndpoint, nowMs: number, most: number): number {
    const isPromised = this.line.size > 0 && (endpoint.waiting > 0 || this.table.isFull);
    const connection = isPromised || this.draining ? undefined : endpoint.returning.ready(most);
    if (connection === undefined || nowMs >= connection.diesAtMs) return 0;
    endpoint.returning.delete(connection);
    connection.sent = connection.answered = false;
    return this.table.renew(connection);
  }

  private open(endpoint: PoolEndpoint, nowMs: number): number {
    if (this.neighbours?.holdsOff(nowMs)) return 0;
    const diesAtMs = nowMs + this.options.maxAgeMs;
    const id = this.table.open(endpoint, (given) => new PooledConnection(endpoint, this.options, this, given, diesAtMs));
    if (id > 0) this.opened++;
    return id;
  }

  /** `undefined` where it went wrong, which the waiter then knows. */
  private takeFor(waiter: Waiter): number | undefined {
    try {
      const id = this.lease(waiter.endpoint);
      return id < 0 && this.makeRoom() ? this.lease(waiter.endpoint) : id;
    } catch (error) {
      if (this.line.remove(waiter)) waiter.fail(error);
      return undefined;
    }
  }

  private makeRoom(): boolean {
    const idle = this.table.oldestIdle(() => true);
    if (idle !== undefined) this.discard(idle, 'evicted');
    return idle !== undefined;
  }

  private lookAgain(): void {
    this.serve();
    for (const endpoint of this.line.endpoints()) this.neighbours?.ask(endpoint.origin);
    if (this.line.size === 0) this.stopLookingAgain();
  }

  private stopLookingAgain(): void {
    clearInterval(this.lookingAgain);
    this.lookingAgain = undefined;
  }
}
