import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type Server } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';

/** A proxy on loopback: forwards plain requests, and opens tunnels. */
export class ProxyServer {
  /** What it was asked for: `GET http://…`, `CONNECT host:port`. */
  readonly asked: string[] = [];
  /** `proxy-authorization` of the last request. */
  authorization: string | undefined;
  /** Refuses tunnels with this status. */
  refusal: number | undefined;
  /** Where tunnels end: the proxy says nothing, or says that there is one and forwards nothing. */
  silence: 'proxy' | 'tunnel' | undefined;
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {}

  static async listen(): Promise<ProxyServer> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const proxy = new ProxyServer(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const keep = (socket: Socket): void => {
      proxy.sockets.add(socket.on('error', () => {}));
      socket.once('close', () => proxy.sockets.delete(socket));
    };
    server.on('connection', keep);
    server.on('request', (incoming: IncomingMessage, response) => {
      proxy.note(incoming);
      const headers = { ...incoming.headers };
      delete headers['proxy-authorization'];
      const forwarded = request(incoming.url!, { method: incoming.method, headers }, (answer) => {
        response.writeHead(answer.statusCode!, answer.headers);
        answer.pipe(response);
      });
      forwarded.on('error', () => response.writeHead(502).end());
      incoming.pipe(forwarded);
    });
    server.on('connect', (incoming: IncomingMessage, socket: Socket, head: Buffer) => {
      proxy.note(incoming);
      if (proxy.refusal !== undefined) {
        socket.end(`HTTP/1.1 ${proxy.refusal} No\r\ncontent-length: 0\r\n\r\n`);
        return;
      }
      if (proxy.silence !== undefined) {
        socket.resume().once('end', () => socket.end());
        if (proxy.silence === 'tunnel') socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
        return;
      }
      const [host, port] = incoming.url!.split(':');
      const upstream = connect(Number(port), host === 'localhost' ? '127.0.0.1' : host, () => {
        socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
        upstream.write(head);
        upstream.pipe(socket).pipe(upstream);
      });
      keep(upstream);
      upstream.once('close', () => socket.destroy());
      socket.once('close', () => upstream.destroy());
    });
    return proxy;
  }

  /** Open sockets. */
  get open(): number {
    return this.sockets.size;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }

  private note(incoming: IncomingMessage): void {
    this.asked.push(`${incoming.method} ${incoming.url}`);
    this.authorization = incoming.headers['proxy-authorization'];
  }
}
