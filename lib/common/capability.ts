/** Where a capability's answers come from. */
export type EngineName = 'native' | 'typescript';

/** One number of a capability, described as data: the metrics adapter translates it, the capability pushes nothing. */
export interface MetricSample {
  /** Prometheus style, without the package's prefix: `token_counting_tokens_total`. */
  readonly name: string;
  /** The text of Prometheus' HELP line. */
  readonly help: string;
  readonly type: 'counter' | 'gauge';
  readonly value: number;
  /** Bounded sets only: never a key, a user or a secret. */
  readonly labels?: Readonly<Record<string, string>>;
  /** `false`: no sum of several such values means anything, as of percentiles. */
  readonly addsUp?: false;
}

/** What a capability says of itself when asked. `degraded`: it answers, but not the way it was configured to. */
export interface CapabilityHealth {
  readonly status: 'ok' | 'degraded' | 'down';
  readonly engine: EngineName;
  /** Why it is not `ok`, or why this engine answers. */
  readonly reason?: string;
  readonly [detail: string]: unknown;
}

/** What a capability answers to the report under way: who is only as well as another one need not have it asked twice. */
export type HealthOf = <C extends Capability>(capability: C) => ReturnType<C['health']>;

/** What every capability's service implements, so that health and metrics need to know none of them. */
export interface Capability {
  /** In snake_case, as in the flags and the metrics: `token_counting`. */
  readonly capability: string;
  /** Metrics of this capability at this moment, as data. */
  metrics(): readonly MetricSample[];
  /** Does real work: asks the engine a question whose answer is known. */
  health(of?: HealthOf): CapabilityHealth | Promise<CapabilityHealth>;
}
