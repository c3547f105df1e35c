import { FastLiteLLMError, ProxyRefusedError } from '../../common/errors.js';
import { ProviderError, type ProviderFailureKind } from '../../common/provider-error.js';
import { errorIn, hasError } from '../answer/error-body.js';
import type { ProviderEndpoint } from '../providers/endpoint.js';
import { kindOfCode, kindOfStatus } from './provider-failure.js';
import { rawHeader, requestIdIn, type ChunkSink, type ProviderHandler } from '../providers/transport.js';
import { retryAfterOf } from './retry-after.js';
import { beginsPlainly, openingOf } from '../stream/stream-error.js';
import { StreamRecord } from '../stream/stream-record.js';
import { looksWhole, mayBeginWithError } from '../answer/json-sniff.js';

/** More of an error is not read. */
const LONGEST_ERROR = 64 * 1024;
/** What waits for a reader who is slow to come, until the provider is told to wait. */
const MOST_WAITING = 256 * 1024;
const BYTES_PER_TOKEN = 4;
const EVENT_STREAM = /^text\/event-stream\b/i;
const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json\b/i;
const EMPTY = Buffer.alloc(0);
const NO_HEADERS: readonly Buffer[] = [];

/**
 * One request to a provider and its answer. The answer's bytes are passed on as they are: of a whole answer all at once, of a stream from its first chunk.
 * Each way to fail before that is a `ProviderError`; after it, the sink is told.
 */
export class ProviderExchange implements ProviderHandler {
  status = 0;
  /** Whether the request was handed to the socket: its prompt has left the process. */
  wasSent = false;
  /** Whether what comes is a stream of events, as it was asked for. */
  private streams = false;
  private saidError = false;
  /** The provider's own. */
  requestId: string | undefined = undefined;
  /** Whether the provider names `stream_options` in what it refuses a request for: some, and older ones, do not know them. */
  refusesStreamOptions = false;
  readonly answered: Promise<void>;

  private resolve!: () => void;
  private reject!: (error: Error) => void;
  private abortRequest: ((error: Error) => void) | undefined = undefined;
  private resumeRequest: (() => void) | undefined = undefined;
  private rawHeaders: readonly Buffer[] = NO_HEADERS;
  /** What has come and nobody has taken: mostly one piece. */
  private first: Buffer | undefined = undefined;
  private more: Buffer[] | undefined = undefined;
  private size = 0;
  private sink: ChunkSink | undefined = undefined;
  private onStreamEnd: ((error: Error | undefined) => void) | undefined = undefined;
  private recorded: StreamRecord | undefined = undefined;
  private state: 'waiting' | 'streaming' | 'over' = 'waiting';
  private failure: Error | undefined = undefined;

  constructor(
    private readonly endpoint: ProviderEndpoint,
    private readonly deploymentId: string,
    private readonly stream: boolean,
    private readonly maxBytes: number,
  ) {
    this.answered = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }

  /** The whole answer, or of a stream what has come so far and nobody has taken. */
  takeBytes(): Buffer {
    const bytes = this.waitingBytes();
    this.first = undefined;
    this.more = undefined;
    this.size = 0;
    return bytes;
  }

  /** What has been seen last of a stream. */
  tail(): Buffer {
    return this.recorded?.tail() ?? EMPTY;
  }

  /** Ends it from this side, wherever it stands. */
  abort(error: Error): void {
    if (this.state === 'over') return;
    const { abortRequest } = this;
    this.finish(error);
    abortRequest?.(error);
  }

  /** No answer in time. */
  timeOut(what: string): void {
    this.abort(this.failed('timeout', `The provider gave no ${what} in the time it was given.`));
  }

  /** `told` hears when the stream is over, before its sink does: `undefined`: it is whole. A short one may be over already. */
  whenOver(told: (error: Error | undefined) => void): void {
    if (this.state === 'over') told(this.failure);
    else this.onStreamEnd = told;
  }

