import type { BridgedAnswer } from '../../apis/bridge.js';
import type { OpenAIErrorBody } from '../../common/provider-error.js';
import type { AnswerUsage } from '../../http/answer-usage.js';
import type { StreamEvents } from '../../providers/events/event-reader.js';
import type { AnswerCost } from '../answer/answer-cost.js';
import type { ClosableResponse } from '../cancellation.js';

/** Takes the events of a stream as they arrive. */
export interface EventSink {
  /** `false`: no more until `StreamOrigin.resume`. */
  events(events: StreamEvents): boolean;
  /** `undefined`: the stream is complete. */
  end(error: Error | undefined): void;
}

/** Source of a stream: the exchange with a provider, or the hooks on top of it. */
export interface StreamOrigin {
  /** The sink takes all events from here on, those that have waited first. */
  attach(sink: EventSink): void;
  resume(): void;
  /** Ends it from this side, in any state. */
  abort(error: Error): void;
  /** The error that an event of the stream states. */
  errorIn(json: string): Error;
  /** The event that reports a broken stream to the client; `undefined` for chat's. */
  errorEvent(error: OpenAIErrorBody): string | undefined;
  /** The error for an event that is not JSON. */
  unreadableEvent(): Error;
  /** The error for events that a bridge cannot read. */
  unreadable(error: unknown): Error;
}

/** A stream of one call, and how it is written. */
export interface StreamSource {
  readonly exchange: StreamOrigin;
  /** Whether the event with the usage is kept back: its caller did not ask for it. */
  readonly hidesUsage: boolean;
  /** Translates chat events into the client's API; absent if the client requested chat. */
  readonly bridged: BridgedAnswer | undefined;
  /** The response that the call was given, whose buffer the reader fills. */
  readonly response: ClosableResponse | undefined;
  /** How long it, or its response, may stay full. */
  readonly writeTimeoutMs: number;
  /** Usage at the end of the stream, if the provider reported it. */
  readonly usage: AnswerUsage | undefined;
  /** The cost of that, if the price is known. */
  readonly cost: AnswerCost | undefined;
  /** Whether the usage that the client gets has the cost. */
  readonly writesCost: boolean;
  /** The cost of the usage that the provider has reported so far. */
  costSoFar(): AnswerCost | undefined;
  /** The stream is no longer read. */
  leave(): void;
}
