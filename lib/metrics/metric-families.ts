import type { MetricSample } from '../common/capability.js';

/** The latest value under one set of labels. The object of the labels stays the same from one reading to the next: prom-client keeps their text by it. */
export interface MetricValue {
  readonly labels: Labels;
  value: number;
}

/** The samples of one name, one per set of labels. */
export interface MetricFamily {
  readonly name: string;
  readonly help: string;
  readonly type: MetricSample['type'];
  readonly series: ReadonlyMap<Labels, MetricValue>;
}

type Labels = NonNullable<MetricSample['labels']>;

const OTHER = 'other';
const NO_LABELS: Labels = {};

/**
 * Sorts samples by name, and keeps the number of series of each name bounded: a set of labels that is not among the first `maxSeries` shares one series with all
 * others like it. Who is among the first stays: otherwise a counter would move to and fro.
 */
export class MetricFamilies {
  /** By name. */
  private readonly known = new Map<string, KnownLabels>();

  constructor(
    private readonly prefix: string,
    private readonly maxSeries: number,
  ) {}

  /**
   * Two sources with the same series are two instances in one process: their counters add up, of their gauges the newest holds.
   * What shares a series adds up in any case.
   */
  sort(samples: Iterable<MetricSample>): Map<string, MetricFamily> {
    const families = new Map<string, MetricFamily & { readonly series: Map<Labels, MetricValue> }>();
    for (const { name, help, type, value, labels = NO_LABELS } of samples) {
      let family = families.get(name);
      if (family === undefined) families.set(name, (family = { name: this.prefix + name, help, type, series: new Map() }));
      const known = this.labelsOf(name);
      const shown = known.shown(labels);
      const before = family.series.get(shown);
      if (before === undefined) family.series.set(shown, { labels: shown, value });
      else before.value = type === 'counter' || known.isShared(shown) ? before.value + value : value;
    }
    return new Map(Array.from(families.values(), (family) => [family.name, family]));
  }

  private labelsOf(name: string): KnownLabels {
    let known = this.known.get(name);
    if (known === undefined) this.known.set(name, (known = new KnownLabels(this.maxSeries)));
    return known;
  }
}

/** The sets of labels of one name: one object stands for all that are equal. */
class KnownLabels {
  private readonly byKey = new Map<string, Labels>();
  private readonly own = new Set<Labels>();
  private other: Labels | undefined = undefined;

  constructor(private readonly maxSeries: number) {}

  /** What these labels are shown as. */
  shown(labels: Labels): Labels {
    // Who hands over the same object again spares its key.
    if (labels === NO_LABELS || this.own.has(labels)) return labels;
    const key = keyOf(labels);
    const known = this.byKey.get(key);
    if (known !== undefined) return known;
    if (this.own.size >= this.maxSeries) return (this.other ??= Object.fromEntries(Object.keys(labels).map((label) => [label, OTHER])));
    this.byKey.set(key, labels);
    this.own.add(labels);
    return labels;
  }

  isShared(shown: Labels): boolean {
    return shown === this.other;
  }
}

/** Tells sets of labels apart. */
function keyOf(labels: Labels): string {
  let key = '';
  for (const name in labels) key += `${name}\0${labels[name]}\0`;
  return key;
}
