import type { ServerResponse } from 'node:http';
import type { Chunk, ErrorFacts, RenderedReply, WireProtocol } from './protocols/wire-protocol.js';
import type { ReceivedRequest } from './received-request.js';
import type { ScriptedAnswer } from './script.js';

const JSON_TYPE = 'application/json';
const PAGE = '<html><body>This is not what the client expects.</body></html>';
const DEFAULT_STATUS = 500;

/** One answer that is being sent, with its pace and its fault. */
export class Delivery {
  constructor(
    private readonly protocol: WireProtocol,
    private readonly request: ReceivedRequest,
    private readonly answer: ScriptedAnswer,
    private readonly response: ServerResponse,
  ) {}

  /** @param render The scripted answer in the protocol's words; `undefined` for an unknown path. */
  async send(render: () => RenderedReply | undefined): Promise<void> {
    const { answer, request, response } = this;
    await this.pause(answer.delayMs);
    if (answer.respond !== undefined) return void (await answer.respond(response, request));
    if (this.breaksBefore() || this.fails()) return;
    if (answer.body !== undefined) return this.sendBody(answer.body);
    if (answer.events !== undefined) return this.sendEvents({ type: this.protocol.streamType, head: [], content: this.framed(), end: [] });
    const reply = render();
    if (reply === undefined) this.sendError(404, { message: `Unknown path: ${request.method} ${request.path}`, code: undefined });
    else if ('head' in reply) await this.sendEvents(reply);
    else if ('bytes' in reply) this.sendWhole(reply.bytes, reply.type);
    else this.sendBody(reply.json);
  }

  /** Faults that leave no answer; returns whether there was one. */
  private breaksBefore(): boolean {
    const { response } = this;
    switch (this.answer.fault) {
      case 'hang':
        return true;
      case 'reset':
        response.socket?.resetAndDestroy();
        return true;
      case 'not_http':
        response.socket?.end('SSH-2.0-surprise\r\n\r\n');
        return true;
      case 'garbage':
        this.sendHead(200, JSON_TYPE).end(PAGE);
        return true;
      default:
        return false;
    }
  }

  /** Errors instead of an answer; returns whether there was one. */
  private fails(): boolean {
    const { status, reason, fault } = this.answer;
    if (fault === 'error_in_200') {
      const { protocol, request } = this;
      if (request.stream) this.sendHead(200, protocol.streamType).end(protocol.errorEvent(this.errorFacts(), request));
      else this.sendHead(200, JSON_TYPE).end(JSON.stringify(protocol.errorInAnswer(this.errorFacts())));
      return true;
    }
    if (fault === 'error_in_stream' && this.request.stream) return false;
    const isError = (status !== undefined && status >= 400) || reason !== undefined || fault === 'error_in_stream';
    if (isError) this.sendError(this.errorFacts().status);
    return isError;
  }

  private errorFacts(): ErrorFacts {
    const { status, message, code, reason } = this.answer;
    return { status: status ?? (reason === undefined ? DEFAULT_STATUS : 400), message, code, reason };
  }

  private sendError(status: number, facts: Partial<ErrorFacts> = {}): void {
    const { answer, protocol } = this;
    const { body, headers } = protocol.error({ ...this.errorFacts(), ...facts, status });
    const { retryAfter } = answer;
    const wait: Record<string, string> = retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) };
    const sent = answer.body === undefined ? JSON.stringify(body) : bytesOf(answer.body);
    this.sendHead(status, JSON_TYPE, { ...headers, ...wait }).end(sent);
  }

  private sendHead(status: number, type: string, headers: Readonly<Record<string, string>> = {}): ServerResponse {
    return this.response.writeHead(status, { 'content-type': type, ...headers, ...this.answer.headers });
  }

  private sendBody(body: object | string | Buffer): void {
    this.sendWhole(bytesOf(body), JSON_TYPE);
  }

  private sendWhole(bytes: Buffer, type: string): void {
    const { answer, response } = this;
    const { fault } = answer;
    const middle = bytes.length >> 1;
    if (fault === 'hang_in_stream') return void this.sendHead(200, type).write(bytes.subarray(0, middle));
    const isCut = fault === 'cut' || fault === 'cut_in_event';
    const length = fault === 'length_too_long' ? bytes.length + 10 : fault === 'length_too_short' ? middle : bytes.length;
    // Node itself refuses to send more bytes than it has announced.
    response.strictContentLength = false;
    this.sendHead(200, type, { 'content-length': String(length) });
    if (isCut) response.write(bytes.subarray(0, middle), () => response.destroy());
    else if (fault === 'length_too_long') response.write(bytes, () => response.socket?.end());
    else response.end(bytes);
  }

  private framed(): Chunk[] {
    const { events = [] } = this.answer;
    return events.map((event) => (typeof event === 'string' || Buffer.isBuffer(event) ? event : this.protocol.event(event)));
  }

  private async sendEvents({ type, head, content, end }: Exclude<RenderedReply, { json: object } | { bytes: Buffer }>): Promise<void> {
    const { answer, response } = this;
    const { fault, afterChunks = 1 } = answer;
    const breaks = fault !== undefined && fault !== 'missing_end' && !fault.startsWith('length_');
    const whole = [...head, ...content, ...(fault === 'missing_end' ? [] : end)];
    const chunks = breaks ? [...head, ...content.slice(0, afterChunks)] : whole;
    this.sendHead(200, type, { 'cache-control': 'no-cache' }).flushHeaders();
    await this.pause(answer.firstChunkDelayMs);
    await this.write(chunks, [head.length, head.length + content.length]);
    if (response.destroyed) return;
    if (breaks) this.breakStream(Buffer.from(whole[chunks.length] ?? ''));
    else response.end();
  }

  /** @param paced Where the content begins and ends: the pace is that of its chunks. */
  private async write(chunks: readonly Chunk[], [begin, end]: readonly [number, number]): Promise<void> {
    const { answer, response } = this;
    for (const [index, chunk] of chunks.entries()) {
      if (index > begin && index < end) await this.pause(answer.chunkDelayMs);
      if (response.destroyed) return;
      if (!response.write(chunk)) await eventOrClose(response, 'drain');
    }
  }

  /** Waits, at most until the response is closed. */
  private async pause(ms = 0): Promise<void> {
    if (ms > 0) await eventOrClose(this.response, ms);
  }

  /** @param next The event that would come. */
  private breakStream(next: Buffer): void {
    const { response, protocol, request } = this;
    const cut = (): void => void response.destroy();
    switch (this.answer.fault) {
      case 'cut':
        response.write('', cut);
        break;
      case 'cut_in_event':
        response.write(next.subarray(0, next.length >> 1), cut);
        break;
      case 'error_in_stream':
        response.end(protocol.errorEvent(this.errorFacts(), request));
        break;
      case 'garbage_in_stream':
        response.end(Buffer.concat([Buffer.from('data: {"not": json'), Buffer.alloc(16, '\n')]));
        break;
      default: // `hang_in_stream`
    }
  }
}

function bytesOf(body: object | string | Buffer): Buffer {
  if (Buffer.isBuffer(body)) return body;
  return Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
}

/** Resolves with the event, after the milliseconds, or when the response is closed. */
function eventOrClose(response: ServerResponse, awaited: 'drain' | number): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      response.off('drain', done).off('close', done);
      resolve();
    };
    const timer = typeof awaited === 'number' ? setTimeout(done, awaited) : undefined;
    if (awaited === 'drain') response.on('drain', done);
    response.on('close', done);
  });
}
