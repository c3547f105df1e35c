import type { Fields } from './objects.js';
import type { CostParts } from './token-cost.js';

/** Tokens by kind. `prompt` includes cached input, `completion` includes reasoning. */
export interface RecordedUsage {
  readonly prompt: number;
  readonly completion: number;
  readonly total: number;
  readonly cacheRead: number;
  readonly cacheWrite: number;
  readonly reasoning: number;
  readonly audioIn: number;
  readonly audioOut: number;
  /** Tokens of images, in the input and in the output. */
  readonly images: number;
  /** Searches that the provider ran; not tokens. */
  readonly webSearches: number;
}

/** One attempt of a call. */
export interface AttemptRecord {
  /** From 1, over all retries and fallbacks. */
  readonly number: number;
  readonly deploymentId: string;
  readonly provider: string;
  /** The provider's name for the model. */
  readonly upstreamModel: string;
  /** The model group; after a fallback, not the requested one. */
  readonly group: string;
  /** Host of the deployment's `api_base`, if it has one. */
  readonly apiBaseHost?: string;
  /** Unix time in milliseconds. */
  readonly startedAtMs: number;
  readonly durationMs: number;
  readonly timeToFirstTokenMs?: number;
  readonly status: 'success' | 'failure' | 'cancelled';
  readonly errorKind?: string;
  readonly errorCode?: string;
  /** HTTP status of the provider. */
  readonly httpStatus?: number;
  /** Absent if the attempt used nothing. */
  readonly usage?: RecordedUsage;
  /** Billionths of a USD; absent without a known price. */
  readonly nanoUsd?: number;
  readonly costParts?: CostParts;
  /** Whether the usage is an estimate, because the provider reported none. */
  readonly isEstimated?: boolean;
}

/** Something that a guardrail found. Never contains the text. */
export interface GuardrailFinding {
  /** `EMAIL_ADDRESS`, `hate`, `openai_api_key` */
  readonly kind: string;
  /** Where: `messages.1.content`, or the part of an answer. */
  readonly path: string;
  readonly action: 'masked' | 'blocked' | 'flagged';
  readonly count: number;
}

/** All checks of one guardrail in one mode of a call. */
export interface GuardrailRecord {
  readonly name: string;
  /** Type, such as `presidio`; the class name of a guardrail that the app defines. */
  readonly guardrail: string;
  readonly mode: 'pre_call' | 'during_call' | 'post_call' | 'logging_only';
  /** LiteLLM's words. */
  readonly status: 'success' | 'guardrail_intervened' | 'guardrail_failed_to_respond';
  /** Unix time in milliseconds. */
  readonly startedAtMs: number;
  /** Of all its checks together. */
  readonly durationMs: number;
  readonly findings: readonly GuardrailFinding[];
}

/** Logging settings of a request, from LiteLLM's fields and headers. */
export interface LoggingFields {
  /** `no-log: true`: the call is sent to no callback, but is written to the spend log. */
  readonly isOff: boolean;
  /** Whether callbacks get the call without its texts. `undefined`: as configured. */
  readonly isRedacted: boolean | undefined;
  /** `litellm_metadata` of the body, else `metadata`. Chosen by the client, and of any size. */
  readonly metadata: Fields | undefined;
  /** Numbers and booleans in the body, such as `temperature`. */
  readonly parameters: Fields;
  /** Headers that begin with `langfuse_`, without this prefix. */
  readonly langfuse: Readonly<Record<string, string>> | undefined;
}

/**
 * One finished call, for the spend log, callbacks and alerts: without texts, and without keys. All
 * money is in nano-USD, billionths of a USD. Absent values are unknown.
 */
export interface CallRecord {
  /** Id of the call; a failed call sends it as `x-litellm-call-id`. */
  readonly id: string;
  /** Unix time in milliseconds; together with the id, it identifies the call. */
  readonly startedAtMs: number;
  /** When the caller received the answer; an abandoned answer can be drained for longer. */
  readonly endedAtMs: number;
  /** `chat`, `embeddings`, `responses`, `messages`, `images`, … */
  readonly operation: string;
  readonly stream: boolean;
  /** The requested model. */
  readonly model: string;
  /** Model group of the attempt that answered, otherwise of the last one. */
  readonly group?: string;
  readonly deploymentId?: string;
  readonly provider?: string;
  readonly upstreamModel?: string;
  readonly apiBaseHost?: string;
  /** The public id of the API key. */
  readonly keyId?: string;
  readonly keyAlias?: string;
  readonly user?: string;
  readonly team?: string;
  readonly organization?: string;
  /** The end user of the calling app, from LiteLLM's headers and fields. */
  readonly endUser?: string;
  /** Tags of the request and of its key. */
  readonly tags: readonly string[];
  readonly sessionId?: string;
  /** Trace id of `traceparent`. */
  readonly traceId?: string;
  /** `x-request-id` of the request. */
  readonly requestId?: string;
  /** The client's address, according to the app's proxy settings. */
  readonly ip?: string;
  readonly userAgent?: string;
  /** Total of all attempts, as billed. Absent if nothing was used. */
  readonly usage?: RecordedUsage;
  /** Sum of all attempts with a known price; absent if none has one. */
  readonly nanoUsd?: number;
  /** Adds up to `nanoUsd`. */
  readonly costParts?: CostParts;
  /** Whether a part of the usage is estimated. */
  readonly isEstimated?: boolean;
  /** Cost saved by a cache. */
  readonly savedNanoUsd?: number;
  readonly cacheStatus?: 'hit' | 'miss' | 'off';
  readonly durationMs: number;
  /** Until the first chunk of a stream. */
  readonly timeToFirstTokenMs?: number;
  readonly status: 'success' | 'failure' | 'cancelled' | 'denied';
  /** As in `ProviderError.kind`: `rate_limit`, `timeout`, `server`, …; or `budget`, `denied`. */
  readonly errorKind?: string;
  /** The `code` of the error, or its name. */
  readonly errorCode?: string;
  /** The status sent to the client; 499 if the client cancelled. */
  readonly httpStatus?: number;
  /** The provider's id of the answer; only with bodies. */
  readonly responseId?: string;
  /** Only with bodies. */
  readonly finishReasons?: readonly string[];
  readonly retries: number;
  readonly fallbacks: number;
  /** All attempts, in the order in which they began. Their costs add up to that of the call. */
  readonly attempts: readonly AttemptRecord[];
  /** Absent without guardrails. */
  readonly guardrails?: readonly GuardrailRecord[];
  /** Computes the request's logging settings. */
  readonly logging?: () => LoggingFields;
  /** The request's body after all hooks. Only for listeners with `bodies: true`. */
  readonly request?: () => Fields | undefined;
  /**
   * The answer after all hooks, or the events of a stream. Only for listeners with `bodies: true`.
   */
  readonly answer?: () => unknown;
}

/** Receives each finished call. */
export type CallRecordListener = (record: CallRecord) => void;

/** Options of a listener. */
export interface CallRecordChoice {
  /** Whether records have `request` and `answer`. Default false. */
  readonly bodies?: boolean;
}
