import type { IncomingMessage, ServerResponse } from 'node:http';
import { Server } from 'node:net';
import { setImmediate as afterPolling, setTimeout as sleep } from 'node:timers/promises';
import { counted } from '../common/plural.js';
import type { LogSink } from '../common/log-sink.js';
import { whenOver } from '../common/response-end.js';
import type { ResolvedShutdownOptions } from './shutdown.options.js';

/** The methods of an HTTP server that a graceful shutdown uses. */
export interface WatchedServer {
  readonly listening?: boolean;
  /** Calls `listener` for each request, before the handlers of the app. */
  prependListener(event: 'request', listener: (request: IncomingMessage, response: ServerResponse) => void): unknown;
  /** Stops accepting connections. */
  close(): unknown;
  /** Closes keep-alive connections without a request. */
  closeIdleConnections?(): void;
}

const CHECK_EVERY_MS = 20;
/** Longest wait for the calls of aborted requests to end. */
const SETTLE_MS = 500;

/**
 * Shuts an app down: reports not ready, stops listening, waits for requests in flight, and aborts
 * those that remain.
 */
export class GracefulShutdown {
  private readonly servers = new Set<WatchedServer>();
  /**
   * Responses that have not ended. An array, because when a `Set` grows, its old table keeps its
   * entries, and with them whole requests, until the next full collection.
   */
  private readonly open: OpenResponse[] = [];
  private hasBegun = false;
  private draining: Promise<void> | undefined = undefined;

  constructor(
    private readonly options: ResolvedShutdownOptions,
    private readonly logger: LogSink,
    /** Calls of models that are not settled, whether for an HTTP request or not. */
    private readonly busy: () => number = () => 0,
    /** Settles answers that no caller waits for. */
    private readonly abandon: () => void = () => {},
  ) {}

  /** Whether the shutdown has begun; the app is then not ready. */
  get isShuttingDown(): boolean {
    return this.hasBegun;
  }

  /** HTTP requests in flight. */
  get requestsUnderWay(): number {
    return this.open.length;
  }

  /** Counts the requests of a server from now on. */
  watch(server: WatchedServer): void {
    if (this.servers.has(server)) return;
    this.servers.add(server);
    server.prependListener('request', (_, response) => {
      const entry: OpenResponse = { response, place: this.open.length };
      this.open.push(entry);
      whenOver(response, () => {
        const last = this.open.pop() as OpenResponse;
        if (last === entry) return;
        last.place = entry.place;
        this.open[entry.place] = last;
      });
      // Otherwise, the client would send its next request on this connection.
      if (this.draining !== undefined) response.setHeader('Connection', 'close');
    });
  }

  /** Reports the app as not ready; requests are still answered. */
  begin(): void {
    this.hasBegun = true;
  }

  /**
   * Waits for `noticeMs`, stops listening, and waits for requests in flight up to the deadline. A
   * second call waits for the first.
   */
  drain(): Promise<void> {
    this.begin();
    return (this.draining ??= this.bringDown());
  }

  private async bringDown(): Promise<void> {
    const { noticeMs, drainMs } = this.options;
    if (noticeMs > 0) await sleep(noticeMs);
    for (const server of this.servers) if (server.listening === true) stopListening(server);
    for (const { response } of this.open) if (!response.headersSent) response.setHeader('Connection', 'close');
    // Without a server, as in most tests, there is nothing to wait for.
    if (this.servers.size === 0 && this.left() === 0) return;
    const waiting = this.left();
    if (waiting > 0)
      this.logger.log(`Shutdown: waiting up to ${drainMs} ms (shutdown.drainMs) for ${counted(waiting, 'request')} in flight`);
    const endMs = performance.now() + drainMs;
    do {
      await sleep(Math.min(CHECK_EVERY_MS, drainMs));
      // Requests that have arrived are read by then, so their connections are not idle.
      await afterPolling();
      for (const server of this.servers) server.closeIdleConnections?.();
    } while (this.left() > 0 && performance.now() < endMs);
    const left = this.left();
    if (left === 0) return;
    this.logger.warn(
      `Shutdown: aborted ${counted(left, 'request')} still in flight after ${drainMs} ms; to wait longer, raise shutdown.drainMs`,
    );
    await this.abort();
  }

  /**
   * A server that is closed waits for its connections, so a hung provider would keep the process
   * alive until it is killed, and nothing would be settled.
   */
  private async abort(): Promise<void> {
    for (const { response } of [...this.open]) response.destroy();
    // The requests settle what they have used before the stores are closed.
    const endMs = performance.now() + SETTLE_MS;
    for (; this.left() > 0 && performance.now() < endMs; await sleep(CHECK_EVERY_MS)) this.abandon();
  }

  /** Most calls of models are for an HTTP request, so the larger figure counts. */
  private left(): number {
    return Math.max(this.open.length, this.busy());
  }
}

/** `close` also closes idle connections: a client that sends its next request sees a reset. */
function stopListening(server: WatchedServer): void {
  if (server instanceof Server) Server.prototype.close.call(server);
  else server.close();
}

interface OpenResponse {
  readonly response: ServerResponse;
  /** Its index. */
  place: number;
}
