import { custom, instance, integer, resolveOptions, type OptionsOf, type Resolved } from '../common/option.js';
import { refuseOption } from '../common/options.js';

/** A registry of prom-client. Declared here, because prom-client is an optional peer dependency. */
export interface MetricRegistry {
  /** Returns the metric of that name, if it is registered. */
  getSingleMetric(name: string): object | undefined;
  /** Removes a metric. */
  removeSingleMetric(name: string): void;
  /** Returns all metrics in Prometheus' text format. */
  metrics(): Promise<string>;
}

export const METRICS = {
  /**
   * Registry that exposes the metrics. Default: prom-client's global registry, which
   * `@willsoto/nestjs-prometheus` exposes.
   */
  registry: instance<MetricRegistry>('a `Registry`', ['registerMetric', 'getSingleMetric', 'removeSingleMetric', 'metrics']),
  /** Prefix of all names. Default `fast_litellm_`. */
  prefix: custom<string>('string', checkPrefix, 'fast_litellm_'),
  /**
   * Maximum number of series of one metric with their own labels. Further ones share a series whose
   * labels are `other`; percentiles are omitted there, because they do not add up. Default 200.
   */
  maxSeries: integer({ min: 1, default: 200 }),
};

/** Options of the metrics (`metrics`). */
export interface MetricsOptions extends OptionsOf<typeof METRICS> {}

export type ResolvedMetricsOptions = Resolved<typeof METRICS>;

/** @throws InvalidConfigurationError naming the option. */
export function resolveMetricsOptions(options: MetricsOptions = {}): ResolvedMetricsOptions {
  return resolveOptions(METRICS, 'metrics', options);
}

function checkPrefix(path: string, value: unknown): string {
  if (typeof value === 'string' && /^[A-Za-z_][A-Za-z0-9_]*$/.test(value)) return value;
  throw refuseOption(path, value, 'must contain only letters, digits and _, and must not begin with a digit');
}
