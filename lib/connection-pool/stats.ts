import type { MetricSample } from '../common/capability.js';
import { samplesOf } from '../common/metric-samples.js';
import type { ConnectionPoolEngine, PoolBooks } from './engine/engine.js';
import { HEADER } from './threads/layout.js';
import type { SocketPool } from './pool/socket-pool.js';

/** Connections to one endpoint. */
export interface EndpointStats {
  readonly activeConnections: number;
  /** Idle ones: ready to be leased. */
  readonly availableConnections: number;
  readonly totalConnections: number;
  readonly maxConnections: number;
  /** Calls of this instance that wait for one. */
  readonly waiting: number;
}

/** What `stats` answers. With `sharedAs`, connections are those of all threads. */
export interface ConnectionPoolStats {
  /** Leased ones. */
  readonly activeConnections: number;
  readonly idleConnections: number;
  readonly totalConnections: number;
  readonly maxTotalConnections: number;
  readonly maxConnectionsPerEndpoint: number;
  /** Calls that wait for a connection. */
  readonly waiting: number;
  /** By origin: those with connections, or with somebody who waits. */
  readonly endpoints: Readonly<Record<string, EndpointStats>>;
}

/** Adds up what the books and the line say. */
export function poolStats(pool: SocketPool, books: PoolBooks, totals: ConnectionPoolEngine['totals']): ConnectionPoolStats {
  const { maxConnections: maxTotalConnections, maxConnectionsPerEndpoint: maxConnections } = pool.options;
  const leased = new Int32Array(books.room);
  const { connections, leased: activeConnections, waiting } = totals(books.words, books.room, leased);
  const endpoints: Record<string, EndpointStats> = {};
  for (const [place, origin] of books.origins()) {
    const totalConnections = books.words[HEADER + place];
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

/** Why the next call would have to wait, or `undefined`. An endpoint at its cap is no matter as long as nobody waits. */
export function exhaustionOf({ activeConnections, maxTotalConnections, waiting, endpoints }: ConnectionPoolStats): string | undefined {
  if (activeConnections >= maxTotalConnections) return `all ${maxTotalConnections} connections are leased, ${waiting} calls wait`;
  const full = Object.entries(endpoints).find(([, stats]) => stats.waiting > 0 && stats.activeConnections >= stats.maxConnections);
  return full && `all ${full[1].maxConnections} connections to ${full[0]} are leased, ${full[1].waiting} calls wait`;
}

/** The metrics of a pool; without endpoints, whose number nobody bounds. */
export function poolSamples(pool: SocketPool, stats: ConnectionPoolStats): MetricSample[] {
  const sample = samplesOf('connection_pool');
  const connections = 'Open connections, by whether somebody has them.';
  return [
    sample('connections', connections, 'gauge', stats.activeConnections, { state: 'leased' }),
    sample('connections', connections, 'gauge', stats.idleConnections, { state: 'idle' }),
    sample('waiting', 'Calls that wait for a connection.', 'gauge', stats.waiting),
    sample('waits_total', 'Calls that have waited for a connection.', 'counter', pool.line.waits),
    sample('wait_seconds_total', 'Time that they waited.', 'counter', pool.line.waitedMs / 1000),
    sample('opened_total', 'Connections that were opened.', 'counter', pool.opened),
    ...Object.entries(pool.closed).map(([reason, count]) =>
      sample('closed_total', 'Connections that were closed, by why.', 'counter', count, { reason }),
    ),
    sample('timeouts_total', 'Calls that waited for a connection in vain.', 'counter', pool.timeouts),
  ];
}
