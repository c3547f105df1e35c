import type { GuardrailRecord } from './call-record.js';

/** Facts known at the start of a call to a model, without texts or keys. */
export interface CallStart {
  /**
   * `chat`, `embeddings` or `text_completion`; for a custom `send` its `operation`, default `chat`.
   */
  readonly operation: string;
  /** The requested model: a model group. */
  readonly model: string;
  readonly stream: boolean;
  /** The requested maximum of output tokens, if known. */
  readonly maxTokens?: number;
  readonly temperature?: number;
  readonly topP?: number;
  /** `n`: the number of requested answers. */
  readonly choices?: number;
}

/** Facts known at the start of an attempt. */
export interface AttemptStart {
  /** From 1, over all retries and fallbacks of the call. */
  readonly number: number;
  /** The deployment's id. */
  readonly deploymentId: string;
  /** The model name sent to the provider. */
  readonly model: string;
  /** `openai`, `azure`, `anthropic`: LiteLLM's prefix of the model. */
  readonly provider?: string;
  /** The deployment's `api_base`, or any URL on the same server: only host and port are used. */
  readonly endpoint?: string;
  /** The attempt's model group, if a fallback changed it. */
  readonly fallbackGroup?: string;
}

/** The outcome of an attempt or of the whole call. Unknown values are absent. */
export interface CallOutcome {
  /** The error that was thrown; absent after a success. */
  readonly error?: unknown;
  /** HTTP status of the provider. */
  readonly status?: number;
  /** Whether the caller disconnected or cancelled, which is not a failure. */
  readonly cancelled?: boolean;
  readonly inputTokens?: number;
  readonly outputTokens?: number;
  readonly cacheReadTokens?: number;
  readonly reasoningTokens?: number;
  /** The provider's name for the model that answered. */
  readonly responseModel?: string;
  readonly responseId?: string;
  readonly finishReasons?: readonly string[];
  /**
   * Cost of these tokens in USD, including estimated ones; for a call, the total of its attempts.
   * Absent without a known price.
   */
  readonly costUsd?: number;
  /** For a call: retries within a priority tier. */
  readonly retries?: number;
  /** For a call: fallbacks to another model group. */
  readonly fallbacks?: number;
  /** For a call: the guardrails that checked it. */
  readonly guardrails?: readonly GuardrailRecord[];
}

/** Receives the events of one attempt. */
export interface ObservedAttempt {
  /**
   * Runs the function that sends the request, so that spans of an HTTP client become children of
   * the attempt.
   */
  run<T>(send: () => T): T;
  /** Called when the first chunk of a streamed answer arrives. */
  firstChunk(): void;
  /**
   * Called exactly once, regardless of the outcome; for a streamed answer, when the stream has
   * ended.
   */
  ended(outcome: CallOutcome): void;
}

/** Receives the events of one call. */
export interface ObservedCall {
  /** Called when an attempt begins: the first one, a retry or a fallback. */
  attempt(attempt: AttemptStart): ObservedAttempt;
  /** Called once, after the last attempt has ended, with the outcome for the caller. */
  ended(outcome: CallOutcome): void;
}

/**
 * Observes calls to models, for example to record OpenTelemetry spans. Must not throw.
 *
 * @example
 * const call = observer?.started({ operation: 'chat', model, stream: false });
 * const attempt = call?.attempt({ number: 1, deploymentId, model: 'gpt-4o', provider: 'openai', endpoint });
 * const answer = await (attempt === undefined ? send() : attempt.run(send));
 * attempt?.ended({ status: 200, inputTokens: 12, outputTokens: 40 });
 * call?.ended({ status: 200, inputTokens: 12, outputTokens: 40 });
 */
export interface CallObserver {
  /**
   * Called when a call begins, in the caller's async context. Return `undefined` to ignore the
   * call.
   */
  started(call: CallStart): ObservedCall | undefined;
}
