import type { DashboardSource } from './dashboard/dashboard.source.js';
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
    monitor: llm.monitor,
  };
}
