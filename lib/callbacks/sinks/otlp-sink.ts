import { fieldsOf, objectIn } from '../../common/objects.js';
import { DeliveryError, type CallbackSink } from '../delivery.js';
import { deliver } from '../http-delivery.js';
import type { LoggingPayload } from '../logging-payload.js';
import { traceRequest, type Attributes, type Span } from './otlp-json.js';

/** Settings of a sink that receives spans over OTLP/HTTP in JSON. */
export interface OtlpSettings {
  readonly name: string;
  /** The full URL for traces, including its path. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly resource: Attributes;
  readonly spansOf: (payload: LoggingPayload) => readonly Span[];
  readonly withoutTexts: boolean;
}

const BATCH = 128;
const FLUSH_MS = 1_000;

export class OtlpSink implements CallbackSink {
  readonly name: string;
  readonly batchSize = BATCH;
  readonly flushMs = FLUSH_MS;
  readonly withoutTexts: boolean;

  constructor(private readonly settings: OtlpSettings) {
    this.name = settings.name;
    this.withoutTexts = settings.withoutTexts;
  }

  async send(payloads: readonly string[], signal: AbortSignal): Promise<void> {
    const { url, headers, resource, spansOf } = this.settings;
    const spans = payloads.flatMap((payload) => spansOf(JSON.parse(payload) as LoggingPayload));
    const answer = await deliver({
      url,
      headers: { 'content-type': 'application/json', ...headers },
      body: traceRequest(resource, spans),
      signal,
    });
    const rejected = Number(fieldsOf(objectIn(answer)?.partialSuccess).rejectedSpans ?? 0);
    if (rejected > 0) throw new DeliveryError('rejected', `${rejected} spans were rejected`);
  }
}
