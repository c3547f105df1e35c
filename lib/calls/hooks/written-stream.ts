import { ProviderError } from '../../common/provider-error.js';
import { NO_COST, type AnswerCost } from '../answer/answer-cost.js';
import type { CallFacts } from '../answer/call-facts.js';
import type { AnswerUsage } from '../../http/answer-usage.js';
import type { StreamEvents } from '../../providers/events/event-reader.js';
import type { EventSink, StreamOrigin, StreamSource } from '../stream/stream-origin.js';

/** A stream whose events already exist: the answer of a hook, or a mock. */
export class WrittenStream implements StreamSource, StreamOrigin {
  readonly exchange = this;
  readonly hidesUsage = false;
  readonly bridged = undefined;
  readonly response = undefined;
  readonly usage: AnswerUsage | undefined = undefined;
  readonly writesCost = false;
  /** A slow reader blocks no shared resource. */
  readonly writeTimeoutMs = Infinity;
  readonly cost = NO_COST;
  private sink: EventSink | undefined = undefined;

  constructor(
    readonly call: CallFacts,
    readonly events: StreamEvents,
  ) {}

  attach(sink: EventSink): void {
    this.sink = sink;
    sink.events(this.events);
    this.end(undefined);
  }

  costSoFar(): AnswerCost {
    return NO_COST;
  }

  /** A slow reader has all of it already. */
  resume(): void {}

  leave(): void {
    this.sink = undefined;
  }

  abort(error: Error): void {
    this.end(error);
  }

  errorIn(json: string): Error {
    const { error } = JSON.parse(json) as { readonly error: { readonly message?: unknown } };
    return this.failed(typeof error.message === 'string' ? error.message : 'The stream ends with an error.');
  }

  errorEvent(): undefined {
    return undefined;
  }

  unreadableEvent(): Error {
    return this.failed('The stream has an event that is not a JSON object.');
  }

  unreadable(): Error {
    return this.unreadableEvent();
  }

  private end(error: Error | undefined): void {
    const { sink } = this;
    this.sink = undefined;
    sink?.end(error);
  }

  private failed(message: string): ProviderError {
    return new ProviderError({ kind: 'malformed', message, provider: 'call_hook', deploymentId: 'call_hook' });
  }
}
