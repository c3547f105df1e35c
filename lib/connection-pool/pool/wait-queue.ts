import { PoolTimeoutError } from '../../common/errors.js';
import type { PoolEndpoint } from './endpoint.js';
import { LinkedQueue, type Queued } from './linked-queue.js';

/** An `acquire` or a request that waits for a connection. */
export abstract class Waiter implements Queued<Waiter> {
  /** Position among all waiters. */
  order = 0;
  /** When it began to wait, by `performance.now()`. */
  sinceMs = 0;
  timer: NodeJS.Timeout | undefined = undefined;
  older: Waiter | undefined = undefined;
  newer: Waiter | undefined = undefined;

  /** @param timeoutMs Fails with `PoolTimeoutError` after this time; `Infinity`: never. */
  constructor(
    readonly endpoint: PoolEndpoint,
    readonly timeoutMs: number,
  ) {}

  /** Receives a leased connection. */
  abstract grant(id: number): void;
  abstract fail(error: unknown): void;

  /** Called when it no longer waits. */
  end(): void {}
}

/** One `acquire`. */
export class PromisedConnection extends Waiter {
  readonly promise: Promise<number>;
  private resolve!: (id: number) => void;
  private reject!: (error: unknown) => void;
  private stopListening = (): void => {};

  constructor(endpoint: PoolEndpoint, timeoutMs: number) {
    super(endpoint, timeoutMs);
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }

  /** Fails with the signal's reason when it is aborted. */
  listen(signal: AbortSignal, onAbort: () => void): void {
    const listener = (): void => {
      onAbort();
      this.fail(signal.reason);
    };
    signal.addEventListener('abort', listener, { once: true });
    this.stopListening = () => signal.removeEventListener('abort', listener);
  }

  grant(id: number): void {
    this.resolve(id);
  }

  fail(error: unknown): void {
    this.reject(error);
  }

  override end(): void {
    this.stopListening();
  }
}

/** All waiters, served in order of arrival. */
export class WaitQueue {
  size = 0;
  /** How many have waited and for how long in total, with or without success. */
  waits = 0;
  waitedMs = 0;
  /** Called with the end of each wait. */
  onWaited: (origin: string, waitedMs: number) => void = () => {};
  private readonly queues = new Map<PoolEndpoint, LinkedQueue<Waiter>>();
  private order = 0;

  /**
   * @param onChange Called when a waiter joins (1) or leaves (-1).
   * @param onTimeout Called when a waiter times out.
   */
  constructor(
    private readonly onChange: (difference: 1 | -1) => void,
    private readonly onTimeout: () => void,
  ) {}

  add(waiter: Waiter): void {
    waiter.order = ++this.order;
    waiter.sinceMs = performance.now();
    let queue = this.queues.get(waiter.endpoint);
    if (queue === undefined) this.queues.set(waiter.endpoint, (queue = new LinkedQueue()));
    queue.add(waiter);
    this.count(waiter.endpoint, 1);
    if (waiter.timeoutMs !== Infinity) waiter.timer = setTimeout(() => this.expire(waiter), Math.ceil(waiter.timeoutMs));
  }

  /** Removes a waiter. Returns whether it was waiting. */
  remove(waiter: Waiter): boolean {
    const queue = this.queues.get(waiter.endpoint);
    if (queue?.delete(waiter) !== true) return false;
    // Keep the last queue, because a busy endpoint keeps getting new waiters.
    if (queue.first === undefined && this.queues.size > 1) this.queues.delete(waiter.endpoint);
    clearTimeout(waiter.timer);
    waiter.end();
    this.waits++;
    const waitedMs = performance.now() - waiter.sinceMs;
    this.waitedMs += waitedMs;
    this.count(waiter.endpoint, -1);
    this.onWaited(waiter.endpoint.origin, waitedMs);
    return true;
  }

  /** The waiter that has waited longest, other than for the endpoints of `except`. */
  first(except: ReadonlySet<PoolEndpoint>): Waiter | undefined {
    let first: Waiter | undefined;
    for (const { first: waiter } of this.queues.values()) {
      if (waiter === undefined || except.has(waiter.endpoint)) continue;
      if (first === undefined || waiter.order < first.order) first = waiter;
    }
    return first;
  }

  /** Endpoints with waiters. */
  *endpoints(): Iterable<PoolEndpoint> {
    for (const [endpoint, { first }] of this.queues) if (first !== undefined) yield endpoint;
  }

  /** Removes and returns all waiters. */
  clear(): Waiter[] {
    const all: Waiter[] = [];
    for (const { first } of this.queues.values()) for (let waiter = first; waiter !== undefined; waiter = waiter.newer) all.push(waiter);
    return all.filter((waiter) => this.remove(waiter));
  }

  private expire(waiter: Waiter): void {
    if (!this.remove(waiter)) return;
    this.onTimeout();
    waiter.fail(new PoolTimeoutError(waiter.endpoint.origin, waiter.timeoutMs));
  }

  private count(endpoint: PoolEndpoint, difference: 1 | -1): void {
    this.size += difference;
    endpoint.waiting += difference;
    this.onChange(difference);
  }
}
