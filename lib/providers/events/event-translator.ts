import type { Fields } from '../../common/objects.js';
import type { AnswerTranslator } from '../protocol.js';
import { EventReader, NO_EVENTS, StreamEvents } from './event-reader.js';

const NONE = Buffer.alloc(0);
const DONE = '[DONE]';

/** Writes one event whose data is JSON. */
export function eventOf(data: object, name?: string): string {
  return `${name === undefined ? '' : `event: ${name}\n`}data: ${JSON.stringify(data)}\n\n`;
}

/** Translates, checks or forwards whole server-sent events. */
export abstract class EventsTranslator implements Pick<AnswerTranslator, 'pending' | 'chunk'> {
  private readonly reader = new EventReader();

  get pending(): number {
    return this.reader.pending;
  }

  chunk(bytes: Buffer): Buffer {
    const events = this.reader.read(bytes);
    return events === undefined ? NONE : this.translateEvents(events).bytes;
  }

  /** @internal `chunk` for events that were read already; the same events if they pass. */
  abstract translateEvents(events: StreamEvents): StreamEvents;
}

/** Translates a stream of server-sent events that are JSON objects. */
export abstract class EventTranslator extends EventsTranslator implements Pick<AnswerTranslator, 'end'> {
  /** @internal */
  override translateEvents(events: StreamEvents): StreamEvents {
    let written = '';
    for (const data of events.data) if (data !== DONE) written += this.event(objectIn(data));
    return written === '' ? NO_EVENTS : StreamEvents.of(written);
  }

  end(): Buffer {
    return Buffer.from(this.last());
  }

  /**
   * Translates one event of the provider. Returns the events to send, which can be empty. @throws
   * Error for a wrong event
   */
  protected abstract event(event: Fields): string;

  /** Returns the events at the end of the stream. @throws Error for a stream that was cut */
  protected abstract last(): string;
}

/** @throws SyntaxError for anything but a JSON object */
function objectIn(data: string): Fields {
  const value: unknown = JSON.parse(data);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw new SyntaxError('an event is not a JSON object');
}
