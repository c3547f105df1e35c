import type { AnswerUsage } from '../../http/answer-usage.js';
import type { AnswerCost } from '../answer/answer-cost.js';
import type { AnswerTarget, CallFacts } from '../answer/llm-answer.js';
import type { BridgedAnswer } from '../../apis/bridge.js';
import type { ClosableResponse } from '../cancellation.js';
import { LoopReader, type LoopState } from './loop-reader.js';
import { openResponse, type Writable } from './open-response.js';
import type { ChunkSink, StreamOrigin } from './stream-origin.js';

/** Where a stream comes from. */
export interface StreamSource {
  readonly exchange: StreamOrigin;
  /** Whether the event with the usage is kept back: its caller did not ask for it. */
  readonly hidesUsage: boolean;
  /** Puts the chat's events into the client's API; absent: they are what the client asked for. */
  readonly bridged: BridgedAnswer | undefined;
  /** The response that the call was given, whose buffer the reader fills. */
  readonly response: ClosableResponse | undefined;
  /** How long it, or its response, may stay full. */
  readonly writeTimeoutMs: number;
  /** When the stream is over, if its provider reported it. */
  readonly usage: AnswerUsage | undefined;
  /** What that costs, where the price is known. */
  readonly cost: AnswerCost | undefined;
  /** Whether the usage that the client gets has the cost. */
  readonly writesCost: boolean;
  /** What has been used by now, as the provider states it, costs so much. */
  costSoFar(): AnswerCost | undefined;
  /** Nothing reads the stream any more. */
  leave(): void;
}

/** The reading of a streamed answer: once, by a response or by a loop. */
export class SingleReading {
  private hasBegun = false;
  private loop: object | undefined = undefined;

  constructor(
    private readonly call: CallFacts,
    private readonly source: StreamSource,
  ) {}

  /** An iterator over what `read` yields. Its first `next` rejects where something else reads. */
  by<T>(read: (reader: LoopState) => AsyncGenerator<T, void, undefined>): LoopReader<T> {
    return new LoopReader(read, (reader) => {
      if (this.hasBegun && this.loop !== reader) return;
      this.hasBegun = true;
      this.source.leave();
    });
  }

  /** @throws TypeError the second time */
  begin(loop?: object): void {
    if (this.hasBegun) throw new TypeError('the answer has been read already');
    this.hasBegun = true;
    this.loop = loop;
  }

  /** Opens the response; all that arrives goes to the sink that `sinkTo` makes of it. */
  sendTo(
    target: AnswerTarget,
    contentType: string,
    sinkTo: (response: Writable, source: StreamSource, done: () => void) => ChunkSink,
  ): Promise<void> {
    this.begin();
    const { call, source } = this;
    let response: Writable;
    try {
      response = openResponse(target, call, contentType);
    } catch (error) {
      source.leave();
      const refusal = error as Error;
      return Promise.reject(refusal);
    }
    return new Promise((resolve) => source.exchange.attach(sinkTo(response, source, resolve)));
  }
}
