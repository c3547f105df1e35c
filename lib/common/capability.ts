/** The engine in use for a capability. */
export type EngineName = 'native' | 'typescript';

/** One sample of a metric, for any metrics library. */
export interface MetricSample {
  /** Prometheus-style name, without the package's prefix: `token_counting_tokens_total`. */
  readonly name: string;
  /** The text of Prometheus' HELP line. */
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** For a histogram: which of its series. A bucket has the label `le` and is cumulative. */
  readonly suffix?: '_bucket' | '_sum' | '_count';
  readonly value: number;
  /** Values from bounded sets only: never a key, a user or a secret. */
  readonly labels?: Readonly<Record<string, string>>;
  /** `false` if sums of this metric are meaningless, as for percentiles. */
  readonly addsUp?: false;
}

/** Health of a capability. `degraded`: it works, but not as configured. */
export interface CapabilityHealth {
  readonly status: 'ok' | 'degraded' | 'down';
  readonly engine: EngineName;
  /** Why it is not `ok`, or why this engine is used. */
  readonly reason?: string;
  readonly [detail: string]: unknown;
}

/** The health of another capability in the same report, so that none is asked twice. */
export type HealthOf = <C extends Capability>(capability: C) => ReturnType<C['health']>;

/** The service of a capability, which reports health and metrics. */
export interface Capability {
  /** In snake_case, as in the flags and the metrics: `token_counting`. */
  readonly capability: string;
  /** Current metrics of this capability, as data. */
  metrics(): readonly MetricSample[];
  /** Runs a self-test: an operation whose result is known. */
  health(of?: HealthOf): CapabilityHealth | Promise<CapabilityHealth>;
}

type Labels = MetricSample['labels'];

/** A sample of a metric. */
export function sampleOf(name: string, help: string, type: MetricSample['type'], value: number, labels?: Labels): MetricSample {
  return { name, help, type, value, ...(labels && { labels }) };
}

/**
 * Makes samples with a prefix: `samplesOf('router')('picks_total', …)` is one of
 * `router_picks_total`.
 */
export function samplesOf(prefix: string): typeof sampleOf {
  return (name, ...facts) => sampleOf(`${prefix}_${name}`, ...facts);
}
