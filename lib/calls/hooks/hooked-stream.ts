import { CallDeniedError, CallHookFailedError } from '../../common/http-errors.js';
import type { OpenAIErrorBody } from '../../common/provider-error.js';
import type { AnswerUsage } from '../../http/answer-usage.js';
import type { BridgedAnswer } from '../../apis/bridge.js';
import type { Exchange } from '../attempt.js';
import type { ProviderExchange } from '../send/provider-exchange.js';
import type { ReadStream } from '../send/provider-stream.js';
import { StreamEvents } from '../../providers/events/event-reader.js';
import { withoutUsage } from '../stream/client-events.js';
import type { EventSink, StreamOrigin } from '../stream/stream-origin.js';
import type { EventGuard } from './event-guard.js';

/** Characters that wait for a reader before the provider is paused. */
const MOST_WAITING = 256 * 1024;

/** A stream whose first text is awaited for longer is opened without it, for its keep-alive. */
const LONGEST_OPENING_MS = 10_000;

/** Runs before the client gets the first byte, and with it the status 200. */
export interface StreamOpening {
  /** Verdicts about the request. */
  readonly after: Promise<void> | undefined;
  /** Whether a text has to pass the guards. */
  readonly untilText: boolean;
}

/** How the events of the exchange are read. */
export interface HookedSource extends Pick<ReadStream, 'hidesUsage' | 'bridged' | 'writesCost'> {
  /** Makes another bridge of the call. */
  readonly bridgeAnew: () => BridgedAnswer | undefined;
  /** Default: it is open at once. */
  readonly opening?: StreamOpening;
}

/**
 * A stream between its provider and its reader: each event passes the hooks before it is forwarded.
 */
export class HookedStream implements StreamOrigin, EventSink, Exchange, ReadStream {
  readonly origin = this;
  readonly hidesUsage = false;
  readonly writesCost: boolean;
  /** Its events already use the client's protocol. */
  readonly bridged: BridgedAnswer | undefined;
  private pending: string[] = [];
  private passed = 0;
  private sink: EventSink | undefined = undefined;
  private waiting = '';
  /** Whether an asynchronous guard is checking an event. */
  private isBusy = false;
  /** Whether the reader takes no more. */
  private isFull = false;
  private isComplete = false;
  /** Whether all events have passed the guards. */
  private isPassed = false;
  private isOver = false;
  private failure: Error | undefined = undefined;
  private listener: ((error: Error | undefined) => void) | undefined = undefined;
  /** Events before the opening; `undefined`: it is open. */
  private closed: string | undefined = undefined;
  private isAllowed = true;
  private isPatient = false;
  private timer: NodeJS.Timeout | undefined = undefined;
  /** Rejects with a denial before the first byte. `undefined`: it is open from the beginning. */
  readonly opened: Promise<void> | undefined;
  private open: ((denial?: Error) => void) | undefined = undefined;

  /** @param onArrived called when the provider has sent everything */
  constructor(
    private readonly exchange: ProviderExchange,
    private readonly guard: EventGuard,
    private readonly source: HookedSource,
    private readonly onArrived: () => void,
  ) {
    const { opening } = source;
    if (opening !== undefined && (opening.after !== undefined || opening.untilText)) this.opened = this.heldBack(opening);
    const { bridged, writesCost } = source;
    this.writesCost = writesCost;
    this.bridged = bridged === undefined ? undefined : endsOnly(bridged, source.bridgeAnew);
  }

  private heldBack({ after, untilText }: StreamOpening): Promise<void> {
    this.closed = '';
    this.isPatient = untilText;
    if (after !== undefined) {
      this.isAllowed = false;
      after.then(
        () => {
          this.isAllowed = true;
          this.openIfDue();
        },
        (denial: Error) => this.abort(denial),
      );
    }
    if (untilText) {
      this.timer = setTimeout(() => {
        this.isPatient = false;
        this.openIfDue();
      }, LONGEST_OPENING_MS).unref();
    }
    const opened = new Promise<void>((resolve, reject) => {
      this.open = (denial) => (denial === undefined ? resolve() : reject(denial));
    });
    opened.catch(() => {});
    return opened;
  }

