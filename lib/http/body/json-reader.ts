import { HttpException } from '@nestjs/common';
import { isUtf8 } from 'node:buffer';
import { nextTurn } from '../../common/next-turn.js';
import { InvalidArgumentError, NO_VALUE } from '../../common/errors.js';
import type { EngineChoice } from '../../engine/engine-choice.js';
import { isJsonFault, type JsonBodyEngine, type JsonFault, type JsonScan, textIn } from '../../json-body/engine/engine.js';
import { DEFAULT_JSON_BOUNDS, type JsonBounds } from '../../json-body/json-bounds.js';
import type { ResolvedBodyBounds } from './body-bounds.js';
import { BodyObject } from './body-object.js';
import { JsonBody, LONGEST_MODEL_NAME, type Soon } from './json-body.js';
import { BodyBoundsError } from './json-bounds.js';
import { checkListLengthsInTurns } from './list-lengths.js';
import { longWritten, writtenFields } from './json-writer.js';
import { RawField } from './raw-field.js';

/** Shorter texts are scanned on the main thread: handing them over takes longer. */
const SCANNED_APART = 32 * 1024;
/**
 * Shorter bodies are parsed at once, because keeping their bytes would cost more than it saves;
 * except those with numbers that parsing would change.
 */
const KEPT_FROM = 8 * 1024;
const DECODED_IN_TURN = 128 * 1024;
/** Bytes of U+FFFD, which may replace each byte. */
const REPLACEMENT_BYTES = 3;
/** Bytes of a character after the first. */
const LONGEST_REST = 3;

/** Longest JSON of a stream. */
const LONGEST_SOURCE = 32 * 1024 * 1024;

/**
 * JSON as bytes: whole, a web or Node stream, or any other iterable of bytes. Do not change them
 * until the call has ended.
 */
export type JsonSource = Uint8Array | ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>;

export function isJsonSource(body: unknown): body is JsonSource {
  return body instanceof Uint8Array || (typeof body === 'object' && body !== null && Symbol.asyncIterator in body);
}

/** Reads JSON bodies, and keeps the bytes of long ones. */
export class JsonReader {
  constructor(private readonly engines: Pick<EngineChoice<JsonBodyEngine>, 'always' | 'run' | 'runAsync' | 'recover'>) {}

  /**
   * The new `request.body`: a plain object, or one that parses its long fields when they are read
   * (`BodyObject`).
   * @param isOwn whether nothing else has the bytes: `releaseBody` may then free them
   * @param lists bounds of its lists, which are checked before anything parses them
   * @throws HttpException (400) for no JSON, a doubled key, `__proto__`, and a text out of
   * bounds
   */
  read(received: Uint8Array, bounds: Required<JsonBounds>, isOwn = false, lists?: ResolvedBodyBounds): Soon<unknown> {
    const bytes = Buffer.isBuffer(received) ? received : Buffer.from(received.buffer, received.byteOffset, received.byteLength);
    if (!isUtf8(bytes)) return asUtf8(bytes).then((utf8) => this.read(utf8, bounds, isOwn, lists));
    const scan = this.scan(bytes, bounds, isOwn);
    return scan instanceof Promise ? scan.then((found) => this.bodyOf(bytes, found, isOwn, lists)) : this.bodyOf(bytes, scan, isOwn, lists);
  }

  /** The same for bytes passed in code. @throws InvalidArgumentError instead */
  async readOwn(bytes: Uint8Array): Promise<unknown> {
    try {
      return await this.read(bytes, DEFAULT_JSON_BOUNDS);
    } catch (error) {
      if (!(error instanceof HttpException)) throw error;
      throw new InvalidArgumentError('body', NO_VALUE, `must be a JSON object within the size limits (${error.message})`);
    }
  }

  /** A program's object as bytes; `undefined` for what cannot be written, or is out of bounds. */
  write(object: object): Promise<JsonBody | undefined> {
    return this.written(() => Object.entries(object));
  }

  private bodyOf(bytes: Buffer, scan: JsonScan | JsonFault, isOwn: boolean, lists: ResolvedBodyBounds | undefined): unknown {
    if (isJsonFault(scan)) throw errorOf(scan);
    if (bytes.length < KEPT_FROM && !(scan.hasOddNumbers && scan.isObject)) return JSON.parse(textIn(bytes));
    // No API accepts another value, so a long one is rejected without being parsed.
    if (!scan.isObject) throw new HttpException('The body must be a JSON object.', 400);
    const json = new JsonBody(bytes, scan, isOwn);
    if (json.hasLongModel) throw longModel();
    const { object } = BodyObject.of(json, (shown) => this.rewrite(shown));
    return lists === undefined ? object : checkListLengthsInTurns(json, lists).then(() => object);
  }

  private async rewrite(shown: BodyObject): Promise<JsonBody | undefined> {
    const { json } = shown;
    if (json === undefined) return undefined;
    const written = await this.written(() =>
      shown.fields(json).map(({ name, scanned }) => [name, scanned === undefined ? shown.object[name] : new RawField(json, scanned)]),
    );
    // If it was released, or the app has replaced it, the app's object counts.
    if (written === undefined || shown.json === undefined) shown.forget();
    else shown.rewritten(written);
    return written;
  }

