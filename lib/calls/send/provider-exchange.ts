import { BufferList } from '../../common/buffer-list.js';
import { FastLiteLLMError, ProxyRefusedError } from '../../common/errors.js';
import type { OpenAIErrorBody, ProviderError } from '../../common/provider-error.js';
import type { AnswerUsage } from '../../http/answer-usage.js';
import type { JsonBody } from '../../http/body/json-body.js';
import type { Exchange } from '../attempt.js';
import { kindOfCode } from '../../providers/failure-kind.js';
import { AnswerText, textIn, type CountText } from '../stream/answer-text.js';
import type { EventSink, StreamOrigin } from '../stream/stream-origin.js';
import { StreamTail } from '../stream/stream-tail.js';
import { AnswerEvents, LongEventError } from '../../providers/events/answer-events.js';
import { StreamEvents } from '../../providers/events/event-reader.js';
import type { KnownEndpoint } from '../../providers/endpoint/endpoints.js';
import type { WireCall } from '../../providers/protocol.js';
import type { AnswerHead } from '../../providers/provider-errors.js';
import type { ProviderHandler, SendingConnection } from '../../providers/provider-transport.js';
import { answerHeadersIn } from '../../providers/raw-headers.js';

/** Inputs of an exchange. */
export interface ExchangeSettings {
  readonly known: KnownEndpoint;
  readonly call: WireCall;
  readonly stream: boolean;
  /** Largest whole answer, and largest event of a stream, in bytes. */
  readonly maxBytes: number;
  /** The body whose bytes the request has. */
  readonly source?: JsonBody;
  /** Counts text of the model. Absent: answers have no text. */
  readonly count?: CountText;
  /** Told the headers of each answer. */
  readonly onHeaders?: (rawHeaders: readonly Buffer[]) => void;
}

/** More of an error is not read. */
const LONGEST_ERROR = 64 * 1024;
/** Maximum bytes buffered for a slow reader before the provider is paused. */
const MOST_WAITING = 256 * 1024;
/** Interim answers (1xx): a server that works for minutes sends one now and then. */
const MOST_INTERIM = 1000;
/** How long a connection may stay open after the end of its stream, in ms. */
const END_WAIT_MS = 500;
const BYTES_PER_TOKEN = 4;
/** A longer whole answer is estimated by its size. */
const LONGEST_COUNTED = 4 * 1024 * 1024;
const EVENT_STREAM = /^text\/event-stream\b/i;
const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json\b/i;
const EMPTY = Buffer.alloc(0);
const NO_HEADERS: readonly Buffer[] = [];

/**
 * One request on one connection, and its answer: whole, or a stream chunk by chunk. A failure
 * before `answered` rejects it with a `ProviderError`; a later one is passed to the sink.
 */
export class ProviderExchange implements ProviderHandler, Exchange, AnswerHead, StreamOrigin {
  status = 0;
  rawHeaders = NO_HEADERS;
  requestId: string | undefined = undefined;
  /** Of an answer, as the provider states it. */
  contentType = '';
  /** Whether a whole answer is a text, which passes unread. */
  isText = false;
  /** Of a whole answer: LiteLLM's proxies state no cost before a stream ends. */
  statedCost: string | undefined = undefined;
  /** Whether the request was handed to the socket. */
  wasSent = false;
  /** The body of an answer with an error status. */
  errorBody = '';
  /** Resolves with the whole answer, or with the first chunk of a stream. */
  readonly answered: Promise<void>;

