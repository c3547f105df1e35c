import type { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { Client, errors, type buildConnector, type Dispatcher } from 'undici';
import { SlotState } from '../threads/layout.js';
import type { Slotted } from '../pool/connection-table.js';
import { routedBy } from './connector.js';
import type { PoolEndpoint } from './endpoint.js';
import type { Returning } from '../pool/returning-queue.js';

/** Limits of a connection; `Infinity` is none. */
export interface ConnectionLimits {
  readonly maxIdleMs: number;
  readonly headersTimeoutMs: number;
  readonly bodyTimeoutMs: number;
}

/** What a connection tells its pool. */
export interface ConnectionEvents {
  /** Its last request is answered, its answer is read or given up. */
  free(connection: PooledConnection): void;
  /** Its socket is gone, or could not be opened. */
  lost(connection: PooledConnection): void;
  /** The handler of a request has thrown, when it was told that the request has failed. */
  misled(error: unknown): void;
}

/** Closed before a peer does: a peer's own time-out is kept with this margin. */
const KEEP_ALIVE_MARGIN_MS = 2000;

/**
 * One keep-alive socket and the undici `Client` that speaks over it, one request after the other. The socket is opened at once. Where it is lost between two
 * requests, the next request opens another; in the middle of one it never changes.
 */
export class PooledConnection implements Slotted<PooledConnection>, Returning {
  readonly client: Client;
  state: number = SlotState.leased;
  /** A request was sent that may not be over: see `isBusy`. */
  sent = false;
  /** The head of an answer has come, and the rest may be left unread. */
  answered = false;
  /** Its socket is gone, or could not be opened; `usable` sees it a little earlier. */
  isLost = false;
  older: PooledConnection | undefined = undefined;
  newer: PooledConnection | undefined = undefined;

  /** The peer has closed its direction of the socket. Noted, as looking at the stream's own flags takes longer than the rest of a lease. */
  private isEnded = false;
  private socket: Socket | null = null;
  private attempt: Socket | undefined = undefined;
  /** undici does not end a request before its connection is open, whatever it was told: see `giveUp`. */
  connecting = false;
  private isClosed = false;
  /** The client, waiting for the socket. */
  private wanted: buildConnector.Callback | null = null;
  /** Whether the client has the socket. */
  private given = false;
  private bytesSeen = -1;
  private bytesSeenAtMs = 0;

  constructor(
    readonly endpoint: PoolEndpoint,
    limits: ConnectionLimits,
    private readonly events: ConnectionEvents,
    public id: number,
    readonly diesAtMs: number,
  ) {
    this.client = new Client(endpoint.origin, {
      pipelining: 1,
      keepAliveTimeout: limits.maxIdleMs,
      keepAliveMaxTimeout: limits.maxIdleMs,
      keepAliveTimeoutThreshold: KEEP_ALIVE_MARGIN_MS,
      headersTimeout: finite(limits.headersTimeoutMs),
      bodyTimeout: finite(limits.bodyTimeoutMs),
      connect: (options: buildConnector.Options, callback: buildConnector.Callback) => this.provide(options.servername, callback),
    });
    this.client.on('drain', () => {
      // It is told late, and may be of a request before the one that is under way.
      if (this.isBusy) return;
      this.sent = false;
      this.answered = false;
      events.free(this);
    });
    // Nobody else can listen to this client: without a listener its `emit` throws, in the middle of what undici does for others, and ends the process.
    (this.client as EventEmitter).on('error', (error: unknown) => events.misled(error));
    // An upgrade takes the socket away; all other ends are the socket's own.
    this.client.on('disconnect', () => this.lose());
    this.open(undefined);
  }

  /** Whether it may be leased and kept: it is connecting, or connected and open in both directions. */
  get usable(): boolean {
    return !this.isLost && !this.isEnded && this.socket?.destroyed !== true;
  }

  /** Whether its socket is connected and open in both directions. */
  get healthy(): boolean {
    return this.socket !== null && this.usable;
  }

  /** Whether a request is under way: sent, or with an answer that is not read to its end. */
  get isBusy(): boolean {
    return this.sent && this.client.stats.size > 0;
  }

  /** Sends a request, after those that are under way. */
  dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void {
    const routed = routedBy(this.endpoint.route, options);
    this.sent = true;
    this.client.dispatch(routed, handler);
  }

  /** The same, for a promise. */
  request(options: Dispatcher.RequestOptions): Promise<Dispatcher.ResponseData> {
    const routed = routedBy(this.endpoint.route, options);
    this.sent = true;
    const request = this.client.request(routed).then((answer) => {
      this.answered = this.sent;
      return answer;
    });
    const { signal } = options;
    if (this.connecting && signal instanceof AbortSignal) this.giveUpOn(signal, request);
    return request;
  }

  /** Ends the opening of the connection, and with it what waits for that, unless it is open or lent to somebody else by now. */
  giveUp(id: number, reason: unknown): void {
    if (this.connecting && this.id === id) this.attempt?.destroy(reason instanceof Error ? reason : new errors.RequestAbortedError());
  }

  /** Whether a part of an answer has been waiting to be read for so long. To be asked again and again: it compares with the last time. */
  isUnread(nowMs: number, limitMs: number): boolean {
    const bytes = this.socket?.bytesRead ?? 0;
    if (bytes !== this.bytesSeen) {
      this.bytesSeen = bytes;
      this.bytesSeenAtMs = nowMs;
    }
    const waiting = this.answered || (this.socket?.readableLength ?? 0) > 0;
    return waiting && nowMs - this.bytesSeenAtMs >= limitMs;
  }

  /** Closes it; requests under way fail with the error, or with undici's own. Done when the socket is closed. */
  async close(error: Error | null = null): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    this.isLost = true;
    const { socket, attempt } = this;
    // With an error, so that the connector ends its timer.
    attempt?.destroy(new Error('the connection is closed'));
    if (!this.given) socket?.destroy();
    // Its own promise may never be kept where the socket is closed at this moment.
    void this.client.destroy(error);
    const last = socket ?? attempt;
    if (last !== undefined && !last.closed) await new Promise<void>((resolve) => last.once('close', resolve));
  }

  private giveUpOn(signal: AbortSignal, request: Promise<unknown>): void {
    const { id } = this;
    const giveUp = (): void => this.giveUp(id, signal.reason);
    if (signal.aborted) return giveUp();
    signal.addEventListener('abort', giveUp, { once: true });
    const stop = (): void => signal.removeEventListener('abort', giveUp);
    request.then(stop, stop);
  }

  private lose(): void {
    if (this.isLost) return;
    this.isLost = true;
    this.events.lost(this);
  }

  /** What the client calls when it needs a socket. */
  private provide(servername: string | undefined, callback: buildConnector.Callback): void {
    // A request may name another host than the endpoint's, and then needs a certificate of that name.
    const other = servername !== undefined && servername !== null;
    if (this.connecting && !other) {
      this.wanted = callback;
      this.attempt?.ref();
      return;
    }
    const { socket } = this;
    if (socket !== null && !this.given && !socket.destroyed && !other) {
      this.given = true;
      socket.ref();
      // The client expects its answer later.
      queueMicrotask(() => callback(null, socket));
      return;
    }
    if (socket !== null && !this.given) socket.destroy();
    // With an error, so that its connector ends its timer; nobody waits for it.
    this.attempt?.destroy(new Error('another host is named'));
    this.wanted = callback;
    this.open(servername);
  }

  private open(servername: string | undefined): void {
    this.connecting = true;
    this.isLost = false;
    this.isEnded = false;
    this.socket = null;
    this.given = false;
    const attempt = this.endpoint.route.connect(servername, (...[error, socket]) => {
      if (attempt !== undefined && attempt !== this.attempt) return;
      this.connecting = false;
      this.attempt = undefined;
      if (error === null) this.connected(socket);
      else this.refused(error);
    });
    this.attempt = attempt;
    // A connection that nobody uses does not keep the process.
    if (this.wanted === null) attempt?.unref();
  }

  private connected(socket: Socket): void {
    if (this.isClosed) {
      socket.on('error', () => {}).destroy();
      return;
    }
    this.socket = socket;
    socket.once('end', () => {
      if (this.socket === socket) this.isEnded = true;
    });
    socket.once('close', () => {
      if (this.socket === socket) this.lose();
    });
    const { wanted } = this;
    if (wanted === null) {
      socket.unref();
      // Before anything was asked it can only be a refusal; with nobody to read it, the end behind it would not be heard either.
      socket.once('readable', () => {
        if (!this.given) socket.destroy();
      });
      return;
    }
    this.wanted = null;
    this.given = true;
    wanted(null, socket);
  }

  private refused(error: Error): void {
    const { wanted } = this;
    this.wanted = null;
    this.lose();
    wanted?.(error, null);
  }
}

function finite(ms: number): number {
  return ms === Infinity ? 0 : ms;
}
