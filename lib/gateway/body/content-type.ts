import type { HttpException } from '@nestjs/common';
import type { IncomingHttpHeaders } from 'node:http';
import { charsetIn } from '../../http/body/json-bounds.js';
import { gatewayError } from '../errors.js';
import type { GatewayBody } from '../routes/route.js';

const JSON_TYPE = /^application\/json[ \t]*(?:;|$)/i;
/** Names of UTF-8, and of a part of it. */
const CHARSETS: readonly string[] = ['utf-8', 'utf8', 'us-ascii'];
const FORM_TYPE = /^multipart\/form-data[ \t]*;/i;

/**
 * What is wrong with the content type of a request. Strict, because other types that forms can send
 * reach a server from any web page.
 */
export function contentTypeFault(headers: IncomingHttpHeaders, body: GatewayBody): HttpException | undefined {
  const type = headers['content-type'];
  if (body === 'json' && type === 'application/json' && headers['content-encoding'] === undefined) return undefined;
  if (body === 'none' || (body === 'optional' && type === undefined)) return undefined;
  const isPlain = (headers['content-encoding'] ?? 'identity').toLowerCase() === 'identity';
  const isForm = body === 'form';
  if (isPlain && (isForm ? FORM_TYPE : JSON_TYPE).test(type ?? '')) {
    if (isForm || CHARSETS.includes(charsetIn(type ?? ''))) return undefined;
    // The bytes would be read as UTF-8, and other characters than the client's be forwarded.
    return gatewayError(415, null, 'The body must be JSON in UTF-8.');
  }
  const words = isForm ? 'multipart/form-data' : 'application/json';
  return gatewayError(415, null, `The body must be sent as ${words}, and not compressed.`);
}
