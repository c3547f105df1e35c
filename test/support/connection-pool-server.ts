import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type ServerOptions } from 'node:https';
import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';

/** A local server that numbers its sockets and detects a second request on a busy socket. */
export class TaggedServer {
  readonly sockets = new Map<Socket, number>();
  requests = 0;
  /** Requests that came on a socket whose last answer was not complete. */
  overlaps = 0;
  opened = 0;

  private readonly busy = new Set<Socket>();

  private constructor(
    readonly server: Server,
    readonly origin: string,
  ) {}

  static async listen(
    answer: (request: IncomingMessage, response: ServerResponse, socket: number) => void,
    tls?: ServerOptions,
    port = 0,
  ): Promise<TaggedServer> {
    const listener: RequestListener = (request, response) => tagged.take(request, response, answer);
    const server = tls === undefined ? createServer(listener) : (createTlsServer(tls, listener) as unknown as Server);
    server.keepAliveTimeout = 60_000;
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    const host = tls === undefined ? 'http://127.0.0.1' : 'https://localhost';
    const tagged = new TaggedServer(server, `${host}:${(server.address() as AddressInfo).port}`);
    server.on(tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
      tagged.sockets.set(socket, ++tagged.opened);
      socket.once('close', () => tagged.sockets.delete(socket)).on('error', () => {});
    });
    return tagged;
  }

  /** Open sockets, as the server sees them. */
  get open(): number {
    return this.sockets.size;
  }

  /** Ends every socket, as a server that closes idle connections does. */
  endAll(): void {
    for (const socket of this.sockets.keys()) socket.end();
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    for (const socket of this.sockets.keys()) socket.destroy();
    if (!this.server.listening) return;
    this.server.close();
    await once(this.server, 'close');
  }

  private take(
    request: IncomingMessage,
    response: ServerResponse,
    answer: (request: IncomingMessage, response: ServerResponse, socket: number) => void,
  ): void {
    const { socket } = request;
    this.requests++;
    if (this.busy.has(socket)) this.overlaps++;
    this.busy.add(socket);
    response.once('finish', () => this.busy.delete(socket));
    response.once('close', () => this.busy.delete(socket));
    answer(request, response, this.sockets.get(socket) ?? -1);
  }
}