  private resolve!: () => void;
  private reject!: (error: Error) => void;
  /** Whether the connection broke within the answer, or its JSON ends in the middle. */
  private isBroken = false;
  private isWhollySent = false;
  private connection: SendingConnection | undefined = undefined;
  private abortRequest: ((error: Error) => void) | undefined = undefined;
  private resumeRequest: (() => void) | undefined = undefined;
  /** Reads the answer if it is a stream, as it was asked for. */
  private events: AnswerEvents | undefined = undefined;
  private state: 'waiting' | 'streaming' | 'over' = 'waiting';
  private failure: Error | undefined = undefined;
  /** Chunks that nothing has taken yet. */
  private waiting: BufferList | undefined = undefined;
  private interim = 0;
  /** Whether more has arrived since the opening was looked at; `undefined`: not in this turn. */
  private hasMore: boolean | undefined = undefined;
  private sink: EventSink | undefined = undefined;
  private onStreamEnd: ((error: Error | undefined) => void) | undefined = undefined;
  private record: StreamTail | undefined = undefined;
  /** Gives up a request whose stream has ended; set until its connection is free. */
  private giveUp: (() => void) | undefined = undefined;
  private endTimer: NodeJS.Timeout | undefined = undefined;
  /** Receives the usage at the end of an abandoned answer. */
  private onDrained: ((usage: AnswerUsage | undefined) => void) | undefined = undefined;

  constructor(private readonly settings: ExchangeSettings) {
    settings.source?.use();
    this.answered = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }

  get isRefused(): boolean {
    return this.status >= 300;
  }

  /** Tokens of the output that has arrived. */
  get receivedTokens(): number {
    const { call, count } = this.settings;
    if (call.isBytes === true) return 0;
    if (this.events !== undefined) return this.record?.text()?.tokens() ?? 0;
    if (count === undefined) return 0;
    if (this.size > LONGEST_COUNTED) return Math.ceil(this.size / BYTES_PER_TOKEN);
    return this.wholeText?.tokens() ?? 0;
  }

  /** Of a whole answer that has arrived; one that was refused has none. */
  get usageInRest(): AnswerUsage | undefined {
    const hasNone = this.events !== undefined || this.isRefused || this.size === 0 || this.size > LONGEST_COUNTED;
    return hasNone ? undefined : this.settings.call.reader.usageIn(this.bytes);
  }

  /** Whether the answer shows the reasoning itself, so that none is hidden. */
  get showsReasoning(): boolean {
    return (this.events === undefined ? this.wholeText : this.record?.text())?.showsReasoning === true;
  }

  /** Whether the text of a whole answer was cut although its provider had finished it. */
  get isCut(): boolean {
    return this.isBroken && this.events === undefined && this.wholeText?.isOpen !== false;
  }

  /** That of a whole answer that has not been consumed yet. */
  private get wholeText(): AnswerText | undefined {
    const { count } = this.settings;
    if (count === undefined || this.size > LONGEST_COUNTED) return undefined;
    const text = new AnswerText(count);
    text.add(this.bytes.toString('utf8'));
    return text;
  }

  /** Bytes that nothing has taken yet. They stay. */
  get bytes(): Buffer {
    return this.waiting?.bytes() ?? EMPTY;
  }

  /** The whole answer, or the part of a stream that nothing has taken yet. */
  takeBytes(): Buffer {
    const bytes = this.waiting?.bytes() ?? EMPTY;
    this.waiting = undefined;
    // Secrets in a stream were masked as it arrived.
    return this.events === undefined ? this.settings.known.endpoint.mask.bytes(bytes) : bytes;
  }

  /** Result of a finished stream: its usage, or an error. */
  ending(): { readonly usage: AnswerUsage | undefined; readonly error: ProviderError | undefined } {
    const stated = this.settings.call.reader.errorAtEnd(this.record?.tail() ?? EMPTY);
    return { usage: this.usageSoFar(), error: stated === undefined ? undefined : this.errorIn(stated) };
  }

  /** The usage that a stream has stated so far. */
  usageSoFar(): AnswerUsage | undefined {
    return this.record?.usage(this.settings.call.reader);
  }

  /** Ends it from this side, in any state. */
  abort(error: Error): void {
    if (this.state === 'over') return;
    const { abortRequest } = this;
    this.finish(error);
    abortRequest?.(error);
  }

  detach(error: Error, done: (usage: AnswerUsage | undefined) => void): boolean {
    const { state } = this;
    if (state === 'over' || this.onDrained !== undefined) return false;
    this.onDrained = done;
    this.failure = error;
    if (state === 'streaming') this.endForReader(error);
    else this.reject(error);
    if (this.events !== undefined) this.waiting = undefined;
    this.resumeRequest?.();
    return true;
  }

