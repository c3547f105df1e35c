import type { HttpException } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import { RequestCancelledError } from '../../common/errors.js';
import { BodyBoundsError } from '../../http/body/json-bounds.js';
import type { JsonShape } from '../../http/body/json-shape.js';
import { boundUnreadBody } from '../../http/body/unread-body.js';
import { bodyTooLarge } from '../errors.js';

/** The error for a body whose stated length is above the limit. */
export function statedLengthFault({ headers }: IncomingMessage, limit: number): HttpException | undefined {
  return headers['content-length'] === undefined || Number(headers['content-length']) <= limit ? undefined : bodyTooLarge(limit);
}

/**
 * Reads a body of at most `limit` bytes. @param shape of JSON, which has bounds of its own
 * @throws HttpException for a body out of bounds, whose rest is not kept.
 */
export function readBody(request: IncomingMessage, limit: number, shape?: JsonShape): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const end = (): void => {
      request.off('data', read).off('end', complete).off('error', fail).off('close', close);
    };
    const fail = (error: Error): void => {
      end();
      reject(error);
    };
    const refuse = (error: Error): void => {
      boundUnreadBody(request);
      request.resume();
      fail(error);
    };
    const read = (chunk: Buffer): void => {
      bytes += chunk.length;
      const excess = shape?.write(chunk);
      if (bytes > limit) refuse(bodyTooLarge(limit));
      else if (excess !== undefined) refuse(new BodyBoundsError(excess));
      else chunks.push(chunk);
    };
    const complete = (): void => {
      end();
      resolve(Buffer.concat(chunks, bytes));
    };
    const close = (): void => fail(new RequestCancelledError(new Error('the client has closed its connection')));
    request.on('data', read).on('end', complete).on('error', fail).on('close', close);
  });
}
