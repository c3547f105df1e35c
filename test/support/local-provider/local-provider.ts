import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { answerByProtocol, type ProtocolAnswer, type ProtocolRequest } from './protocol-answers.js';
import { chunks, completion, embeddings, failure, replyTo, type ProviderRequest } from './provider-answers.js';
import { isHit, WELL_BEHAVED, type ProviderBehaviour } from './provider-behaviour.js';

/** A server on loopback that speaks the protocols of providers, with faults on request. */
export class LocalProvider {
  behaviour: ProviderBehaviour;
  /** Requests received. */
  requests = 0;
  /** Answers that the client aborted. */
  abandoned = 0;
  /** Answers in flight. */
  inFlight = 0;
  /** Headers and body of the latest request. */
  latest: { readonly headers: IncomingMessage['headers']; readonly body: ProviderRequest } | undefined = undefined;

  private readonly sockets = new Set<Socket>();
  private readonly server: Server;

  private constructor(
    readonly name: string,
    behaviour: Partial<ProviderBehaviour>,
  ) {
    this.behaviour = { ...WELL_BEHAVED, ...behaviour };
    this.server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => void this.serve(request, response));
    this.server.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.once('close', () => this.sockets.delete(socket));
    });
  }

  /** Starts a provider. @param port Default 0: a free port. */
  static async start(name: string, behaviour: Partial<ProviderBehaviour> = {}, port = 0): Promise<LocalProvider> {
    const provider = new LocalProvider(name, behaviour);
    await new Promise<void>((resolve, reject) => {
      provider.server.once('error', reject);
      provider.server.listen(port, '127.0.0.1', resolve);
    });
    return provider;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** The `api_base` of a deployment. */
  get apiBase(): string {
    return `http://127.0.0.1:${this.port}/v1`;
  }

  /** Open connections. */
  get connections(): number {
    return this.sockets.size;
  }

  /** Changes the behaviour. Without arguments it answers normally again. */
  behave(behaviour: Partial<ProviderBehaviour> = WELL_BEHAVED): void {
    this.behaviour = { ...this.behaviour, ...behaviour };
  }

  /** Stops at once and cuts answers in flight. */
  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.requests++;
    this.inFlight++;
    response.once('close', () => {
      this.inFlight--;
      if (!response.writableFinished) this.abandoned++;
    });
    // A client that disconnects is not a failure of this server.
    response.on('error', () => {});
    request.on('error', () => {});
    try {
      await this.answer(request, response, await readBody(request));
    } catch {
      response.destroy();
    }
  }

  private async answer(request: IncomingMessage, response: ServerResponse, body: ProviderRequest): Promise<void> {
    this.latest = { headers: request.headers, body };
    const { behaviour } = this;
    const hit = isHit(behaviour);
    if (behaviour.latencyMs > 0) await sleep(behaviour.latencyMs);
    if (hit && this.fail(behaviour, response)) return;
    const model = typeof body.model === 'string' ? body.model : 'unknown';
    const [path] = (request.url ?? '').split('?');
    if (path.endsWith('/models')) json(response, 200, { object: 'list', data: [{ id: this.name, object: 'model', owned_by: 'local' }] });
    else if (path.endsWith('/embeddings')) json(response, 200, embeddings(model, body, behaviour), hit);
    else if (path.endsWith('/chat/completions')) await this.chat(body, model, behaviour, response, hit);
    else {
      const answer = answerByProtocol({ path, body: body as ProtocolRequest['body'], name: this.name, behaviour });
      if (answer === undefined) json(response, 404, failure(404, 'unknown_url'));
      else await stream(response, answer, behaviour, hit);
    }
  }

  /** Applies the fault; returns whether the request is handled. */
  private fail({ fault, status, errorCode, retryAfter }: ProviderBehaviour, response: ServerResponse): boolean {
    switch (fault) {
      case 'status':
        if (retryAfter !== null) response.setHeader('retry-after', retryAfter);
        json(response, status, failure(status, errorCode));
        return true;
      case 'hang':
        return true;
      case 'reset':
        response.socket?.resetAndDestroy();
        return true;
      case 'garbage':
        response.writeHead(200, { 'content-type': 'application/json' }).end('<html>not what you expected</html>');
        return true;
      case 'protocol':
        response.socket?.end('SSH-2.0-surprise\r\n\r\n');
        return true;
      default:
        return false;
    }
  }

  private async chat(
    body: ProviderRequest,
    model: string,
    behaviour: ProviderBehaviour,
    response: ServerResponse,
    cut: boolean,
  ): Promise<void> {
    const id = `chatcmpl-${this.name}-${this.requests}`;
    const reply = replyTo(body, this.name, behaviour);
    if (body.stream !== true) {
      json(response, 200, completion(id, model, reply, behaviour), cut);
      return;
    }
    const parts = chunks(id, body, model, reply, behaviour);
    await stream(response, { type: 'text/event-stream; charset=utf-8', parts }, behaviour, cut);
  }
}

async function stream(
  response: ServerResponse,
  { type, parts }: ProtocolAnswer,
  behaviour: ProviderBehaviour,
  cut: boolean,
): Promise<void> {
  response.writeHead(200, { 'content-type': type, 'cache-control': 'no-cache' });
  for (const [index, part] of parts.entries()) {
    if (cut && index >= behaviour.cutAfterChunks) return void response.destroy();
    if (index > 0 && behaviour.chunkDelayMs > 0) await sleep(behaviour.chunkDelayMs);
    if (response.destroyed) return;
    if (!response.write(part)) await drained(response);
  }
  response.end();
}

/** Resolves when the response can take more, or is closed. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.on('drain', done).on('close', done);
  });
}

function json(response: ServerResponse, status: number, body: unknown, cut = false): void {
  const bytes = Buffer.from(JSON.stringify(body));
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': bytes.length });
  if (cut) response.write(bytes.subarray(0, bytes.length >> 1), () => response.destroy());
  else response.end(bytes);
}

async function readBody(request: IncomingMessage): Promise<ProviderRequest> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  if (parts.length === 0) return {};
  return JSON.parse(Buffer.concat(parts).toString()) as ProviderRequest;
}
