import type * as PromClient from 'prom-client';
import type { MetricSample } from '../common/capability.js';
import { loadOptionalPackage } from '../common/optional-package.js';

/** Whatever describes its numbers as data. */
export interface MetricSource {
  metrics(): readonly MetricSample[];
}

/** A registry of prom-client; not its own type, so that those who do without it can compile against this package. */
export interface MetricRegistry {
  getSingleMetric(name: string): object | undefined;
  removeSingleMetric(name: string): void;
  metrics(): Promise<string>;
}

const PREFIX = 'fast_litellm_';

/** The samples of one name, one per set of labels. */
interface Family {
  readonly first: MetricSample;
  readonly series: Map<string, MetricSample>;
}

/** Reads its sources when a registry is scraped; between scrapes it costs nothing. */
class PrometheusCollector {
  private readonly sources = new Set<MetricSource>();
  private readonly own = new WeakSet<object>();
  private families: Map<string, Family> | null = null;

  constructor(
    private readonly client: typeof PromClient,
    private readonly registry: PromClient.Registry,
  ) {}

  add(source: MetricSource): void {
    this.sources.add(source);
    this.families = null;
    this.register();
  }

  remove(source: MetricSource): void {
    const names = this.read().keys();
    this.sources.delete(source);
    if (this.sources.size > 0) return;
    for (const name of names) if (this.isOwn(name)) this.registry.removeSingleMetric(name);
  }

  /** Registers the names that the registry does not have, be they new or lost to a `clear()`. A stranger's metric of that name stays. */
  private register(): void {
    for (const [name, { first }] of this.read()) {
      if (this.registry.getSingleMetric(name) !== undefined) continue;
      const options = { name, help: first.help, labelNames: Object.keys(first.labels ?? {}), registers: [this.registry] };
      // eslint-disable-next-line @typescript-eslint/no-this-alias
      const collector = this;
      const metric =
        first.type === 'gauge'
          ? new this.client.Gauge({
              ...options,
              collect() {
                this.reset();
                for (const { labels = {}, value } of collector.series(name)) this.set(labels, value);
              },
            })
          : new this.client.Counter({
              ...options,
              collect() {
                this.reset();
                for (const { labels = {}, value } of collector.series(name)) this.inc(labels, value);
              },
            });
      this.own.add(metric);
    }
  }

  private series(name: string): Iterable<MetricSample> {
    const fresh = this.families === null;
    const series = this.read().get(name)?.series.values() ?? [];
    if (fresh) this.register();
    return series;
  }

  /** A registry asks all its metrics in one turn: they share one reading. */
  private read(): Map<string, Family> {
    if (this.families !== null) return this.families;
    const families = (this.families = new Map<string, Family>());
    queueMicrotask(() => (this.families = null));
    for (const source of this.sources) {
      for (const sample of source.metrics()) add(families, sample);
    }
    return families;
  }

  private isOwn(name: string): boolean {
    const metric = this.registry.getSingleMetric(name);
    return metric !== undefined && this.own.has(metric);
  }
}

/** Two sources with the same series are two instances in one process: their counters add up, of their gauges the newest holds. */
function add(families: Map<string, Family>, sample: MetricSample): void {
  const name = PREFIX + sample.name;
  const family = families.get(name) ?? { first: sample, series: new Map<string, MetricSample>() };
  families.set(name, family);
  const key = JSON.stringify(sample.labels ?? {});
  const before = sample.type === 'counter' ? (family.series.get(key)?.value ?? 0) : 0;
  family.series.set(key, before === 0 ? sample : { ...sample, value: before + sample.value });
}

const collectors = new WeakMap<PromClient.Registry, PrometheusCollector>();

/**
 * Adds the source's metrics, prefixed `fast_litellm_`, to a prom-client registry, by default the global one that `/metrics` of
 * `@willsoto/nestjs-prometheus` shows. They are read when the registry is scraped. Adding a source twice does nothing more.
 *
 * @returns what takes them out again
 * @throws MissingPackageError without `prom-client`.
 */
export function registerPrometheusMetrics(source: MetricSource, registry?: MetricRegistry): () => void {
  const client = openPromClient();
  const target = (registry as PromClient.Registry | undefined) ?? client.register;
  let collector = collectors.get(target);
  if (collector === undefined) collectors.set(target, (collector = new PrometheusCollector(client, target)));
  collector.add(source);
  return () => collector.remove(source);
}

/** Whether `prom-client` is there to register with. */
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
  return loadOptionalPackage('prom-client', 'the metrics', () => require('prom-client') as typeof PromClient);
}
