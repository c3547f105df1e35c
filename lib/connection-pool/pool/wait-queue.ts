import { PoolTimeoutError } from '../../common/errors.js';
import type { PoolEndpoint } from '../connection/endpoint.js';

/** Somebody who waits for a connection. */
export abstract class Waiter {
  /** Where it stands among all. */
  order = 0;
  /** When its time is up, by `performance.now()`. */
  deadlineMs = Infinity;
  /** Since when, by the same clock. */
  sinceMs = 0;
  /** Its place in the line, while it stands there. */
  queue: WaitingQueue | undefined = undefined;
  before: Waiter | undefined = undefined;
  behind: Waiter | undefined = undefined;

  /** @param timeoutMs How long it waits, before it fails with `PoolTimeoutError`; `Infinity` is without end. */
  constructor(
    readonly endpoint: PoolEndpoint,
    readonly timeoutMs: number,
  ) {}

  /** Hands a leased connection over. */
  abstract grant(id: number): void;
  abstract fail(error: unknown): void;

  /** Called once it no longer waits. */
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
 * Those who wait for one endpoint. Not a `Set`: once its table is among the old objects, so is each table that replaces it, and each that is replaced keeps
 * all that were in it, with their requests, until the next full collection. Whoever leaves this one lets go of its neighbours.
 */
export class WaitingQueue {
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

/** Those who wait, first come, first served among all who can be. One timer is for all of them: whoever waits a moment only pays for none. */
export class WaitingLine {
  size = 0;
  /** Those who have waited, and for how long all of them together, whether they got a connection or not. */
  waits = 0;
  waitedMs = 0;
  private readonly queues = new Map<PoolEndpoint, WaitingQueue>();
  private order = 0;
  private timer: NodeJS.Timeout | undefined = undefined;
  private timerAtMs = Infinity;

  /**
   * @param onChange Hears of each that comes and goes.
   * @param onTimeout Hears of each whose time was up.
   */
  constructor(
    private readonly onChange: (difference: 1 | -1) => void,
    private readonly onTimeout: () => void,
  ) {}

  add(waiter: Waiter): void {
    waiter.order = ++this.order;
    waiter.sinceMs = performance.now();
    let queue = this.queues.get(waiter.endpoint);
    if (queue === undefined) this.queues.set(waiter.endpoint, (queue = new WaitingQueue()));
    queue.add(waiter);
    this.count(waiter.endpoint, 1);
    if (this.size === 1) this.timer?.ref();
    if (waiter.timeoutMs !== Infinity) this.limit(waiter);
  }

  /** Whether it was waiting; it is not any more. */
  remove(waiter: Waiter): boolean {
    const { queue } = waiter;
    if (queue === undefined) return false;
    queue.delete(waiter);
    // An empty queue stays as long as the endpoint is waited for again and again.
    if (queue.first === undefined && this.queues.size > 1) this.queues.delete(waiter.endpoint);
    waiter.end();
    this.waits++;
    this.waitedMs += performance.now() - waiter.sinceMs;
    this.count(waiter.endpoint, -1);
    // It does not keep the process for nobody.
    if (this.size === 0) this.timer?.unref();
    return true;
  }

  /** Who waits longest, but for those of these endpoints. */
  first(except: ReadonlySet<PoolEndpoint>): Waiter | undefined {
    let first: Waiter | undefined;
    for (const { first: waiter } of this.queues.values()) {
      if (waiter === undefined || except.has(waiter.endpoint)) continue;
      if (first === undefined || waiter.order < first.order) first = waiter;
    }
    return first;
  }

  /** Those that somebody waits for. */
  *endpoints(): Iterable<PoolEndpoint> {
    for (const [endpoint, { first }] of this.queues) if (first !== undefined) yield endpoint;
  }

  /** Takes all out, who are not told. */
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
    // Whoever was told may have come back, with another deadline.
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
