import { InvalidArgumentError } from '../../common/errors.js';

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

/** Reads a stream of JSON, which may never end. */
export class StreamedJson {
  private readonly chunks: AsyncIterator<unknown>;

  constructor(private readonly source: Exclude<JsonSource, Uint8Array>) {
    this.chunks = source instanceof ReadableStream ? new WebChunks(source.getReader()) : source[Symbol.asyncIterator]();
  }

  /** @throws InvalidArgumentError above 32 MiB, and for chunks that are no bytes */
  async whole(): Promise<Buffer> {
    const parts: Uint8Array[] = [];
    let length = 0;
    for (let next = await this.chunks.next(); next.done !== true; next = await this.chunks.next()) {
      const chunk: unknown = next.value;
      if (!(chunk instanceof Uint8Array)) throw new InvalidArgumentError('body', chunk, 'must be a stream of bytes');
      length += chunk.length;
      if (length > LONGEST_SOURCE) throw new InvalidArgumentError('body', length, `must not be longer than ${LONGEST_SOURCE} bytes`);
      parts.push(chunk);
    }
    return Buffer.concat(parts, length);
  }

  /** Nothing reads it any more: ends it, also while a chunk is awaited. */
  stop(): void {
    const { destroy } = this.source as { readonly destroy?: unknown };
    if (typeof destroy === 'function') destroy.call(this.source);
    else this.chunks.return?.().catch(ignore);
  }
}

/** The chunks of a stream of the web, whose own iterator ends no earlier than with a chunk. */
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
