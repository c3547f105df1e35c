import type { HttpException } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { RequestCancelledError } from '../../common/errors.js';
import { TurnLimit } from '../../common/turn-limit.js';
import type { JsonBounds } from '../../http/body/json-shape.js';
import type { JsonReader } from '../../http/body/json-reader.js';
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
  readonly json: JsonReader;
  readonly jsonBounds: Required<JsonBounds>;
}

/** Stated lengths up to this one are allocated at once: clients may state more than they send. */
const ALLOCATED_AT_ONCE = 4 * 1024 * 1024;

/**
 * Requests that begin in one turn of the event loop, some 0.2 ms each: 600 that come at once would
 * hold up the chunks of streams in flight by 0.2 s.
 */
const beginning = new TurnLimit(8);

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
  const bytes = await readBytes(request, reading);
  await beginning.begin();
  if (reading.kind === 'form') {
    return readForm(bytes, request.headers['content-type'] ?? '');
  }
  return bytes.length === 0 ? undefined : reading.json.read(bytes, reading.jsonBounds);
}

/** The error for a body whose stated length is above the limit. */
export function statedLengthFault({ headers }: IncomingMessage, limit: number): HttpException | undefined {
  return headers['content-length'] === undefined || Number(headers['content-length']) <= limit ? undefined : bodyTooLarge(limit);
}

function ignore(): void {}

function readBytes(request: IncomingMessage, { payload = request, limit }: BodyReading): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const body = new ReceivedBytes(Number(request.headers['content-length']));
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
      if (body.length + chunk.length > limit) refuse(bodyTooLarge(limit));
      else body.add(chunk);
    };
    const complete = (): void => {
      stop();
      resolve(body.whole());
    };
    const leave = (): void => {
      // A request that is complete closes before a stream behind it has ended.
      if (!request.complete) fail(new RequestCancelledError(new Error('the client has closed its connection')));
    };
    payload.on('data', read).on('end', complete).on('error', fail);
    request.on('close', leave);
  });
}

/** The bytes of a body while they arrive. */
class ReceivedBytes {
  length = 0;
  private readonly chunks: Buffer[] = [];
  /** All of them, where the length was stated and more than one chunk comes. */
  private all: Buffer | undefined = undefined;

  constructor(private readonly statedLength: number) {}

  add(chunk: Buffer): void {
    const { chunks, statedLength, length } = this;
    this.length += chunk.length;
    const isStated = this.length <= statedLength && statedLength <= ALLOCATED_AT_ONCE;
    if (this.all === undefined && chunks.length === 0 && isStated && chunk.length < statedLength)
      this.all = Buffer.allocUnsafeSlow(statedLength);
    if (this.all !== undefined && this.length > this.all.length) {
      // A hook of the app has made more of the bytes.
      chunks.push(this.all.subarray(0, length));
      this.all = undefined;
    }
    if (this.all === undefined) chunks.push(chunk);
    else chunk.copy(this.all, length);
  }

  whole(): Buffer {
    const { all, chunks, length } = this;
    if (all !== undefined) return all.subarray(0, length);
    return chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, length);
  }
}
