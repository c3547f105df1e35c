import { usdOf } from '../../common/nano-usd.js';
import { objectIn } from '../../common/objects.js';
import type { AnswerUsage } from '../../http/answer-usage.js';
import { StreamEvents } from '../../providers/events/event-reader.js';
import { isError } from '../../providers/openai/errors.js';
import type { AnswerCost } from '../answer/answer-cost.js';
import { AnswerModel } from '../answer/answer-model.js';
import type { CallFacts } from '../answer/call-facts.js';
import { EVENT_STREAM_ANSWER, type AnswerTarget, type SendOptions } from '../answer/llm-answer.js';
import type { AnswerForm } from './answer-forms.js';
import { AnswerStream } from './answer-stream.js';
import { addCost, ClientEvents, isUsageOnly } from './client-events.js';
import type { StreamSource } from './stream-origin.js';

const DONE = '[DONE]';

/**
 * A provider's streamed answer. It can be read only once: with `sendTo`, or as an iterable of its
 * events.
 */
export class LlmStream<Event = Record<string, unknown>> implements AsyncIterable<Event> {
  private readonly stream: AnswerStream<Event>;

  /** @internal Made by `LlmClient`. */
  constructor(
    readonly call: CallFacts,
    private readonly source: StreamSource,
  ) {
    this.stream = new AnswerStream(call, source, { of: (events) => this.itemsOf(events), last: () => this.lastItems() });
  }

  /** The usage, after the stream has ended, if the provider reported one. */
  get usage(): AnswerUsage | undefined {
    return this.source.usage;
  }

  /** Cost of the answer in USD, after the stream has ended; absent without a usage or a price. */
  get costUsd(): number | undefined {
    const { cost } = this;
    return cost && usdOf(cost.nanoUsd);
  }

  /** Cost of the answer by part, and the source of the price. */
  get cost(): AnswerCost | undefined {
    return this.source.cost;
  }

  /** Ends the stream early: aborts the request to the provider. */
  cancel(): void {
    this.source.leave();
  }

  /**
   * Sends the events as they arrive, with the headers of `call`; only `model` can change. Resolves
   * when everything is written. A broken stream ends with an event `data: {"error":{…}}`, which
   * OpenAI's clients throw.
   */
  sendTo(target: AnswerTarget, { model }: SendOptions = {}, form?: AnswerForm): Promise<void> {
    const renamed = model === undefined ? undefined : new AnswerModel(model);
    const events = new ClientEvents(this.source, renamed);
    const client = form?.stream === undefined ? events : form.stream(events);
    return this.stream.sendTo(target, form?.contentType ?? EVENT_STREAM_ANSWER, client);
  }

  /**
   * The parsed events, for example `ChatCompletionChunk` of the OpenAI SDK. An error event is
   * thrown as a `ProviderError`. Leaving the loop early ends the stream. With the call's
   * `response`, the next event waits until the response has room.
   */
  [Symbol.asyncIterator](): AsyncGenerator<Event, void, undefined> {
    return this.stream.items();
  }

  private *itemsOf(arrived: StreamEvents): Generator<Event> {
    const { bridged } = this.source;
    const events = bridged === undefined ? arrived : this.bridge(() => bridged.events(arrived));
    for (const data of events.data) {
      const event = data === DONE ? undefined : this.eventIn(data);
      if (event !== undefined) yield event;
    }
  }

  private *lastItems(): Generator<Event> {
    const { bridged } = this.source;
    if (bridged === undefined) return;
    for (const data of this.bridge(() => bridged.end()).data) {
      const event = data === DONE ? undefined : this.eventIn(data);
      if (event !== undefined) yield event;
    }
  }

  /** `undefined` for an event that the caller does not get. @throws ProviderError */
  private eventIn(data: string): Event | undefined {
    const { exchange, hidesUsage, writesCost } = this.source;
    const event = objectIn(data);
    if (event === undefined || isError(event.error)) {
      const error = event === undefined ? exchange.unreadableEvent() : exchange.errorIn(data);
      exchange.abort(error);
      throw error;
    }
    if (hidesUsage && isUsageOnly(event)) return undefined;
    if (writesCost) addCost(event, () => this.source.costSoFar());
    return event as Event;
  }

  private bridge(write: () => string): StreamEvents {
    try {
      return StreamEvents.of(write());
    } catch (error) {
      throw this.source.exchange.unreadable(error);
    }
  }
}