  /** Whether it has ended for its caller. */
  private get isOverForReader(): boolean {
    return this.state === 'over' || this.onDrained !== undefined;
  }

  /** Calls `listener` when the stream ends, before its sink; at once if it has already ended. */
  whenOver(listener: (error: Error | undefined) => void): void {
    if (this.isOverForReader) listener(this.failure);
    else this.onStreamEnd = listener;
  }

  /** The sink takes all chunks from here on, those that have waited first. */
  attach(sink: EventSink): void {
    const takesMore = this.size === 0 || sink.events(new StreamEvents(this.takeBytes()));
    if (this.isOverForReader) return sink.end(this.failure);
    this.sink = sink;
    if (takesMore) this.resume();
  }

  resume(): void {
    // After that, the connection can serve another request.
    if (this.state !== 'over') this.resumeRequest?.();
  }

  /** An error that an event of the stream states. */
  errorIn(json: string): ProviderError {
    return this.settings.known.errors.inAnswer(json, this);
  }

  /** The event that reports a broken stream to the client; `undefined` for chat's. */
  errorEvent(error: OpenAIErrorBody): string | undefined {
    return this.settings.call.reader.errorEvent?.(error);
  }

  /** An event of the stream that is not JSON. */
  unreadableEvent(): ProviderError {
    return this.malformed('The provider sent an event that is not a JSON object.');
  }

  /** An answer that its translator or bridge cannot read. */
  unreadable(error: unknown): ProviderError {
    const message = "The provider's response does not follow its protocol.";
    return this.settings.known.errors.failed('malformed', message, this, error as Error);
  }

  onLease(connection: SendingConnection): void {
    this.connection = connection;
  }

  onRequestSent(): void {
    this.wasSent = true;
    this.isWhollySent = true;
  }

  onConnect(abort: (error?: Error) => void): void {
    if (this.state === 'over') abort(this.failure);
    else this.abortRequest = abort;
  }

  onHeaders(status: number, rawHeaders: readonly Buffer[], resume: () => void): boolean {
    // 1xx: the final response has not arrived yet.
    if (status < 200) {
      if (++this.interim > MOST_INTERIM) this.abort(this.malformed(`The provider sent more than ${MOST_INTERIM} interim responses.`));
      return this.state !== 'over';
    }
    this.status = status;
    this.wasSent = true;
    this.rawHeaders = rawHeaders;
    this.resumeRequest = resume;
    const { requestId, contentType = '', contentEncoding, cost } = answerHeadersIn(rawHeaders);
    this.requestId = requestId && this.settings.known.endpoint.mask.text(requestId);
    this.settings.onHeaders?.(rawHeaders);
    if (status >= 300) return true;
    this.contentType = contentType;
    const { stream, call, known, maxBytes, count } = this.settings;
    if (!stream) {
      this.statedCost = cost;
      this.isText = call.textType?.test(contentType) === true;
    }
    if (contentEncoding !== undefined && contentEncoding !== 'identity') {
      this.abort(this.malformed('The provider sent a content encoding that was not requested.'));
    } else if (stream) {
      const isStream = (call.streamType ?? EVENT_STREAM).test(contentType);
      const textOf = count && textIn;
      if (isStream) this.events = new AnswerEvents({ call, contentType, mask: known.endpoint.mask, maxBytes, textOf });
      // JSON may say what is wrong.
      else if (!JSON_TYPE.test(contentType)) this.abort(this.refused());
    }
    return this.state !== 'over';
  }

  onData(chunk: Buffer): boolean {
    if (this.state === 'over') return this.onDataAfterEnd();
    if (this.events !== undefined) return this.onStreamData(this.events, chunk);
    const { stream, maxBytes } = this.settings;
    const size = this.keep(chunk);
    if (this.status < 300 && !stream) {
      if (size > maxBytes) this.abort(this.malformed(`The provider's answer is longer than ${maxBytes} bytes.`));
    } else if (size > LONGEST_ERROR) this.abort(this.refused());
    return true;
  }

