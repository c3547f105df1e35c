import { type Fields, fieldsOf, jsonIn, listOf, stringIn } from '../../common/objects.js';
import type { OpenAIErrorBody } from '../../common/provider-error.js';
import type { StreamEvents } from '../../providers/events/event-reader.js';
import { eventOf } from '../../providers/events/event-translator.js';
import type { ThinkingBlock } from '../../providers/openai/chat-types.js';
import { isError } from '../../providers/openai/errors.js';
import { errorIn, textOf, UNFINISHED_STREAM, UNREADABLE_EVENT } from '../chat-answers.js';
import { answerHead, callPart, finishOf, mediaParts, thoughtPart, usageOf, type AnswerContext, type Part } from './answer.js';
import { googleError } from './errors.js';

const DONE = '[DONE]';
/** Calls of a choice; each is kept until it is complete. */
const MOST_CALLS = 10_000;
const MOST_CHOICES = 128;
/** Characters of the arguments of all calls. */
const MOST_CHARACTERS = 8 * 1024 * 1024;

/** A call while its arguments arrive. */
interface OpenCall {
  id: string;
  name: string;
  json: string;
}

/** One choice of a chat. */
interface Choice {
  readonly calls: Map<unknown, OpenCall>;
  lastCall: OpenCall | undefined;
  finish: unknown;
  isRefused: boolean;
}

/** Converts the events of one chat to those of `:streamGenerateContent`. */
export class ContentEvents {
  private readonly choices = new Map<number, Choice>();
  private head: Fields;
  private usage: unknown = undefined;
  private characters = 0;
  private isOver = false;

  constructor(private readonly context: AnswerContext) {
    this.head = answerHead({}, context);
  }

  events(chat: StreamEvents): string {
    let written = '';
    for (const data of chat.data) if (!this.isOver) written += this.read(data);
    return written;
  }

  /** Without `[DONE]` and without a finish reason the stream was cut. */
  end(): string {
    if (this.isOver) return '';
    const isFinished = this.choices.size > 0 && [...this.choices.values()].every(({ finish }) => finish !== undefined);
    return isFinished ? this.ended() : this.failed(UNFINISHED_STREAM, 500);
  }

  error(error: OpenAIErrorBody, status: number): string {
    return this.isOver ? '' : this.failed(error, status);
  }

  private read(data: string): string {
    if (data === DONE) return this.ended();
    const json = jsonIn(data);
    if (json === undefined) return this.failed(UNREADABLE_EVENT, 502);
    const event = fieldsOf(json);
    if (isError(event.error)) {
      const error = errorIn(event.error);
      const status = Number(error.code);
      return this.failed(error, status >= 400 && status < 600 ? status : 500);
    }
    return this.event(event);
  }

  private event(event: Fields): string {
    if (typeof event.usage === 'object' && event.usage !== null) this.usage = event.usage;
    const choices = listOf(event.choices);
    if (choices.length === 0) return '';
    this.head = answerHead(event, this.context);
    const candidates = choices.flatMap((each, at) => {
      const choice = fieldsOf(each);
      const index = typeof choice.index === 'number' ? choice.index : at;
      const parts = this.partsOf(this.choiceAt(index), choice);
      return parts.length === 0 ? [] : [{ content: { parts, role: 'model' }, index }];
    });
    return candidates.length === 0 ? '' : eventOf({ candidates, ...this.head });
  }

  /** @throws RangeError for more choices than an answer has */
  private choiceAt(index: number): Choice {
    const known = this.choices.get(index);
    if (known !== undefined) return known;
    if (this.choices.size >= MOST_CHOICES) throw new RangeError(`an answer must have at most ${MOST_CHOICES} candidates`);
    const choice: Choice = { calls: new Map(), lastCall: undefined, finish: undefined, isRefused: false };
    this.choices.set(index, choice);
    return choice;
  }

  private partsOf(choice: Choice, { delta: given, finish_reason: finish }: Fields): readonly Part[] {
    choice.finish = finish ?? choice.finish;
    const delta = fieldsOf(given);
    const refusal = textOf(delta.refusal);
    choice.isRefused ||= refusal !== '';
    for (const call of listOf(delta.tool_calls)) this.addCall(choice, fieldsOf(call));
    const blocks = listOf(delta.thinking_blocks).map((block) => fieldsOf(block) as unknown as ThinkingBlock);
    const thought = textOf(delta.reasoning_content) || textOf(delta.reasoning);
    // Both can contain the same text; only the blocks show where each one ends.
    const isInBlocks = blocks.some(({ thinking = '' }) => thinking !== '');
    return [
      ...(isInBlocks || thought === '' ? [] : [{ text: thought, thought: true }]),
      ...blocks.map(thoughtPart).filter(({ text, thoughtSignature }) => text !== '' || thoughtSignature !== undefined),
      ...[textOf(delta.content), refusal].filter((text) => text !== '').map((text) => ({ text })),
      ...mediaParts(delta),
    ];
  }

  /** Google's calls are whole: they are written at the end. Some providers give no index. */
  private addCall(choice: Choice, { index, id, function: given }: Fields): void {
    const called = fieldsOf(given);
    const [ownId, name, json] = [stringIn(id), stringIn(called.name), stringIn(called.arguments)];
    const key = index ?? (ownId === '' ? undefined : ownId);
    let call = key === undefined ? choice.lastCall : choice.calls.get(key);
    if (call === undefined || (ownId !== '' && call.id !== '' && call.id !== ownId)) {
      if (choice.calls.size >= MOST_CALLS) throw new RangeError(`an answer must have at most ${MOST_CALLS} function calls`);
      call = { id: '', name: '', json: '' };
      // Parallel calls with the same index: the earlier one keeps its position.
      const before = choice.calls.get(key);
      if (before !== undefined) choice.calls.set({}, before);
      choice.calls.delete(key);
      choice.calls.set(key ?? call, call);
    }
    call.id ||= ownId;
    call.name ||= name;
    call.json += json;
    choice.lastCall = call;
    this.characters += json.length;
    if (this.characters > MOST_CHARACTERS)
      throw new RangeError(`the function calls of an answer must have at most ${MOST_CHARACTERS} characters`);
  }

  /** The last event: it waits for the chat's end, because usage may follow the finish reason. */
  private ended(): string {
    this.isOver = true;
    const candidates = [...this.choices].map(([index, { calls, finish, isRefused }]) => {
      const parts = [...calls.values()].map(({ id, name, json }) => callPart({ id, function: { name, arguments: json } }));
      const found = parts.filter((part) => part !== undefined);
      const ending = { finish, hasCalls: found.length > 0, isRefused };
      // In Google's answers, a last event without a part has an empty text.
      const content = { parts: found.length === 0 ? [{ text: '' }] : found, role: 'model' };
      return { content, finishReason: finishOf(ending), index };
    });
    return eventOf({ candidates, usageMetadata: usageOf(this.usage), ...this.head });
  }

  private failed(error: OpenAIErrorBody, status: number): string {
    this.isOver = true;
    return eventOf(googleError(status, error));
  }
}
