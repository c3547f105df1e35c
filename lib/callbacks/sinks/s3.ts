import { fieldsOf, type Fields } from '../../common/objects.js';
import type { RequestAuthorization } from '../../providers/endpoint/authorization.js';
import { DeliveryError, deliveryErrorOf, type CallbackSink } from '../delivery.js';
import { deliver } from '../http-delivery.js';
import type { LoggingPayload } from '../logging-payload.js';

/** Settings of the `s3_v2` sink. */
export interface S3Settings {
  readonly bucket: string;
  readonly region: string;
  /**
   * Endpoint of a service with S3's API, called with the bucket in the path. `undefined`: Amazon
   * S3.
   */
  readonly endpoint: string | undefined;
  /** Without leading or trailing slashes. */
  readonly path: string;
  readonly withTeam: boolean;
  readonly withKey: boolean;
  /** Whether each batch becomes one object, with one payload per line. */
  readonly inBatches: boolean;
  readonly authorization: RequestAuthorization;
  readonly withoutTexts: boolean;
}

const FLUSH_MS = 10_000;
const PARALLEL = 16;
const BATCH = 512;

/**
 * LiteLLM's `s3_v2`: one object for each call, `{path}/{team}/{date}/time-{time}_{id}.json`. A
 * payload sent twice overwrites its object.
 */
export class S3Sink implements CallbackSink {
  readonly name = 's3_v2';
  readonly batchSize: number;
  readonly flushMs = FLUSH_MS;
  readonly withoutTexts: boolean;
  private readonly origin: string;
  private readonly prefix: string;

  constructor(private readonly settings: S3Settings) {
    const { bucket, region, endpoint, inBatches, withoutTexts } = settings;
    this.withoutTexts = withoutTexts;
    this.batchSize = inBatches ? BATCH : PARALLEL;
    if (endpoint === undefined) {
      this.origin = `https://${bucket}.s3.${region}.amazonaws.com`;
      this.prefix = '';
    } else {
      const { origin, pathname } = new URL(endpoint);
      this.origin = origin;
      this.prefix = `${pathname
        .split('/')
        .filter((part) => part !== '')
        .map((part) => `/${part}`)
        .join('')}/${encoded(bucket)}`;
    }
  }

  async send(payloads: readonly string[], signal: AbortSignal): Promise<void> {
    const { inBatches } = this.settings;
    const first = JSON.parse(payloads[0]) as LoggingPayload;
    if (inBatches) return this.put(this.keyOf(first, 'jsonl'), payloads.map((payload) => `${payload}\n`).join(''), signal);
    const results = await Promise.allSettled(
      payloads.map((payload) => this.put(this.keyOf(JSON.parse(payload) as LoggingPayload, 'json'), payload, signal)),
    );
    const errors = results.flatMap((result) => (result.status === 'rejected' ? [deliveryErrorOf(result.reason)] : []));
    // Report an outage first: splitting the batch would not help.
    const error = errors.find(({ fault }) => fault === 'away') ?? errors[0];
    if (error !== undefined) throw error;
  }

  private async put(key: string, body: string, signal: AbortSignal): Promise<void> {
    const { authorization } = this.settings;
    const path = `${this.prefix}/${key.split('/').map(encoded).join('/')}`;
    const type = 'application/json';
    const url = this.origin + path;
    for (let isRenewed = false; ; isRenewed = true) {
      const signed = await authorization.headersFor({
        method: 'PUT',
        origin: this.origin,
        path,
        headers: ['content-type', type],
        body: Buffer.from(body),
      });
      try {
        await deliver({ method: 'PUT', url, headers: { 'content-type': type, ...pairsOf(signed) }, body, signal });
        return;
      } catch (error) {
        const isDenied = error instanceof DeliveryError && /^status 40[13]$/.test(error.message);
        if (isRenewed || !isDenied || !authorization.renew()) throw error;
      }
    }
  }

  private keyOf({ id, startTime, metadata }: LoggingPayload, ending: string): string {
    const { path, withTeam, withKey } = this.settings;
    const [date, time] = new Date(startTime * 1000).toISOString().split('T');
    const micros = String(Math.round((startTime % 1) * 1e6)).padStart(6, '0');
    const name = `time-${time.slice(0, 8).replace(/:/g, '-')}-${micros}_${safe(id)}.${ending}`;
    const parts = [path, withTeam ? partOf(metadata, 'team') : '', withKey ? partOf(metadata, 'key') : '', date, name];
    return parts.filter((part) => part !== '').join('/');
  }
}

/** As in LiteLLM: the alias, or the id if there is no alias. */
function partOf(metadata: Fields, what: 'team' | 'key'): string {
  const names = what === 'team' ? ['user_api_key_team_alias', 'user_api_key_team_id'] : ['user_api_key_alias', 'user_api_key_hash'];
  const found = names.map((name) => fieldsOf(metadata)[name]).find((value) => typeof value === 'string' && value !== '');
  return typeof found === 'string' ? safe(found) : '';
}

/** Removes characters that could leave the folder. */
function safe(name: string): string {
  return name.replace(/[/\\]/g, '_').replace(/^\.+$/, '_');
}

/** Percent-encodes as AWS's signatures require. */
function encoded(part: string): string {
  return encodeURIComponent(part).replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}

function pairsOf(headers: readonly string[]): Record<string, string> {
  const pairs: Record<string, string> = {};
  for (let i = 0; i + 1 < headers.length; i += 2) pairs[headers[i]] = headers[i + 1];
  return pairs;
}
