import type { AccelerationTarget } from '../acceleration.options.js';
import type { TargetStatus } from '../patch-status.js';

/**
 * Where undici finds its dispatcher: version 8, and `fetch` of Node 26 with it, in the first; all before, and `fetch` of older Nodes, in the second. Version 8
 * puts a `Dispatcher1Wrapper` of its own dispatcher there.
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

/** What takes the requests: `ConnectionPoolService`. */
export interface RequestPool {
  readonly dispatcher: object;
  getConnection(endpoint: string): number | null;
  returnConnection(id: number): void;
}

/**
 * undici's global dispatcher: `fetch`, and the provider SDKs with it, take a connection of the pool where one is free at once. Everything else,
 * upgrades and full pools among it, goes the way it went before.
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
    this.reason = whyNone(pool, used.length);
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
    return { state: 'covered', reason: 'somebody else has set a dispatcher since: ours lets every request through', ...counts };
  }

  /** Why the dispatcher in use at a place is not to be replaced. A wrapper is judged by the dispatcher that it wraps. */
  private whyNot({ current }: GlobalDispatcher): string | undefined {
    const [newest] = this.places;
    if (current?.constructor.name !== WRAPPER) return whatIsItsOwn(current);
    return newest.ours === undefined ? whatIsItsOwn(newest.current) : undefined;
  }

  /** Whatever else a dispatcher can do, it does by `dispatch`. */
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
      // The dispatcher takes it in the same turn.
      pool.returnConnection(id);
      return true;
    } catch {
      return false;
    }
  }
}

/** One of the places where undici finds its dispatcher. */
class GlobalDispatcher {
  ours: object | undefined = undefined;
  private before: Dispatching | undefined = undefined;

  constructor(private readonly symbol: symbol) {}

  get current(): Dispatching | undefined {
    // Node makes its own when one of these names is first used.
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

  /** Puts the dispatcher back that was there before, unless another one has been set since. */
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

/** Why no dispatcher is to be replaced. */
function whyNone(pool: RequestPool | undefined, dispatchers: number): string | undefined {
  if (pool === undefined) return 'there is no connection pool without the FastLiteLLM class';
  const isProxied = Object.entries(process.env).some(([name, value]) => PROXY_VARIABLE.test(name) && value !== '');
  if (isProxied) return 'the environment names a proxy, which fetch does not use by itself';
  return dispatchers === 0 ? 'fetch has no global dispatcher here' : undefined;
}

/** What an app has made of a dispatcher, which it would lose. */
function whatIsItsOwn(dispatcher: object | undefined): string | undefined {
  const name = dispatcher?.constructor.name;
  if (dispatcher === undefined || name !== 'Agent') return `the app has a dispatcher of its own (${String(name)})`;
  const symbol = Object.getOwnPropertySymbols(dispatcher).find(({ description }) => description === 'options');
  const options = symbol && (dispatcher as Record<symbol, Record<string, unknown> | undefined>)[symbol];
  const own = Object.entries(options ?? {}).filter(([, value]) => value !== undefined && value !== Infinity);
  return own.length === 0 ? undefined : `the app has given the dispatcher options of its own (${own.map(([key]) => key).join(', ')})`;
}
