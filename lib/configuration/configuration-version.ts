/** The cause of a configuration: the start, a changed file, `SIGHUP`, or the admin API. */
export type ConfigurationCause = 'start' | 'watch' | 'signal' | 'api' | 'store';

/** When a change takes effect: at once, at the next start, or not at all. */
export type ChangeEffect = 'now' | 'next_start' | 'none';

/** One difference between two configurations. Secrets are masked. */
export interface ConfigurationChange {
  /**
   * Path in the file: `router_settings.num_retries`; a deployment is named by its id,
   * `model_list['gpt-4o-eu'].litellm_params.rpm`.
   */
  readonly path: string;
  readonly kind: 'added' | 'removed' | 'changed';
  /** Absent if it was added. */
  readonly before?: unknown;
  /** Absent if it was removed. */
  readonly after?: unknown;
  readonly effect: ChangeEffect;
}

/** A configuration that is or was in use. */
export interface ConfigurationVersion {
  /** Counted from 1 at the start of the process. */
  readonly version: number;
  readonly at: Date;
  /**
   * The same for all processes with the same file and stored models, without revealing their
   * content.
   */
  readonly digest: string;
  readonly cause: ConfigurationCause;
  /** Differences from the previous version; empty for the first. */
  readonly changes: readonly ConfigurationChange[];
}

/** A configuration that was not applied. */
export interface RejectedConfiguration {
  readonly at: Date;
  readonly cause: ConfigurationCause;
  /** The path of the invalid value, and the rule that it violates. */
  readonly message: string;
}
