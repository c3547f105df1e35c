import type { StreamEvents } from '../../providers/events/event-reader.js';

/** Turns the events of a stream into the bytes that its client gets. */
export interface ClientBytes {
  /** May be empty. @throws Error for events that a bridge cannot read */
  of(events: StreamEvents): Buffer;
  /** The last bytes; `undefined`: the connection is cut, so that no client takes it for an end. */
  last(error: Error | undefined): Buffer | undefined;
  /** An event without a meaning, for a silent stream; empty if none may be written now. */
  readonly ping?: (() => Buffer) | undefined;
}

/** Another form of an answer's bytes. */
export interface AnswerForm {
  /** Content type of a stream. Default: that of server-sent events. */
  readonly contentType?: string;
  /** Edits a whole answer. */
  whole?(bytes: Buffer): Buffer;
  /** Edits a stream. */
  stream?(client: ClientBytes): ClientBytes;
}

/** A stream whose bytes are edited before they are written: whole events at a time. */
export function editedStream(client: ClientBytes, edit: (events: Buffer) => Buffer): ClientBytes {
  const { ping } = client;
  return {
    of: (events) => edit(client.of(events)),
    last: (error) => {
      const last = client.last(error);
      return last && edit(last);
    },
    ...(ping !== undefined && { ping }),
  };
}
