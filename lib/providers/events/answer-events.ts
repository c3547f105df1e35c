import type { WireCall } from '../protocol.js';
import { MaskedStream, type SecretMask } from '../secret-mask.js';
import { endOfStream, EventReader, StreamEvents } from './event-reader.js';
import { RepeatedEvent } from './repeated-event.js';

const EVENT_STREAM = /^text\/event-stream\b/i;

/** How a streamed answer is read. */
export interface AnswerEventsSettings {
  readonly call: Pick<WireCall, 'translator' | 'reader' | 'isBytes'>;
  readonly contentType: string;
  /** Masks the secrets of the deployment. */
  readonly mask: SecretMask;
  /** The longest event, in bytes. */
  readonly maxBytes: number;
  /** The text of the model in events, as it would be counted. Absent: it is not needed. */
  readonly textOf?: (events: string) => string;
}

/** An event is longer than the client allows. */
export class LongEventError extends Error {}

/**
 * The events of one streamed answer, in chat's words or in those of the client's API. What they
 * are read from decides how:
 *
 *     server-sent events   EventReader -> translator.translateEvents -> mask
 *     other framings       translator.chunk -> EventReader -> mask
 *     bytes                MaskedStream: there are no events
 */
export class AnswerEvents {
  private readonly reader = new EventReader();
  private readonly isFramed: boolean;
  /** Unifies the line ends of server-sent events that the translator reads itself. */
  private readonly received: EventReader | undefined;
  private readonly maskedBytes: MaskedStream | undefined;
  private readonly mask: SecretMask | undefined;
  private readonly repeated: RepeatedEvent | undefined;
  /** Whether the event that ends the stream was read: nothing after it belongs to the answer. */
  isOver = false;

  constructor(private readonly settings: AnswerEventsSettings) {
    const { call, contentType, mask, textOf } = settings;
    const { translator, isBytes } = call;
    const isEventStream = EVENT_STREAM.test(contentType);
    this.isFramed = translator !== undefined && (translator.translateEvents === undefined || !isEventStream);
    this.received = this.isFramed && isEventStream ? new EventReader() : undefined;
    this.mask = mask.isEmpty ? undefined : mask;
    this.repeated = textOf !== undefined && translator === undefined && isBytes !== true ? new RepeatedEvent(textOf) : undefined;
    this.maskedBytes = this.mask && isBytes === true ? new MaskedStream(this.mask) : undefined;
  }

  /**
   * The events that `chunk` completes.
   * @throws LongEventError; Error for an event that the translator cannot read
   */
  read(chunk: Buffer): StreamEvents | undefined {
    const { repeated, reader } = this;
    const text = repeated !== undefined && reader.isBetween ? repeated.textIn(chunk) : undefined;
    if (text !== undefined && (this.mask === undefined || this.mask.bytes(chunk) === chunk)) return new StreamEvents(chunk, text);
    const { translator, isBytes } = this.settings.call;
    if (isBytes === true) return new StreamEvents(this.maskedBytes?.pass(chunk) ?? chunk);
    const isFramed = this.isFramed && translator !== undefined;
    const read = reader.read(isFramed ? translator.chunk(this.received?.lines(chunk) ?? chunk) : chunk);
    const events = read && this.finished(read);
    if (repeated !== undefined && events === read && events !== undefined && reader.isBetween) repeated.learn(events.bytes);
    if (events === undefined || translator !== undefined) this.checkPending();
    if (translator?.isOver === true) this.isOver = true;
    return events;
  }

  /**
   * Returns the remaining events at the end of the provider's stream. @throws Error for a truncated
   * stream
   */
  end(): StreamEvents {
    const { translator } = this.settings.call;
    const rest = this.reader.rest();
    const last = translator?.end();
    const parts = [rest === undefined ? this.rest() : this.finished(rest), last && new StreamEvents(this.mask?.bytes(last) ?? last)];
    return StreamEvents.joined(parts.filter((part) => part !== undefined));
  }

  /** The unfinished event, as it arrived. */
  rest(): StreamEvents | undefined {
    const bytes = this.maskedBytes?.rest() ?? this.reader.rest()?.bytes;
    return bytes && new StreamEvents(this.mask?.bytes(bytes) ?? bytes);
  }

  private finished(read: StreamEvents): StreamEvents {
    const { isFramed, mask } = this;
    const { translator, reader } = this.settings.call;
    const events = isFramed ? read : (translator?.translateEvents?.(read) ?? read);
    let bytes = mask?.bytes(events.bytes) ?? events.bytes;
    const end = reader.ends === undefined ? -1 : endOfStream(bytes, reader.ends);
    if (end >= 0) {
      this.isOver = true;
      if (end < bytes.length) bytes = bytes.subarray(0, end);
    }
    return bytes === events.bytes ? events : new StreamEvents(bytes);
  }

  private checkPending(): void {
    const { maxBytes, call } = this.settings;
    const pending = this.reader.pending + (call.translator?.pending ?? 0);
    if (pending > maxBytes) throw new LongEventError(`An event of the provider's stream is longer than ${maxBytes} bytes.`);
  }
}
