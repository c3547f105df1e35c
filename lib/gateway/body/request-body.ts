import { HttpException } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { RequestCancelledError } from '../../common/errors.js';
import { isLargeBody, mayBeLarge } from '../../http/body/body-size.js';
import { BodyBoundsError } from '../../http/body/json-bounds.js';
import { JsonShape, type JsonBounds } from '../../http/body/json-shape.js';
import { parseLargeJson, parseSmallJson } from '../../http/body/large-json.js';
import { boundUnreadBody } from '../../http/body/unread-body.js';
import { MultipartBody } from '../../llm-client/forward/multipart.js';
import { bodyTooLarge } from '../errors.js';
import type { GatewayBody } from '../routes/route.js';

/** How a body is read. */
export interface BodyReading {
  readonly kind: GatewayBody;
  /** What hooks of the app have made of the request. Default: the request. */
  readonly payload?: Readable;
  /** In bytes. */
  readonly limit: number;
  readonly jsonBounds: Required<JsonBounds>;
}

/** The forms that were read, by the object that `request.body` is. */
const forms = new WeakMap<object, MultipartBody>();

/** The form whose text fields a request's `body` has. */
export function formOf(body: unknown): MultipartBody | undefined {
  return typeof body === 'object' && body !== null ? forms.get(body) : undefined;
}

/** The text fields of a form, for `request.body`. @throws InvalidArgumentError for a broken form */
export function readForm(bytes: Buffer, contentType: string): object {
  const form = MultipartBody.parse(bytes, contentType);
  const fields = form.fields();
  forms.set(fields, form);
  return fields;
}

/**
 * Reads the body of a request: JSON, or the text fields of a form.
 * @throws HttpException for a body that is not what its type says, or out of bounds: then its rest
 * is not kept. InvalidArgumentError for a broken form.
 */
export async function readRequestBody(request: IncomingMessage, reading: BodyReading): Promise<unknown> {
  const isForm = reading.kind === 'form';
  const bytes = await readBytes(request, reading, isForm || !mayBeLarge(request.headers) ? undefined : new JsonShape(reading.jsonBounds));
  if (isForm) {
    return readForm(bytes, request.headers['content-type'] ?? '');
  }
  if (bytes.length === 0) return undefined;
  try {
    return isLargeBody(bytes) ? await parseLargeJson(bytes) : parseSmallJson(bytes);
  } catch (error) {
    throw new HttpException(`The body is not JSON: ${(error as Error).message}`, 400);
  }
}

/** The error for a body whose stated length is above the limit. */
export function statedLengthFault({ headers }: IncomingMessage, limit: number): HttpException | undefined {
  return headers['content-length'] === undefined || Number(headers['content-length']) <= limit ? undefined : bodyTooLarge(limit);
}

function ignore(): void {}

function readBytes(request: IncomingMessage, { payload = request, limit }: BodyReading, shape: JsonShape | undefined): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const stop = (): void => {
      // It fails when its client leaves: an error without a listener would end the process.
      payload.off('data', read).off('end', complete).off('error', fail).on('error', ignore);
      request.off('close', leave);
    };
    const fail = (error: Error): void => {
      stop();
      reject(error);
    };
    const refuse = (error: Error): void => {
      fail(error);
      boundUnreadBody(request);
      // Without a reader the rest would stay in the socket, and the answer behind it.
      payload.resume();
    };
    const read = (chunk: Buffer): void => {
      bytes += chunk.length;
      const excess = shape?.write(chunk);
      if (bytes > limit) refuse(bodyTooLarge(limit));
      else if (excess !== undefined) refuse(new BodyBoundsError(excess));
      else chunks.push(chunk);
    };
    const complete = (): void => {
      stop();
      resolve(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, bytes));
    };
    const leave = (): void => {
      // A request that is complete closes before a stream behind it has ended.
      if (!request.complete) fail(new RequestCancelledError(new Error('the client has closed its connection')));
    };
    payload.on('data', read).on('end', complete).on('error', fail);
    request.on('close', leave);
  });
}
