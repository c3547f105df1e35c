import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request that a sink has received. */
export interface SunkRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/**
 * `hang`: no answer. `trickle`: an answer of 200 that never ends. `cut`: the connection is closed.
 */
export type SinkReply =
  number | 'hang' | 'trickle' | 'cut' | { readonly status: number; readonly headers?: object; readonly body?: string };

/** An HTTP server that stands for Langfuse, a collector, S3 or a webhook. */
export class SinkServer {
  readonly requests: SunkRequest[] = [];
  /** How it answers the request. Default: 200. */
  reply: (request: SunkRequest, number: number) => SinkReply = () => 200;
  private server: Server | undefined = undefined;
  private port = 0;

  static async start(): Promise<SinkServer> {
    const sink = new SinkServer();
    await sink.start();
    return sink;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Listens again on the same port after `stop`. */
  async start(): Promise<void> {
    this.server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => void chunks.push(chunk));
      request.on('end', () => {
        const { method = '', url = '', headers } = request;
        const sunk = { method, path: url, headers, body: Buffer.concat(chunks).toString() };
        this.requests.push(sunk);
        const reply = this.reply(sunk, this.requests.length);
        if (reply === 'hang') return;
        if (reply === 'cut') return void request.socket.destroy();
        if (reply === 'trickle') return trickle(response);
        const { status, headers: own = {}, body = '{}' } = typeof reply === 'number' ? { status: reply } : reply;
        response.writeHead(status, { 'content-type': 'application/json', ...own }).end(body);
      });
    });
    this.server.listen(this.port, '127.0.0.1');
    await once(this.server, 'listening');
    this.port = (this.server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    const { server } = this;
    if (server === undefined) return;
    this.server = undefined;
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  }
}

function trickle(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  const timer = setInterval(() => response.write(' '), 20);
  response.once('close', () => clearInterval(timer));
}
