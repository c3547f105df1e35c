import { BufferList } from '../../common/buffer-list.js';
import { whenOver } from '../../common/response-over.js';
import type { AnswerUsage } from '../../http/answer-usage.js';
import type { AnswerTarget, CallFacts } from '../answer/llm-answer.js';
import type { Writable } from './open-response.js';
import { drainOf } from './response-drain.js';
import type { ChunkSink, StreamOrigin } from './stream-origin.js';
import type { LoopState } from './loop-reader.js';
import { SingleReading, type StreamSource } from './single-reading.js';
import { WriteLimit } from './write-limit.js';

/** Bytes that wait for a slow reader before the provider is paused. */
const MOST_WAITING = 256 * 1024;

/** A provider's answer of bytes, such as sound, as it arrives. Read it once. */
export class LlmBytes implements AsyncIterable<Buffer> {
  private readonly reading: SingleReading;

  /** @internal Made by `LlmClient`. */
  constructor(
    readonly call: CallFacts,
    /** The provider's if it is safe in a browser, else `application/octet-stream`. */
    readonly contentType: string,
    private readonly source: StreamSource,
  ) {
    this.reading = new SingleReading(call, source);
  }

  /** The usage, once all has arrived and if its provider reported one. */
  get usage(): AnswerUsage | undefined {
    return this.source.usage;
  }

  /** Ends it early: the request to the provider is aborted. */
  cancel(): void {
    this.source.leave();
  }

  /**
   * Answers an HTTP request with the bytes as they arrive, and the headers of `call`. An answer
   * that breaks off ends with the connection, so that its client does not take it for whole.
   */
  sendTo(target: AnswerTarget): Promise<void> {
    return this.reading.sendTo(target, this.contentType, (...sink) => new ByteSink(...sink));
  }

  /** The bytes as they arrive. Leaving the loop early ends the answer. */
  [Symbol.asyncIterator](): AsyncGenerator<Buffer, void, undefined> {
    return this.reading.by((reader) => this.chunks(reader));
  }

  private async *chunks(reader: LoopState): AsyncGenerator<Buffer, void, undefined> {
    this.reading.begin(reader);
    const { exchange, response, writeTimeoutMs } = this.source;
    const queue = new ByteQueue(exchange);
    exchange.attach(queue);
    try {
      for (let bytes = await queue.next(); bytes !== undefined; bytes = await queue.next()) {
        yield bytes;
        await drainOf(response, writeTimeoutMs);
      }
    } catch (error) {
      if (!reader.hasLeft) throw error;
    } finally {
      this.source.leave();
    }
  }
}

class ByteSink implements ChunkSink {
  private readonly limit: WriteLimit;
  private readonly drained = (): void => {
    this.limit.stop();
    this.source.exchange.resume();
  };
  private readonly unwatch: () => void;

  constructor(
    private readonly response: Writable,
    private readonly source: StreamSource,
    private readonly done: () => void,
  ) {
    this.limit = new WriteLimit(response, source.writeTimeoutMs);
    response.on('drain', this.drained);
    this.unwatch = whenOver(response, () => {
      this.limit.stop();
      source.leave();
    });
  }

  chunk(bytes: Buffer): boolean {
    return this.response.write(bytes) || this.limit.full();
  }

  end(error: Error | undefined): void {
    const { response } = this;
    response.removeListener('drain', this.drained);
    this.limit.stop();
    this.unwatch();
    if (error === undefined) response.end();
    else response.destroy();
    this.done();
  }
}

/** Queues bytes for a reader that takes them one by one. */
class ByteQueue implements ChunkSink {
  private readonly chunks = new BufferList();
  private ended = false;
  private error: Error | undefined = undefined;
  private wake: (() => void) | undefined = undefined;

  constructor(private readonly exchange: StreamOrigin) {}

  chunk(bytes: Buffer): boolean {
    this.chunks.push(bytes);
    this.wake?.();
    return this.chunks.length < MOST_WAITING;
  }

  end(error: Error | undefined): void {
    this.ended = true;
    this.error = error;
    this.wake?.();
  }

  async next(): Promise<Buffer | undefined> {
    for (;;) {
      if (this.chunks.length > 0) return this.chunks.take();
      if (this.ended) break;
      this.exchange.resume();
      await new Promise<void>((resolve) => (this.wake = resolve));
      this.wake = undefined;
    }
    if (this.error !== undefined) throw this.error;
    return undefined;
  }
}
