import { checkFunction, checkKnownKeys, checkObject, checkPositiveInteger, optional, refuseOption } from '../common/options.js';

/** A registry of prom-client; not its own type, so that those who do without it can compile against this package. */
export interface MetricRegistry {
  /** The metric of that name, if it is registered. */
  getSingleMetric(name: string): object | undefined;
  /** Removes a metric. */
  removeSingleMetric(name: string): void;
  /** All metrics in Prometheus' text format. */
  metrics(): Promise<string>;
}

/** How metrics are shown. */
export interface MetricsOptions {
  /** Default: prom-client's global registry, which `@willsoto/nestjs-prometheus` shows. */
  readonly registry?: MetricRegistry;
  /** What all names begin with. Default `fast_litellm_`. */
  readonly prefix?: string;
  /** Series of one metric that are shown by their own labels; those that come later share one, all of whose labels are `other`; percentiles, which do not add up, are left out. Default 200. */
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
