import type { Dispatcher } from 'undici';
import { checkString, refuseArgument } from '../../common/options.js';
import type { ConnectionPoolService } from '../connection-pool.service.js';
import type { ConnectionPoolStats } from '../stats.js';
import type { PoolRequestOptions } from '../connection/lease-options.js';

/** The name of the default pool. */
export const DEFAULT_POOL_NAME = 'default';

/**
 * fast-litellm's `SimpleConnectionPool`: a pool by its name, without Nest. Two instances of one
 * name are one pool; its connections are real sockets.
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

  /** @param open Opens the pool of this name; called by the first method call. */
  constructor(
    poolName: string,
    private readonly open: () => ConnectionPoolService,
  ) {
    this.poolName = checkString('poolName', poolName, refuseArgument);
  }

  /** Leases a connection to a URL or origin. Returns its id, or `null` at a cap. */
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

  /** Closes a connection. */
  removeConnection(id: number): void {
    this.own().removeConnection(id);
  }

  /** Whether the connection of this id has an open socket. */
  healthCheck(id: number): boolean {
    return this.own().healthCheck(id);
  }

  /** Closes idle connections that are lost or expired. Returns how many. */
  cleanup(): number {
    return this.own().cleanup();
  }

  /** Connections and waiters at this moment. */
  getStats(): ConnectionPoolStats {
    return this.own().stats();
  }

  /**
   * Ends the pool, as `ConnectionPoolService.drain`; a new instance can use the name afterwards.
   */
  drain(options?: { readonly deadlineMs?: number }): Promise<void> {
    return this.own().drain(options);
  }

  private own(): ConnectionPoolService {
    return (this.pool ??= this.open());
  }
}
