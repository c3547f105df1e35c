import type { MetricSample } from '../common/capability.js';

/** The samples of one name, one per set of labels. */
export interface MetricFamily {
  readonly name: string;
  readonly help: string;
  readonly type: MetricSample['type'];
  readonly series: ReadonlyMap<string, MetricSample>;
}

const OTHER = 'other';

/**
 * Sorts samples by name, and keeps the number of series of each name bounded: a set of labels that is not among the first `maxSeries` shares one series with all
 * others like it. Who is among the first stays: otherwise a counter would move to and fro.
 */
export class MetricFamilies {
  private readonly own = new Map<string, Set<string>>();

  constructor(
    private readonly prefix: string,
    private readonly maxSeries: number,
  ) {}

  /**
   * Two sources with the same series are two instances in one process: their counters add up, of their gauges the newest holds.
   * What shares a series adds up in any case.
   */
  sort(samples: Iterable<MetricSample>): Map<string, MetricFamily> {
    const families = new Map<string, MetricFamily & { readonly series: Map<string, MetricSample> }>();
    for (const sample of samples) {
      const name = this.prefix + sample.name;
      let family = families.get(name);
      if (family === undefined) families.set(name, (family = { name, help: sample.help, type: sample.type, series: new Map() }));
      const { key, labels, isShared } = this.place(name, sample.labels);
      const before = isShared || sample.type === 'counter' ? family.series.get(key) : undefined;
      family.series.set(key, { ...sample, labels, value: sample.value + (before?.value ?? 0) });
    }
    return families;
  }

  private place(name: string, labels: MetricSample['labels']): { key: string; labels: MetricSample['labels']; isShared: boolean } {
    if (labels === undefined) return { key: '', labels, isShared: false };
    const key = keyOf(labels);
    let known = this.own.get(name);
    if (known === undefined) this.own.set(name, (known = new Set()));
    if (known.has(key)) return { key, labels, isShared: false };
    if (known.size < this.maxSeries) {
      known.add(key);
      return { key, labels, isShared: false };
    }
    return { key: OTHER, labels: Object.fromEntries(Object.keys(labels).map((label) => [label, OTHER])), isShared: true };
  }
}

/** Tells sets of labels apart. */
function keyOf(labels: NonNullable<MetricSample['labels']>): string {
  let key = '';
  for (const name in labels) key += `${name}\0${labels[name]}\0`;
  return key;
}
