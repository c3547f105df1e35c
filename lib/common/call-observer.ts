/** What is known of a call to a model when it begins. Neither text nor keys. */
export interface CallStart {
  /**
   * `chat`, `embeddings` or `text_completion`; for a custom `send` its `operation`, default `chat`.
   */
  readonly operation: string;
  /** As it was asked for: a model group. */
  readonly model: string;
  readonly stream: boolean;
  /** What the request asks for, where it is known. */
  readonly maxTokens?: number;
  readonly temperature?: number;
  readonly topP?: number;
  /** `n`: answers asked for. */
  readonly choices?: number;
}

/** What is known of one attempt when it begins. */
export interface AttemptStart {
  /** From 1, over all retries and fallbacks of the call. */
  readonly number: number;
  /** The deployment's id. */
  readonly deploymentId: string;
  /** As it is sent to the provider. */
  readonly model: string;
  /** `openai`, `azure`, `anthropic`: LiteLLM's prefix of the model. */
  readonly provider?: string;
  /** Its `api_base`, or any URL of it: host and port are taken from it, and nothing else. */
  readonly endpoint?: string;
  /** The group it belongs to, where a fallback has led away from the one asked for. */
  readonly fallbackGroup?: string;
}

/** How an attempt, or the whole call, came out. What is not known is left out. */
export interface CallOutcome {
  /** What was thrown; absent after a success. */
  readonly error?: unknown;
  /** HTTP status of the provider. */
  readonly status?: number;
  /** The caller went away: no failure of anybody. */
  readonly cancelled?: boolean;
  readonly inputTokens?: number;
  readonly outputTokens?: number;
  readonly cacheReadTokens?: number;
  readonly reasoningTokens?: number;
  /** As the provider names the model that answered. */
  readonly responseModel?: string;
  readonly responseId?: string;
  readonly finishReasons?: readonly string[];
  /**
   * USD for these tokens, estimated ones included; of a call for all of its attempts. Absent
   * without a known price.
   */
  readonly costUsd?: number;
  /** Of a call: retries within a priority tier. */
  readonly retries?: number;
  /** Of a call: model groups tried after another one failed. */
  readonly fallbacks?: number;
}

/** One attempt, as it goes on. */
export interface ObservedAttempt {
  /**
   * Runs the function that sends the request, so that spans of an HTTP client become children of
   * the attempt.
   */
  run<T>(send: () => T): T;
  /** The first chunk of a streamed answer is there. */
  firstChunk(): void;
  /** Once, whatever came of it; of a streamed answer when the stream is over. */
  ended(outcome: CallOutcome): void;
}

/** One call, as it goes on. */
export interface ObservedCall {
  /** The next attempt begins: the first one, a retry or a fallback. */
  attempt(attempt: AttemptStart): ObservedAttempt;
  /** Once, after the last attempt has ended, with what the caller gets. */
  ended(outcome: CallOutcome): void;
}

/**
 * Observes calls to models, such as for OpenTelemetry spans. It must not throw.
 *
 * @example
 * const call = observer?.started({ operation: 'chat', model, stream: false });
 * const attempt = call?.attempt({ number: 1, deploymentId, model: 'gpt-4o', provider: 'openai', endpoint });
 * const answer = await (attempt === undefined ? send() : attempt.run(send));
 * attempt?.ended({ status: 200, inputTokens: 12, outputTokens: 40 });
 * call?.ended({ status: 200, inputTokens: 12, outputTokens: 40 });
 */
export interface CallObserver {
  /** A call begins, in the context of the caller. `undefined`: this one is of no interest. */
  started(call: CallStart): ObservedCall | undefined;
}
