import type { HttpException } from '@nestjs/common';
import type { IncomingHttpHeaders } from 'node:http';
import { gatewayError } from '../errors.js';
import type { GatewayBody } from '../routes/route.js';

const TYPES: Readonly<Record<Exclude<GatewayBody, 'none'>, { readonly pattern: RegExp; readonly words: string }>> = {
  json: { pattern: /^application\/json[ \t]*(?:;|$)/i, words: 'application/json' },
};

/**
 * What is wrong with the content type of a request. Strict, because other types that forms can send
 * reach a server from any web page.
 */
export function contentTypeFault(headers: IncomingHttpHeaders, body: GatewayBody): HttpException | undefined {
  if (body === 'none') return undefined;
  const { pattern, words } = TYPES[body];
  const encoding = headers['content-encoding'] ?? 'identity';
  if (pattern.test(headers['content-type'] ?? '') && encoding === 'identity') return undefined;
  return gatewayError(415, null, `The body must be sent as ${words}, and not compressed.`);
}
