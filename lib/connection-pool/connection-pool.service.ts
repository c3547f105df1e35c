import type { Dispatcher } from 'undici';
import type { Capability, CapabilityHealth, EngineName, MetricSample } from '../common/capability.js';
import { burstClock, LONGEST_TIMER_MS } from '../common/clock.js';
import { defaultLog } from '../common/default-log.js';
import { InvalidArgumentError } from '../common/errors.js';
import type { LogSink } from '../common/log-sink.js';
import { checkFunction, checkInteger, checkObject, refuseArgument } from '../common/options.js';
import { SILENT_RECORDER, type CallRecorder, type CallSeries } from '../common/recorder.js';
import type { EngineChoice } from '../engine/engine-choice.js';
import { engineHealth } from '../engine/self-test.js';
import type { ConnectionPoolEngine, PoolBooks } from './engine/engine.js';
import type { ResolvedConnectionPoolOptions } from './connection-pool.options.js';
import { exhaustionOf, poolSamples, poolStats, type ConnectionPoolStats } from './stats.js';
import { selfTest } from './engine/self-test.js';
import {
  openSignal,
  requestOptions,
  type AcquireOptions,
  type LeasedConnection,
  type PoolRequestOptions,
} from './connection/leased-connection.js';
import type { PoolEndpoint } from './connection/endpoint.js';
import { PoolDispatcher, type FetchDispatcher } from './pool/dispatcher.js';
import { SocketPool } from './pool/socket-pool.js';
import { PromisedConnection } from './pool/wait-queue.js';

/** What the service takes from its surroundings. */
export interface ConnectionPoolContext {
  /** Milliseconds of a clock that never steps. Default `burstClock()`. */
  readonly now?: () => number;
  readonly recorder?: CallRecorder;
  /** Default: Nest's logger. */
  readonly logger?: LogSink;
}

/** Pools that nobody drained and nobody has any more: their place among the members would stay taken. */
const abandoned = new FinalizationRegistry<PoolBooks>((books) => books.leave());

/**
 * Real keep-alive connections to HTTP origins, each lent to one user at a time.
 *
 * All methods throw `InvalidArgumentError` on an endpoint without `http:` or `https:` and on an id that is not leased (`UNKNOWN_CONNECTION`, or
 * `CONNECTION_RETURNED` when it was returned before), and `PoolClosedError` on a new lease once `drain` was called.
 *
 * @example
 * const answer = await pool.use('https://api.openai.com', async (connection) => {
 *   const { statusCode, body } = await connection.request({ path: '/v1/models', headers: { authorization } });
 *   return { statusCode, models: await body.json() };
 * });
 */
export class ConnectionPoolService implements Capability {
  readonly capability = 'connection_pooling';
  /** The pool for `fetch(url, { dispatcher })`, the OpenAI SDK's `fetchOptions`, and every undici client. */
  readonly dispatcher: FetchDispatcher;

  private readonly books: PoolBooks;
  private readonly pool: SocketPool;
  private readonly unit: string;
  private readonly acquisitions: CallSeries;
  private drained: Promise<void> | undefined = undefined;

  /** @internal Made by `FastLiteLLM`. */
  constructor(
    private readonly choice: EngineChoice<ConnectionPoolEngine>,
    readonly options: ResolvedConnectionPoolOptions,
    { now = burstClock(), recorder = SILENT_RECORDER, logger = defaultLog() }: ConnectionPoolContext = {},
  ) {
    this.unit = options.sharedAs ?? 'pool';
    const { books, engine } = this.join();
    this.books = books;
    abandoned.register(this, books, this);
    this.pool = new SocketPool(options, {
      books,
      now,
      expired: (slots, nowMs, found) =>
        choice.run('expired', this.unit, (each) => each.expired(slots, nowMs, found), options.maxConnections),
    });
    this.dispatcher = new PoolDispatcher(this.pool, (deadlineMs) => this.drain({ deadlineMs }), logger) as Dispatcher as FetchDispatcher;
    this.acquisitions = recorder.series(`${engine === 'native' ? 'rust' : 'typescript'}_connection_pooling`, 'acquire');
  }

  /** Leases a connection to a URL or origin, at once: its id, for `request` and `returnConnection`. `null` where a cap is reached. */
  getConnection(endpoint: string): number | null {
    if (this.acquisitions.sampled()) return this.getRecorded(endpoint);
    const { pool } = this;
    const id = pool.lease(pool.endpoints.find(endpoint));
    return id > 0 ? id : null;
  }

  /**
   * The same, and waits for its turn where a cap is reached: first come, first served. An idle connection to another endpoint makes room where the pool is full.
   * Rejects with `PoolTimeoutError`, `PoolClosedError` or the signal's reason.
   */
  async acquire(endpoint: string, options: AcquireOptions = {}): Promise<number> {
    checkObject('options', options, refuseArgument);
    const limitMs = this.timeout(options.timeoutMs);
    const signal = openSignal(options);
    const found = this.pool.endpoints.find(endpoint);
    const id = this.pool.take(found);
    return id > 0 ? id : this.wait(found, limitMs, signal);
  }

  /** Sends a request on a leased connection. Rejects with what undici says of sockets, time-outs and answers. */
  request(id: number, options: PoolRequestOptions): Promise<Dispatcher.ResponseData> {
    try {
      return this.pool.leased(id).request(requestOptions(options));
    } catch (error) {
      const refusal = error as Error;
      return Promise.reject(refusal);
    }
  }

  /** Ends a lease. What is under way on the connection is waited for, before anybody else gets it. */
  returnConnection(id: number): void {
    this.pool.release(id);
  }

