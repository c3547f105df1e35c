import type { ConnectionPoolStats } from './connection-pool/connection-pool.stats.js';
import type { DashboardSource, PoolState } from './dashboard/dashboard.source.js';
import type { FastLiteLLM } from './fast-litellm.js';

/** What the dashboard may ask of an instance. */
export function dashboardSource(llm: FastLiteLLM, version: string): DashboardSource {
  return {
    version,
    health: () => llm.healthCheckAsync(),
    engines: () => llm.engineStates(),
    features: () => llm.featureFlags.getFeatureStatus(),
    metrics: () => llm.metrics(),
    limits: llm.rateLimiter.watch(),
    pool: () => poolState(llm.connectionPool.stats()),
    monitor: llm.monitor,
  };
}

function poolState(stats: ConnectionPoolStats): PoolState {
  const { activeConnections: leased, idleConnections: idle, waiting, maxTotalConnections: maxConnections } = stats;
  const endpoints = Object.entries(stats.endpoints).map(([origin, endpoint]) => ({
    origin,
    leased: endpoint.activeConnections,
    idle: endpoint.availableConnections,
    waiting: endpoint.waiting,
  }));
  return { maxConnections, maxConnectionsPerEndpoint: stats.maxConnectionsPerEndpoint, leased, idle, waiting, endpoints };
}
