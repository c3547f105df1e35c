/** An error of a model as an answer of HTTP. */
export interface StatedModelError {
  readonly status: number;
  readonly message: string;
  readonly type: string | null;
  /** `retry-after` and the like. */
  readonly headers?: Readonly<Record<string, string>>;
}

interface SdkError {
  readonly name?: unknown;
  readonly message?: unknown;
  readonly statusCode?: unknown;
  readonly responseHeaders?: Readonly<Record<string, string>>;
}

/** Errors that the SDK makes before it sends anything. */
const STATUSES: Readonly<Record<string, number>> = {
  AI_LoadAPIKeyError: 401,
  AI_NoSuchModelError: 404,
  AI_UnsupportedFunctionalityError: 400,
  AI_InvalidPromptError: 400,
  AI_InvalidArgumentError: 400,
  AI_TooManyEmbeddingValuesForCallError: 400,
};

/** The status and words of an error that a model threw, or that its stream has. */
export function statedError(error: unknown): StatedModelError {
  const { name, message, statusCode, responseHeaders: headers } = (typeof error === 'object' && error !== null ? error : {}) as SdkError;
  const words = typeof message === 'string' && message !== '' ? message : typeof error === 'string' ? error : 'The model failed.';
  const status = typeof statusCode === 'number' && statusCode >= 400 && statusCode < 600 ? statusCode : (STATUSES[String(name)] ?? 500);
  return { status, message: words, type: status < 500 ? 'invalid_request_error' : 'server_error', headers };
}

/** Whether no answer came at all: then the error's causes say what happened to the connection. */
export function isWithoutAnswer(error: unknown): error is Error {
  const { name, statusCode } = error as SdkError;
  return error instanceof Error && name === 'AI_APICallError' && statusCode === undefined;
}
