/** The engine that answers for a capability. */
export type EngineName = 'native' | 'typescript';

/** One metric of a capability, described as data for the metrics adapter. */
export interface MetricSample {
  /** Prometheus style, without the package's prefix: `token_counting_tokens_total`. */
  readonly name: string;
  /** The text of Prometheus' HELP line. */
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** Of a histogram: which of its series. A bucket has the label `le`, and counts all below it. */
  readonly suffix?: '_bucket' | '_sum' | '_count';
  readonly value: number;
  /** Bounded sets only: never a key, a user or a secret. */
  readonly labels?: Readonly<Record<string, string>>;
  /** `false`: no sum of several such values means anything, as of percentiles. */
  readonly addsUp?: false;
}

/** Health of a capability. `degraded`: it answers, but not as configured. */
export interface CapabilityHealth {
  readonly status: 'ok' | 'degraded' | 'down';
  readonly engine: EngineName;
  /** Why it is not `ok`, or why this engine answers. */
  readonly reason?: string;
  readonly [detail: string]: unknown;
}

/** The health of another capability in the same report, so that none is asked twice. */
export type HealthOf = <C extends Capability>(capability: C) => ReturnType<C['health']>;

/** Implemented by the service of every capability, for health and metrics. */
export interface Capability {
  /** In snake_case, as in the flags and the metrics: `token_counting`. */
  readonly capability: string;
  /** Metrics of this capability at this moment, as data. */
  metrics(): readonly MetricSample[];
  /** Does real work: asks the engine a question whose answer is known. */
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
