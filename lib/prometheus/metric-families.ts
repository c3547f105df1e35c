import type { MetricSample } from '../common/capability.js';

type Labels = NonNullable<MetricSample['labels']>;

/**
 * The value of one set of labels. The labels stay the same object in every reading, because
 * prom-client caches their text by it.
 */
export interface MetricValue {
  readonly sharedLabels: Labels;
  readonly value: number;
  /** Where it is not the family's name: of a histogram. */
  readonly metricName?: string;
}

/** The samples of one name, one for each set of labels. */
export interface MetricFamily {
  readonly name: string;
  readonly help: string;
  readonly type: MetricSample['type'];
  readonly values: readonly MetricValue[];
}

const OTHER = 'other';
/** Kept by merged series: an alert for failures has to see theirs. Its values are few. */
const KEPT = 'outcome';
const NO_LABELS: Labels = {};

/**
 * Groups samples by name, and limits the series of each name: the first `maxSeries` sets of labels
 * permanently keep their own series, later ones share one for each `outcome`. A counter never moves
 * between them.
 */
export class MetricFamilies {
  /** By name without the prefix. */
  private readonly known = new Map<string, KnownSeries>();
  private readings = 0;

  constructor(
    private readonly prefix: string,
    private readonly maxSeries: number,
  ) {}

  /**
   * Two sources with the same series are two instances in one process: their counters add up, and
   * of their gauges the latest counts. Samples that share a series add up, or are omitted where a
   * sum has no meaning.
   */
  sort(sources: Iterable<readonly MetricSample[]>): Map<string, MetricFamily> {
    const families = new Map<string, MetricFamily>();
    const reading = ++this.readings;
    for (const samples of sources) {
      for (const sample of samples) {
        const known = this.knownOf(sample.name);
        if (known.reading !== reading) {
          const values = known.begin(reading);
          families.set(known.name, { name: known.name, help: sample.help, type: sample.type, values });
        }
        known.add(sample);
      }
    }
    return families;
  }

  private knownOf(name: string): KnownSeries {
    let known = this.known.get(name);
    if (known === undefined) this.known.set(name, (known = new KnownSeries(this.prefix + name, this.maxSeries)));
    return known;
  }
}

/** One series of one name, and the last reading in which it had a value. */
class Series {
  reading = 0;
  latest: { readonly sharedLabels: Labels; value: number; readonly metricName?: string } | undefined = undefined;

  constructor(
    readonly labels: Labels,
    /** Whether it is shared by the labels beyond `maxSeries`. */
    readonly isOther = false,
  ) {}
}

/** The series of one name: equal sets of labels share one object. */
class KnownSeries {
  reading = 0;
  private values: MetricValue[] = [];
  /** Weak, because the labels that share a series are unbounded. */
  private readonly byLabels = new WeakMap<Labels, Series>([[NO_LABELS, new Series(NO_LABELS)]]);
  private readonly byKey = new Map<string, Series>();
  /** The shared series, by outcome. */
  private readonly others = new Map<string | undefined, Series>();

  constructor(
    readonly name: string,
    private readonly maxSeries: number,
  ) {}

  /** Returns the list that the values of this reading go into. */
  begin(reading: number): readonly MetricValue[] {
    this.reading = reading;
    return (this.values = []);
  }

  add({ type, suffix, value, labels = NO_LABELS, addsUp }: MetricSample): void {
    // A source that passes the same object again saves building its key.
    let series = suffix === undefined ? this.byLabels.get(labels) : this.seriesOf(labels, suffix);
    if (series === undefined) this.byLabels.set(labels, (series = this.seriesOf(labels)));
    if (series.isOther && addsUp === false) return;
    const { latest } = series;
    if (latest === undefined || series.reading !== this.reading) {
      series.reading = this.reading;
      const metricName = suffix && { metricName: this.name + suffix };
      this.values.push((series.latest = { sharedLabels: series.labels, value, ...metricName }));
    } else latest.value = type !== 'gauge' || series.isOther ? latest.value + value : value;
  }

  private seriesOf(labels: Labels, suffix = ''): Series {
    const key = suffix + keyOf(labels);
    const known = this.byKey.get(key);
    if (known !== undefined) return known;
    if (this.byKey.size >= this.maxSeries) return this.otherOf(labels);
    const series = new Series(labels);
    this.byKey.set(key, series);
    return series;
  }

  private otherOf(labels: Labels): Series {
    const outcome = labels[KEPT] as string | undefined;
    let other = this.others.get(outcome);
    if (other === undefined) {
      const shared = Object.entries(labels).map(([label, value]) => [label, label === KEPT ? value : OTHER]);
      this.others.set(outcome, (other = new Series(Object.fromEntries(shared) as Labels, true)));
    }
    return other;
  }
}

/** Identifies a set of labels. */
function keyOf(labels: Labels): string {
  let key = '';
  for (const name in labels) key += `${name}\0${labels[name]}\0`;
  return key;
}
