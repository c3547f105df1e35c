import { HttpException } from '@nestjs/common';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { RequestCancelledError } from '../../lib/common/errors.js';
import type { LlmClient } from '../../lib/calls/llm-client.service.js';
import type { ModelRequest } from '../../lib/providers/model-request.js';

/** A minimal HTTP server in front of a client: its answers come from the client alone. */
export class Front {
  /** Thrown, and of no known kind. */
  readonly surprises: unknown[] = [];
  private readonly server: Server;

  constructor(
    private readonly client: LlmClient,
    private readonly signal: AbortSignal,
  ) {
    this.server = createServer((request, response) => void this.serve(request, response));
    // The load runs in this process: on a stalled machine the default closes connections during a
    // write.
    this.server.keepAliveTimeout = 0;
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.server.closeIdleConnections();
    await closed;
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const body = await bodyOf(request);
      const options = { request, response, signal: this.signal };
      const answer = request.url === '/embeddings' ? await this.client.embeddings(body, options) : await this.client.chat(body, options);
      await answer.sendTo(response);
    } catch (error) {
      this.refuse(response, error);
    }
  }

  private refuse(response: ServerResponse, error: unknown): void {
    const isTyped =
      error instanceof HttpException || error instanceof RequestCancelledError || (error as { code?: unknown }).code === 'POOL_TIMEOUT';
    if (!isTyped) this.surprises.push(error);
    if (response.headersSent || response.destroyed) return void response.destroy();
    const [status, body] =
      error instanceof HttpException ? [error.getStatus(), error.getResponse()] : [503, { error: { message: 'busy' } }];
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  }
}

async function bodyOf(request: IncomingMessage): Promise<ModelRequest> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return JSON.parse(Buffer.concat(parts).toString()) as ModelRequest;
}
