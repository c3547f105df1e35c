import type { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import type { buildConnector, Client, Dispatcher } from 'undici';
import { ConnectionState } from '../threads/layout.js';
import { routedBy, type ConnectionTarget } from './connector.js';
import { undici } from './undici.js';

/** Limits of a connection; `Infinity` means no limit. */
export interface ConnectionLimits {
  readonly maxIdleMs: number;
  readonly headersTimeoutMs: number;
  readonly bodyTimeoutMs: number;
}

/** Callbacks of a connection to its pool. */
export interface ConnectionEvents<T extends ConnectionTarget> {
  /** Its last answer has been read or given up. */
  free(connection: PooledConnection<T>): void;
  /** Its socket is closed, or could not be opened. */
  lost(connection: PooledConnection<T>): void;
  /** The handler of a request has thrown while it handled the failure of that request. */
  handlerFailed(error: unknown): void;
}

/** A connection is closed this long before the keep-alive timeout that its peer announces. */
const KEEP_ALIVE_MARGIN_MS = 2000;

/**
 * One keep-alive socket and the undici `Client` that uses it, one request after the other. The
 * socket is opened at once; if it is lost between two requests, the next request opens another.
 */
export class PooledConnection<T extends ConnectionTarget> {
  readonly client: Client;
  state: number = ConnectionState.leased;
  /** A request was sent that may still be in flight: see `isBusy`. */
  sent = false;
  /** The head of an answer has arrived, and its body may still be unread. */
  answered = false;
  /** Its socket is closed or could not be opened; `usable` notices it a little earlier. */
  isLost = false;
  older: PooledConnection<T> | undefined = undefined;
  newer: PooledConnection<T> | undefined = undefined;

  /** The peer has closed its direction of the socket. */
  private isEnded = false;
  private socket: Socket | null = null;
  private attempt: Socket | undefined = undefined;
  /** undici cannot abort a request before its connection is open: see `giveUp`. */
  connecting = false;
  private isClosed = false;
  /** The client's callback, while it waits for the socket. */
  private wanted: buildConnector.Callback | null = null;
  /** Whether the client has the socket. */
  private given = false;
  private bytesSeen = -1;
  private bytesSeenAtMs = 0;

  constructor(
    readonly endpoint: T,
    limits: ConnectionLimits,
    private readonly events: ConnectionEvents<T>,
    public id: number,
    readonly diesAtMs: number,
  ) {
    this.client = new (undici().Client)(endpoint.origin, {
      pipelining: 1,
      keepAliveTimeout: limits.maxIdleMs,
      keepAliveMaxTimeout: limits.maxIdleMs,
      keepAliveTimeoutThreshold: KEEP_ALIVE_MARGIN_MS,
      headersTimeout: finite(limits.headersTimeoutMs),
      bodyTimeout: finite(limits.bodyTimeoutMs),
      connect: (options: buildConnector.Options, callback: buildConnector.Callback) => this.provide(options.servername, callback),
    });
    this.client.on('drain', () => {
      // undici emits it late, so another request may already be in flight.
      if (this.isBusy) return;
      this.sent = false;
      this.answered = false;
      events.free(this);
    });
    // Without a listener, `emit` would throw inside of undici and end the process.
    (this.client as EventEmitter).on('error', (error: unknown) => events.handlerFailed(error));
    // An upgrade takes over the socket.
    this.client.on('disconnect', () => this.lose());
    this.open(undefined);
  }

  /** Whether it may be leased: it is connecting, or open in both directions. */
  get usable(): boolean {
    return !this.isLost && !this.isEnded && this.socket?.destroyed !== true;
  }

  /** Whether its socket is connected and open in both directions. */
  get healthy(): boolean {
    return this.socket !== null && this.usable;
  }

  /** Whether a request is in flight, or its answer not read to the end. */
  get isBusy(): boolean {
    return this.sent && this.client.stats.size > 0;
  }

  /** Whether the operating system, or the buffers of TLS, have all bytes that were written. */
  get hasWrittenAll(): boolean {
    return this.socket?.writableLength === 0;
  }

  /** Sends a request, after those in flight. */
  dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void {
    const { route } = this.endpoint;
    const routed = route.prefix === '' ? options : routedBy(route, options);
    this.sent = true;
    this.client.dispatch(routed, handler);
  }

  /** The same, for a promise. */
  request(options: Dispatcher.RequestOptions): Promise<Dispatcher.ResponseData> {
    const { route } = this.endpoint;
    const routed = route.prefix === '' ? options : routedBy(route, options);
    this.sent = true;
    const request = this.client.request(routed).then((answer) => {
      this.answered = this.sent;
      return answer;
    });
    const { signal } = options;
    if (this.connecting && signal instanceof AbortSignal) this.giveUpOn(signal, request);
    return request;
  }

  /**
   * Aborts the opening of the connection and the requests that wait for it, unless it is open or
   * leased again.
   */
  giveUp(id: number, reason: unknown): void {
    if (this.connecting && this.id === id)
      this.attempt?.destroy(reason instanceof Error ? reason : new (undici().errors.RequestAbortedError)());
  }

  /**
   * Whether a part of an answer has been unread for so long, compared with the previous call of
   * this method.
   */
  isUnread(nowMs: number, limitMs: number): boolean {
    const bytes = this.socket?.bytesRead ?? 0;
    if (bytes !== this.bytesSeen) {
      this.bytesSeen = bytes;
      this.bytesSeenAtMs = nowMs;
    }
    const waiting = this.answered || (this.socket?.readableLength ?? 0) > 0;
    return waiting && nowMs - this.bytesSeenAtMs >= limitMs;
  }

  /**
   * Closes it; requests in flight fail with the error, or with undici's own. Resolves when the
   * socket is closed.
   */
  async close(error: Error | null = null): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    this.isLost = true;
    const { socket, attempt } = this;
    // The connector ends its timer only on an error.
    attempt?.destroy(new Error('the connection is closed'));
    if (!this.given) socket?.destroy();
    // Its promise can stay pending if the socket is closing.
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

  /** The client calls it when it needs a socket. */
  private provide(servername: string | undefined, callback: buildConnector.Callback): void {
    // A request for another host needs a connection whose certificate has that name.
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
      // The client expects an asynchronous callback.
      queueMicrotask(() => callback(null, socket));
      return;
    }
    if (socket !== null && !this.given) socket.destroy();
    // The connector ends its timer only on an error.
    this.attempt?.destroy(new Error('the request is for another host'));
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
    // An unused connection does not keep the process alive.
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
      // Data before the first request can only be a rejection, and unread data would hide the end
      // of the connection.
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