  onComplete(): void {
    if (this.state === 'over') return this.closed();
    if (this.status >= 300) return this.finish(this.refused());
    if (this.events !== undefined) return this.completeStream(this.events);
    const { stream, call } = this.settings;
    if (stream) return this.finish(this.refused());
    if (this.isText) return this.finish(undefined);
    const fault = (call.translator === undefined ? undefined : this.translateWhole(call.translator)) ?? this.faultOfWhole();
    if (fault?.kind === 'malformed') this.isBroken = endsWithin(this.bytes);
    this.finish(fault);
  }

  onError(error: Error): void {
    if (this.state === 'over') return this.closed();
    // The pool's own error: no connection was free, or it is closed.
    if (error instanceof FastLiteLLMError && !(error instanceof ProxyRefusedError)) return this.finish(error);
    this.isBroken = this.status > 0 && !this.isRefused;
    const message = 'The connection to the provider failed.';
    this.finish(this.settings.known.errors.failed(kindOfCode(error) ?? 'connection', message, this, error));
  }

  private completeStream(events: AnswerEvents): void {
    // Received data is passed on, even if the stream turns out to be truncated.
    this.lookAtRest();
    if (!this.endEvents(events)) return;
    this.lookAtRest();
    if (this.isOver) return;
    const isBegun = this.state === 'streaming';
    this.finish(isBegun ? undefined : this.malformed('The provider ended its stream before the first event.'));
  }

  private onStreamData(reader: AnswerEvents, chunk: Buffer): boolean {
    let events: StreamEvents | undefined;
    try {
      events = reader.read(chunk);
    } catch (error) {
      this.abort(error instanceof LongEventError ? this.malformed(error.message) : this.unreadable(error));
      return false;
    }
    const takesMore = events === undefined || events.bytes.length === 0 || this.take(events);
    if (!reader.isOver) return takesMore;
    this.endEarly();
    return true;
  }

  /** The stream has ended but its request has not: usually the connection is free at once. */
  private endEarly(): void {
    const { abortRequest } = this;
    // An error instead of an answer has already ended it.
    if (this.state === 'over') return;
    this.onComplete();
    if (abortRequest === undefined) return;
    this.giveUp = () => {
      this.closed();
      abortRequest(new Error('the provider did not end its stream'));
    };
    this.endTimer = setTimeout(this.giveUp, END_WAIT_MS).unref();
  }

  /** More than the end of the connection was not to come. */
  private onDataAfterEnd(): boolean {
    const { giveUp } = this;
    giveUp?.();
    return giveUp !== undefined;
  }

  private closed(): void {
    clearTimeout(this.endTimer);
    this.giveUp = undefined;
  }

  /** Passes on the events in the reader. `false`: the stream was cut. */
  private endEvents(reader: AnswerEvents): boolean {
    try {
      const last = reader.end();
      if (last.bytes.length > 0) this.take(last);
    } catch (error) {
      this.finish(this.unreadable(error));
      return false;
    }
    return !this.isOver;
  }

  private translateWhole(translator: NonNullable<WireCall['translator']>): ProviderError | undefined {
    try {
      const translated = translator.whole(this.bytes);
      this.waiting = undefined;
      this.keep(translated);
      return undefined;
    } catch (error) {
      return this.unreadable(error);
    }
  }

  private take(events: StreamEvents): boolean {
    const record = this.record ?? this.begunRecord();
    if (events.text === undefined) record.add(events.bytes);
    else record.addText(events.text, events.bytes.length);
    if (this.sink !== undefined) return this.sink.events(events);
    if (this.onDrained !== undefined) return true;
    this.keep(events.bytes);
    if (this.state === 'waiting') this.open();
    return this.size < MOST_WAITING;
  }

  private begunRecord(): StreamTail {
    const { call, count } = this.settings;
    return (this.record = new StreamTail({ hasHead: call.reader.readsHead, count }));
  }

