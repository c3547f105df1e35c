import type { IncomingMessage, ServerResponse } from 'node:http';
import { Server } from 'node:net';
import { setImmediate as afterPolling, setTimeout as sleep } from 'node:timers/promises';
import type { LogSink } from '../common/log-sink.js';
import { whenOver } from '../common/response-over.js';
import type { ResolvedShutdownOptions } from './shutdown.options.js';

/** An HTTP server, as far as it is watched. */
export interface WatchedServer {
  readonly listening?: boolean;
  /** Calls `listener` for each request, before the handlers of the app. */
  prependListener(event: 'request', listener: (request: IncomingMessage, response: ServerResponse) => void): unknown;
  /** Stops accepting connections. */
  close(): unknown;
  /** Closes keep-alive connections without a request. */
  closeIdleConnections?(): void;
}

const LOOK_EVERY_MS = 20;

/** Brings an app down without cutting anybody off: not ready first, then no new connections, then it waits for requests under way. */
export class GracefulShutdown {
  private readonly servers = new Set<WatchedServer>();
  private readonly open = new OpenResponses();
  private hasBegun = false;
  private draining: Promise<void> | undefined = undefined;

  constructor(
    private readonly options: ResolvedShutdownOptions,
    private readonly logger: LogSink,
    /** What else is under way: calls to models, for HTTP requests or for none. */
    private readonly busy: () => number = () => 0,
  ) {}

  /** Whether the app is on its way down: not ready for anything new. */
  get isShuttingDown(): boolean {
    return this.hasBegun;
  }

  /** HTTP requests whose answer is not over. */
  get requestsUnderWay(): number {
    return this.open.size;
  }

  /** Counts the requests of a server from now on. */
  watch(server: WatchedServer): void {
    if (this.servers.has(server)) return;
    this.servers.add(server);
    server.prependListener('request', (_, response) => {
      this.open.add(response);
      // Who keeps the connection would ask again on it.
      if (this.draining !== undefined) response.setHeader('Connection', 'close');
    });
  }

  /** From now on the app is not ready; it goes on answering. */
  begin(): void {
    this.hasBegun = true;
  }

  /** Waits for the notice, closes the door and waits for those inside, up to the deadline. A second call waits for the first. */
  drain(): Promise<void> {
    this.begin();
    return (this.draining ??= this.bringDown());
  }

  private async bringDown(): Promise<void> {
    const { noticeMs, drainMs } = this.options;
    if (noticeMs > 0) await sleep(noticeMs);
    for (const server of this.servers) if (server.listening === true) stopListening(server);
    for (const response of this.open.all()) if (!response.headersSent) response.setHeader('Connection', 'close');
    // A test that closes its module waits for nothing, then.
    if (this.servers.size === 0 && this.left() === 0) return;
    const endMs = performance.now() + drainMs;
    do {
      await sleep(Math.min(LOOK_EVERY_MS, drainMs));
      // By then what had come is read, however busy the process is, and its connection is not idle.
      await afterPolling();
      for (const server of this.servers) server.closeIdleConnections?.();
    } while (this.left() > 0 && performance.now() < endMs);
    const left = this.left();
    if (left > 0) this.logger.warn(`${left} requests are cut: they were not done within shutdown.drainMs (${drainMs} ms)`);
  }

  /** Mostly each call to a model is for an HTTP request, which is not to be counted twice. */
  private left(): number {
    return Math.max(this.open.size, this.busy());
  }
}

/** `close` of an HTTP server would end idle connections at once, those too whose next request is on its way: their clients would see a reset. */
function stopListening(server: WatchedServer): void {
  if (server instanceof Server) Server.prototype.close.call(server);
  else server.close();
}

/**
 * Responses under way. Not a `Set`: once its table is among the old objects, so is each table that replaces it, and each that is replaced keeps all that
 * were in it, with their requests, until the next full collection.
 */
class OpenResponses {
  private readonly open: OpenResponse[] = [];

  get size(): number {
    return this.open.length;
  }

  /** Until it is closed. */
  add(response: ServerResponse): void {
    const entry = new OpenResponse(response, this.open.length);
    this.open.push(entry);
    whenOver(response, () => this.remove(entry));
  }

  all(): ServerResponse[] {
    return this.open.map(({ response }) => response);
  }

  private remove({ place }: OpenResponse): void {
    const last = this.open.pop() as OpenResponse;
    if (last.place === place) return;
    last.place = place;
    this.open[place] = last;
  }
}

class OpenResponse {
  constructor(
    readonly response: ServerResponse,
    public place: number,
  ) {}
}