  /** Closes a connection, leased or idle, and forgets it. */
  removeConnection(id: number): void {
    const known = typeof id === 'number' ? this.pool.known(id) : undefined;
    this.pool.discard(known ?? this.pool.leased(id), 'removed');
  }

  /** Whether the connection of this id has an open socket at this moment. An id that is gone has none. */
  healthCheck(id: number): boolean {
    if (!Number.isInteger(id)) throw new InvalidArgumentError('id', id, 'must be the id of a connection');
    return this.pool.known(id)?.healthy ?? false;
  }

  /** Closes idle connections that are lost or too old, and those whose answer nobody reads; leased ones stay. Happens by itself as well. Returns how many. */
  cleanup(): number {
    return this.pool.sweep();
  }

  /**
   * Leases a connection for as long as `send` takes, and longer if an answer is still being read then: until its body ends, fails or is destroyed.
   * Where `send` fails in the middle of an answer, the connection is closed.
   */
  async use<T>(endpoint: string, send: (connection: LeasedConnection) => Promise<T>, options: AcquireOptions = {}): Promise<T> {
    checkFunction('send', send, refuseArgument);
    openSignal(checkObject('options', options, refuseArgument));
    const id = this.getConnection(endpoint) ?? (await this.acquire(endpoint, options));
    const connection = this.pool.leased(id);
    const { origin } = connection.endpoint;
    try {
      const result = await send({ id, origin, request: (request) => this.request(id, request) });
      this.giveBack(id);
      return result;
    } catch (error) {
      if (this.pool.isLeased(id) && connection.isBusy) this.pool.discard(connection, 'removed');
      else this.giveBack(id);
      throw error;
    }
  }

  /** What is open, lent and waited for at this moment. */
  stats(): ConnectionPoolStats {
    return poolStats(this.pool, this.books, (words, room, leased) =>
      this.choice.run('totals', this.unit, (engine) => engine.totals(words, room, leased), this.options.maxConnections),
    );
  }

  /**
   * The end of the pool: nobody gets a connection any more, those who wait are sent away, idle connections are closed, and leased ones as they are returned.
   * After `deadlineMs` (default `drainTimeoutMs`) the rest is closed too. Done when all sockets are closed. A second call may bring the deadline forward.
   */
  drain(options: { readonly deadlineMs?: number } = {}): Promise<void> {
    checkObject('options', options, refuseArgument);
    const { deadlineMs = this.options.drainTimeoutMs } = options;
    if (typeof deadlineMs !== 'number' || !(deadlineMs >= 0)) throw refuseArgument('deadlineMs', deadlineMs, 'must be a number from 0');
    this.drained ??= this.startDraining();
    if (this.pool.table.size > 0 && deadlineMs !== Infinity) {
      const timer = setTimeout(() => this.pool.closeLeased(), Math.min(deadlineMs, LONGEST_TIMER_MS));
      void this.drained.then(() => clearTimeout(timer));
    }
    return this.drained;
  }

  /** Whether `drain` was called. */
  get isDrained(): boolean {
    return this.pool.draining;
  }

  /** Metrics of this capability at this moment, as data. */
  metrics(): readonly MetricSample[] {
    return poolSamples(this.pool, this.stats());
  }

  /** Asks the engine in charge for a history that is known, and looks whether anything is left to lease. */
  health(): CapabilityHealth {
    const own = engineHealth(this.choice, selfTest);
    if (own.status === 'down') return own;
    if (this.pool.draining) return { ...own, status: 'down', reason: 'the pool is drained' };
    const exhausted = exhaustionOf(this.stats());
    return exhausted === undefined ? own : { ...own, status: 'degraded', reason: exhausted };
  }

  private join(): { books: PoolBooks; engine: EngineName } {
    const { sharedAs, maxConnections } = this.options;
    const { native, typescript } = this.choice;
    const chosen = this.choice.assigned(this.unit) === 'native' && native !== null ? native : typescript;
    const join = (engine: ConnectionPoolEngine): { books: PoolBooks; engine: EngineName } => ({
      books: engine.join(sharedAs, maxConnections),
      engine: engine.engine,
    });
    try {
      return join(chosen);
    } catch (error) {
      return this.choice.recover(error, chosen, join);
    }
  }

  private getRecorded(endpoint: string): number | null {
    const start = performance.now();
    const { pool } = this;
    const id = pool.lease(pool.endpoints.find(endpoint));
    this.acquisitions.record(performance.now() - start, id > 0);
    return id > 0 ? id : null;
  }

  private wait(endpoint: PoolEndpoint, limitMs: number, signal: AbortSignal | undefined): Promise<number> {
    const { line } = this.pool;
    const waiter = new PromisedConnection(endpoint, limitMs);
    if (signal !== undefined) waiter.listen(signal, () => line.remove(waiter));
    this.pool.wait(waiter);
    return waiter.promise;
  }

  private timeout(timeoutMs: number | undefined): number {
    if (timeoutMs === undefined) return this.options.acquireTimeoutMs;
    return checkInteger('timeoutMs', timeoutMs, { min: 0, max: LONGEST_TIMER_MS }, refuseArgument) || Infinity;
  }

  /** The end of a lease that its user may have ended already. */
  private giveBack(id: number): void {
    if (this.pool.isLeased(id)) this.pool.release(id);
  }

  private async startDraining(): Promise<void> {
    const empty = new Promise<void>((resolve) => (this.pool.onEmpty = resolve));
    this.pool.startDraining();
    if (this.pool.table.size > 0) await empty;
    await this.pool.end();
    abandoned.unregister(this);
    this.books.leave();
  }
}
