import { samplesOf, type MetricSample } from '../common/capability.js';
import type { ConnectionPoolEngine, PoolAccounting } from './engine/engine.js';
import { HEADER } from './threads/layout.js';
import type { SocketPool } from './pool/socket-pool.js';

/** Connections to one endpoint. */
export interface EndpointStats {
  readonly activeConnections: number;
  /** Idle connections. */
  readonly availableConnections: number;
  readonly totalConnections: number;
  readonly maxConnections: number;
  /** Waiters of this instance. */
  readonly waiting: number;
}

/** Statistics of the pool. With `sharedAs`, connections are those of all threads. */
export interface ConnectionPoolStats {
  /** Leased connections. */
  readonly activeConnections: number;
  readonly idleConnections: number;
  readonly totalConnections: number;
  readonly maxTotalConnections: number;
  readonly maxConnectionsPerEndpoint: number;
  /** Calls waiting for a connection. */
  readonly waiting: number;
  /** By origin: endpoints with connections or waiters. */
  readonly endpoints: Readonly<Record<string, EndpointStats>>;
}

export function poolStats(pool: SocketPool, accounting: PoolAccounting, totals: ConnectionPoolEngine['totals']): ConnectionPoolStats {
  const { maxConnections: maxTotalConnections, maxConnectionsPerEndpoint: maxConnections } = pool.options;
  const leased = new Int32Array(accounting.room);
  const { connections, leased: activeConnections, waiting } = totals(accounting.words, accounting.room, leased);
  const endpoints: Record<string, EndpointStats> = {};
  for (const [place, origin] of accounting.origins()) {
    const totalConnections = accounting.words[HEADER + place];
    const active = leased[place];
    endpoints[origin] = {
      activeConnections: active,
      availableConnections: totalConnections - active,
      totalConnections,
      maxConnections,
      waiting: 0,
    };
  }
  for (const { origin, waiting: here } of pool.endpoints.all()) {
    if (here === 0) continue;
    const none = { activeConnections: 0, availableConnections: 0, totalConnections: 0, maxConnections };
    endpoints[origin] = { ...(endpoints[origin] ?? none), waiting: here };
  }
  return {
    activeConnections,
    idleConnections: connections - activeConnections,
    totalConnections: connections,
    maxTotalConnections,
    maxConnectionsPerEndpoint: maxConnections,
    waiting,
    endpoints,
  };
}

/**
 * Why the next call would have to wait, or `undefined`. An endpoint at its cap matters only if it
 * has waiters.
 */
export function exhaustionOf({ activeConnections, maxTotalConnections, waiting, endpoints }: ConnectionPoolStats): string | undefined {
  if (activeConnections >= maxTotalConnections) return `all ${maxTotalConnections} connections are leased, calls waiting: ${waiting}`;
  const full = Object.entries(endpoints).find(([, stats]) => stats.waiting > 0 && stats.activeConnections >= stats.maxConnections);
  return full && `all ${full[1].maxConnections} connections to ${full[0]} are leased, calls waiting: ${full[1].waiting}`;
}

/** The metrics of a pool; without endpoints, because their number is unbounded. */
export function poolSamples(pool: SocketPool, stats: ConnectionPoolStats): MetricSample[] {
  const sample = samplesOf('connection_pool');
  const connections = 'Open connections by state.';
  return [
    sample('connections', connections, 'gauge', stats.activeConnections, { state: 'leased' }),
    sample('connections', connections, 'gauge', stats.idleConnections, { state: 'idle' }),
    sample('waiting', 'Calls waiting for a connection.', 'gauge', stats.waiting),
    sample('waits_total', 'Calls that waited for a connection.', 'counter', pool.waiters.waits),
    sample('wait_seconds_total', 'Total time calls waited for a connection.', 'counter', pool.waiters.waitedMs / 1000),
    sample('opened_total', 'Connections opened.', 'counter', pool.opened),
    ...Object.entries(pool.closed).map(([reason, count]) =>
      sample('closed_total', 'Connections closed, by reason.', 'counter', count, { reason }),
    ),
    sample('timeouts_total', 'Calls that timed out while they waited for a connection.', 'counter', pool.timeouts),
  ];
}
