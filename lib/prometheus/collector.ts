import type * as PromClient from 'prom-client';
import type { MetricSample } from '../common/capability.js';
import { loadOptionalPackage } from '../common/optional-package.js';
import { MetricFamilies, type MetricFamily, type MetricValue } from './metric-families.js';
import { resolveMetricsOptions, type MetricRegistry, type MetricsOptions, type ResolvedMetricsOptions } from './metrics.options.js';

/** Returns its metrics as data. */
export interface MetricSource {
  /** Returns the current values of all metrics. Called for each scrape. */
  metrics(): readonly MetricSample[];
}

/** A metric as prom-client's registry reads it. */
interface Described {
  readonly name: string;
  readonly help: string;
  readonly type: MetricSample['type'];
  readonly aggregator: 'sum';
  readonly values: readonly { readonly labels: Readonly<Record<string, string>>; readonly value: number; readonly metricName?: string }[];
}

/** The same for the text format: prom-client caches the text of `sharedLabels` by its object. */
interface Written extends Omit<Described, 'values'> {
  readonly values: readonly MetricValue[];
}

const NONE: readonly MetricValue[] = [];

/** A metric without state: each scrape reads the sources. */
class DescribedMetric {
  readonly help: string;
  readonly type: MetricSample['type'];
  readonly aggregator = 'sum';

  constructor(
    // Mutable, because a registry for OpenMetrics removes `_total` from the name of a counter.
    public name: string,
    { help, type }: MetricFamily,
    private readonly read: () => readonly MetricValue[],
  ) {
    this.help = help;
    this.type = type;
  }

  get(): Promise<Described> {
    const values = this.read().map(({ sharedLabels, value, metricName }) => ({ labels: sharedLabels, value, metricName }));
    return Promise.resolve({ ...this.described(), values });
  }

  getForPromString(): Promise<Written> {
    return Promise.resolve({ ...this.described(), values: this.read() });
  }

  /** Does nothing: there is no state. */
  reset(): void {}

  private described(): Omit<Described, 'values'> {
    const { name, help, type, aggregator } = this;
    return { name, help, type, aggregator };
  }
}

/** Reads its sources when a registry is scraped. */
class PrometheusCollector {
  private readonly sources = new Set<MetricSource>();
  /** By name, including metrics that no source reports any longer. */
  private readonly shown = new Map<string, DescribedMetric>();
  private readonly families: MetricFamilies;
  private reading: Map<string, MetricFamily> | null = null;

  constructor(
    private readonly registry: PromClient.Registry,
    { prefix, maxSeries }: ResolvedMetricsOptions,
  ) {
    this.families = new MetricFamilies(prefix, maxSeries);
  }

  add(source: MetricSource): void {
    this.sources.add(source);
    this.reading = null;
    this.register();
    // A scrape in the same turn must read the sources again.
    this.reading = null;
  }

  remove(source: MetricSource): void {
    this.sources.delete(source);
    this.reading = null;
    if (this.sources.size > 0) return;
    for (const [name, metric] of this.shown) {
      if ((this.registry.getSingleMetric(name) as object | undefined) === metric) this.registry.removeSingleMetric(name);
    }
    this.shown.clear();
  }

  /** Registers missing names: new ones, or all after `clear()`. A metric of the app stays. */
  private register(): void {
    for (const [name, family] of this.read()) {
      if (this.registry.getSingleMetric(name) !== undefined) continue;
      const metric = new DescribedMetric(name, family, () => this.series(name));
      this.registry.registerMetric(metric as unknown as PromClient.Metric);
      this.shown.set(name, metric);
    }
  }

  private series(name: string): readonly MetricValue[] {
    const isFresh = this.reading === null;
    const series = this.read().get(name)?.values ?? NONE;
    if (isFresh) this.register();
    return series;
  }

  /** A registry reads all of its metrics in one turn: they share one reading. */
  private read(): Map<string, MetricFamily> {
    if (this.reading !== null) return this.reading;
    queueMicrotask(() => (this.reading = null));
    return (this.reading = this.families.sort(Array.from(this.sources, (source) => source.metrics())));
  }
}

/** By registry, then by prefix. */
const collectors = new WeakMap<PromClient.Registry, Map<string, PrometheusCollector>>();

/**
 * Registers the metrics of a source with a prom-client registry; default: the global one, which
 * `/metrics` of `@willsoto/nestjs-prometheus` exposes. They are read when the registry is scraped.
 * Registering a source twice has no effect.
 *
 * @param options The prefix of the names, and the maximum number of series of a metric.
 * @returns a function that removes them
 * @throws MissingPackageError without `prom-client`.
 * @throws InvalidConfigurationError naming the option.
 */
export function registerPrometheusMetrics(
  source: MetricSource,
  registry?: MetricRegistry,
  options?: Omit<MetricsOptions, 'registry'>,
): () => void {
  const resolved = resolveMetricsOptions(options);
  const target = (registry as PromClient.Registry | undefined) ?? openPromClient().register;
  let ofRegistry = collectors.get(target);
  if (ofRegistry === undefined) collectors.set(target, (ofRegistry = new Map<string, PrometheusCollector>()));
  let collector = ofRegistry.get(resolved.prefix);
  if (collector === undefined) ofRegistry.set(resolved.prefix, (collector = new PrometheusCollector(target, resolved)));
  const added = collector;
  added.add(source);
  return () => added.remove(source);
}

/** Whether `prom-client` is installed. */
export function hasPromClient(): boolean {
  try {
    openPromClient();
    return true;
  } catch {
    return false;
  }
}

function openPromClient(): typeof PromClient {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- only when asked: an optional peer
  return loadOptionalPackage('prom-client', 'showing metrics', () => require('prom-client') as typeof PromClient);
}
