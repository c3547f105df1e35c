import { EventEmitter } from 'node:events';

type HeaderFields = Record<string, number | string | string[] | undefined>;

/** Number of buffered bytes of a stream from which on the provider is paused. */
const MOST_WAITING = 64 * 1024;

/**
 * A reply that becomes a `Response` of `fetch`: answers are written to it like to Node's response,
 * with its `drain` and `close`.
 */
export class FetchReply extends EventEmitter {
  /** Its reader has cancelled, or the signal was aborted. */
  destroyed = false;
  headersSent = false;
  /** Resolves with the whole answer, or with the head of a stream. */
  readonly answered: Promise<Response>;

  private resolve!: (response: Response) => void;
  private reject!: (error: unknown) => void;
  private readonly early: HeaderFields = {};
  private head: ResponseInit = {};
  private controller: ReadableStreamDefaultController<Uint8Array> | undefined = undefined;
  private readonly onAbort = (): void => this.abort();

  constructor(private readonly signal: AbortSignal | undefined) {
    super();
    this.answered = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    signal?.addEventListener('abort', this.onAbort, { once: true });
  }

  setHeader(name: string, value: string): void {
    this.early[name] = value;
  }

  getHeaders(): HeaderFields {
    return { ...this.early };
  }

  /** Without a length, the answer is a stream. */
  writeHead(status: number, headers: HeaderFields): void {
    this.headersSent = true;
    this.head = { status, headers: written({ ...this.early, ...headers }) };
    if (headers['content-length'] !== undefined) return;
    const body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => void (this.controller = controller),
        pull: () => void this.emit('drain'),
        cancel: () => this.leave(),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: MOST_WAITING }),
    );
    this.resolve(new Response(body, this.head));
  }

  /** `false`: no more until `drain`. */
  write(bytes: Buffer | string): boolean {
    const { controller } = this;
    if (controller === undefined || this.destroyed) return true;
    controller.enqueue(typeof bytes === 'string' ? Buffer.from(bytes) : bytes);
    return (controller.desiredSize ?? 0) > 0;
  }

  end(bytes?: Buffer): void {
    this.stopWatching();
    if (this.controller === undefined) this.resolve(new Response(bytes, this.head));
    else if (!this.destroyed) this.controller.close();
  }

  /** Breaks the answer off. */
  destroy(): void {
    this.stopWatching();
    if (!this.destroyed) this.controller?.error(new TypeError('terminated'));
    this.destroyed = true;
  }

  /** Nothing was written: `fetch` fails. */
  fail(error: unknown): void {
    this.stopWatching();
    this.reject(error);
  }

  private abort(): void {
    const reason: unknown = this.signal?.reason;
    if (!this.destroyed) this.controller?.error(reason);
    this.reject(reason);
    this.leave();
  }

  private leave(): void {
    this.stopWatching();
    this.destroyed = true;
    this.emit('close');
  }

  private stopWatching(): void {
    this.signal?.removeEventListener('abort', this.onAbort);
  }
}

function written(headers: HeaderFields): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const name in headers) if (headers[name] !== undefined) texts[name] = String(headers[name]);
  return texts;
}