  /** An object that cannot be serialized is reported by the code that sends it. */
  private async written(fields: () => readonly (readonly [name: string, value: unknown])[]): Promise<JsonBody | undefined> {
    let bytes: Buffer;
    try {
      bytes = writtenFields(await longWritten(fields()));
    } catch {
      return undefined;
    }
    const scan = await this.scan(bytes, DEFAULT_JSON_BOUNDS, true);
    return isJsonFault(scan) || !scan.isObject ? undefined : new JsonBody(bytes, scan);
  }

  private scan(bytes: Buffer, bounds: Required<JsonBounds>, isOwn: boolean): Soon<JsonScan | JsonFault> {
    const { engines } = this;
    if (bytes.length > SCANNED_APART) return engines.runAsync('scan', undefined, (engine) => engine.scanAsync(bytes, bounds, isOwn));
    const engine = engines.always;
    if (engine === null) return engines.run('scan', undefined, (either) => either.scan(bytes, bounds));
    try {
      return engine.scan(bytes, bounds);
    } catch (error) {
      return engines.recover(error, engine, (either) => either.scan(bytes, bounds));
    }
  }
}

/** Bytes that are not UTF-8 become U+FFFD, as everywhere in Node: 16 MB at once took 130 ms. */
async function asUtf8(received: Buffer): Promise<Buffer> {
  const written = Buffer.allocUnsafeSlow(REPLACEMENT_BYTES * received.length);
  let length = 0;
  for (let from = 0, to; from < received.length; from = to) {
    if (from > 0) await nextTurn();
    to = betweenCharacters(received, from + DECODED_IN_TURN);
    length += written.write(received.toString('utf8', from, to), length);
  }
  return written.subarray(0, length);
}

/** The last offset up to `to` that does not split a character. */
function betweenCharacters(bytes: Buffer, to: number): number {
  if (to >= bytes.length) return bytes.length;
  for (let at = to; at >= to - LONGEST_REST; at--) if ((bytes[at] & 0xc0) !== 0x80) return at;
  return to;
}

function longModel(): HttpException {
  const message = `model: must have at most ${LONGEST_MODEL_NAME} characters`;
  return new HttpException({ error: { message, type: 'invalid_request_error', param: 'model', code: 'invalid_argument' } }, 400);
}

function errorOf(fault: JsonFault): HttpException {
  switch (fault.kind) {
    case 'bound':
      return new BodyBoundsError(fault);
    case 'duplicate':
      return new HttpException(`The body has the key ${JSON.stringify(fault.key)} twice in one object.`, 400);
    case 'prototype':
      return new HttpException(`The body has the key "__proto__" at byte ${fault.at}, which is not allowed.`, 400);
    default:
      return new HttpException(`The body is not valid JSON${fault.message === undefined ? '' : `: ${fault.message}`}.`, 400);
  }
}

/** Reads a stream of JSON, which can be endless. */
export class StreamedJson {
  private readonly chunks: AsyncIterator<unknown>;

  constructor(private readonly source: Exclude<JsonSource, Uint8Array>) {
    this.chunks = source instanceof ReadableStream ? new WebChunks(source.getReader()) : source[Symbol.asyncIterator]();
  }

  /** @throws InvalidArgumentError above 32 MiB, and for chunks that are not bytes */
  async whole(): Promise<Buffer> {
    const parts: Uint8Array[] = [];
    let length = 0;
    for (let next = await this.chunks.next(); next.done !== true; next = await this.chunks.next()) {
      const chunk: unknown = next.value;
      if (!(chunk instanceof Uint8Array)) throw new InvalidArgumentError('body', chunk, 'must be a stream of bytes');
      length += chunk.length;
      if (length > LONGEST_SOURCE) throw new InvalidArgumentError('body', length, `must have at most ${LONGEST_SOURCE} bytes`);
      parts.push(chunk);
    }
    return Buffer.concat(parts, length);
  }

  /** Nothing reads it any longer: ends it, also while a chunk is awaited. */
  stop(): void {
    const { destroy } = this.source as { readonly destroy?: unknown };
    if (typeof destroy === 'function') destroy.call(this.source);
    else this.chunks.return?.().catch(ignore);
  }
}

/** The chunks of a web stream, whose own iterator can only be stopped between chunks. */
class WebChunks implements AsyncIterator<unknown> {
  constructor(private readonly reader: ReadableStreamDefaultReader<unknown>) {}

  async next(): Promise<IteratorResult<unknown>> {
    return (await this.reader.read()) as IteratorResult<unknown>;
  }

  async return(): Promise<IteratorResult<unknown>> {
    await this.reader.cancel();
    return { done: true, value: undefined };
  }
}

/** A stream may fail while it ends: nothing waits for it. */
function ignore(): void {}
