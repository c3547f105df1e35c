import { fieldsOf, isObject, type Fields } from '../../common/objects.js';
import type { AnswerUsage } from '../../http/answer-usage.js';
import type { StreamEvents } from '../events/event-reader.js';
import { dataOf, endLinesOf } from '../events/event-reader.js';
import { EventsTranslator, eventOf } from '../events/event-translator.js';
import { braceOf, faultIn as faultInWhole, statedFault } from '../openai/answer.js';
import { lastUsageIn } from '../openai/usage.js';
import { hasError } from '../openai/errors.js';
import { errorAtEnd } from '../openai/stream.js';
import type { AnswerReader, AnswerTranslator, StreamOpening } from '../protocol.js';
import { isErrorType } from './errors.js';
import { answerUsage, mergedUsage } from './usage.js';

const NONE = Buffer.alloc(0);
/** An error instead of an answer names itself in its first bytes. */
const ERROR_HEAD = 256;
/** More of a beginning is not read. */
const LONGEST_READ = 64 * 1024;
/** A longer object is no usage: it may list the iterations of an answer. */
const LONGEST_USAGE = 32 * 1024;
const END = /\r?\n\r?\n/;
const TYPE = /"type"\s*:\s*"(\w+)"/;
/** Events before the content. */
const PROLOGUE = new Set(['message_start', 'ping']);
/** Within a text their quotes would be escaped. */
const DELTA = Buffer.from('"message_delta"');
const START = Buffer.from('"message_start"');
const STOP = Buffer.from('"message_stop"');
const ERROR = Buffer.from('"error"');

/** Reads answers of Anthropic that pass to a client unchanged. */
export const MESSAGES_READER: AnswerReader = {
  faultIn(answer) {
    const head = answer.subarray(0, ERROR_HEAD);
    if (!head.includes(ERROR) || braceOf(answer) < 0) return faultInWhole(answer);
    return statedFault(answer, TYPE.exec(head.toString('latin1'))?.[1] === 'error') ?? faultInWhole(answer);
  },
  usageIn(bytes, head) {
    return head === undefined
      ? lastUsageIn(bytes, (usage) => answerUsage(fieldsOf(usage)), LONGEST_USAGE)?.usage
      : usageOfStream(bytes, head);
  },
  openingOf,
  errorAtEnd,
  ends: endLinesOf('message_stop', 'error'),
  errorEvent: ({ message, type }) => eventOf({ type: 'error', error: { type: isErrorType(type) ? type : 'api_error', message } }, 'error'),
};

/** `undefined` without the `message_delta` at the end: the one at the start counts no reply. */
function usageOfStream(tail: Buffer, head: Buffer): AnswerUsage | undefined {
  const delta = eventAt(tail, tail.lastIndexOf(DELTA));
  if (delta?.type !== 'message_delta' || !isObject(delta.usage)) return undefined;
  const start = eventAt(head, head.indexOf(START));
  return answerUsage(mergedUsage(fieldsOf(fieldsOf(start?.message).usage), delta.usage));
}

/** The data of the event around a byte. */
function eventAt(bytes: Buffer, at: number): Fields | undefined {
  if (at < 0) return undefined;
  const from = Math.max(bytes.lastIndexOf('\n\n', at), bytes.lastIndexOf('\r\n\r\n', at), 0);
  const [event] = bytes.toString('utf8', from).trimStart().split(END, 1);
  try {
    return fieldsOf(JSON.parse(dataOf(event) ?? ''));
  } catch {
    return undefined;
  }
}

/** Until there is content, an error lets another deployment be tried. */
function openingOf(bytes: Buffer): StreamOpening {
  const events = bytes.toString('utf8', 0, LONGEST_READ).split(END);
  // The last one is not complete.
  for (const event of events.slice(0, -1)) {
    const data = dataOf(event);
    if (data === undefined) continue;
    if (hasError(data)) return { error: data };
    if (!PROLOGUE.has(TYPE.exec(data)?.[1] ?? '')) return 'answer';
  }
  return 'undecided';
}

/** Forwards a stream, and distinguishes a complete one from one that was cut. */
export class PassingTranslator extends EventsTranslator implements AnswerTranslator {
  private hasEnded = false;

  whole(answer: Buffer): Buffer {
    return answer;
  }

  /** @internal */
  override translateEvents(events: StreamEvents): StreamEvents {
    this.hasEnded ||= events.bytes.includes(STOP) || events.bytes.includes(ERROR);
    return events;
  }

  end(): Buffer {
    if (!this.hasEnded) throw new Error('the stream ended before its message_stop');
    return NONE;
  }
}
