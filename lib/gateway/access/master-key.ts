import { createHash, timingSafeEqual } from 'node:crypto';
import type { HttpException } from '@nestjs/common';
import type { IncomingHttpHeaders } from 'node:http';
import { gatewayError } from '../errors.js';

/** Headers from which LiteLLM's proxy reads a key; the first one present decides. */
const KEY_HEADERS = ['x-litellm-api-key', 'authorization', 'api-key', 'x-api-key', 'x-goog-api-key', 'ocp-apim-subscription-key'];

/** The key that all requests have to send, kept as its hash. */
export class MasterKey {
  private readonly hash: Buffer;
  private readonly headers: readonly string[];

  /** @param header the only one that is read, in lower case. Default: those of LiteLLM's proxy */
  constructor(key: string, header: string | null = null) {
    this.hash = hashOf(key);
    this.headers = header === null ? KEY_HEADERS : [header];
  }

  /** What is wrong with a request without it. */
  faultIn(headers: IncomingHttpHeaders): HttpException | undefined {
    if (this.isIn(headers)) return undefined;
    return gatewayError(401, 'invalid_api_key', 'Incorrect API key provided, or none: send the master key as Authorization: Bearer <key>.');
  }

  /** Takes the same time for every wrong key. */
  private isIn(headers: IncomingHttpHeaders): boolean {
    const sent = this.headers.map((name) => headers[name]).find((value) => typeof value === 'string' && value !== '');
    return typeof sent === 'string' && timingSafeEqual(hashOf(/^bearer\s+(\S+)\s*$/i.exec(sent)?.[1] ?? sent), this.hash);
  }
}

function hashOf(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}
