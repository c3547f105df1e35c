import type { DashboardSource, DeploymentState, PoolState, QueueState } from './dashboard/dashboard.source.js';
import type { FastLiteLLM } from './fast-litellm.js';

/** The data of the dashboard. */
export function dashboardSource(llm: FastLiteLLM, version: string): DashboardSource {
  return {
    version,
    health: () => llm.healthCheckAsync(),
    engines: () => llm.engineStates(),
    features: () => llm.featureFlags.getFeatureStatus(),
    metrics: () => llm.metrics(),
    limits: llm.rateLimiter.watch(),
    monitor: llm.monitor,
    deployments: () => deploymentsOf(llm),
    pool: () => poolOf(llm),
    queue: () => queueOf(llm),
  };
}

function deploymentsOf({ router }: FastLiteLLM): DeploymentState[] {
  const known = new Map(router.deployments().map((deployment) => [deployment.id, deployment]));
  return router.status().flatMap(({ requests, tokens, successes: _, failures: __, ...state }) => {
    const deployment = known.get(state.id);
    if (deployment === undefined) return [];
    const { outcomes, rpm, tpm } = deployment;
    const usage = { rpm: requests, tpm: tokens, rpmLimit: set(rpm), tpmLimit: set(tpm) };
    return [{ ...state, ...usage, answered: outcomes.success + outcomes.failure, failures: outcomes.failure }];
  });
}

function poolOf({ connectionPool }: FastLiteLLM): PoolState {
  const { activeConnections, idleConnections, maxTotalConnections, waiting, endpoints } = connectionPool.stats();
  return {
    leased: activeConnections,
    idle: idleConnections,
    waiting,
    maxConnections: maxTotalConnections,
    endpoints: Object.entries(endpoints).map(([origin, stats]) => ({
      origin,
      leased: stats.activeConnections,
      idle: stats.availableConnections,
      waiting: stats.waiting,
      maxConnections: stats.maxConnections,
    })),
  };
}

function queueOf({ client }: FastLiteLLM): QueueState | null {
  const { queue } = client.status();
  if (queue === null) return null;
  const { length, most, promptTokens, drainPerSecond, refused, late, byClass } = queue;
  const classes = Object.entries(byClass).map(([name, state]) => ({ name, ...state }));
  return { length, most, promptTokens, drainPerSecond, refused, late, classes };
}

/** A limit, or `undefined` if it is `Infinity`. */
function set(limit: number): number | undefined {
  return limit === Infinity ? undefined : limit;
}