  /** The sink takes all chunks from here on, those that have waited first. */
  attach(sink: ChunkSink): void {
    this.sink = sink;
    const more = this.size === 0 || sink.chunk(this.takeBytes());
    if (this.state === 'over') sink.end(this.failure);
    else if (more) this.resume();
  }

  resume(): void {
    // Its connection may be somebody else's by now.
    if (this.state !== 'over') this.resumeRequest?.();
  }

  /** Whether the provider answered with an error: by its status, or by an error in the place of an answer. */
  get isRefused(): boolean {
    return this.saidError || this.status >= 300;
  }

  /** About how many tokens of an answer have come: as many as events of a stream. */
  get receivedTokens(): number {
    return this.streams ? (this.recorded?.events ?? 0) : Math.ceil(this.size / BYTES_PER_TOKEN);
  }

  onRequestSent(): void {
    this.wasSent = true;
  }

  onConnect(abort: (error?: Error) => void): void {
    if (this.state === 'over') abort(this.failure);
    else this.abortRequest = abort;
  }

  onHeaders(status: number, rawHeaders: readonly Buffer[], resume: () => void): boolean {
    // 1xx: the answer is yet to come.
    if (status < 200) return true;
    this.status = status;
    this.wasSent = true;
    this.rawHeaders = rawHeaders;
    this.resumeRequest = resume;
    this.requestId = requestIdIn(rawHeaders);
    if (status >= 300) return true;
    const contentType = rawHeader(rawHeaders, 'content-type') ?? '';
    const encoding = rawHeader(rawHeaders, 'content-encoding');
    if (encoding !== undefined && encoding !== 'identity') {
      this.abort(this.failed('malformed', 'The provider encoded its answer, which nobody asked for.'));
    } else if (this.stream) {
      this.streams = EVENT_STREAM.test(contentType);
      // JSON may say what is wrong.
      if (!this.streams && !JSON_TYPE.test(contentType)) this.abort(this.refused());
    }
    return this.state !== 'over';
  }

  onData(chunk: Buffer): boolean {
    if (this.state === 'over') return false;
    if (this.streams) return this.streamed(chunk);
    this.keep(chunk);
    if (this.status < 300 && !this.stream) {
      if (this.size > this.maxBytes) this.abort(this.failed('malformed', `The provider's answer is longer than ${this.maxBytes} bytes.`));
    } else if (this.size > LONGEST_ERROR) this.abort(this.refused());
    return true;
  }

  onComplete(): void {
    if (this.state === 'over') return;
    if (this.status >= 300) return this.finish(this.refused());
    if (this.state === 'streaming') return this.finish(undefined);
    if (this.streams) return this.finish(this.failed('malformed', 'The provider ended its stream before the first event.'));
    this.finish(this.stream ? this.refused() : this.fault());
  }

  onError(error: Error): void {
    if (this.state === 'over') return;
    // The pool's own: no connection was free, or it is closed.
    if (error instanceof FastLiteLLMError && !(error instanceof ProxyRefusedError)) return this.finish(error);
    const kind = kindOfCode(error) ?? 'connection';
    const code = String((error as NodeJS.ErrnoException).code ?? 'no code');
    this.finish(this.failed(kind, `The connection to the provider failed (${code}).`, error));
  }

  private streamed(chunk: Buffer): boolean {
    const record = (this.recorded ??= new StreamRecord());
    record.add(chunk);
    if (record.unended > this.maxBytes) {
      this.abort(this.failed('malformed', `An event of the provider's stream is longer than ${this.maxBytes} bytes.`));
      return false;
    }
    if (this.sink !== undefined) return this.sink.chunk(chunk);
    this.keep(chunk);
    if (this.state === 'waiting') this.firstChunk();
    return this.size < MOST_WAITING;
  }

  /** As long as there is no answer yet, but comments or the half of an error, another provider may still be asked. */
  private firstChunk(): void {
    if (this.more !== undefined || !beginsPlainly(this.first as Buffer)) {
      const opening = openingOf(this.waitingBytes().toString('utf8', 0, LONGEST_ERROR));
      if (opening === 'undecided' && this.size < LONGEST_ERROR) return;
      if (typeof opening === 'object') return this.abort(this.said(opening.error));
    }
    this.state = 'streaming';
    this.resolve();
  }

