import type { Dispatcher } from 'undici';
import { checkString, refuseArgument } from '../../common/options.js';
import type { ConnectionPoolService } from '../connection-pool.service.js';
import type { ConnectionPoolStats } from '../stats.js';
import type { PoolRequestOptions } from '../connection/leased-connection.js';

/** The pool that is meant where none is named. */
export const DEFAULT_POOL_NAME = 'default';

/**
 * The Python original's `SimpleConnectionPool`: a pool by its name, without Nest. Two of one name are one pool; its connections are real sockets.
 *
 * @example
 * const pool = new SimpleConnectionPool('providers');
 * const id = pool.getConnection('https://api.openai.com');
 * if (id !== null) {
 *   try {
 *     const { statusCode } = await pool.request(id, { path: '/v1/models' });
 *   } finally {
 *     pool.returnConnection(id);
 *   }
 * }
 */
export class SimpleConnectionPool {
  readonly poolName: string;
  private pool: ConnectionPoolService | undefined = undefined;

  /** @param open Gives the pool of this name. Called once, by the first call of a method. */
  constructor(
    poolName: string,
    private readonly open: () => ConnectionPoolService,
  ) {
    this.poolName = checkString('poolName', poolName, refuseArgument);
  }

  /** Leases a connection to a URL or origin: its id. `null` where a cap is reached. */
  getConnection(endpoint: string): number | null {
    return this.own().getConnection(endpoint);
  }

  /** Sends a request on a leased connection. */
  request(id: number, options: PoolRequestOptions): Promise<Dispatcher.ResponseData> {
    return this.own().request(id, options);
  }

  /** Ends a lease. */
  returnConnection(id: number): void {
    this.own().returnConnection(id);
  }

  /** Closes a connection and forgets it. */
  removeConnection(id: number): void {
    this.own().removeConnection(id);
  }

  /** Whether the connection of this id has an open socket at this moment. */
  healthCheck(id: number): boolean {
    return this.own().healthCheck(id);
  }

  /** Closes idle connections that are lost or too old. Returns how many. */
  cleanup(): number {
    return this.own().cleanup();
  }

  /** What is open, lent and waited for at this moment. */
  getStats(): ConnectionPoolStats {
    return this.own().stats();
  }

  /** The end of the pool: see `ConnectionPoolService.drain`. Its name is free then, for another `SimpleConnectionPool`. */
  drain(options?: { readonly deadlineMs?: number }): Promise<void> {
    return this.own().drain(options);
  }

  private own(): ConnectionPoolService {
    return (this.pool ??= this.open());
  }
}
