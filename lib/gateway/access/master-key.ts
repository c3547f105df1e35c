import type { HttpException } from '@nestjs/common';
import type { IncomingHttpHeaders } from 'node:http';
import { keyIn, isSameKey, keyHashOf } from '../../keys/api-key.js';
import { gatewayError } from '../errors.js';

/** The key that all requests have to send, kept as its hash. */
export class MasterKey {
  private readonly hash: Buffer;

  /** @param header the only one that is read, in lower case. Default: those of LiteLLM's proxy */
  constructor(
    key: string,
    private readonly header: string | null = null,
  ) {
    this.hash = keyHashOf(key);
  }

  /** Returns the error for a request without the master key. */
  faultIn(headers: IncomingHttpHeaders): HttpException | undefined {
    if (this.isIn(headers)) return undefined;
    return gatewayError(401, 'invalid_api_key', 'Incorrect or missing API key: send the master key as Authorization: Bearer <key>.');
  }

  /** A secret of all processes with the same key. */
  get sharedSecret(): string {
    return this.hash.toString('hex');
  }

  private isIn(headers: IncomingHttpHeaders): boolean {
    const sent = keyIn(headers, this.header);
    return sent !== undefined && isSameKey(keyHashOf(sent), this.hash);
  }
}
