import type { StreamEvents } from '../../providers/events/event-reader.js';
import type { AnswerTarget, CallFacts } from '../answer/llm-answer.js';
import { AnswerStream } from './answer-stream.js';
import type { ClientBytes } from './response-writer.js';
import type { StreamSource } from './stream-origin.js';

const NONE = Buffer.alloc(0);
/** The bytes as they arrive; an answer that breaks off ends with the connection. */
const UNCHANGED: ClientBytes = { of: ({ bytes }) => bytes, last: (error) => (error === undefined ? NONE : undefined) };

/** A provider's answer of bytes, such as sound, as it arrives. Read it once. */
export class LlmBytes extends AnswerStream<Buffer> {
  /** @internal Made by `LlmClient`. */
  constructor(
    call: CallFacts,
    /** The provider's if it is safe in a browser, else `application/octet-stream`. */
    readonly contentType: string,
    source: StreamSource,
  ) {
    super(call, source);
  }

  /**
   * Answers an HTTP request with the bytes as they arrive, and the headers of `call`. An answer
   * that breaks off ends with the connection, so that its client does not take it for whole.
   */
  sendTo(target: AnswerTarget): Promise<void> {
    return this.writeTo(target, this.contentType, UNCHANGED);
  }

  /** The bytes as they arrive. Leaving the loop early ends the answer. */
  override [Symbol.asyncIterator](): AsyncGenerator<Buffer, void, undefined> {
    return super[Symbol.asyncIterator]();
  }

  /** @internal */
  protected override itemsOf({ bytes }: StreamEvents): readonly Buffer[] {
    return [bytes];
  }

  /** @internal */
  protected override lastItems(): readonly Buffer[] {
    return [];
  }
}
