import { checkFunction, checkKnownKeys, checkObject, checkPositiveInteger, optional, refuseOption } from '../common/options.js';

/** A registry of prom-client. Not its own type, because the package is an optional peer. */
export interface MetricRegistry {
  /** The metric of that name, if it is registered. */
  getSingleMetric(name: string): object | undefined;
  /** Removes a metric. */
  removeSingleMetric(name: string): void;
  /** All metrics in the text format of Prometheus. */
  metrics(): Promise<string>;
}

/** Options of the metrics (`metrics`). */
export interface MetricsOptions {
  /** Default: prom-client's global registry, which `@willsoto/nestjs-prometheus` exposes. */
  readonly registry?: MetricRegistry;
  /** Prefix of all names. Default `fast_litellm_`. */
  readonly prefix?: string;
  /**
   * Series of one metric with labels of their own. Later ones share one whose labels are `other`,
   * without percentiles, which do not add up. Default 200.
   */
  readonly maxSeries?: number;
}

export interface ResolvedMetricsOptions {
  readonly registry?: MetricRegistry;
  readonly prefix: string;
  readonly maxSeries: number;
}

const KNOWN: readonly (keyof MetricsOptions)[] = ['registry', 'prefix', 'maxSeries'];

/** @throws InvalidConfigurationError naming the option. */
export function resolveMetricsOptions(options: MetricsOptions = {}): ResolvedMetricsOptions {
  const input = checkObject('metrics', options);
  checkKnownKeys('metrics', input, KNOWN);
  return {
    registry: optional(input.registry, undefined, checkRegistry),
    prefix: optional(input.prefix, 'fast_litellm_', checkPrefix),
    maxSeries: optional(input.maxSeries, 200, (value) => checkPositiveInteger('metrics.maxSeries', value)),
  };
}

function checkRegistry(value: unknown): MetricRegistry {
  const registry = checkObject('metrics.registry', value);
  for (const method of ['registerMetric', 'getSingleMetric', 'removeSingleMetric', 'metrics']) {
    checkFunction(`metrics.registry.${method}`, registry[method]);
  }
  return value as MetricRegistry;
}

function checkPrefix(value: unknown): string {
  if (typeof value === 'string' && /^[A-Za-z_][A-Za-z0-9_]*$/.test(value)) return value;
  throw refuseOption('metrics.prefix', value, 'must be letters, digits and _, and must not begin with a digit');
}
