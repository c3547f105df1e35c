import { FastLiteLLMError } from '../common/errors.js';
import { ProviderError } from '../common/provider-error.js';

/** By these the AI SDK recognizes its own errors, whichever copy of it made them. */
const OF_AI_SDK = Symbol.for('vercel.ai.error');
const CALL_ERROR = Symbol.for('vercel.ai.error.AI_APICallError');

interface HttpError extends Error {
  getStatus(): number;
  getResponse(): unknown;
}

/**
 * A call of a model group failed: an `APICallError` of the AI SDK, whose `cause` is the error of
 * `LlmClient`. It is not retryable, because the client has already tried all retries and fallbacks.
 */
export class AiSdkCallError extends FastLiteLLMError {
  /** The status that a client of the gateway would get; absent if the error has none. */
  readonly statusCode?: number;
  /** `retry-after`, if the provider or a limit states a time. */
  readonly responseHeaders?: Record<string, string>;
  /** JSON in OpenAI's format. */
  readonly responseBody?: string;
  readonly isRetryable = false;
  /** The model group instead of a URL. */
  readonly url: string;
  /** Only the model group, without the prompt. */
  readonly requestBodyValues: { readonly model: string };
  readonly data?: unknown;

  constructor(model: string, cause: Error & { readonly code?: unknown }) {
    super(typeof cause.code === 'string' ? cause.code : 'AI_SDK_CALL_FAILED', cause.message, { cause });
    this.name = 'AI_APICallError';
    this.url = `fast-litellm:${model}`;
    this.requestBodyValues = { model };
    const { retryAfterMs } = cause as { readonly retryAfterMs?: number };
    if (retryAfterMs !== undefined) this.responseHeaders = { 'retry-after': String(Math.ceil(retryAfterMs / 1000)) };
    if (isHttpError(cause)) {
      this.statusCode = cause.getStatus();
      this.data = cause instanceof ProviderError ? { error: cause.error } : cause.getResponse();
      this.responseBody = JSON.stringify(this.data);
    }
    for (const marker of [OF_AI_SDK, CALL_ERROR]) Object.defineProperty(this, marker, { value: true });
  }
}

/** Checks the properties, because `HttpException` can come from another copy of Nest. */
function isHttpError(error: Error): error is HttpError {
  return typeof (error as Partial<HttpError>).getStatus === 'function' && typeof (error as Partial<HttpError>).getResponse === 'function';
}
