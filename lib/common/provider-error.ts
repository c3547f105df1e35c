import { HttpException } from '@nestjs/common';

/** The kind of a provider's failure, which decides how it is handled. */
export type ProviderFailureKind =
  | 'authentication'
  | 'bad_request'
  | 'context_window'
  | 'content_policy'
  | 'not_found'
  | 'rate_limit'
  /** No answer, or no first chunk, in the time that was given. */
  | 'timeout'
  /** Refused, reset, or cut in the middle of an answer. */
  | 'connection'
  /** A status from 500, or anything that is not known. */
  | 'server'
  /** An answer that is none: no JSON, no event stream, no HTTP, a redirection. */
  | 'malformed';

/** An error in OpenAI's format. */
export interface OpenAIErrorBody {
  readonly message: string;
  readonly type: string | null;
  readonly param: string | null;
  readonly code: string | null;
  /** Details that Anthropic's clients evaluate: `{ error_code: 'thread_not_found' }`. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/** Inputs of a `ProviderError`. */
export interface ProviderFailureFacts {
  readonly kind: ProviderFailureKind;
  /** Says nothing secret: no key, no address. */
  readonly message: string;
  /** HTTP status of the provider's answer; absent if there was none. */
  readonly status?: number;
  /** Of the deployment: `openai`, `azure`. */
  readonly provider: string;
  /** Its id in the router. */
  readonly deploymentId: string;
  /** The provider's own code: `context_length_exceeded`. */
  readonly providerCode?: string;
  /** The provider's own `type` and `param`. */
  readonly type?: string | null;
  readonly param?: string | null;
  /** Anthropic's `details`. */
  readonly details?: Readonly<Record<string, unknown>>;
  /** The provider's Retry-After. */
  readonly retryAfterMs?: number;
  /** The provider's id of the request. */
  readonly providerRequestId?: string;
}

const CODES = {
  authentication: 'PROVIDER_AUTHENTICATION',
  bad_request: 'PROVIDER_BAD_REQUEST',
  context_window: 'PROVIDER_CONTEXT_WINDOW',
  content_policy: 'PROVIDER_CONTENT_POLICY',
  not_found: 'PROVIDER_NOT_FOUND',
  rate_limit: 'PROVIDER_RATE_LIMIT',
  timeout: 'PROVIDER_TIMEOUT',
  connection: 'PROVIDER_CONNECTION',
  server: 'PROVIDER_SERVER',
  malformed: 'PROVIDER_MALFORMED',
} as const satisfies Readonly<Record<ProviderFailureKind, string>>;

/** All kinds, for metrics. */
export const FAILURE_KINDS = Object.keys(CODES) as readonly ProviderFailureKind[];

/** The status for clients if the provider sent none, or one that concerns the operator's key. */
const STATUS_WITHOUT_ANSWER: Readonly<Partial<Record<ProviderFailureKind, number>>> = {
  authentication: 503,
  timeout: 504,
  connection: 502,
  malformed: 502,
};
/** Clients would relate the provider's message to their own key, and it can quote another key. */
const OPERATORS_FAULT: OpenAIErrorBody = {
  message: "The provider rejected this server's key or account; the operator must correct it.",
  type: 'server_error',
  param: null,
  code: 'provider_authentication',
};

/**
 * A provider failed or rejected the request: an `HttpException` with the provider's status and a
 * body in OpenAI's format, as a client would get it from the provider. 503 if the provider rejects
 * the operator's key (its message is in `cause`); without an answer, 504 for a timeout and 502
 * otherwise.
 */
export class ProviderError extends HttpException {
  /** Stable, machine-readable. */
  readonly code: (typeof CODES)[ProviderFailureKind];
  /** The kind of failure. */
  readonly kind: ProviderFailureKind;
  /**
   * HTTP status of the provider's answer; absent without an answer. `getStatus()` is the status for
   * the client.
   */
  readonly providerStatus?: number;
  readonly provider: string;
  /** The deployment that answered or failed. */
  readonly deploymentId: string;
  /** The provider's own error code, if it sent one. */
  readonly providerCode?: string;
  /** The delay that the provider requests, in milliseconds. */
  readonly retryAfterMs?: number;
  /** The provider's id of the request, for its support; absent if it sent none. */
  readonly providerRequestId?: string;
  /** The error for a client, as in the response's body. */
  readonly error: OpenAIErrorBody;

  /** @internal Made by `LlmClient`. */
  constructor(facts: ProviderFailureFacts, options?: ErrorOptions) {
    const { kind, status } = facts;
    const isOperators = kind === 'authentication';
    // A status above 599 cannot be sent to clients.
    const isAnswer = status !== undefined && status >= 400 && status < 600 && kind !== 'malformed' && !isOperators;
    const error = isOperators ? OPERATORS_FAULT : bodyOf(facts, isAnswer && status < 500);
    const cause = options?.cause ?? (isOperators ? new Error(facts.message) : undefined);
    super({ error }, isAnswer ? status : (STATUS_WITHOUT_ANSWER[kind] ?? 502), { cause });
    this.name = new.target.name;
    this.message = error.message;
    this.code = CODES[kind];
    this.kind = kind;
    this.providerStatus = status;
    this.provider = facts.provider;
    this.deploymentId = facts.deploymentId;
    this.providerCode = facts.providerCode;
    this.retryAfterMs = facts.retryAfterMs;
    this.providerRequestId = facts.providerRequestId;
    this.error = error;
  }
}

function bodyOf({ message, type, param, providerCode, details }: ProviderFailureFacts, isCallers: boolean): OpenAIErrorBody {
  return {
    message,
    type: type ?? (isCallers ? 'invalid_request_error' : 'server_error'),
    param: param ?? null,
    code: providerCode ?? null,
    ...(details !== undefined && { details }),
  };
}