  private keep(chunk: Buffer): void {
    if (this.first === undefined) this.first = chunk;
    else (this.more ??= []).push(chunk);
    this.size += chunk.length;
  }

  /** What has come and nobody has taken, in one piece from here on. */
  private waitingBytes(): Buffer {
    const { first = EMPTY, more } = this;
    if (more === undefined) return first;
    this.more = undefined;
    return (this.first = Buffer.concat([first, ...more], this.size));
  }

  /** What is wrong with a whole answer. Some providers give errors the status of an answer. */
  private fault(): ProviderError | undefined {
    const bytes = this.waitingBytes();
    if (!looksWhole(bytes)) return this.failed('malformed', 'The provider answered with something that is no JSON object.');
    if (!mayBeginWithError(bytes)) return undefined;
    const answer = bytes.toString('utf8');
    return hasError(answer) ? this.said(answer) : undefined;
  }

  private finish(error: Error | undefined): void {
    const before = this.state;
    this.state = 'over';
    this.failure = error;
    // Nothing of the request is held on to: what comes after reads the bytes alone.
    this.abortRequest = undefined;
    this.resumeRequest = undefined;
    this.rawHeaders = NO_HEADERS;
    if (before === 'streaming') {
      this.onStreamEnd?.(error);
      this.sink?.end(error);
    } else if (error === undefined) this.resolve();
    else this.reject(error);
  }

  /** An error that the provider has put into a stream, or in the place of an answer. Some give it the status that they would have answered with. */
  said(json: string): ProviderError {
    this.saidError = true;
    const code = errorIn(json).code ?? '';
    if (/^[45]\d\d$/.test(code)) return this.explained(Number(code), json);
    // A filter, or a prompt that is too long: the provider is well.
    return this.explained(kindOfStatus(400, code) === 'bad_request' ? 500 : 400, json);
  }

  /** An event of a stream that nobody can read. */
  garbled(): ProviderError {
    return this.failed('malformed', 'The provider sent an event that is no JSON object.');
  }

  /** What has come is the error of a provider that refused, or stands in the place of a stream. */
  private refused(): ProviderError {
    const { status } = this;
    if (status >= 300 && status < 400) return this.failed('malformed', `The provider answered ${status}: it is somewhere else.`);
    const body = this.takeBytes().toString('utf8');
    if (status >= 400) {
      this.refusesStreamOptions = (status === 400 || status === 422) && body.includes('stream_options');
      return this.explained(status, body);
    }
    return hasError(body)
      ? this.said(body)
      : this.failed('malformed', 'The provider was asked for a stream and answered with something else.');
  }

  /** An error that the provider has put into words, in OpenAI's shape or another. */
  private explained(status: number, body: string): ProviderError {
    const { endpoint } = this;
    // Behind JSON's escapes: a key with a slash is often written `\/`.
    const clean = (text: string | null | undefined): string | undefined => (typeof text === 'string' ? endpoint.redact(text) : undefined);
    const said = errorIn(body);
    const [message, type, param, code] = [said.message, said.type, said.param, said.code].map(clean);
    const headers = { get: (name: string) => rawHeader(this.rawHeaders, name) ?? null };
    const words = message ?? `The provider answered ${status}.`;
    return new ProviderError({
      kind: kindOfStatus(status, `${code ?? ''} ${words}`),
      message: words,
      status,
      provider: endpoint.provider,
      deploymentId: this.deploymentId,
      providerCode: code,
      type,
      param,
      retryAfterMs: retryAfterOf(headers, Date.now()),
      providerRequestId: this.requestId,
    });
  }

  private failed(kind: ProviderFailureKind, message: string, cause?: Error): ProviderError {
    const { endpoint, deploymentId } = this;
    const status = kind === 'malformed' && this.status !== 0 ? this.status : undefined;
    const facts = { kind, message, status, provider: endpoint.provider, deploymentId, providerRequestId: this.requestId };
    return new ProviderError(facts, { cause });
  }
}
