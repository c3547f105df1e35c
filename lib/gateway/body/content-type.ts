import type { HttpException } from '@nestjs/common';
import type { IncomingHttpHeaders } from 'node:http';
import { gatewayError } from '../errors.js';
import type { GatewayBody } from '../routes/route.js';

const JSON_TYPE = /^application\/json[ \t]*(?:;|$)/i;
const FORM_TYPE = /^multipart\/form-data[ \t]*;/i;

/**
 * What is wrong with the content type of a request. Strict, because other types that forms can send
 * reach a server from any web page.
 */
export function contentTypeFault(headers: IncomingHttpHeaders, body: GatewayBody): HttpException | undefined {
  const type = headers['content-type'];
  if (body === 'none' || (body === 'optional' && type === undefined)) return undefined;
  const encoding = headers['content-encoding'] ?? 'identity';
  const wanted = body === 'form' ? FORM_TYPE : JSON_TYPE;
  if (wanted.test(type ?? '') && encoding === 'identity') return undefined;
  const words = body === 'form' ? 'multipart/form-data' : 'application/json';
  return gatewayError(415, null, `The body must be sent as ${words}, and not compressed.`);
}
