import type { AnswerUsage } from '../../http/answer-usage.js';
import type { CallFacts } from '../answer/call-facts.js';
import type { AnswerTarget } from '../answer/llm-answer.js';
import { AnswerStream, type StreamItems } from './answer-stream.js';
import type { ClientBytes } from './response-writer.js';
import type { StreamSource } from './stream-origin.js';

const NONE = Buffer.alloc(0);
/** The bytes as they arrive; an answer that breaks off ends with the connection. */
const UNCHANGED: ClientBytes = { of: ({ bytes }) => bytes, last: (error) => (error === undefined ? NONE : undefined) };
const CHUNKS: StreamItems<Buffer> = { of: ({ bytes }) => [bytes], last: () => [] };

/** A provider's binary answer, such as audio, as it arrives. It can be read only once. */
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

  /** The usage, after all bytes have arrived, if the provider reported one. */
  get usage(): AnswerUsage | undefined {
    return this.source.usage;
  }

  /** Ends the answer early: aborts the request to the provider. */
  cancel(): void {
    this.source.leave();
  }

  /**
   * Sends the bytes as they arrive, with the headers of `call`. If the answer breaks off, the
   * client's connection is closed, so that the client does not treat the answer as complete.
   */
  sendTo(target: AnswerTarget): Promise<void> {
    return this.stream.sendTo(target, this.contentType, UNCHANGED);
  }

  /** The bytes as they arrive. Leaving the loop early cancels the answer. */
  [Symbol.asyncIterator](): AsyncGenerator<Buffer, void, undefined> {
    return this.stream.items();
  }
}
