import type { HttpException } from '@nestjs/common';
import { IncomingMessage, type IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import { RequestCancelledError } from '../../common/errors.js';
import type { JsonBounds } from '../../http/body/json-shape.js';
import type { ResolvedBodyBounds } from '../../http/body/body-bounds.js';
import { LARGE_BODY } from '../../http/body/body-object.js';
import { charsetIn } from '../../http/body/json-bounds.js';
import type { JsonReader } from '../../http/body/json-reader.js';
import { boundUnreadBody } from '../../http/body/unread-body.js';
import type { RequestContext } from '../../http/request-context.js';
import { MultipartBody } from '../../providers/forwarded/multipart.js';
import { bodyTooLarge, gatewayError } from '../errors.js';
import type { GatewayBody } from '../routes/route.js';
import { freeBytes } from '../../engine/native-memory.js';

/** How a body is read. */
export interface BodyReading {
  readonly kind: GatewayBody;
  /** The request after the app's hooks. Default: the request. */
  readonly payload?: Readable;
  /** In bytes. */
  readonly limit: number;
  /** Learns whether the body is large. */
  readonly state: RequestContext;
  readonly json: JsonReader;
  readonly jsonBounds: Required<JsonBounds>;
  /** Of the lists in it, which are checked before anything parses them. */
  readonly listBounds: ResolvedBodyBounds;
}

/**
 * Memory is allocated for this multiple of the received bytes, because clients can state more than
 * they send. 2,000 connections with one byte each of 4 MiB took 8 GB and held up the event loop for
 * 4 s.
 */
const GROWTH = 8;
/**
 * With each chunk so many times its bytes move to grown memory: all at once they would take
 * milliseconds, most of them for pages that are new.
 */
const MOVED = 2;

/** The real timer, so that reading continues if a test has replaced the timers. */
const afterPolling = setImmediate;

/**
 * Limits how many pieces of work begin in each turn of the event loop, in order of arrival, so that
 * other work, such as the chunks of streams, runs in between.
 */
export class TurnLimit {
  private begun = 0;
  private isWatching = false;
  private readonly waiting: (() => void)[] = [];

  constructor(private readonly perTurn: number) {}

  /** Resolves in the turn in which the work may begin; `undefined`: it may begin now. */
  begin(): Promise<void> | undefined {
    if (!this.isWatching) afterPolling(this.nextTurn);
    this.isWatching = true;
    if (this.begun < this.perTurn) {
      this.begun++;
      return undefined;
    }
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  private readonly nextTurn = (): void => {
    const next = this.waiting.splice(0, this.perTurn);
    this.begun = next.length;
    this.isWatching = this.begun > 0;
    if (this.isWatching) afterPolling(this.nextTurn);
    for (const begin of next) begin();
  };
}

/**
 * Requests that begin in one turn of the event loop, some 0.2 ms each: 600 that come at once would
 * hold up the chunks of streams in flight by 0.2 s.
 */
const beginning = new TurnLimit(8);

/** Bytes of a body in one turn of the event loop: Node would read 2 MB, in 10 ms. */
const READ_IN_TURN = 256 * 1024;

/** The forms that were read, by the object that `request.body` is. */
const forms = new WeakMap<object, MultipartBody>();

/** The form whose text fields a request's `body` has. */
export function formOf(body: unknown): MultipartBody | undefined {
  return typeof body === 'object' && body !== null ? forms.get(body) : undefined;
}

/** The text fields of a form, for `request.body`. @throws InvalidArgumentError for a broken form */
export async function readForm(bytes: Buffer, contentType: string): Promise<object> {
  const form = await MultipartBody.parseInTurns(bytes, contentType);
  const fields = form.fields();
  forms.set(fields, form);
  return fields;
}

/**
 * Reads the body of a request: JSON, or the text fields of a form.
 * @throws HttpException for a body that does not match its type or exceeds a bound; the rest of it
 * is not kept. InvalidArgumentError for a broken form, and a list above its bound.
 */
export async function readRequestBody(request: IncomingMessage, reading: BodyReading): Promise<unknown> {
  const { bytes, isOwn } = await readBytes(request, reading);
  const turn = beginning.begin();
  if (turn !== undefined) await turn;
  reading.state.isLarge = bytes.length > LARGE_BODY;
  if (reading.kind === 'form') return readForm(bytes, request.headers['content-type'] ?? '');
  return bytes.length === 0 ? undefined : reading.json.read(bytes, reading.jsonBounds, isOwn, reading.listBounds);
}

const JSON_TYPE = /^application\/json[ \t]*(?:;|$)/i;
/** Names of UTF-8, and of a part of it. */
const CHARSETS: readonly string[] = ['utf-8', 'utf8', 'us-ascii'];
const FORM_TYPE = /^multipart\/form-data[ \t]*;/i;

/**
 * Checks the content type of a request. Strict, because other types that forms can send reach a
 * server from any web page.
 */
export function contentTypeFault(headers: IncomingHttpHeaders, body: GatewayBody): HttpException | undefined {
  const type = headers['content-type'];
  if (body === 'none' || (body === 'optional' && type === undefined)) return undefined;
  const isPlain = (headers['content-encoding'] ?? 'identity').toLowerCase() === 'identity';
  const isForm = body === 'form';
  if (isPlain && (isForm ? FORM_TYPE : JSON_TYPE).test(type ?? '')) {
    if (isForm || CHARSETS.includes(charsetIn(type ?? ''))) return undefined;
    // The bytes would be read as UTF-8, and the wrong characters would be forwarded.
    return gatewayError(415, null, 'The body must be JSON in UTF-8.');
  }
  const words = isForm ? 'multipart/form-data' : 'application/json';
  return gatewayError(415, null, `The body must be sent as ${words}, without compression.`);
}

/** Checks the headers that describe the body of a request. @param limit in bytes */
export function headFault({ headers }: IncomingMessage, kind: GatewayBody, limit: number): HttpException | undefined {
  const stated = headers['content-length'];
  const isPlainJson = kind === 'json' && headers['content-type'] === 'application/json' && headers['content-encoding'] === undefined;
  return (
    (isPlainJson ? undefined : contentTypeFault(headers, kind)) ??
    (stated === undefined || Number(stated) <= limit ? undefined : bodyTooLarge(limit))
  );
}

const NO_BYTES = Buffer.alloc(0);

function ignore(): void {}

function readBytes(request: IncomingMessage, { payload = request, limit }: BodyReading): Promise<ReceivedBody> {
  return new Promise((resolve, reject) => {
    const body = new ReceivedBytes(Number(request.headers['content-length']));
    const stop = (): void => {
      // It fails when its client disconnects; an error without a listener would end the process.
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
      // Without a reader, the rest would stay in the socket and block the response.
      payload.resume();
    };
    let leftInTurn = READ_IN_TURN;
    const nextTurn = (): void => {
      leftInTurn = READ_IN_TURN;
      payload.resume();
    };
    const isPlain = payload === request && hasPlainEvents(request);
    const read = (chunk: Buffer): void => {
      leftInTurn -= chunk.length;
      if (body.length + chunk.length > limit) refuse(bodyTooLarge(limit));
      // Another listener may keep the chunk.
      else body.add(chunk, isPlain && request.listenerCount('data') === 1);
      if (leftInTurn > 0) return;
      payload.pause();
      setImmediate(nextTurn);
    };
    const complete = (): void => {
      stop();
      resolve(body.whole());
    };
    const leave = (): void => {
      // A complete request emits `close` before a piped stream has ended.
      if (!request.complete) fail(new RequestCancelledError(new Error('the client closed the connection')));
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
  private all: Buffer = NO_BYTES;
  /** Whether nothing else has `all`. */
  private isOwn = true;
  /** The shorter memory before `all`, until its first `kept` bytes are copied; `moved` are. */
  private before: (ReceivedBody & { readonly kept: number; moved: number }) | undefined = undefined;

  constructor(private readonly statedLength: number) {}

  /** @param isOwn whether nothing else has the chunk */
  add(chunk: Buffer, isOwn: boolean): void {
    const { length, statedLength } = this;
    this.length += chunk.length;
    if (length === 0 && !(chunk.length < statedLength)) {
      this.all = chunk;
      this.isOwn = isOwn;
      return;
    }
    if (this.length > this.all.length) this.grow(length);
    chunk.copy(this.all, length);
    this.move(MOVED * chunk.length);
    if (isOwn) freeBytes(chunk);
  }

  whole(): ReceivedBody {
    if (this.before !== undefined) this.move(Infinity);
    return { bytes: this.all.subarray(0, this.length), isOwn: this.isOwn };
  }

  /** Up to the stated length, unless a hook of the app has made more of the bytes. */
  private grow(kept: number): void {
    const { length, statedLength } = this;
    this.move(Infinity);
    const grown = Buffer.allocUnsafeSlow(length <= statedLength ? Math.min(statedLength, GROWTH * length) : 2 * length);
    this.before = { bytes: this.all, isOwn: this.isOwn, kept, moved: 0 };
    this.all = grown;
    this.isOwn = true;
  }

  /** Copies some more of the memory before. */
  private move(most: number): void {
    const { before } = this;
    if (before === undefined) return;
    const { bytes, isOwn, kept, moved } = before;
    before.moved = Math.min(moved + most, kept);
    bytes.copy(this.all, moved, moved, before.moved);
    if (before.moved < kept) return;
    this.before = undefined;
    if (isOwn) freeBytes(bytes);
  }
}
