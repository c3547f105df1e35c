/** A failed call, for operators. */
export interface LastFailure {
  /** `status 429`, `no answer in time`, `connection failed`, or what is misconfigured. */
  readonly cause: string;
  /** By the router's clock. */
  readonly atMs: number;
}

/** Finished calls of a deployment since the start, of this process only. */
export interface DeploymentOutcomes {
  readonly success: number;
  readonly failure: number;
  /** Requests that the provider rejected because of their content. */
  readonly refused: number;
  /** Duration of the successful calls, those that reported it. */
  readonly successMs: number;
  readonly lastFailure?: LastFailure;
}

/** The same, as they are counted. */
export type CountedOutcomes = { -readonly [Key in keyof DeploymentOutcomes]: DeploymentOutcomes[Key] };
