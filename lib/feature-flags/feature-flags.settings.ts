/**
 * Settings of other capabilities in the flags file and the environment, which take precedence over
 * their options.
 */
export interface FlagsSettings {
  readonly rateLimit: {
    /** `requests_per_minute` of the file, or `FAST_LITELLM_RATE_LIMIT_RPM`. */
    readonly requestsPerMinute?: number;
    /** `burst_size` of the file, or `FAST_LITELLM_RATE_LIMIT_BURST`. */
    readonly burst?: number;
  };
  readonly connectionPool: {
    readonly maxConnectionsPerEndpoint?: number;
    readonly idleTimeoutMs?: number;
  };
  readonly monitoring: {
    readonly enabled?: boolean;
    /** Share of calls to measure, 0 to 1. */
    readonly sampleRate?: number;
    readonly performanceAlerts?: boolean;
    readonly metricsRetentionHours?: number;
    readonly alertFile?: string;
  };
}

/** The settings of `upper`, and those of `lower` that it does not define. */
export function mergeSettings(upper: FlagsSettings, lower: FlagsSettings): FlagsSettings {
  return {
    rateLimit: overlay(upper.rateLimit, lower.rateLimit),
    connectionPool: overlay(upper.connectionPool, lower.connectionPool),
    monitoring: overlay(upper.monitoring, lower.monitoring),
  };
}

/** `lower` with every defined entry of `upper` on top. */
function overlay<T extends object>(upper: T, lower: T): T {
  return { ...lower, ...Object.fromEntries(Object.entries(upper).filter(([, value]) => value !== undefined)) };
}
