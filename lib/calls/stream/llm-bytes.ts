import type { AnswerUsage } from '../../http/answer-usage.js';
import type { AnswerTarget, CallFacts } from '../answer/llm-answer.js';
import { AnswerStream, type StreamItems } from './answer-stream.js';
import type { ClientBytes } from './response-writer.js';
import type { StreamSource } from './stream-origin.js';

const NONE = Buffer.alloc(0);
/** The bytes as they arrive; an answer that breaks off ends with the connection. */
const UNCHANGED: ClientBytes = { of: ({ bytes }) => bytes, last: (error) => (error === undefined ? NONE : undefined) };
const CHUNKS: StreamItems<Buffer> = { of: ({ bytes }) => [bytes], last: () => [] };

/** A provider's answer of bytes, such as sound, as it arrives. Read it once. */
export class LlmBytes implements AsyncIterable<Buffer> {
  private readonly stream: AnswerStream<Buffer>;

  /** @internal Made by `LlmClient`. */
  constructor(
    readonly call: CallFacts,
    /** The provider's if it is safe in a browser, else `application/octet-stream`. */
    readonly contentType: string,
    private readonly source: StreamSource,
  ) {
    this.stream = new AnswerStream(call, source, CHUNKS);
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
    return this.stream.sendTo(target, this.contentType, UNCHANGED);
  }

  /** The bytes as they arrive. Leaving the loop early ends the answer. */
  [Symbol.asyncIterator](): AsyncGenerator<Buffer, void, undefined> {
    return this.stream.items();
  }
}
