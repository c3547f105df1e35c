import type { HttpException } from '@nestjs/common';
import { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { RequestCancelledError } from '../../common/errors.js';
import { TurnLimit } from '../../common/turn-limit.js';
import { freeBytes } from '../../engine/free-bytes.js';
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

/** Stated lengths up to this one are allocated as a whole. */
const MOST_ALLOCATED = 4 * 1024 * 1024;
/**
 * The allocation waits for this part of the body, because clients may state more than they send:
 * 2,000 connections with one byte each of 4 MiB took 8 GB and held up the event loop for 4 s.
 */
const ALLOCATED_FROM = 1 / 8;

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
  const { bytes, isOwn } = await readBytes(request, reading);
  await beginning.begin();
  if (reading.kind === 'form') {
    return readForm(bytes, request.headers['content-type'] ?? '');
  }
  return bytes.length === 0 ? undefined : reading.json.read(bytes, reading.jsonBounds, isOwn);
}

/** The error for a body whose stated length is above the limit. */
export function statedLengthFault({ headers }: IncomingMessage, limit: number): HttpException | undefined {
  return headers['content-length'] === undefined || Number(headers['content-length']) <= limit ? undefined : bodyTooLarge(limit);
}

function ignore(): void {}

function readBytes(request: IncomingMessage, { payload = request, limit }: BodyReading): Promise<ReceivedBody> {
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
    const isPlain = payload === request && hasPlainEvents(request);
    const read = (chunk: Buffer): void => {
      if (body.length + chunk.length > limit) refuse(bodyTooLarge(limit));
      // Another listener may keep the chunk.
      else body.add(chunk, isPlain && request.listenerCount('data') === 1);
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

/**
 * Whether the chunks of a request come from its socket to its listeners alone: libraries that log
 * bodies wrap these methods and keep what passes, and a test's request has its program's bytes.
 */
function hasPlainEvents(request: IncomingMessage): boolean {
  const plain = IncomingMessage.prototype;
  return request instanceof IncomingMessage && request.on === plain.on && request.emit === plain.emit && request.push === plain.push;
}

/** A body that has arrived. */
interface ReceivedBody {
  readonly bytes: Buffer;
  /** Whether nothing else has them, so that they may be freed. */
  readonly isOwn: boolean;
}

/** The bytes of a body while they arrive. */
class ReceivedBytes {
  length = 0;
  private chunks: Buffer[] = [];
  /** Of all of `chunks`. */
  private isOwn = true;
  /** All of them, where the length was stated and more than one chunk comes. */
  private all: Buffer | undefined = undefined;

  constructor(private readonly statedLength: number) {}

  /** @param isOwn whether nothing else has the chunk */
  add(chunk: Buffer, isOwn: boolean): void {
    const { length } = this;
    this.length += chunk.length;
    if (this.all === undefined && this.isWorthAllocating()) this.allocate();
    if (this.all !== undefined && this.length > this.all.length) {
      // A hook of the app has made more of the bytes.
      this.chunks = [this.all.subarray(0, length)];
      this.all = undefined;
    }
    if (this.all === undefined) {
      this.chunks.push(chunk);
      this.isOwn &&= isOwn;
    } else {
      chunk.copy(this.all, length);
      if (isOwn) freeBytes(chunk);
    }
  }

  private isWorthAllocating(): boolean {
    const { length, statedLength } = this;
    return statedLength <= MOST_ALLOCATED && length < statedLength && length >= statedLength * ALLOCATED_FROM;
  }

  private allocate(): void {
    this.all = Buffer.allocUnsafeSlow(this.statedLength);
    let at = 0;
    for (const chunk of this.chunks) {
      at += chunk.copy(this.all, at);
      if (this.isOwn) freeBytes(chunk);
    }
    this.chunks = [];
    this.isOwn = true;
  }

  whole(): ReceivedBody {
    const { all, chunks, length, isOwn } = this;
    if (all !== undefined) return { bytes: all.subarray(0, length), isOwn: true };
    if (chunks.length === 1) return { bytes: chunks[0], isOwn };
    const bytes = Buffer.concat(chunks, length);
    if (isOwn) chunks.forEach(freeBytes);
    return { bytes, isOwn: true };
  }
}
