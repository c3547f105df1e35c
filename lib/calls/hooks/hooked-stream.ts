import { BufferList } from '../../common/buffer-list.js';
import type { OpenAIErrorBody } from '../../common/provider-error.js';
import type { AnswerUsage } from '../../http/answer-usage.js';
import type { BridgedAnswer } from '../../apis/bridge.js';
import type { Exchange } from '../attempt.js';
import type { ProviderExchange } from '../send/provider-exchange.js';
import type { ReadStream } from '../send/provider-sender.js';
import { EventFilter } from '../stream/event-filter.js';
import type { ChunkSink, StreamOrigin } from '../stream/stream-origin.js';
import type { EventGuard } from './event-guard.js';

const NONE = Buffer.alloc(0);
const EVENT_END = /\r?\n\r?\n/;
/** Bytes that wait for a reader before the provider is paused. */
const MOST_WAITING = 256 * 1024;

/** Whole events, each without its empty line. */
export function eventsIn(bytes: Buffer): string[] {
  return bytes
    .toString('utf8')
    .split(EVENT_END)
    .filter((event) => event.trim() !== '');
}

/** How the events of the exchange are read. */
export interface HookedSource extends Pick<ReadStream, 'hidesUsage' | 'bridged' | 'writesCost'> {
  /** Makes another bridge of the call. */
  readonly bridgeAnew: () => BridgedAnswer | undefined;
}

/** A stream between its provider and its reader: each event passes the hooks before it goes on. */
export class HookedStream implements StreamOrigin, ChunkSink, Exchange, ReadStream {
  readonly origin = this;
  readonly hidesUsage = false;
  readonly writesCost: boolean;
  /** What is read of it is in the client's words already. */
  readonly bridged: BridgedAnswer | undefined;
  private readonly filter: EventFilter;
  private events: string[] = [];
  private passed = 0;
  private sink: ChunkSink | undefined = undefined;
  private readonly waiting = new BufferList();
  /** Whether a guard thinks about an event. */
  private isBusy = false;
  /** Whether the reader takes no more. */
  private isFull = false;
  private isComplete = false;
  private isOver = false;
  private failure: Error | undefined = undefined;
  private listener: ((error: Error | undefined) => void) | undefined = undefined;

  /** @param onArrived told when the provider has sent all of it */
  constructor(
    private readonly exchange: ProviderExchange,
    private readonly guard: EventGuard,
    private readonly source: HookedSource,
    private readonly onArrived: () => void,
  ) {
    const { hidesUsage, bridged, writesCost } = source;
    this.writesCost = writesCost;
    this.filter = new EventFilter(hidesUsage);
    this.bridged = bridged === undefined ? undefined : endsOnly(bridged, source.bridgeAnew);
  }

  /** From here on it takes the provider's events, read or not. */
  begin(): void {
    this.exchange.attach(this);
  }

  get wasSent(): boolean {
    return this.exchange.wasSent;
  }

  get isRefused(): boolean {
    return this.exchange.isRefused;
  }

  get receivedTokens(): number {
    return this.exchange.receivedTokens;
  }

  get showsReasoning(): boolean {
    return this.exchange.showsReasoning;
  }

  get requestId(): string | undefined {
    return this.exchange.requestId;
  }

  whenOver(listener: (error: Error | undefined) => void): void {
    this.listener = listener;
    if (this.isOver) listener(this.failure);
  }

  attach(sink: ChunkSink): void {
    this.sink = sink;
    this.isFull = this.waiting.length > 0 && !sink.chunk(this.waiting.take());
    if (this.isOver) sink.end(this.failure);
    else this.goOn();
  }

  resume(): void {
    this.isFull = false;
    this.goOn();
  }

  abort(error: Error): void {
    this.events = [];
    // Tells this stream in turn, unless the provider has sent all of it. One that was detached is
    // over, and its provider is still read.
    this.exchange.abort(error);
    this.finish(error);
  }

