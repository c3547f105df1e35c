import { createHmac } from 'node:crypto';
import type { CallbackSink } from '../delivery.js';
import { deliver } from '../http-delivery.js';

/** Settings of the `generic_api` sink. */
export interface GenericApiSettings {
  readonly name: string;
  readonly endpoint: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly format: 'json_array' | 'ndjson' | 'single';
  readonly onSuccess: boolean;
  readonly onFailure: boolean;
  /** Key of the HMAC. `undefined`: requests are not signed. */
  readonly signingSecret: string | undefined;
  readonly withoutTexts: boolean;
}

const BATCH = 512;
const FLUSH_MS = 5_000;
/** `single` sends one request for each payload. */
const PARALLEL = 8;
/** `sha256=<hex of the HMAC-SHA256 of the body>`. */
const SIGNATURE = 'x-signature-256';

/** LiteLLM's `generic_api`: posts payloads as a JSON array, as NDJSON, or one per request. */
export class GenericApiSink implements CallbackSink {
  readonly name: string;
  readonly batchSize: number;
  readonly flushMs = FLUSH_MS;
  readonly withoutTexts: boolean;

  constructor(private readonly settings: GenericApiSettings) {
    this.name = settings.name;
    this.withoutTexts = settings.withoutTexts;
    this.batchSize = settings.format === 'single' ? PARALLEL : BATCH;
  }

  wants(isSuccess: boolean): boolean {
    return isSuccess ? this.settings.onSuccess : this.settings.onFailure;
  }

  async send(payloads: readonly string[], signal: AbortSignal): Promise<void> {
    const { format } = this.settings;
    if (format === 'json_array') return this.post(`[${payloads.join(',')}]`, 'application/json', signal);
    if (format === 'ndjson') return this.post(payloads.map((payload) => `${payload}\n`).join(''), 'application/x-ndjson', signal);
    await Promise.all(payloads.map((payload) => this.post(payload, 'application/json', signal)));
  }

  private async post(body: string, type: string, signal: AbortSignal): Promise<void> {
    const { endpoint, headers, signingSecret } = this.settings;
    const sent: Record<string, string> = { 'content-type': type, ...headers };
    if (signingSecret !== undefined) sent[SIGNATURE] = signatureOf(body, signingSecret);
    await deliver({ url: endpoint, headers: sent, body, signal });
  }
}

function signatureOf(body: string, secret: string): string {
  return `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
}
