import type { AccelerationTarget } from '../acceleration.options.js';
import type { TargetStatus } from '../patch-status.js';

/**
 * Where undici keeps its global dispatcher: version 8 and `fetch` of Node 26 in the first, earlier
 * versions in the second. Version 8 puts a `Dispatcher1Wrapper` of its dispatcher there.
 */
const GLOBALS = [Symbol.for('undici.globalDispatcher.2'), Symbol.for('undici.globalDispatcher.1')] as const;
const WRAPPER = 'Dispatcher1Wrapper';

const PROXY_VARIABLE = /^https?_proxy$/i;

type Dispatch = (options: DispatchOptions, handler: never) => boolean;
interface Dispatching {
  readonly dispatch: Dispatch;
}
interface DispatchOptions {
  readonly origin?: string | URL;
  readonly method?: string;
  readonly upgrade?: unknown;
}

/** Takes the requests: `ConnectionPoolService`. */
export interface RequestPool {
  readonly dispatcher: object;
  getConnection(endpoint: string): number | null;
  returnConnection(id: number): void;
}

/**
 * undici's global dispatcher: `fetch` and the SDKs on it lease a connection of the pool if one is
 * free. Other requests, upgrades and full pools included, go to the previous dispatcher.
 */
export class UndiciTarget {
  readonly name: AccelerationTarget = 'undici';
  private readonly tally = { native: 0, library: 0 };
  private pool: RequestPool | undefined = undefined;
  private readonly places = GLOBALS.map((symbol) => new GlobalDispatcher(symbol));
  private isWanted = false;
  private reason: string | undefined = undefined;

  apply(pool: RequestPool | undefined): void {
    this.isWanted = true;
    this.pool = pool;
    if (this.places.some(({ ours }) => ours !== undefined)) return;
    const used = this.places.filter(({ current }) => current !== undefined);
    this.reason = whyUnpatched(pool, used.length);
    if (this.reason !== undefined || pool === undefined) return;
    for (const place of used) {
      const reason = this.whyNot(place);
      if (reason === undefined) place.replace((before) => this.make(before, pool));
      else this.reason ??= reason;
    }
  }

  remove(): void {
    this.isWanted = false;
    this.pool = undefined;
    for (const place of this.places) place.restore();
  }

  status(): TargetStatus {
    const counts = { copies: [], answeredNatively: this.tally.native, passedOn: this.tally.library, passedOver: {} };
    const isOurs = this.places.some(({ ours }) => ours !== undefined);
    if (this.isWanted) return { state: isOurs ? 'patched' : 'left_alone', reason: this.reason, ...counts };
    if (!isOurs) return { state: 'not_applied', ...counts };
    return { state: 'covered', reason: 'another dispatcher replaced ours, which is now inactive', ...counts };
  }

  /**
   * Why a dispatcher in use must not be replaced. A wrapper is judged by the dispatcher that it
   * wraps.
   */
  private whyNot({ current }: GlobalDispatcher): string | undefined {
    const [newest] = this.places;
    if (current?.constructor.name !== WRAPPER) return appConfiguration(current);
    return newest.ours === undefined ? appConfiguration(newest.current) : undefined;
  }

  /** All other methods of a dispatcher use `dispatch`. */
  private make(before: Dispatching, { dispatcher }: RequestPool): object {
    const takes = (options: DispatchOptions): boolean => {
      const taken = this.isFree(options);
      this.tally[taken ? 'native' : 'library']++;
      return taken;
    };
    const through = (): Dispatching => (this.pool?.dispatcher ?? before) as Dispatching;
    const dispatch: Dispatch = (options, handler) => (takes(options) ? through() : before).dispatch(options, handler);
    return Object.create(dispatcher, { dispatch: { value: dispatch, writable: true, configurable: true } }) as object;
  }

  private isFree({ origin, method, upgrade }: DispatchOptions): boolean {
    const { pool } = this;
    if (
      pool === undefined ||
      origin === undefined ||
      method === 'CONNECT' ||
      (upgrade !== undefined && upgrade !== null && upgrade !== false)
    )
      return false;
    try {
      const id = pool.getConnection(typeof origin === 'string' ? origin : origin.origin);
      if (id === null) return false;
      // The pool's dispatcher leases it in the same turn.
      pool.returnConnection(id);
      return true;
    } catch {
      return false;
    }
  }
}

/** One of the places where undici stores its dispatcher. */
class GlobalDispatcher {
  ours: object | undefined = undefined;
  private before: Dispatching | undefined = undefined;

  constructor(private readonly symbol: symbol) {}

  get current(): Dispatching | undefined {
    // Node creates its dispatcher when this global is first read.
    void globalThis.Response;
    return (globalThis as Record<symbol, Dispatching | undefined>)[this.symbol];
  }

  replace(make: (before: Dispatching) => object): void {
    const { current } = this;
    if (current === undefined) return;
    this.before = current;
    this.ours = make(current);
    this.set(this.ours);
  }

  /** Restores the previous dispatcher, unless another one was set in the meantime. */
  restore(): void {
    if (this.ours === undefined || this.current !== this.ours) return;
    this.set(this.before as Dispatching);
    this.ours = undefined;
    this.before = undefined;
  }

  private set(dispatcher: object): void {
    (globalThis as Record<symbol, object | undefined>)[this.symbol] = dispatcher;
  }
}

/** Why no dispatcher can be replaced. */
function whyUnpatched(pool: RequestPool | undefined, dispatchers: number): string | undefined {
  if (pool === undefined) return 'no connection pool: use the FastLiteLLM class';
  const isProxied = Object.entries(process.env).some(([name, value]) => PROXY_VARIABLE.test(name) && value !== '');
  if (isProxied) return 'a proxy variable is set, which fetch ignores';
  return dispatchers === 0 ? 'no global dispatcher' : undefined;
}

/** Configuration on a dispatcher that the app would lose. */
function appConfiguration(dispatcher: object | undefined): string | undefined {
  const name = dispatcher?.constructor.name;
  if (dispatcher === undefined || name !== 'Agent') return `the app has set a dispatcher (${String(name)})`;
  const symbol = Object.getOwnPropertySymbols(dispatcher).find(({ description }) => description === 'options');
  const options = symbol && (dispatcher as Record<symbol, Record<string, unknown> | undefined>)[symbol];
  const own = Object.entries(options ?? {}).filter(([, value]) => value !== undefined && value !== Infinity);
  return own.length === 0 ? undefined : `the app has set dispatcher options (${own.map(([key]) => key).join(', ')})`;
}
