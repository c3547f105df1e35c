import { type Fields, fieldsOf, isObject, jsonIn } from '../../../common/objects.js';
import type { OpenAIErrorBody } from '../../../common/provider-error.js';
import type { AnswerUsage } from '../../../http/answer-usage.js';
import { endLinesOf, type StreamEvents } from '../../events/event-reader.js';
import { EventsTranslator, eventOf } from '../../events/event-translator.js';
import type { AnswerFault, AnswerReader, AnswerTranslator, StreamOpening } from '../../protocol.js';
import { faultIn } from '../answer.js';
import { objectAfter, usageIn } from '../usage.js';
import { hasError } from '../errors.js';
import { errorAtEnd } from '../stream.js';

const NONE = Buffer.alloc(0);
const FAILED = Buffer.from('"failed"');
const ERROR_KEY = Buffer.from('"error"');
/** Events before the first content. */
const PREPARING = new Set(['response.created', 'response.in_progress', 'response.queued', 'keepalive']);
const ENDS = ['response.completed', 'response.incomplete', 'response.failed'].map((name) => Buffer.from(name));
const [, , FAILED_END] = ENDS;
const ERROR_EVENT = Buffer.from('error');
const END_LINES = endLinesOf('response.completed', 'response.incomplete', 'response.failed', 'error');
/** One of them is in every end and in every error. */
const WORDS = /complete|failed|error/;
/** The bytes before the name of an event; within a JSON string the quotes are escaped. */
const BEFORE_NAME = /(?:"type": ?"|\nevent: ?)$/;
const LONGEST_BEFORE = 16;
/** Bytes kept of the last event's beginning: it repeats the whole answer after them. */
const HEAD_OF_END = 8 * 1024;

/** Forwards a streamed response unchanged, and watches for its last event. */
export class PassingResponse extends EventsTranslator implements AnswerTranslator, AnswerReader {
  readonly ends = END_LINES;
  readonly readsHead = false;
  private opening: StreamOpening = 'undecided';
  private hasEnded = false;
  private hasError = false;
  private hasFailed = false;
  private lastEvent: Buffer = NONE;

  /** @param readUsage Default: the usage that the answer states. */
  constructor(private readonly readUsage = usageIn) {
    super();
  }

  whole(answer: Buffer): Buffer {
    return answer;
  }

  /** @internal */
  override translateEvents(events: StreamEvents): StreamEvents {
    const { bytes } = events;
    if (this.opening === 'undecided') this.opening = openingIn(events.data);
    if (this.hasEnded) this.keep(bytes);
    // 124 ns for an event; three searches of the bytes take 450.
    else if (WORDS.test(bytes.toString('latin1'))) this.look(bytes);
    return events;
  }

  end(): Buffer {
    if (this.hasEnded || this.hasError) return NONE;
    throw new Error('the stream ended without response.completed, response.incomplete or response.failed');
  }

  faultIn(answer: Buffer): AnswerFault | undefined {
    const fault = faultIn(answer);
    // Its error follows other fields.
    if (fault !== undefined || !answer.includes(FAILED)) return fault;
    const error = failureIn(fieldsOf(jsonIn(answer.toString('utf8'))));
    return error === undefined ? undefined : { error };
  }

  /** Some providers write long fields after the usage. */
  usageIn(bytes: Buffer): AnswerUsage | undefined {
    return this.readUsage(bytes) ?? this.readUsage(this.lastEvent);
  }

  openingOf(): StreamOpening {
    return this.opening;
  }

  errorAtEnd(tail: Buffer): string | undefined {
    if (!this.hasFailed) return this.hasError ? errorEventIn(tail) : undefined;
    const at = this.lastEvent.indexOf(ERROR_KEY);
    const error = at < 0 ? undefined : objectAfter(this.lastEvent, at + ERROR_KEY.length);
    return asError(isObject(error) ? error : {});
  }

  errorEvent(error: OpenAIErrorBody): string {
    return errorEventOf(error, 0);
  }

  /** Any text may have such a word: it counts only at the start of an event. */
  private look(events: Buffer): void {
    const [first] = ENDS.map((name) => ({ name, at: nameAt(events, name) }))
      .filter(({ at }) => at >= 0)
      .sort((a, b) => a.at - b.at);
    this.hasError ||= nameAt(first === undefined ? events : events.subarray(0, first.at), ERROR_EVENT) >= 0;
    if (first === undefined) return;
    this.hasEnded = true;
    this.hasFailed = first.name === FAILED_END;
    this.keep(events.subarray(first.at));
  }

  private keep(bytes: Buffer): void {
    const { lastEvent } = this;
    if (lastEvent.length < HEAD_OF_END) this.lastEvent = Buffer.concat([lastEvent, bytes.subarray(0, HEAD_OF_END - lastEvent.length)]);
  }
}

/** An error as the last event: OpenAI's SDK throws `error`; its API has the fields next to it. */
export function errorEventOf({ message, type, param, code }: OpenAIErrorBody, sequenceNumber: number): string {
  const error = { type: type ?? 'server_error', code, message, param };
  return eventOf({ type: 'error', sequence_number: sequenceNumber, code, message, param, error }, 'error');
}

function nameAt(bytes: Buffer, name: Buffer): number {
  for (let at = bytes.indexOf(name); at >= 0; at = bytes.indexOf(name, at + name.length)) {
    const from = Math.max(0, at - LONGEST_BEFORE);
    // Events begin at the start of a line.
    if (BEFORE_NAME.test((from === 0 ? '\n' : '') + bytes.toString('latin1', from, at))) return at;
  }
  return -1;
}

function openingIn(events: readonly string[]): StreamOpening {
  for (const data of events) {
    const event = fieldsOf(jsonIn(data));
    if (hasError(data) || event.type === 'error') return { error: asError(isObject(event.error) ? event.error : event) };
    const failure = event.type === 'response.failed' ? failureIn(event.response) : undefined;
    if (failure !== undefined) return { error: failure };
    if (!PREPARING.has(String(event.type))) return 'answer';
  }
  return 'undecided';
}

/** The error of a failed response. */
function failureIn(response: unknown): string | undefined {
  if (!isObject(response) || response.status !== 'failed') return undefined;
  return asError(isObject(response.error) ? response.error : {});
}

/** The last error event in the end of a stream. */
function errorEventIn(tail: Buffer): string | undefined {
  const stated = errorAtEnd(tail);
  if (stated !== undefined) {
    const event = fieldsOf(jsonIn(stated));
    return asError(isObject(event.error) ? event.error : event);
  }
  for (const line of tail.toString('utf8').split('\n')) {
    const event = line.startsWith('data:') && line.includes('"error"') ? fieldsOf(jsonIn(line.slice('data:'.length))) : {};
    if (event.type === 'error') return asError(event);
  }
  return undefined;
}

/** Its `type` is that of the event. */
function asError({ message, code, param, type }: Fields): string {
  const named = type === 'error' ? undefined : type;
  return JSON.stringify({ error: { message: message ?? 'The response failed.', type: named, code, param } });
}
