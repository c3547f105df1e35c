import { HttpException } from '@nestjs/common';
import { CallDeniedError, CallHookFailedError } from '../../common/http-errors.js';
import { ProviderError, type OpenAIErrorBody } from '../../common/provider-error.js';
import { usdOf } from '../../common/nano-usd.js';
import { whenOver } from '../../common/response-over.js';
import type { BridgedAnswer } from '../../apis/bridge.js';
import { isError } from '../../providers/openai/errors.js';
import { EventReader } from '../../providers/events/sse-reader.js';
import type { AnswerCost } from '../answer/answer-cost.js';
import { AnswerModel } from '../answer/answer-model.js';
import type { AnswerUsage } from '../../http/answer-usage.js';
import { EVENT_STREAM_ANSWER, type AnswerTarget, type CallFacts, type SendOptions } from '../answer/llm-answer.js';
import type { Writable } from './open-response.js';
import { drainOf } from './response-drain.js';
import type { ChunkSink, StreamOrigin } from './stream-origin.js';
import { SingleReading, type StreamSource } from './single-reading.js';
import { WriteLimit } from './write-limit.js';
import { EventFilter } from './event-filter.js';
import { addCost, withCost } from './event-cost.js';
import { KeepAlive } from './keep-alive.js';
import type { LoopState } from './loop-reader.js';

const DONE = '[DONE]';
const NONE = Buffer.alloc(0);
/** Events that wait for a slow reader before the provider is paused. */
const MOST_WAITING = 64;

/** A provider's streamed answer. Read it once: by `sendTo`, or as an iterable of its events. */
export class LlmStream<Event = Record<string, unknown>> implements AsyncIterable<Event> {
  private readonly reading: SingleReading;

  /** @internal Made by `LlmClient`. */
  constructor(
    readonly call: CallFacts,
    private readonly source: StreamSource,
  ) {
    this.reading = new SingleReading(call, source);
  }

  /** The usage, once the stream is over and if its provider reported one. */
  get usage(): AnswerUsage | undefined {
    return this.source.usage;
  }

  /** Cost of the answer in USD, once the stream is over; absent without a usage or a price. */
  get costUsd(): number | undefined {
    const { cost } = this;
    return cost && usdOf(cost.nanoUsd);
  }

  /** The same by its parts, and where the price comes from. */
  get cost(): AnswerCost | undefined {
    return this.source.cost;
  }

  /** Ends the stream early: the request to the provider is aborted. */
  cancel(): void {
    this.source.leave();
  }

  /**
   * Answers an HTTP request with the events as they arrive, unchanged but for `model`, and the
   * headers of `call`.
   * Resolves when all is written. A broken stream ends with an event `data: {"error":{…}}`, which
   * OpenAI's clients throw.
   */
  sendTo(target: AnswerTarget, { model }: SendOptions = {}): Promise<void> {
    const renamed = model === undefined ? undefined : new AnswerModel(model);
    return this.reading.sendTo(target, EVENT_STREAM_ANSWER, (...sink) => new ResponseSink(...sink, renamed));
  }

  /**
   * The parsed events, for example `ChatCompletionChunk` of the OpenAI SDK. An error event is
   * thrown as a `ProviderError`. Leaving the loop early ends the stream. With the call's
   * `response`, the next event waits until that has room.
   */
  [Symbol.asyncIterator](): AsyncGenerator<Event, void, undefined> {
    return this.reading.by((reader) => this.events(reader));
  }

  private async *events(reader: LoopState): AsyncGenerator<Event, void, undefined> {
    this.reading.begin(reader);
    const { exchange, hidesUsage, response, writesCost, writeTimeoutMs } = this.source;
    const queue = new EventQueue(exchange, this.source.bridged);
    exchange.attach(queue);
    try {
      for (let data = await queue.next(); data !== undefined; data = await queue.next()) {
        if (data === DONE) continue;
        const event = objectIn(data);
        if (event === undefined || isError(event.error)) {
          const error = event === undefined ? exchange.unreadableEvent() : exchange.errorIn(data);
          exchange.abort(error);
          throw error;
        }
        if (hidesUsage && isUsageOnly(event)) continue;
        if (writesCost) addCost(event, () => this.source.costSoFar());
        yield event as Event;
        await drainOf(response, writeTimeoutMs);
      }
    } catch (error) {
      if (!reader.hasLeft) throw error;
    } finally {
      this.source.leave();
    }
  }
}

