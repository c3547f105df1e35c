import { whenOver, type NodeResponse } from '../../common/response-end.js';
import { StreamEvents } from '../../providers/events/event-reader.js';
import { factHeaders } from '../answer/answer-headers.js';
import type { CallFacts } from '../answer/call-facts.js';
import type { AnswerTarget } from '../answer/llm-answer.js';
import type { ClientBytes } from './answer-forms.js';
import type { EventSink, StreamSource } from './stream-origin.js';

import { WriteLimit } from './write-limit.js';

export type { ClientBytes } from './answer-forms.js';

type ResponseHeaders = Record<string, number | string | string[] | undefined>;

/** Node's response, as far as a stream needs it. */
export type Writable = NodeResponse & {
  writeHead(status: number, headers: ResponseHeaders): unknown;
  write(bytes: Buffer | string): boolean;
  end(): unknown;
  destroy(): unknown;
};

/** Keeps Express's compression from buffering events; nginx reads a header of its own. */
const NOT_GATHERED = 'no-cache, no-transform';

/**
 * Sends the head of a streamed answer, and returns the response to write to.
 * @throws Error if the request was answered already, for example by a timeout middleware.
 */
export function openResponse(target: AnswerTarget, call: CallFacts, contentType: string): Writable {
  // Headers set by the app are kept. Fastify has its own copy of them.
  const headers = (target.getHeaders?.() ?? {}) as ResponseHeaders;
  target.hijack?.();
  const response = (target.raw ?? target) as Writable;
  headers['cache-control'] ??= NOT_GATHERED;
  headers['x-accel-buffering'] ??= 'no';
  Object.assign(headers, factHeaders(call));
  headers['content-type'] = contentType;
  response.writeHead(200, headers);
  return response;
}

/**
 * Writes a stream to a response, and pauses the provider while the client is slow. Events that
 * arrive together are written together, because each write costs an HTTP chunk.
 */
export class ResponseWriter implements EventSink {
  private gathered: StreamEvents[] | undefined = undefined;
  private isFull = false;
  private readonly limit: WriteLimit;
  private readonly drained = (): void => {
    this.isFull = false;
    this.limit.stop();
    this.source.exchange.resume();
  };
  private readonly unwatch: () => void;
  private readonly keepAlive: KeepAlive | undefined;

  /** @param done called when all is written */
  constructor(
    private readonly response: Writable,
    readonly source: StreamSource,
    private readonly client: ClientBytes,
    private readonly done: () => void,
  ) {
    this.limit = new WriteLimit(response, source.writeTimeoutMs);
    this.keepAlive = client.ping && new KeepAlive(client.ping, (event) => response.write(event));
    response.on('drain', this.drained);
    // The client may have disconnected before the first chunk arrived.
    this.unwatch = whenOver(response, () => {
      this.limit.stop();
      source.leave();
    });
  }

  events(events: StreamEvents): boolean {
    if (this.gathered === undefined) {
      // Pushing to an empty array would allocate space for seventeen chunks.
      this.gathered = [events];
      process.nextTick(writeGathered, this);
    } else this.gathered.push(events);
    return !this.isFull;
  }

  end(error: Error | undefined): void {
    const { response, client, source } = this;
    let last: Buffer | undefined;
    try {
      this.write();
      last = client.last(error);
    } catch (fault) {
      // The response must end even if a bridge cannot read the stream.
      last = client.last(source.exchange.unreadable(fault));
    }
    if (last !== undefined && last.length > 0 && !response.destroyed) response.write(last);
    response.removeListener('drain', this.drained);
    this.limit.stop();
    this.keepAlive?.stop();
    this.unwatch();
    if (last === undefined) response.destroy();
    else response.end();
    this.done();
  }

  /** Writes the received chunks. @throws Error for events that a bridge cannot read */
  write(): void {
    const { gathered } = this;
    if (gathered === undefined) return;
    this.gathered = undefined;
    const written = this.client.of(gathered.length === 1 ? gathered[0] : StreamEvents.joined(gathered));
    if (written.length === 0) return;
    this.keepAlive?.heard();
    this.isFull = !this.response.write(written);
    if (this.isFull) this.limit.full();
  }
}

/**
 * For `nextTick`, without a closure for each chunk. Events that a bridge cannot read end the
 * stream.
 */
function writeGathered(writer: ResponseWriter): void {
  try {
    writer.write();
  } catch (error) {
    const { exchange } = writer.source;
    exchange.abort(exchange.unreadable(error));
  }
}

/** Silence before an event is sent, in ms: at most twice that. Proxies cut after 30 s and more. */
const SILENCE_MS = 10_000;

/** Writes events into a silent stream, so that neither a proxy nor the client closes it. */
export class KeepAlive {
  private isSilent = false;
  private readonly timer = setInterval(() => this.tick(), SILENCE_MS).unref();

  /**
   * @param ping the event; empty if none may be written
   * @param write into the stream
   */
  constructor(
    private readonly ping: () => Buffer,
    private readonly write: (event: Buffer) => unknown,
  ) {}

  /** Something was written. */
  heard(): void {
    this.isSilent = false;
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private tick(): void {
    const event = this.isSilent ? this.ping() : undefined;
    this.isSilent = true;
    if (event !== undefined && event.length > 0) this.write(event);
  }
}
