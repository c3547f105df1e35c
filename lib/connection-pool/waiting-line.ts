import { PoolTimeoutError } from '../common/errors.js';
import type { PoolEndpoint } from './pool-endpoint.js';

/** Somebody who waits for a connection. */
export abstract class Waiter {
  /** Where it stands among all. */
  order = 0;
  private timer: NodeJS.Timeout | undefined;

  constructor(readonly endpoint: PoolEndpoint) {}

  /** Hands a leased connection over. */
  abstract grant(id: number): void;
  abstract fail(error: unknown): void;

  /** Fails with `PoolTimeoutError` after this time, unless ended before. `Infinity` is never. */
  limit(timeoutMs: number, onTimeout: () => void): void {
    if (timeoutMs === Infinity) return;
    this.timer = setTimeout(() => {
      onTimeout();
      this.fail(new PoolTimeoutError(this.endpoint.origin, timeoutMs));
    }, timeoutMs);
  }

  /** To be called once it no longer waits. */
  end(): void {
    clearTimeout(this.timer);
  }
}

/** One `acquire`. */
export class PromisedConnection extends Waiter {
  readonly promise: Promise<number>;
  private resolve!: (id: number) => void;
  private reject!: (error: unknown) => void;
  private stopListening = (): void => {};

  constructor(endpoint: PoolEndpoint) {
    super(endpoint);
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
    super.end();
    this.stopListening();
  }
}

/** Those who wait, first come, first served among all who can be. */
export class WaitingLine {
  size = 0;
  private readonly queues = new Map<PoolEndpoint, Set<Waiter>>();
  private order = 0;

  /** @param onChange Hears of each that comes and goes. */
  constructor(private readonly onChange: (difference: 1 | -1) => void) {}

  add(waiter: Waiter): void {
    waiter.order = ++this.order;
    let queue = this.queues.get(waiter.endpoint);
    if (queue === undefined) this.queues.set(waiter.endpoint, (queue = new Set()));
    queue.add(waiter);
    this.count(waiter.endpoint, 1);
  }

  /** Whether it was waiting; it is not any more. */
  remove(waiter: Waiter): boolean {
    const queue = this.queues.get(waiter.endpoint);
    if (queue?.delete(waiter) !== true) return false;
    if (queue.size === 0) this.queues.delete(waiter.endpoint);
    waiter.end();
    this.count(waiter.endpoint, -1);
    return true;
  }

  /** Who waits longest, but for those of these endpoints. */
  first(except: ReadonlySet<PoolEndpoint>): Waiter | undefined {
    let first: Waiter | undefined;
    for (const [endpoint, queue] of this.queues) {
      if (except.has(endpoint)) continue;
      const [waiter] = queue;
      if (first === undefined || waiter.order < first.order) first = waiter;
    }
    return first;
  }

  /** Those that somebody waits for. */
  endpoints(): Iterable<PoolEndpoint> {
    return this.queues.keys();
  }

  /** Sends all away. */
  failAll(error: (endpoint: PoolEndpoint) => unknown): void {
    for (const queue of [...this.queues.values()]) {
      for (const waiter of [...queue]) {
        if (this.remove(waiter)) waiter.fail(error(waiter.endpoint));
      }
    }
  }

  private count(endpoint: PoolEndpoint, difference: 1 | -1): void {
    this.size += difference;
    endpoint.waiting += difference;
    this.onChange(difference);
  }
}
