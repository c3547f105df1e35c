import { PoolClosedError } from '../common/errors.js';
import type { ConnectionPoolEngine, PoolBooks } from './connection-pool.engine.js';
import { SlotState } from './connection-pool.layout.js';
import type { ResolvedConnectionPoolOptions } from './connection-pool.options.js';
import { SlotTable } from './connection-pool.slots.js';
import { Routes } from './connector.js';
import { PoolNeighbours } from './pool-neighbours.js';
import { Endpoints, type PoolEndpoint } from './pool-endpoint.js';
import { PoolSweep } from './pool-sweep.js';
import { PooledConnection, type ConnectionEvents } from './pooled-connection.js';
import { WaitingLine, type Waiter } from './waiting-line.js';

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
  readonly table: SlotTable;
  readonly endpoints: Endpoints;
  readonly line: WaitingLine;
  readonly closed: Record<CloseReason, number> = { expired: 0, lost: 0, removed: 0, evicted: 0, abandoned: 0, drained: 0 };
  opened = 0;
  timeouts = 0;
  draining = false;

  readonly connections: PooledConnection[] = [];
  private readonly now: () => number;
  private readonly neighbours: PoolNeighbours | null;
  private readonly sweeper: PoolSweep;
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
    this.endpoints = new Endpoints(
      new Routes(options),
      (endpoint) => this.table.add(endpoint),
      (endpoint) => this.table.drop(endpoint),
    );
    this.line = new WaitingLine(
      (difference) => this.table.countWaiting(difference),
      () => this.timeouts++,
    );
    this.sweeper = new PoolSweep(this, context.expired, this.now);
    this.neighbours =
      context.books.shared && options.sharedAs !== null
        ? new PoolNeighbours(options.sharedAs, this, context.books, options.maxConnections)
        : null;
  }

  /** A leased connection's id; 0 where the endpoint's cap is reached or others wait for it, -1 where the pool's is. */
  lease(endpoint: PoolEndpoint): number {
    const nowMs = this.now();
    if (nowMs >= this.sweeper.dueMs) this.sweeper.sweep(nowMs);
    // Other threads may wait for one that is returned.
    const warm = endpoint.returning.first !== undefined && this.neighbours === null ? this.reclaim(endpoint, nowMs, LOOKED_AT.first) : 0;
    if (warm > 0) return warm;
    const id = this.table.lease(endpoint, nowMs);
    if (id > 0) {
      const connection = this.connections[id & this.table.mask];
      connection.id = id;
      if (connection.usable) return id;
    }
    return this.leaseAnother(endpoint, nowMs, id);
  }

  /** As `lease`, and where the pool's cap is reached an idle connection to another endpoint makes room. */
  take(endpoint: PoolEndpoint): number {
    const id = this.lease(endpoint);
    if (id >= 0 || endpoint.waiting > 0) return id;
    return this.makeRoom() ? this.lease(endpoint) : id;
  }

  /** The connection of a leased id. */
  leased(id: number): PooledConnection {
    this.table.checkLeased(id);
    return this.connections[id & this.table.mask];
  }

  isLeased(id: number): boolean {
    return this.table.state(id) === SlotState.leased;
  }

  /** The connection of an id, or `undefined` where it is gone or leased again. */
  known(id: number): PooledConnection | undefined {
    return this.table.state(id) === SlotState.free ? undefined : this.connections[id & this.table.mask];
  }

  /** Ends a lease: at once, or when the answer under way is complete. */
  release(id: number): void {
    const connection = this.leased(id);
    if (connection.sent && connection.isBusy) {
      this.returnLater(connection);
      return;
    }
    connection.sent = false;
    this.giveBack(connection);
  }

  /** The lease ends by itself when the answer to what was sent is complete. */
  returnLater(connection: PooledConnection): void {
    this.table.markReturning(connection.id);
    connection.endpoint.returning.add(connection);
    this.sweeper.watch();
  }

  /** Closes a connection, leased or idle, and takes it out. */
  discard(id: number, reason: CloseReason, error: Error | null = null): void {
    const connection = this.connections[id & this.table.mask];
    this.table.remove(id);
    connection.endpoint.returning.delete(connection);
    this.closed[reason]++;
    const closing = connection.close(error).finally(() => this.closings.delete(closing));
    this.closings.add(closing);
    if (this.draining && this.table.connections === 0) this.onEmpty();
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
    const idle = this.table.oldestIdle((endpoint) => endpoint.origin === origin) || this.table.oldestIdle(() => true);
    if (idle > 0) this.discard(idle, 'evicted');
    return idle > 0;
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

  /** No more leases: those who wait are sent away, idle connections closed. */
  startDraining(): void {
    this.draining = true;
    this.line.failAll((endpoint) => new PoolClosedError(endpoint.origin));
    this.stopLookingAgain();
    for (const id of this.table.ids(SlotState.idle)) this.discard(id, 'drained');
  }

  /** Closes what is leased. */
  closeLeased(): void {
    for (const state of [SlotState.leased, SlotState.returning]) {
      for (const id of this.table.ids(state)) this.discard(id, 'drained', new PoolClosedError(this.table.endpointOf(id).origin));
    }
  }

  /** Done when all sockets that were being closed are; the pool is not used after that. */
  async end(): Promise<void> {
    this.sweeper.stop();
    this.neighbours?.close();
    await Promise.all(this.closings);
  }

  free(connection: PooledConnection): void {
    if (this.table.state(connection.id) !== SlotState.returning) return;
    connection.endpoint.returning.delete(connection);
    this.giveBack(connection);
  }

  lost(connection: PooledConnection): void {
    const state = this.table.state(connection.id);
    // A request that has no answer yet may be one that was not sent: then it goes over another socket.
    if (state === SlotState.idle || (state === SlotState.returning && connection.answered)) this.discard(connection.id, 'lost');
  }

  misled(error: unknown): void {
    this.onMisled(error);
  }

  private giveBack(connection: PooledConnection): void {
    const { id } = connection;
    const nowMs = this.now();
    // One that is about to be lost is idle until then, and is looked at again before it is leased.
    if (connection.isLost) this.discard(id, 'lost');
    else if (this.draining) this.discard(id, 'drained');
    else if (this.table.isOld(id, nowMs)) this.discard(id, 'expired');
    else if (this.neighbours?.yields(connection.endpoint.origin, nowMs)) this.discard(id, 'evicted');
    else {
      this.table.giveBack(id, nowMs);
      if (this.line.size > 0) this.serve();
      if (nowMs >= this.sweeper.dueMs) this.sweeper.sweep(nowMs);
    }
  }

  private leaseAnother(endpoint: PoolEndpoint, nowMs: number, first: number): number {
    if (this.draining) throw new PoolClosedError(endpoint.origin);
    for (let id = first; id !== 0; id = this.table.lease(endpoint, nowMs)) {
      if (id > 0) {
        const connection = this.connections[id & this.table.mask];
        connection.id = id;
        if (connection.usable) return id;
        this.discard(id, 'lost');
      } else this.discard(-id, 'expired');
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
    if (connection === undefined || this.table.isOld(connection.id, nowMs)) return 0;
    endpoint.returning.delete(connection);
    connection.sent = connection.answered = false;
    return (connection.id = this.table.renew(connection.id));
  }

  private open(endpoint: PoolEndpoint, nowMs: number): number {
    if (this.neighbours?.holdsOff(nowMs)) return 0;
    const id = this.table.open(endpoint, nowMs);
    if (id <= 0) return id;
    try {
      this.connections[id & this.table.mask] = new PooledConnection(endpoint, this.options, this, id);
    } catch (error) {
      this.table.remove(id);
      throw error;
    }
    this.opened++;
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
    if (idle > 0) this.discard(idle, 'evicted');
    return idle > 0;
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