  /**
   * Looks at all that has arrived once in a turn of the event loop: at each byte of 60 KB that came
   * one by one, it took seconds.
   */
  private open(): void {
    if (this.hasMore !== undefined && this.size < LONGEST_ERROR) {
      this.hasMore = true;
      return;
    }
    this.lookAtOpening();
    if (this.state !== 'waiting') return;
    this.hasMore = false;
    setImmediate(() => {
      const { hasMore } = this;
      this.hasMore = undefined;
      if (hasMore === true && this.state === 'waiting') this.open();
    });
  }

  private lookAtRest(): void {
    if (this.hasMore === true && this.state === 'waiting') this.lookAtOpening();
  }

  /** While there are only comments or half an error, another deployment may still be tried. */
  private lookAtOpening(): void {
    const opening = this.settings.call.reader.openingOf(this.bytes);
    if (opening === 'undecided' && this.size < LONGEST_ERROR) return;
    if (typeof opening === 'object') return this.abort(this.errorIn(opening.error));
    this.state = 'streaming';
    // The headers are slices of the first read and would keep its memory until the stream ends.
    this.rawHeaders = NO_HEADERS;
    // No other attempt follows, and the stream can run for minutes.
    this.endUseOfSource();
    this.resolve();
  }

  private get isOver(): boolean {
    return this.state === 'over';
  }

  /** Returns how much waits. */
  private keep(chunk: Buffer): number {
    this.waiting ??= new BufferList();
    this.waiting.push(chunk);
    return this.waiting.length;
  }

  private get size(): number {
    return this.waiting?.length ?? 0;
  }

  private faultOfWhole(): ProviderError | undefined {
    const fault = this.settings.call.reader.faultIn(this.bytes);
    if (fault === undefined) return undefined;
    if (fault === 'malformed') return this.malformed("The provider's response is not a JSON object.");
    this.takeBytes();
    return this.errorIn(fault.error);
  }

  /** Whether the answer is an error, by its status or because it is not a stream. */
  private refused(): ProviderError {
    const { status, settings } = this;
    const { endpoint, errors } = settings.known;
    if (status >= 300 && status < 400) return this.malformed(`The provider answered with a redirect (${status}).`);
    const body = this.takeBytes().toString('utf8');
    if (status >= 400) {
      this.errorBody = body;
      return errors.answered(status, body, this);
    }
    if (endpoint.protocol.hasError(body)) return this.errorIn(body);
    return this.malformed("The provider's response is not a stream, although one was requested.");
  }

  private malformed(message: string): ProviderError {
    return this.settings.known.errors.failed('malformed', message, this);
  }

  /** The request's bytes are no longer needed, unless the provider has answered early. */
  private endUseOfSource(): void {
    if (!this.isWhollySent || this.connection?.hasWrittenAll !== true) return;
    this.connection = undefined;
    this.settings.source?.endUse();
  }

  private finish(error: Error | undefined): void {
    const before = this.state;
    const rest = this.events?.rest();
    // The text of an unfinished event was generated, too.
    if (rest !== undefined && rest.bytes.length <= LONGEST_COUNTED) (this.record ?? this.begunRecord()).add(rest.bytes);
    this.state = 'over';
    this.failure ??= error;
    if (error === undefined) this.endUseOfSource();
    this.connection = undefined;
    // Releases the request, because from here on only the answer's bytes are read.
    this.abortRequest = undefined;
    this.resumeRequest = undefined;
    this.rawHeaders = NO_HEADERS;
    if (this.onDrained !== undefined)
      this.onDrained(this.events === undefined ? this.settings.call.reader.usageIn(this.bytes) : this.usageSoFar());
    else if (before === 'streaming') this.endForReader(error);
    else if (error === undefined) this.resolve();
    else this.reject(error);
  }

  private endForReader(error: Error | undefined): void {
    const { sink } = this;
    this.sink = undefined;
    this.onStreamEnd?.(error);
    sink?.end(error);
  }
}

/** Whether it begins like a JSON object but does not end like one. */
function endsWithin(json: Buffer): boolean {
  const text = json.toString('latin1').trim();
  return text.startsWith('{') && !text.endsWith('}');
}
