import { LONGEST_TIMER_MS } from '../../common/clock.js';
import { callback, integer, required, resolveOptions, type OptionsOf, type Resolved } from '../../common/option.js';
import type { Deployment } from '../deployments/deployment.js';

/**
 * Checks a deployment. `false` or a rejected promise makes it unhealthy until a later check
 * succeeds.
 */
export type HealthProbe = (deployment: Deployment, signal: AbortSignal) => boolean | Promise<boolean>;

const TIME = { min: 1, max: LONGEST_TIMER_MS };

export const HEALTH_CHECKS = {
  /**
   * Returns whether the deployment is healthy; a rejected promise means unhealthy. `signal` aborts
   * at `timeoutMs`.
   */
  probe: required(callback<HealthProbe>()),
  /** Pause between two rounds. Default 300,000. */
  intervalMs: integer({ ...TIME, default: 300_000 }),
  /** Time limit of one probe. Default 10,000. */
  timeoutMs: integer({ ...TIME, default: 10_000 }),
  /** Probes in parallel. Default 10. */
  concurrency: integer({ ...TIME, default: 10 }),
  /** A failed check expires after this time. Default: two intervals. */
  stalenessMs: integer(TIME),
};

/**
 * Background checks of the deployments. Unhealthy ones get no requests while others are healthy.
 */
export interface HealthCheckOptions extends OptionsOf<typeof HEALTH_CHECKS> {}
export type ResolvedHealthChecks = Resolved<typeof HEALTH_CHECKS> & { readonly stalenessMs: number };

/** @throws InvalidConfigurationError naming the option. */
export function resolveHealthChecks(path: string, value: unknown): ResolvedHealthChecks {
  const resolved = resolveOptions(HEALTH_CHECKS, path, value);
  return { ...resolved, stalenessMs: resolved.stalenessMs ?? 2 * resolved.intervalMs };
}