  /** Passes on the held-back events, once the status can no longer become an error. */
  private openIfDue(): void {
    const { closed, open, isFull } = this;
    if (closed === undefined || !this.isAllowed || (this.isPatient && !this.guard.hasPassedText)) return;
    clearTimeout(this.timer);
    this.closed = undefined;
    this.open = undefined;
    this.isFull = false;
    this.write(closed);
    open?.();
    if (this.isPassed) this.finish(undefined);
    else if (isFull) this.goOn();
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

  attach(sink: EventSink): void {
    this.sink = sink;
    const { waiting } = this;
    this.waiting = '';
    this.isFull = waiting !== '' && !sink.events(StreamEvents.of(waiting));
    if (this.isOver) sink.end(this.failure);
    else this.goOn();
  }

  resume(): void {
    this.isFull = false;
    this.goOn();
  }

  abort(error: Error): void {
    this.pending = [];
    // Also ends this stream, unless the provider has sent everything. A detached stream is over,
    // although its provider is still being read.
    this.exchange.abort(error);
    this.finish(error);
  }

  detach(error: Error, done: (usage: AnswerUsage | undefined) => void): boolean {
    if (this.isOver || !this.exchange.detach(error, done)) return false;
    this.pending = [];
    this.finish(error);
    return true;
  }

  events(arrived: StreamEvents): boolean {
    if (this.isOver) return false;
    const { hidesUsage, bridged } = this.source;
    try {
      const events = hidesUsage ? withoutUsage(arrived) : arrived;
      this.add(bridged === undefined ? events : StreamEvents.of(bridged.events(events)));
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
      if (bridged !== undefined) this.add(StreamEvents.of(bridged.end()));
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

  private add({ raw }: StreamEvents): void {
    for (const event of raw) this.pending.push(event);
  }

  /** Passes on the received events, until a guard is asynchronous. */
  private pump(): void {
    let written = '';
    while (!this.isBusy && !this.isOver && this.passed < this.pending.length) {
      const next = this.take(() => this.guard.pass(this.pending[this.passed++]));
      if (typeof next === 'string') written += next;
    }
    if (this.isBusy || this.isOver) return this.write(written);
    this.pending = [];
    this.passed = 0;
    if (!this.isComplete) return this.write(written);
    const rest = this.take(() => this.guard.rest());
    this.write(written + (rest ?? ''));
    if (rest !== undefined) this.complete();
  }

  /** All has passed the guards. */
  private complete(): void {
    this.isPatient = false;
    this.isPassed = true;
    this.openIfDue();
    if (this.closed === undefined) this.finish(undefined);
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
    if (this.closed !== undefined) {
      this.closed += text;
      this.isFull = this.closed.length >= MOST_WAITING;
      return this.openIfDue();
    }
    if (this.sink !== undefined) {
      this.isFull = !this.sink.events(StreamEvents.of(text));
      return;
    }
    this.waiting += text;
    this.isFull = this.waiting.length >= MOST_WAITING;
  }

  private goOn(): void {
    if (!this.isOver && !this.isComplete && !this.isBusy && !this.isFull) this.exchange.resume();
  }

  private finish(error: Error | undefined): void {
    if (this.isOver) return;
    clearTimeout(this.timer);
    this.isOver = true;
    this.failure = error;
    this.listener?.(error);
    // A stream that broke for another reason ends with an event.
    this.open?.(error instanceof CallDeniedError || error instanceof CallHookFailedError ? error : undefined);
    this.sink?.end(error);
  }
}

/**
 * The rest of a bridge once its events are written: events for silence and errors. It may have seen
 * the end of a stream whose last events the guards hold: then another one has the error.
 */
function endsOnly(bridged: BridgedAnswer, bridgeAnew: HookedSource['bridgeAnew']): BridgedAnswer {
  return {
    whole: (chat) => chat,
    events: (events) => events.bytes.toString('utf8'),
    end: () => '',
    ...(bridged.ping !== undefined && { ping: () => bridged.ping?.() ?? '' }),
    error: (error, status) => bridged.error(error, status) || (bridgeAnew()?.error(error, status) ?? ''),
  };
}
