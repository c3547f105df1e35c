import { PoolTimeoutError } from '../../common/errors.js';
import type { PoolEndpoint } from './endpoint.js';

/** An `acquire` or a request that waits for a connection. */
export abstract class Waiter {
  /** Position among all waiters. */
  order = 0;
  /** When it times out, by `performance.now()`. */
  deadlineMs = Infinity;
  /** When it began to wait, by the same clock. */
  sinceMs = 0;
  /** The queue it is in. */
  queue: EndpointQueue | undefined = undefined;
  before: Waiter | undefined = undefined;
  behind: Waiter | undefined = undefined;

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

/**
 * The waiters for one endpoint, as a linked list. A `Set` in the old generation keeps removed
 * waiters, with their requests, alive until the next full garbage collection.
 */
export class EndpointQueue {
  first: Waiter | undefined = undefined;
  private last: Waiter | undefined = undefined;

  add(waiter: Waiter): void {
    waiter.queue = this;
    waiter.before = this.last;
    if (this.last === undefined) this.first = waiter;
    else this.last.behind = waiter;
    this.last = waiter;
  }

  delete(waiter: Waiter): void {
    const { before, behind } = waiter;
    if (before === undefined) this.first = behind;
    else before.behind = behind;
    if (behind === undefined) this.last = before;
    else behind.before = before;
    waiter.queue = waiter.before = waiter.behind = undefined;
  }
}

/** All waiters, served in order of arrival. One timer serves all of them. */
export class WaitQueue {
  size = 0;
  /** How many have waited and for how long in total, with or without success. */
  waits = 0;
  waitedMs = 0;
  /** Called with the end of each wait. */
  onWaited: (origin: string, waitedMs: number) => void = () => {};
  private readonly queues = new Map<PoolEndpoint, EndpointQueue>();
  private order = 0;
  private timer: NodeJS.Timeout | undefined = undefined;
  private timerAtMs = Infinity;

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
    if (queue === undefined) this.queues.set(waiter.endpoint, (queue = new EndpointQueue()));
    queue.add(waiter);
    this.count(waiter.endpoint, 1);
    if (this.size === 1) this.timer?.ref();
    if (waiter.timeoutMs !== Infinity) this.limit(waiter);
  }

  /** Removes a waiter. Returns whether it was waiting. */
  remove(waiter: Waiter): boolean {
    const { queue } = waiter;
    if (queue === undefined) return false;
    queue.delete(waiter);
    // The last queue stays: a busy endpoint gets new waiters again and again.
    if (queue.first === undefined && this.queues.size > 1) this.queues.delete(waiter.endpoint);
    waiter.end();
    this.waits++;
    const waitedMs = performance.now() - waiter.sinceMs;
    this.waitedMs += waitedMs;
    this.count(waiter.endpoint, -1);
    this.onWaited(waiter.endpoint.origin, waitedMs);
    // Without waiters the timer does not keep the process alive.
    if (this.size === 0) this.timer?.unref();
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
    const all = this.all().filter((waiter) => this.remove(waiter));
    this.stop();
    return all;
  }

  private all(): Waiter[] {
    const all: Waiter[] = [];
    for (const { first } of this.queues.values()) for (let waiter = first; waiter !== undefined; waiter = waiter.behind) all.push(waiter);
    return all;
  }

  private limit(waiter: Waiter): void {
    waiter.deadlineMs = waiter.sinceMs + waiter.timeoutMs;
    if (waiter.deadlineMs < this.timerAtMs) this.wakeAt(waiter.deadlineMs, waiter.timeoutMs);
  }

  private wakeAt(atMs: number, afterMs: number): void {
    clearTimeout(this.timer);
    this.timerAtMs = atMs;
    this.timer = setTimeout(() => this.expire(), Math.ceil(afterMs));
  }

  private expire(): void {
    this.stop();
    const nowMs = performance.now();
    let next = Infinity;
    for (const waiter of this.all()) {
      if (waiter.deadlineMs > nowMs) next = Math.min(next, waiter.deadlineMs);
      else if (this.remove(waiter)) {
        this.onTimeout();
        waiter.fail(new PoolTimeoutError(waiter.endpoint.origin, waiter.timeoutMs));
      }
    }
    // A waiter that failed may have joined again with another deadline.
    if (next < this.timerAtMs && this.size > 0) this.wakeAt(next, next - nowMs);
  }

  private stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.timerAtMs = Infinity;
  }

  private count(endpoint: PoolEndpoint, difference: 1 | -1): void {
    this.size += difference;
    endpoint.waiting += difference;
    this.onChange(difference);
  }
}
