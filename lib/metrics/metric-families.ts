import type { MetricSample } from '../common/capability.js';

type Labels = NonNullable<MetricSample['labels']>;

/** The latest value under one set of labels. The object of the labels stays the same from one reading to the next: prom-client keeps their text by it. */
export interface MetricValue {
  readonly sharedLabels: Labels;
  readonly value: number;
}

/** The samples of one name, one per set of labels. */
export interface MetricFamily {
  readonly name: string;
  readonly help: string;
  readonly type: MetricSample['type'];
  readonly values: readonly MetricValue[];
}

const OTHER = 'other';
const NO_LABELS: Labels = {};

/**
 * Sorts samples by name, and keeps the number of series of each name bounded: a set of labels that is not among the first `maxSeries` shares one series with all
 * others like it. Who is among the first stays: otherwise a counter would move to and fro.
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
   * Two sources with the same series are two instances in one process: their counters add up, of their gauges the newest holds.
   * What shares a series adds up in any case, and is left out where no sum means anything.
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

/** One series of one name, and the last reading that it had a value in. */
class Series {
  reading = 0;
  latest: { readonly sharedLabels: Labels; value: number } | undefined = undefined;

  constructor(readonly labels: Labels) {}
}

/** The series of one name: of sets of labels that are equal, one object stands for all. */
class KnownSeries {
  reading = 0;
  private values: MetricValue[] = [];
  /** Also of those that share one: they are as many as there are calls with other names, so nothing here keeps them. */
  private readonly byLabels = new WeakMap<Labels, Series>([[NO_LABELS, new Series(NO_LABELS)]]);
  private readonly byKey = new Map<string, Series>();
  private other: Series | undefined = undefined;

  constructor(
    readonly name: string,
    private readonly maxSeries: number,
  ) {}

  /** Gives what the values of this reading are added to. */
  begin(reading: number): readonly MetricValue[] {
    this.reading = reading;
    return (this.values = []);
  }

  add({ type, value, labels = NO_LABELS, addsUp }: MetricSample): void {
    // Who hands over the same object again spares its key.
    let series = this.byLabels.get(labels);
    if (series === undefined) this.byLabels.set(labels, (series = this.seriesOf(labels)));
    if (series === this.other && addsUp === false) return;
    const { latest } = series;
    if (latest === undefined || series.reading !== this.reading) {
      series.reading = this.reading;
      this.values.push((series.latest = { sharedLabels: series.labels, value }));
    } else latest.value = type === 'counter' || series === this.other ? latest.value + value : value;
  }

  private seriesOf(labels: Labels): Series {
    const key = keyOf(labels);
    const known = this.byKey.get(key);
    if (known !== undefined) return known;
    if (this.byKey.size >= this.maxSeries)
      return (this.other ??= new Series(Object.fromEntries(Object.keys(labels).map((label) => [label, OTHER]))));
    const series = new Series(labels);
    this.byKey.set(key, series);
    return series;
  }
}

/** Tells sets of labels apart. */
function keyOf(labels: Labels): string {
  let key = '';
  for (const name in labels) key += `${name}\0${labels[name]}\0`;
  return key;
}