function objectIn(data: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(data);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function isUsageOnly({ choices, usage }: Readonly<Record<string, unknown>>): boolean {
  return Array.isArray(choices) && choices.length === 0 && typeof usage === 'object' && usage !== null;
}

/**
 * Writes a stream to a response, and pauses the provider while the client is slow. What arrives at
 * once is written at once: each write costs a chunk of HTTP.
 */
class ResponseSink implements ChunkSink {
  private readonly filter: EventFilter;
  private gathered: Buffer[] | undefined = undefined;
  private isFull = false;
  private readonly limit: WriteLimit;
  private readonly drained = (): void => {
    this.isFull = false;
    this.limit.stop();
    this.source.exchange.resume();
  };
  private readonly unwatch: () => void;
  private readonly keepAlive: KeepAlive | undefined;

  constructor(
    private readonly response: Writable,
    private readonly source: StreamSource,
    private readonly done: () => void,
    private readonly model: AnswerModel | undefined,
  ) {
    this.filter = new EventFilter(source.hidesUsage);
    this.limit = new WriteLimit(response, source.writeTimeoutMs);
    const { bridged } = source;
    this.keepAlive =
      bridged?.ping === undefined
        ? undefined
        : new KeepAlive(
            () => bridged.ping?.() ?? NONE,
            (event) => response.write(event),
          );
    response.on('drain', this.drained);
    // Its client may have left before the first chunk arrived.
    this.unwatch = whenOver(response, () => {
      this.limit.stop();
      source.leave();
    });
  }

  chunk(bytes: Buffer): boolean {
    if (this.gathered === undefined) {
      // Pushed to an empty array, one chunk would take the room of seventeen.
      this.gathered = [bytes];
      process.nextTick(writeGathered, this);
    } else this.gathered.push(bytes);
    return !this.isFull;
  }

  writeInTime(): void {
    try {
      this.writeGathered();
    } catch (error) {
      const { exchange } = this.source;
      exchange.abort(exchange.unreadable(error));
    }
  }

  private writeGathered(): void {
    const { gathered } = this;
    if (gathered === undefined) return;
    this.gathered = undefined;
    const passed = this.filter.pass(gathered);
    const written = this.finished(this.source.bridged?.chunk(passed) ?? passed);
    if (written.length === 0) return;
    this.keepAlive?.heard();
    this.isFull = !this.response.write(written);
    if (this.isFull) this.limit.full();
  }

  end(error: Error | undefined): void {
    const { response } = this;
    try {
      this.writeGathered();
      this.writeLast(error);
    } catch (fault) {
      // What a bridge cannot read must not leave the response open.
      this.writeLast(this.source.exchange.unreadable(fault));
    }
    response.removeListener('drain', this.drained);
    this.limit.stop();
    this.keepAlive?.stop();
    this.unwatch();
    response.end();
    this.done();
  }

  private writeLast(error: Error | undefined): void {
    const { response } = this;
    if (response.destroyed) return;
    const last = this.last(error);
    if (last.length > 0) response.write(last);
  }

  private last(error: Error | undefined): Buffer | string {
    const { bridged, exchange } = this.source;
    if (error !== undefined) {
      const body = errorBodyOf(error);
      if (bridged !== undefined) return this.renamed(bridged.error(body, error instanceof HttpException ? error.getStatus() : 500));
      return exchange.errorEvent(body) ?? errorEvent(body);
    }
    if (bridged === undefined) return this.renamed(this.filter.rest());
    return this.finished(Buffer.concat([bridged.chunk(this.filter.rest()), bridged.end()]));
  }

  /** Whole events, with the requested cost and model. */
  private finished(events: Buffer): Buffer {
    const { source } = this;
    return this.renamed(source.writesCost ? withCost(events, () => source.costSoFar()) : events);
  }

  private renamed(events: Buffer): Buffer {
    return this.model === undefined ? events : this.model.events(events);
  }
}

/** For `nextTick`, without a closure for each chunk. */
function writeGathered(sink: ResponseSink): void {
  sink.writeInTime();
}

function errorBodyOf(error: Error): OpenAIErrorBody {
  if (error instanceof ProviderError || error instanceof CallDeniedError || error instanceof CallHookFailedError) return error.error;
  return { message: 'The stream ended early.', type: 'server_error', param: null, code: null };
}

/** The last event of a broken stream, which no client takes for a normal end. */
function errorEvent(error: OpenAIErrorBody): string {
  return `data: ${JSON.stringify({ error })}\n\n`;
}

/** Queues the events of a stream for a reader that takes them one by one. */
class EventQueue implements ChunkSink {
  private readonly reader = new EventReader();
  private events: string[] = [];
  /** Those before it are read: to shift one of a million takes a millisecond. */
  private first = 0;
  private ended = false;
  private error: Error | undefined = undefined;
  private wake: (() => void) | undefined = undefined;

  constructor(
    private readonly exchange: StreamOrigin,
    private readonly bridged: BridgedAnswer | undefined,
  ) {}

  chunk(bytes: Buffer): boolean {
    this.add(this.bridged?.chunk(bytes) ?? bytes);
    this.wake?.();
    return this.events.length - this.first < MOST_WAITING;
  }

  end(error: Error | undefined): void {
    this.error = error;
    try {
      if (error === undefined && this.bridged !== undefined) this.add(this.bridged.end());
    } catch (fault) {
      this.error = this.exchange.unreadable(fault);
    }
    this.ended = true;
    this.wake?.();
  }

  private get isEmpty(): boolean {
    return this.events.length === 0 && !this.ended;
  }

  private add(bytes: Buffer): void {
    for (const event of this.reader.read(bytes)) this.events.push(event);
  }

  private take(): string | undefined {
    const event = this.events[this.first++];
    if (this.first >= this.events.length) {
      this.events = [];
      this.first = 0;
    }
    return event;
  }

  async next(): Promise<string | undefined> {
    for (;;) {
      const event = this.take();
      if (event !== undefined) return event;
      if (this.ended) break;
      this.exchange.resume();
      // What the connection had read already arrives at once.
      if (this.isEmpty) await new Promise<void>((resolve) => (this.wake = resolve));
      this.wake = undefined;
    }
    if (this.error !== undefined) throw this.error;
    return undefined;
  }
}
