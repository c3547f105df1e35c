import type { Dispatcher } from 'undici';
import type { Capability, CapabilityHealth, EngineName, MetricSample } from '../common/capability.js';
import { burstClock, LONGEST_TIMER_MS } from '../common/clock.js';
import { defaultLog, type LogSink } from '../common/log-sink.js';
import { InvalidArgumentError } from '../common/errors.js';
import { checkFunction, checkInteger, checkObject, refuseArgument } from '../common/options.js';
import { SILENT_RECORDER, type CallRecorder, type CallSeries } from '../common/recorder.js';
import { type EngineChoice, engineHealth } from '../engine/engine-choice.js';
import type { ConnectionPoolEngine, PoolAccounting } from './engine/engine.js';
import type { ResolvedConnectionPoolOptions } from './connection-pool.options.js';
import { exhaustionOf, poolSamples, poolStats, type ConnectionPoolStats } from './stats.js';
import { selfTest } from './engine/self-test.js';
import {
  openSignal,
  requestOptions,
  type AcquireOptions,
  type LeasedConnection,
  type PoolRequestOptions,
} from './connection/lease-options.js';
import type { AddressGuard } from './connection/address-guard.js';
import type * as PoolDispatchers from './pool/dispatcher.js';
import type { FetchDispatcher } from './pool/dispatcher.js';
import type { PoolEndpoint } from './pool/endpoint.js';
import { SocketPool } from './pool/socket-pool.js';
import { PromisedConnection } from './pool/wait-queue.js';
import { ConnectionState } from './threads/layout.js';

export interface ConnectionPoolContext {
  /** Milliseconds of a clock that never steps. Default `burstClock()`. */
  readonly now?: () => number;
  readonly recorder?: CallRecorder;
  /** Default: Nest's logger. */
  readonly logger?: LogSink;
}

/** Waits of this length are logged, at most this often. */
const LONG_WAIT_MS = 1_000;
const WARNED_EVERY_MS = 600_000;

/** A pool that is garbage-collected without `drain` would stay a member. */
const abandoned = new FinalizationRegistry<PoolAccounting>((accounting) => accounting.leave());

/**
 * Keep-alive connections to HTTP origins, each leased to one caller at a time.
 *
 * All methods throw `InvalidArgumentError` for an endpoint without `http:` or `https:` and for an
 * id that is not leased (`UNKNOWN_CONNECTION`, or `CONNECTION_RETURNED`), and `PoolClosedError`
 * after `drain`.
 *
 * @example
 * const answer = await pool.use('https://api.openai.com', async (connection) => {
 *   const { statusCode, body } = await connection.request({ path: '/v1/models', headers: { authorization } });
 *   return { statusCode, models: await body.json() };
 * });
 */
export class ConnectionPoolService implements Capability {
  readonly capability = 'connection_pooling';
  private readonly accounting: PoolAccounting;
  private readonly pool: SocketPool;
  private readonly unit: string;
  private readonly acquisitions: CallSeries;
  private readonly logger: LogSink;
  private warnedAtMs = -Infinity;
  private opened: FetchDispatcher | undefined = undefined;
  private drained: Promise<void> | undefined = undefined;

  /** @internal Made by `FastLiteLLM`. */
  constructor(
    private readonly choice: EngineChoice<ConnectionPoolEngine>,
    readonly options: ResolvedConnectionPoolOptions,
    { now = burstClock(), recorder = SILENT_RECORDER, logger = defaultLog() }: ConnectionPoolContext = {},
  ) {
    this.unit = options.sharedAs ?? 'pool';
    const { accounting, engine } = this.join();
    this.accounting = accounting;
    abandoned.register(this, accounting, this);
    this.pool = new SocketPool(options, {
      accounting,
      now,
      expired: (slots, nowMs, found) => choice.run('expired', this.unit, (each) => each.expired(slots, nowMs, found)),
    });
    this.logger = logger;
    this.pool.waiters.onWaited = (origin, waitedMs) => this.warnOfWaits(origin, waitedMs);
    this.acquisitions = recorder.series(`${engine === 'native' ? 'rust' : 'typescript'}_connection_pooling`, 'acquire');
  }

