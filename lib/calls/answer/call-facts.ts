import type { AttemptFailure } from '../call.js';
import type { AnswerCost } from './answer-cost.js';

/** How an answer was produced. */
export interface CallFacts {
  /** The deployment that answered. */
  readonly deploymentId: string;
  readonly provider: string;
  /** The deployment's model group; after a fallback, not the requested one. */
  readonly group: string;
  /** The provider's name for the model. */
  readonly model: string;
  readonly attempts: number;
  readonly retries: number;
  readonly fallbacks: number;
  /** The failed attempts before this answer. */
  readonly failures: readonly AttemptFailure[];
  /** Time until the answer arrived; for a stream, until its first chunk. */
  readonly durationMs: number;
  /** The part of `durationMs` that was not spent waiting for providers, connections and retries. */
  readonly overheadMs: number;
  /** Cost of the answer in USD, as in `cost`. */
  readonly costUsd?: number;
  /**
   * Cost of the answer by part, and the source of the price. Absent without a price or usage, and
   * for a stream, whose own `cost` is set at the end.
   */
  readonly cost?: AnswerCost;
  /** Whether the answer is a mock (`mock_response`), so that no provider was called. */
  readonly isMocked?: boolean;
  /** The provider's id of the request, for support cases. Absent with a caller's own `send`. */
  readonly providerRequestId?: string;
  /** Names of the guardrails that apply to the call. Absent without any. */
  readonly guardrails?: readonly string[];
}
