import type { OpenAIErrorBody } from '../../common/provider-error.js';

/** Takes the chunks of a stream as they arrive. */
export interface ChunkSink {
  /** `false`: no more until `StreamOrigin.resume`. */
  chunk(bytes: Buffer): boolean;
  /** `undefined`: the stream is complete. */
  end(error: Error | undefined): void;
}

/** What a stream is read from: the exchange with a provider, or what stands in front of it. */
export interface StreamOrigin {
  /** The sink takes all chunks from here on, those that have waited first. */
  attach(sink: ChunkSink): void;
  resume(): void;
  /** Ends it from this side, in any state. */
  abort(error: Error): void;
  /** The error that an event of the stream states. */
  errorIn(json: string): Error;
  /** The event that tells the client that its stream is broken; `undefined`: chat's. */
  errorEvent(error: OpenAIErrorBody): string | undefined;
  /** The error for an event that is no JSON. */
  unreadableEvent(): Error;
  /** The error for events that a bridge cannot read. */
  unreadable(error: unknown): Error;
}
