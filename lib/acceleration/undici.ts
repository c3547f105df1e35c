import type { AccelerationTarget } from './acceleration.options.js';
import type { TargetStatus } from './patch-status.js';

/** Where undici of every version, Node's own `fetch` with it, finds its dispatcher. */
const GLOBAL = Symbol.for('undici.globalDispatcher.1');

const PROXY_VARIABLE = /^https?_proxy$/i;

type Dispatch = (options: DispatchOptions, handler: never) => boolean;
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
  private before: object | undefined = undefined;
  private ours: object | undefined = undefined;
  private isWanted = false;
  private reason: string | undefined = undefined;

  apply(pool: RequestPool | undefined): void {
    this.isWanted = true;
    this.pool = pool;
    if (this.ours !== undefined) return;
    const current = currentDispatcher();
    this.reason = pool === undefined ? 'there is no connection pool without the FastLiteLLM class' : whyNot(current);
    if (this.reason !== undefined || pool === undefined) return;
    this.before = current;
    this.ours = this.make(current as { dispatch: Dispatch }, pool);
    setDispatcher(this.ours);
  }

  remove(): void {
    this.isWanted = false;
    this.pool = undefined;
    if (this.ours === undefined || currentDispatcher() !== this.ours) return;
    setDispatcher(this.before as object);
    this.ours = undefined;
    this.before = undefined;
  }

  status(): TargetStatus {
    const counts = { copies: [], answeredNatively: this.tally.native, passedOn: this.tally.library, passedOver: {} };
    if (this.isWanted) return { state: this.ours === undefined ? 'left_alone' : 'patched', reason: this.reason, ...counts };
    if (this.ours === undefined) return { state: 'not_applied', ...counts };
    return { state: 'covered', reason: 'somebody else has set a dispatcher since: ours lets every request through', ...counts };
  }

  /** Whatever else a dispatcher can do, it does by `dispatch`. */
  private make(before: { dispatch: Dispatch }, { dispatcher }: RequestPool): object {
    const takes = (options: DispatchOptions): boolean => {
      const taken = this.isFree(options);
      this.tally[taken ? 'native' : 'library']++;
      return taken;
    };
    const through = (): { dispatch: Dispatch } => (this.pool?.dispatcher ?? before) as { dispatch: Dispatch };
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

/** Why the dispatcher in use is not to be replaced. */
function whyNot(dispatcher: object | undefined): string | undefined {
  const isProxied = Object.entries(process.env).some(([name, value]) => PROXY_VARIABLE.test(name) && value !== '');
  if (isProxied) return 'the environment names a proxy, which fetch does not use by itself';
  if (dispatcher === undefined) return 'fetch has no global dispatcher here';
  const { name } = dispatcher.constructor;
  if (name !== 'Agent') return `the app has a dispatcher of its own (${name})`;
  const symbol = Object.getOwnPropertySymbols(dispatcher).find(({ description }) => description === 'options');
  const options = symbol && (dispatcher as Record<symbol, Record<string, unknown> | undefined>)[symbol];
  const own = Object.entries(options ?? {}).filter(([, value]) => value !== undefined && value !== Infinity);
  return own.length === 0 ? undefined : `the app has given the dispatcher options of its own (${own.map(([key]) => key).join(', ')})`;
}

function currentDispatcher(): object | undefined {
  // Node makes its own when one of these names is first used.
  void globalThis.Response;
  return (globalThis as Record<symbol, object | undefined>)[GLOBAL];
}

function setDispatcher(dispatcher: object): void {
  (globalThis as Record<symbol, object | undefined>)[GLOBAL] = dispatcher;
}