  /**
   * The pool for `fetch(url, { dispatcher })`, the OpenAI SDK's `fetchOptions`, and every undici
   * client.
   */
  get dispatcher(): FetchDispatcher {
    return (this.opened ??= this.openDispatcher());
  }

  /**
   * Leases a connection to a URL or origin. Returns its id for `request` and `returnConnection`, or
   * `null` at a cap.
   */
  getConnection(endpoint: string): number | null {
    const { pool } = this;
    const startMs = this.acquisitions.sampled() ? performance.now() : -1;
    const id = pool.lease(pool.endpoints.find(endpoint));
    if (startMs >= 0) this.acquisitions.record(performance.now() - startMs, id > 0);
    return id > 0 ? id : null;
  }

  /**
   * Leases a connection; at a cap, waits in order of arrival. If the pool is at its cap, an idle
   * connection to another endpoint is closed. Rejects with `PoolTimeoutError`, `PoolClosedError` or
   * the signal's reason.
   */
  async acquire(endpoint: string, options: AcquireOptions = {}): Promise<number> {
    checkObject('options', options, refuseArgument);
    const limitMs = this.timeout(options.timeoutMs);
    const signal = openSignal(options);
    const found = this.pool.endpoints.find(endpoint);
    const id = this.pool.take(found);
    return id > 0 ? id : this.wait(found, limitMs, signal);
  }

  /** Sends a request on a leased connection. Rejects with undici's errors. */
  request(id: number, options: PoolRequestOptions): Promise<Dispatcher.ResponseData> {
    try {
      return this.pool.table.leased(id).request(requestOptions(options));
    } catch (error) {
      const refusal = error as Error;
      return Promise.reject(refusal);
    }
  }

  /** Ends a lease. Requests in flight complete before the connection can be leased again. */
  returnConnection(id: number): void {
    this.pool.release(id);
  }

  /** Closes a connection, leased or idle. */
  removeConnection(id: number): void {
    const { table } = this.pool;
    const known = typeof id === 'number' ? table.find(id) : undefined;
    this.pool.discard(known ?? table.leased(id), 'removed');
  }

  /** Returns whether the connection with this id has an open socket. */
  healthCheck(id: number): boolean {
    if (!Number.isInteger(id)) throw new InvalidArgumentError('id', id, 'must be the id of a connection');
    return this.pool.table.find(id)?.healthy ?? false;
  }

  /**
   * Closes idle connections that are lost or expired, and connections whose responses are not read.
   * Returns how many were closed. The pool also does this automatically.
   */
  cleanup(): number {
    return this.pool.sweep();
  }

  /**
   * Leases a connection until `send` has settled and its responses have been read, failed or
   * destroyed. If `send` fails in the middle of a response, the connection is closed.
   */
  async use<T>(endpoint: string, send: (connection: LeasedConnection) => Promise<T>, options: AcquireOptions = {}): Promise<T> {
    checkFunction('send', send, refuseArgument);
    openSignal(checkObject('options', options, refuseArgument));
    const id = this.getConnection(endpoint) ?? (await this.acquire(endpoint, options));
    const connection = this.pool.table.leased(id);
    const { origin } = connection.endpoint;
    try {
      const result = await send({ id, origin, request: (request) => this.request(id, request) });
      this.giveBack(id);
      return result;
    } catch (error) {
      if (this.isLeased(id) && connection.isBusy) this.pool.discard(connection, 'removed');
      else this.giveBack(id);
      throw error;
    }
  }

  /**
   * Sets the rules of guarded endpoints, whose names end in `#guarded`. Default: they connect to
   * public addresses only.
   * @internal
   */
  useGuard(guard: AddressGuard): void {
    this.pool.endpoints.useGuard(guard);
  }

  /** Returns the current numbers of connections and waiters. */
  stats(): ConnectionPoolStats {
    return poolStats(this.pool, this.accounting, (words, room, leased) =>
      this.choice.run('totals', this.unit, (engine) => engine.totals(words, room, leased)),
    );
  }

