import { ProviderError, type ProviderFailureKind } from '../common/provider-error.js';
import { kindOfStatus } from './failure-kind.js';
import { retryAfterOf } from './retry-after.js';
import type { ProviderEndpoint } from './endpoint/endpoint.js';
import type { StatedError } from './protocol.js';
import { rawHeader } from './raw-headers.js';

/** The head of an answer. Status 0: none has arrived. */
export interface AnswerHead {
  readonly status: number;
  readonly rawHeaders: readonly Buffer[];
  readonly requestId: string | undefined;
}

/** Creates the errors of one deployment's provider. */
export class ProviderErrors {
  constructor(
    private readonly endpoint: ProviderEndpoint,
    private readonly deploymentId: string,
  ) {}

  /** An exchange that ended without a readable answer. */
  failed(kind: ProviderFailureKind, message: string, head: AnswerHead, cause?: Error): ProviderError {
    const { endpoint, deploymentId } = this;
    const status = kind === 'malformed' && head.status !== 0 ? head.status : undefined;
    const facts = { kind, message, status, provider: endpoint.provider, deploymentId, providerRequestId: head.requestId };
    return new ProviderError(facts, { cause: cause && endpoint.mask.error(cause) });
  }

  /** An error in a stream, or instead of an answer. Some providers name its status as `code`. */
  inAnswer(json: string, head: AnswerHead): ProviderError {
    const { code = '', status } = this.statedIn(json);
    if (status !== undefined) return this.answered(status, json, head);
    if (/^[45]\d\d$/.test(code ?? '')) return this.answered(Number(code), json, head);
    // Without a status, a content filter or a prompt that is too long counts as a 400, not as a
    // failure of the provider.
    return this.answered(kindOfStatus(400, code ?? '') === 'bad_request' ? 500 : 400, json, head);
  }

  /** An error that the provider answered with. */
  answered(answerStatus: number, body: string, { rawHeaders, requestId }: AnswerHead): ProviderError {
    const { endpoint, deploymentId } = this;
    const { mask } = endpoint;
    const clean = (text: string | null | undefined): string | undefined => (typeof text === 'string' ? mask.text(text) : undefined);
    const stated = this.statedIn(body, (name) => rawHeader(rawHeaders, name));
    // Google returns 400 for an invalid key; the body has the reason.
    const status = answerStatus === 400 && stated.status === 401 ? 401 : answerStatus;
    const [message, type, param, code] = [stated.message, stated.type, stated.param, stated.code].map(clean);
    const { details } = stated;
    const words = message ?? `The provider answered ${status}.`;
    return new ProviderError({
      kind: kindOfStatus(status, `${code ?? ''} ${words}`),
      message: words,
      status,
      provider: endpoint.provider,
      deploymentId,
      providerCode: code,
      type,
      param,
      ...(details !== undefined && { details: redacted(details, (text) => mask.text(text)) }),
      retryAfterMs: retryAfterOf({ get: (name) => rawHeader(rawHeaders, name) ?? null }, Date.now()) ?? stated.retryAfterMs,
      providerRequestId: requestId,
    });
  }

  /** Proxies answer with pages, which a protocol of the app's own may not expect. */
  private statedIn(body: string, header?: (name: string) => string | undefined): StatedError {
    try {
      return this.endpoint.protocol.errorIn(body, header);
    } catch {
      return {};
    }
  }
}

/** Its texts without credentials; a name that could be one is omitted. */
function redacted(details: object, redact: (text: string) => string): Readonly<Record<string, unknown>> {
  return JSON.parse(JSON.stringify(details), (name, value: unknown) => {
    if (redact(name) !== name) return undefined;
    return typeof value === 'string' ? redact(value) : value;
  }) as Record<string, unknown>;
}
