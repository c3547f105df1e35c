import type { StreamEvents } from '../events/event-reader.js';
import { dataOf, endLinesOf } from '../events/event-reader.js';
import { EventsTranslator, eventOf } from '../events/event-translator.js';
import { braceOf, faultIn as faultInWhole, statedFault } from '../openai/answer.js';
import { hasError } from '../openai/errors.js';
import { errorAtEnd } from '../openai/stream.js';
import type { AnswerReader, AnswerTranslator, StreamOpening } from '../protocol.js';
import { isErrorType } from './errors.js';
import { usageIn } from './usage.js';

const NONE = Buffer.alloc(0);
/** An error instead of an answer names itself in its first bytes. */
const ERROR_HEAD = 256;
/** More of a beginning is not read. */
const LONGEST_READ = 64 * 1024;
const END = /\r?\n\r?\n/;
const TYPE = /"type"\s*:\s*"(\w+)"/;
/** Events before the content. */
const PROLOGUE = new Set(['message_start', 'ping']);
/** Within a text their quotes would be escaped. */
const STOP = Buffer.from('"message_stop"');
const ERROR = Buffer.from('"error"');

/** Reads answers of Anthropic that pass to a client unchanged. */
export const MESSAGES_READER: AnswerReader = {
  faultIn(answer) {
    const head = answer.subarray(0, ERROR_HEAD);
    if (!head.includes(ERROR) || braceOf(answer) < 0) return faultInWhole(answer);
    return statedFault(answer, TYPE.exec(head.toString('latin1'))?.[1] === 'error') ?? faultInWhole(answer);
  },
  usageIn,
  openingOf,
  errorAtEnd,
  ends: endLinesOf('message_stop', 'error'),
  errorEvent: ({ message, type }) => eventOf({ type: 'error', error: { type: isErrorType(type) ? type : 'api_error', message } }, 'error'),
};

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
    if (!this.hasEnded) throw new Error('the stream ended before message_stop');
    return NONE;
  }
}
