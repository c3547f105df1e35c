import { type Fields, fieldsOf, isObject, listOf, nonEmptyString, objectIn } from '../../common/objects.js';
import type { OpenAIErrorBody } from '../../common/provider-error.js';
import { usageFrom, type AnswerUsage } from '../../http/answer-usage.js';
import { plainValue } from '../../http/body/raw-field.js';
import type { StreamEvents } from '../events/event-reader.js';
import { EventsTranslator, eventOf } from '../events/event-translator.js';
import { faultIn as faultInWhole } from '../openai/answer.js';
import { mergedFields, passed, pickedFields, written } from '../openai/request.js';
import { CHAT_PARAMETERS } from '../parameters.js';
import type { AnswerFault, AnswerReader, AnswerTranslator, CountCall, SentRequest, StreamOpening, WireCall } from '../protocol.js';
import { replaceFigures, usageOf, type UsageFigures } from './usage.js';

const NONE = Buffer.alloc(0);
const GOOGLES_STATUS = /^[A-Z_]{2,40}$/;

/** The client's own request at a model's path: only what steers the call is taken out. */
export function nativeContent(sent: SentRequest, path: string): WireCall {
  const native = nativeRequest(sent);
  const passing = new PassingContent();
  return {
    path: path + (sent.request.stream ? ':streamGenerateContent?alt=sse' : ':generateContent'),
    body: written(native, () => nativeFields(native)),
    reader: passing,
    ...(sent.request.stream && { translator: passing }),
  };
}

/** Fields of a request that are counted. */
const COUNTED =
  'contents systemInstruction system_instruction tools toolConfig tool_config generationConfig generation_config cachedContent'.split(' ');
/** Vertex AI rejects all others. */
const COUNTED_BY_VERTEX = ['contents', 'systemInstruction', 'system_instruction', 'tools', 'generationConfig', 'generation_config'];

/** A request to count the prompt of a client's own request. */
export function countNative(sent: SentRequest, path: string, isVertex: boolean): CountCall {
  const native = nativeRequest(sent);
  const counted = (): Fields => pickedFields(nativeFields(native), isVertex ? COUNTED_BY_VERTEX : COUNTED);
  const fields = (): object => (isVertex ? counted() : { generateContentRequest: { model: path.slice(1), ...counted() } });
  return { path: `${path}:countTokens`, body: written(native, fields), field: 'totalTokens' };
}

function nativeRequest(sent: SentRequest): SentRequest {
  return { ...passed(sent), addsUsage: false };
}

/** The deployment's defaults for chat that Google has, too. */
const SHARED: ReadonlyMap<string, string> = new Map([
  ['temperature', 'temperature'],
  ['top_p', 'topP'],
  ['max_tokens', 'maxOutputTokens'],
  ['max_completion_tokens', 'maxOutputTokens'],
  ['seed', 'seed'],
]);
const UNSENT: ReadonlySet<string> = new Set(['model', 'stream', 'stream_options']);
const CONFIG_NAMES = ['generationConfig', 'generation_config'] as const;

/** The request for Google. The path has the model, and the method determines whether to stream. */
function nativeFields(sent: SentRequest): Fields {
  const { defaults, fixed } = sent;
  const merged = mergedFields({ ...sent, defaults: ownDefaults(defaults), fixed: ownDefaults(fixed) });
  const fields = Object.fromEntries(Object.entries(merged).filter(([name]) => !UNSENT.has(name)));
  const [before, after] = [sharedConfig(defaults), sharedConfig(fixed)];
  if (before === undefined && after === undefined) return fields;
  const name = CONFIG_NAMES.find((each) => fields[each] !== undefined) ?? CONFIG_NAMES[0];
  return { ...fields, [name]: { ...before, ...fieldsOf(plainValue(fields[name])), ...after } };
}

function ownDefaults(fields: Fields | undefined): Fields | undefined {
  return fields && Object.fromEntries(Object.entries(fields).filter(([name]) => !SHARED.has(name) && !CHAT_PARAMETERS.has(name)));
}

function sharedConfig(fields: Fields | undefined): Fields | undefined {
  if (fields === undefined) return undefined;
  const shared = Object.entries(fields).flatMap(([name, value]): [string, unknown][] => {
    const theirs = SHARED.get(name);
    return theirs === undefined || value === null || value === undefined ? [] : [[theirs, value]];
  });
  return shared.length === 0 ? undefined : Object.fromEntries(shared);
}

/**
 * Forwards an answer of Google's unchanged. Reads each event of a stream for its usage, its error
 * and its end, which no event marks.
 */
class PassingContent extends EventsTranslator implements AnswerTranslator, AnswerReader {
  readonly readsHead = false;
  private readonly usage: UsageFigures = {};
  private searched: readonly unknown[] = [];
  private opening: StreamOpening = 'undecided';
  private error: string | undefined = undefined;
  private isFinished = false;

  /** Only an error ends a stream. */
  get isOver(): boolean {
    return this.error !== undefined;
  }

  whole(answer: Buffer): Buffer {
    return answer;
  }

  /** @internal */
  override translateEvents(events: StreamEvents): StreamEvents {
    for (const data of events.data) this.read(data);
    return events;
  }

  end(): Buffer {
    if (this.isFinished || this.error !== undefined) return NONE;
    throw new Error('the stream ended before its finish reason');
  }

  faultIn(answer: Buffer): AnswerFault | undefined {
    return faultInWhole(answer);
  }

  usageIn(bytes: Buffer): AnswerUsage | undefined {
    if (this.opening !== 'undecided') return usageFrom(usageOf(this.usage, this.searched));
    const answer = objectIn(bytes.toString('utf8'));
    return answer && usageFrom(usageOf(replaceFigures({}, fieldsOf(answer.usageMetadata)), answer.candidates));
  }

  openingOf(): StreamOpening {
    return this.opening;
  }

  errorAtEnd(): string | undefined {
    return this.error;
  }

  errorEvent({ message, code }: OpenAIErrorBody): string {
    const status = code !== null && GOOGLES_STATUS.test(code) ? code : 'INTERNAL';
    return eventOf({ error: { code: 500, message, status } });
  }

  /** @throws SyntaxError for an event that is not JSON */
  private read(data: string): void {
    // Sent by other servers with this protocol.
    if (data === '[DONE]') return;
    const event = JSON.parse(data) as unknown;
    if (!isObject(event)) throw new SyntaxError('an event is not a JSON object');
    if (event.error !== undefined && event.error !== null) {
      this.error ??= data;
      if (this.opening === 'undecided') this.opening = { error: data };
      return;
    }
    replaceFigures(this.usage, fieldsOf(event.usageMetadata));
    const candidates = listOf(event.candidates).map(fieldsOf);
    if (candidates.some(({ groundingMetadata }) => groundingMetadata !== undefined)) this.searched = candidates;
    const isBlocked = nonEmptyString(fieldsOf(event.promptFeedback).blockReason) !== undefined;
    this.isFinished ||= isBlocked || candidates.some(({ finishReason }) => nonEmptyString(finishReason) !== undefined);
    if (this.opening === 'undecided' && (candidates.length > 0 || isBlocked)) this.opening = 'answer';
  }
}
