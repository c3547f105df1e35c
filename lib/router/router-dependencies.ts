import type { LogSink } from '../common/log-sink.js';
import type { CallRecorder } from '../common/recorder.js';
import type { ModelFacts, ReadingContext } from './config/model-list.js';
import type { CheckDeployment } from './deployments/callability.js';

/** Dependencies of a router. */
export interface RouterContext {
  /** Milliseconds since 1970, of a clock that never steps. Default `steadyNow`. */
  readonly now?: () => number;
  /** From 0 to 1, without 1. Default `Math.random`. */
  readonly random?: () => number;
  /** Default: Nest's logger. */
  readonly logger?: LogSink;
  readonly recorder?: CallRecorder;
  /** Prices and context windows of models, for deployments without their own. */
  readonly modelFacts?: ModelFacts;
  /** Counts the `messages` of a context where the option `router.countTokens` is not set. */
  readonly countTokens?: (messages: readonly unknown[], model: string) => number;
  /**
   * Whether a deployment can be called, for a router whose deployments are called by this package.
   */
  readonly check?: CheckDeployment;
  /**
   * How errors of the model list are reported. Default: as those of the option `router.modelList`.
   */
  readonly reading?: Pick<ReadingContext, 'path' | 'refuse'>;
}
