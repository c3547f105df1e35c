import type { StreamEvents } from '../../providers/events/event-reader.js';
import type { CallFacts } from '../answer/call-facts.js';
import type { AnswerTarget } from '../answer/llm-answer.js';
import { LoopReader, type LoopState } from './loop-reader.js';
import { openResponse, ResponseWriter, type ClientBytes, type Writable } from './response-writer.js';
import type { EventSink, StreamOrigin, StreamSource } from './stream-origin.js';
import { drainOf } from './write-limit.js';

/** Maximum bytes buffered for a slow reader before the provider is paused. */
const MOST_WAITING = 64;
const MOST_WAITING_BYTES = 256 * 1024;

/** An item that a loop receives from a stream. */
export interface StreamItems<Item> {
  /** @throws Error for an event that states one */
  of(events: StreamEvents): Iterable<Item>;
  /** The items after the last event. */
  last(): Iterable<Item>;
}

/**
 * A provider's answer as it arrives, read once: by a response (`sendTo`) or by a loop. A slow
 * reader pauses the provider; one that stops early ends the request.
 */
export class AnswerStream<Item> {
  private hasBegun = false;
  private loop: object | undefined = undefined;

  constructor(
    private readonly call: CallFacts,
    private readonly source: StreamSource,
    private readonly read: StreamItems<Item>,
  ) {}

  /** The first `next` rejects if the stream is read already. Leaving the loop early ends it. */
  items(): AsyncGenerator<Item, void, undefined> {
    return new LoopReader(
      (reader) => this.loopOver(reader),
      (reader) => {
        if (this.hasBegun && this.loop !== reader) return;
        this.hasBegun = true;
        this.source.leave();
      },
    );
  }

  /** Answers an HTTP request; resolves when all is written. */
  sendTo(target: AnswerTarget, contentType: string, client: ClientBytes): Promise<void> {
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
    return new Promise((resolve) => source.exchange.attach(new ResponseWriter(response, source, client, resolve)));
  }

  /** @throws TypeError the second time */
  private begin(loop?: object): void {
    if (this.hasBegun) throw new TypeError('the stream has already been read');
    this.hasBegun = true;
    this.loop = loop;
  }

  private async *loopOver(reader: LoopState): AsyncGenerator<Item, void, undefined> {
    this.begin(reader);
    const { exchange, response, writeTimeoutMs } = this.source;
    const queue = new EventQueue(exchange);
    exchange.attach(queue);
    try {
      for (let events = await queue.next(); events !== undefined; events = await queue.next()) {
        for (const item of this.read.of(events)) {
          yield item;
          await drainOf(response, writeTimeoutMs);
        }
      }
      yield* this.read.last();
    } catch (error) {
      if (!reader.hasLeft) throw error;
    } finally {
      this.source.leave();
    }
  }
}

/** Queues the events of a stream for a loop. */
class EventQueue implements EventSink {
  private waiting: StreamEvents[] = [];
  private bytes = 0;
  private hasEnded = false;
  private error: Error | undefined = undefined;
  private wake: (() => void) | undefined = undefined;

  constructor(private readonly exchange: StreamOrigin) {}

  events(events: StreamEvents): boolean {
    this.waiting.push(events);
    this.bytes += events.bytes.length;
    this.wake?.();
    return this.waiting.length < MOST_WAITING && this.bytes < MOST_WAITING_BYTES;
  }

  end(error: Error | undefined): void {
    this.error = error;
    this.hasEnded = true;
    this.wake?.();
  }

  /** `undefined` at the end. @throws the error that the stream ended with */
  async next(): Promise<StreamEvents | undefined> {
    for (;;) {
      const events = this.waiting.shift();
      if (events !== undefined) {
        this.bytes -= events.bytes.length;
        return events;
      }
      if (this.hasEnded) break;
      this.exchange.resume();
      // Data that the connection has already read arrives at once.
      if (this.isEmpty) await new Promise<void>((resolve) => (this.wake = resolve));
      this.wake = undefined;
    }
    if (this.error !== undefined) throw this.error;
    return undefined;
  }

  private get isEmpty(): boolean {
    return this.waiting.length === 0 && !this.hasEnded;
  }
}
