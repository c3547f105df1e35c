import { LONGEST_TIMER_MS } from '../../common/clock.js';
import { checkFunction, checkInteger, checkKnownKeys, checkObject, joinPath, optional } from '../../common/options.js';
import type { Deployment } from '../deployments/deployment.js';

/**
 * Checks a deployment. `false` or a rejected promise makes it unhealthy until a later check
 * succeeds.
 */
export type HealthProbe = (deployment: Deployment, signal: AbortSignal) => boolean | Promise<boolean>;

/**
 * Background checks of the deployments. An unhealthy one gets no requests while others are healthy.
 */
export interface HealthCheckOptions {
  /**
   * Returns whether the deployment is healthy; a rejected promise counts as unhealthy. `signal`
   * aborts at `timeoutMs`.
   */
  readonly probe: HealthProbe;
  /** Pause between two rounds. Default 300,000. */
  readonly intervalMs?: number;
  /** Time-out of one probe. Default 10,000. */
  readonly timeoutMs?: number;
  /** Probes in parallel. Default 10. */
  readonly concurrency?: number;
  /** A failed check expires after this time. Default: two intervals. */
  readonly stalenessMs?: number;
}

export interface ResolvedHealthChecks {
  readonly probe: HealthProbe;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly concurrency: number;
  readonly stalenessMs: number;
}

export function resolveHealthChecks(path: string, value: unknown): ResolvedHealthChecks {
  const input = checkObject(path, value);
  checkKnownKeys(path, input, ['probe', 'intervalMs', 'timeoutMs', 'concurrency', 'stalenessMs']);
  const time = (key: string, fallback: number): number =>
    optional(input[key], fallback, (given) => checkInteger(joinPath(path, key), given, { min: 1, max: LONGEST_TIMER_MS }));
  const intervalMs = time('intervalMs', 300_000);
  return {
    probe: checkFunction(joinPath(path, 'probe'), input.probe),
    intervalMs,
    timeoutMs: time('timeoutMs', 10_000),
    concurrency: time('concurrency', 10),
    stalenessMs: time('stalenessMs', 2 * intervalMs),
  };
}
