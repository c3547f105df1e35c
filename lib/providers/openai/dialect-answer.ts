import { randomUUID } from 'node:crypto';
import { isObject, type Fields } from '../../common/objects.js';
import { NO_EVENTS, StreamEvents } from '../events/event-reader.js';
import { EventsTranslator, eventOf } from '../events/event-translator.js';
import type { AnswerTranslator } from '../protocol.js';
import type { AnswerRules } from './dialect.js';
import { without } from './tools.js';

const DONE = '[DONE]';
const NONE = Buffer.alloc(0);

/**
 * Normalizes answers of OpenAI-compatible providers. Answers that need no change are forwarded
 * unparsed.
 */
export class DialectTranslator extends EventsTranslator implements AnswerTranslator {
  private readonly triggers: readonly string[];
  private readonly choices = new Map<unknown, ChoiceState>();
  private usage: unknown = undefined;
  /** The last event, for the one of the usage. */
  private last: Fields = {};
  private isDone = false;

  constructor(
    private readonly rules: AnswerRules,
    /** Whether usage is taken out of events with content. */
    private readonly movesUsage = false,
  ) {
    super();
    const { finish = {}, reasoning, parts, reasoningApart } = rules;
    const names = Object.keys(finish).map((name) => `"${name}"`);
    this.triggers = [
      '"tool_calls"',
      ...names,
      ...(reasoning === true ? ['"reasoning"'] : []),
      ...(parts === true ? ['"thinking"', '"content":[', '"content": ['] : []),
      ...(reasoningApart === true ? ['"reasoning_tokens"'] : []),
    ];
  }

  whole(answer: Buffer): Buffer {
    if (!this.triggers.some((trigger) => answer.includes(trigger))) return answer;
    const parsed: unknown = JSON.parse(answer.toString('utf8'));
    if (!isObject(parsed) || !Array.isArray(parsed.choices)) return answer;
    const choices = parsed.choices.map((choice: unknown) => (isObject(choice) ? this.choiceOf(choice, 'message') : choice));
    return Buffer.from(JSON.stringify({ ...parsed, choices, ...this.usageOf(parsed) }));
  }

  /** @internal */
  override translateEvents(events: StreamEvents): StreamEvents {
    const passes = !this.movesUsage && this.choices.size === 0;
    if (passes && !this.triggers.some((trigger) => events.bytes.includes(trigger))) return events;
    let written = '';
    for (const data of events.data) written += this.event(data);
    return written === '' ? NO_EVENTS : StreamEvents.of(written);
  }

  end(): Buffer {
    return this.isDone ? NONE : Buffer.from(this.usageEvent());
  }

  private event(data: string): string {
    if (data === DONE) {
      this.isDone = true;
      return `${this.usageEvent()}data: ${DONE}\n\n`;
    }
    const isWanted = this.choices.size > 0 || (this.movesUsage && data.includes('"usage"'));
    if (!isWanted && !this.triggers.some((trigger) => data.includes(trigger))) return `data: ${data}\n\n`;
    const parsed: unknown = JSON.parse(data);
    if (!isObject(parsed)) throw new SyntaxError('an event is not a JSON object');
    if (!Array.isArray(parsed.choices)) return `data: ${data}\n\n`;
    const choices = parsed.choices.map((choice: unknown) => (isObject(choice) ? this.choiceOf(choice, 'delta') : choice));
    const event: Fields = { ...parsed, choices, ...this.usageOf(parsed) };
    if (!this.movesUsage || !isObject(event.usage)) return eventOf(event);
    // Some providers send a running total with each event; the last one counts.
    this.usage = event.usage;
    this.last = parsed;
    return choices.length === 0 ? '' : eventOf(without(event, ['usage']));
  }

  private usageEvent(): string {
    const { usage, last } = this;
    this.usage = undefined;
    return usage === undefined ? '' : eventOf({ ...last, choices: [], usage });
  }

  private choiceOf(choice: Fields, key: 'message' | 'delta'): Fields {
    const { [key]: given } = choice;
    const index = choice.index ?? 0;
    const message = isObject(given) ? this.messageOf(given, index, key === 'delta') : given;
    const reason = this.finishOf(choice.finish_reason, index);
    return { ...choice, [key]: message, ...(reason !== choice.finish_reason && { finish_reason: reason }) };
  }

  private finishOf(given: unknown, index: unknown): unknown {
    if (typeof given !== 'string') return given;
    const { finish = {} } = this.rules;
    const reason = Object.hasOwn(finish, given) ? finish[given] : given;
    return reason === 'stop' && this.choices.get(index)?.hasCalls === true ? 'tool_calls' : reason;
  }

  private messageOf(given: Fields, index: unknown, isStream: boolean): Fields {
    const { rules } = this;
    let message = given;
    if (rules.reasoning === true && message.reasoning !== undefined) {
      const { reasoning, ...rest } = message;
      message = { ...rest, reasoning_content: message.reasoning_content ?? reasoning };
    }
    if (rules.parts === true && Array.isArray(message.content)) message = { ...message, ...textsOf(message.content) };
    if (!Array.isArray(message.tool_calls) || message.tool_calls.length === 0) return message;
    let state = this.choices.get(index);
    if (state === undefined) this.choices.set(index, (state = new ChoiceState()));
    return { ...message, tool_calls: state.callsOf(message.tool_calls, isStream) };
  }

  private usageOf({ usage }: Fields): { readonly usage?: Fields } {
    if (this.rules.reasoningApart !== true || !isObject(usage)) return {};
    const { prompt_tokens: prompt, completion_tokens: completion, total_tokens: total, completion_tokens_details: details } = usage;
    const reasoning = isObject(details) ? details.reasoning_tokens : 0;
    const isApart = Number(prompt) + Number(completion) + Number(reasoning) === total && Number(reasoning) > 0;
    return isApart ? { usage: { ...usage, completion_tokens: Number(completion) + Number(reasoning) } } : {};
  }
}

/** The known tool calls of one choice. */
class ChoiceState {
  hasCalls = false;
  private count = 0;

  /** With an id, a type and, in a stream, an index for each. */
  callsOf(calls: readonly unknown[], isStream: boolean): readonly unknown[] {
    this.hasCalls = true;
    return calls.map((call) => {
      if (!isObject(call)) return call;
      const begins = isObject(call.function) && typeof call.function.name === 'string' && call.function.name !== '';
      const index = typeof call.index === 'number' ? call.index : begins ? this.count : Math.max(this.count - 1, 0);
      if (begins) this.count = Math.max(this.count, index + 1);
      const hasId = typeof call.id === 'string' && call.id !== '';
      const head = begins && { id: hasId ? call.id : `call_${randomUUID()}`, type: call.type ?? 'function' };
      return { ...call, ...head, ...(isStream && { index }) };
    });
  }
}

/** Mistral's and Databricks' lists of texts and thinking, as strings. */
function textsOf(parts: readonly unknown[]): Fields {
  let content = '';
  let reasoning = '';
  for (const part of parts) {
    if (!isObject(part)) continue;
    if (part.type === 'text') content += typeof part.text === 'string' ? part.text : '';
    else reasoning += textIn(part.thinking ?? part.summary ?? part.reasoning);
  }
  return { content: content === '' && reasoning !== '' ? null : content, ...(reasoning !== '' && { reasoning_content: reasoning }) };
}

function textIn(value: unknown): string {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return '';
  return value.map((part: unknown) => (isObject(part) && typeof part.text === 'string' ? part.text : '')).join('');
}