  /**
   * Shuts the pool down. New leases and waiters fail; idle connections are closed at once, leased
   * ones when they are released or after `deadlineMs` (default `drainTimeoutMs`). Resolves when all
   * sockets are closed.
   */
  drain(options: { readonly deadlineMs?: number } = {}): Promise<void> {
    checkObject('options', options, refuseArgument);
    const { deadlineMs = this.options.drainTimeoutMs } = options;
    if (typeof deadlineMs !== 'number' || !(deadlineMs >= 0))
      throw refuseArgument('deadlineMs', deadlineMs, 'must be a number of at least 0');
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

  /** Current metrics of this capability, as data. */
  metrics(): readonly MetricSample[] {
    return poolSamples(this.pool, this.stats());
  }

  /** Checks the engine with its self-test, and whether connections are available. */
  health(): CapabilityHealth {
    const own = engineHealth(this.choice, selfTest);
    if (own.status === 'down') return own;
    if (this.pool.draining) return { ...own, status: 'down', reason: 'the pool is drained' };
    const exhausted = exhaustionOf(this.stats());
    return exhausted === undefined ? own : { ...own, status: 'degraded', reason: exhausted };
  }

  /** The caps are for connections that are lent for milliseconds; a model answers for seconds. */
  private warnOfWaits(origin: string, waitedMs: number): void {
    const nowMs = performance.now();
    if (waitedMs < LONG_WAIT_MS || nowMs - this.warnedAtMs < WARNED_EVERY_MS) return;
    this.warnedAtMs = nowMs;
    const { maxConnectionsPerEndpoint, maxConnections } = this.options;
    this.logger.warn(
      `Connection pool: a request to ${origin} waited ${Math.round(waitedMs)} ms for a connection ` +
        `(connectionPool.maxConnectionsPerEndpoint is ${maxConnectionsPerEndpoint}, connectionPool.maxConnections is ${maxConnections}); ` +
        'raise both to the number of concurrent calls of one process',
    );
  }

  private openDispatcher(): FetchDispatcher {
    // Its class extends one of undici's, which is loaded late.
    const { PoolDispatcher } = require('./pool/dispatcher.js') as typeof PoolDispatchers;
    return new PoolDispatcher(this.pool, (deadlineMs) => this.drain({ deadlineMs }), this.logger) as Dispatcher as FetchDispatcher;
  }

  private join(): { accounting: PoolAccounting; engine: EngineName } {
    const { sharedAs, maxConnections } = this.options;
    const { native, typescript } = this.choice;
    const chosen = this.choice.assigned(this.unit) === 'native' && native !== null ? native : typescript;
    const join = (engine: ConnectionPoolEngine): { accounting: PoolAccounting; engine: EngineName } => ({
      accounting: engine.join(sharedAs, maxConnections),
      engine: engine.engine,
    });
    try {
      return join(chosen);
    } catch (error) {
      return this.choice.recover(error, chosen, join);
    }
  }

  private wait(endpoint: PoolEndpoint, limitMs: number, signal: AbortSignal | undefined): Promise<number> {
    const { waiters } = this.pool;
    const waiter = new PromisedConnection(endpoint, limitMs);
    if (signal !== undefined) waiter.listen(signal, () => waiters.remove(waiter));
    this.pool.wait(waiter);
    return waiter.promise;
  }

  private timeout(timeoutMs: number | undefined): number {
    if (timeoutMs === undefined) return this.options.acquireTimeoutMs;
    return checkInteger('timeoutMs', timeoutMs, { min: 0, max: LONGEST_TIMER_MS }, refuseArgument) || Infinity;
  }

  private isLeased(id: number): boolean {
    return this.pool.table.find(id)?.state === ConnectionState.leased;
  }

  /** Ends a lease unless the caller has ended it. */
  private giveBack(id: number): void {
    if (this.isLeased(id)) this.pool.release(id);
  }

  private async startDraining(): Promise<void> {
    const empty = new Promise<void>((resolve) => (this.pool.onEmpty = resolve));
    this.pool.startDraining();
    if (this.pool.table.size > 0) await empty;
    await this.pool.end();
    abandoned.unregister(this);
    this.accounting.leave();
  }
}