  detach(error: Error, done: (usage: AnswerUsage | undefined) => void): boolean {
    if (this.isOver || !this.exchange.detach(error, done)) return false;
    this.events = [];
    this.finish(error);
    return true;
  }

  chunk(bytes: Buffer): boolean {
    if (this.isOver) return false;
    try {
      const whole = this.filter.pass([bytes]);
      this.add(this.source.bridged?.chunk(whole) ?? whole);
    } catch (error) {
      this.abort(this.exchange.unreadable(error));
      return false;
    }
    this.pump();
    return !this.isBusy && !this.isFull;
  }

  end(error: Error | undefined): void {
    if (this.isOver) return;
    this.onArrived();
    if (error !== undefined) return this.finish(error);
    try {
      const { bridged } = this.source;
      const rest = this.filter.rest();
      this.add(bridged === undefined ? rest : Buffer.concat([bridged.chunk(rest), bridged.end()]));
    } catch (fault) {
      return this.finish(this.exchange.unreadable(fault));
    }
    this.isComplete = true;
    this.pump();
  }

  errorIn(json: string): Error {
    return this.exchange.errorIn(json);
  }

  errorEvent(error: OpenAIErrorBody): string | undefined {
    return this.exchange.errorEvent(error);
  }

  unreadableEvent(): Error {
    return this.exchange.unreadableEvent();
  }

  unreadable(error: unknown): Error {
    return this.exchange.unreadable(error);
  }

  private add(bytes: Buffer): void {
    if (bytes.length > 0) for (const event of eventsIn(bytes)) this.events.push(event);
  }

  /** Passes what has arrived, until a guard has to think. */
  private pump(): void {
    let written = '';
    while (!this.isBusy && !this.isOver && this.passed < this.events.length) {
      const next = this.take(() => this.guard.pass(this.events[this.passed++]));
      if (typeof next === 'string') written += next;
    }
    if (this.isBusy || this.isOver) return this.write(written);
    this.events = [];
    this.passed = 0;
    if (!this.isComplete) return this.write(written);
    const rest = this.take(() => this.guard.rest());
    this.write(written + (rest ?? ''));
    if (rest !== undefined) this.finish(undefined);
  }

  /** The text of a step; `undefined`: it comes later, or the stream has ended by it. */
  private take(step: () => string | Promise<string>): string | undefined {
    try {
      const text = step();
      if (typeof text === 'string') return text;
      this.isBusy = true;
      text.then(
        (later) => {
          this.isBusy = false;
          this.write(later);
          this.pump();
          this.goOn();
        },
        (error: Error) => {
          this.isBusy = false;
          this.abort(error);
        },
      );
    } catch (error) {
      this.abort(error as Error);
    }
    return undefined;
  }

  private write(text: string): void {
    if (text === '' || this.isOver) return;
    const bytes = Buffer.from(text);
    if (this.sink !== undefined) {
      this.isFull = !this.sink.chunk(bytes);
      return;
    }
    this.waiting.push(bytes);
    this.isFull = this.waiting.length >= MOST_WAITING;
  }

  private goOn(): void {
    if (!this.isOver && !this.isComplete && !this.isBusy && !this.isFull) this.exchange.resume();
  }

  private finish(error: Error | undefined): void {
    if (this.isOver) return;
    this.isOver = true;
    this.failure = error;
    this.listener?.(error);
    this.sink?.end(error);
  }
}

/**
 * What of a bridge is left once its events are written: those of silence and of an error. It may
 * have seen the end of a stream whose last events the guards hold: then another one has the error.
 */
function endsOnly(bridged: BridgedAnswer, bridgeAnew: HookedSource['bridgeAnew']): BridgedAnswer {
  return {
    whole: (chat) => chat,
    chunk: (bytes) => bytes,
    end: () => NONE,
    ...(bridged.ping !== undefined && { ping: () => bridged.ping?.() ?? NONE }),
    error: (error, status) => {
      const event = bridged.error(error, status);
      return event.length > 0 ? event : (bridgeAnew()?.error(error, status) ?? event);
    },
  };
}
