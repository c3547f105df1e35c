import { objectIn } from '../../common/objects.js';
import { eventOf } from '../../providers/events/event-translator.js';
import { dataOf } from '../../providers/events/event-reader.js';
import { frozen } from './answer-view.js';
import { HookFault } from './installed-hook.js';
import type { RunningCall } from './running-call.js';
import { OtherTexts } from './text/other-texts.js';
import { guardToolName, toolNamesIn, type ToolName } from './tool-names.js';
import { UnreadableText, type EventTexts, type OwnFields, type StreamTexts, type TextFormat, type TextSlot } from './text/text-format.js';
import { TextGuard } from './text/text-guard.js';

type Soon<T> = T | Promise<T>;

const DONE = '[DONE]';
/** Texts that a stream may have open; each is kept until its end. */
const MOST_PARTS = 4_096;
const EVENT_NAME = /^event: ?(.*)$/m;
/** An event without a comment, or a field that a client may show. */
const PLAIN = /^(?:event: ?[\w.]+\r?\n)?data:[^\n]*$/;
const PLAIN_NAME = /^[\w.]*$/;

/** Passes the events of one stream through the hooks of its call. */
export class EventGuard {
  private texts: StreamTexts | undefined;
  private readonly others: OtherTexts;
  private readonly guard: TextGuard;
  private readonly isObserved: boolean;
  /** Events that were added, less those that were left out. */
  private shift = 0;
  /** Whether an event with a text was passed. */
  hasPassedText = false;
  /** Whether a hook reads the names of tools. */
  private readonly readsTools: boolean;
  /** The provider's number of the last event, in the API that numbers them. */
  private sequence: unknown = undefined;

  /** @param format `undefined`: the events have no text of a model */
  constructor(
    private readonly call: RunningCall,
    format: TextFormat | undefined,
    maxChars: number,
    echoed: ReadonlySet<string> = new Set(),
  ) {
    this.others = new OtherTexts(echoed);
    this.texts = call.with('onText').length === 0 ? undefined : format?.stream(maxChars);
    this.guard = new TextGuard(call, maxChars);
    this.isObserved = call.with('onEvent').length > 0;
    this.readsTools = call.with('onToolName').length > 0;
  }

  /**
   * Returns the bytes for the client: unchanged if no hook changes the event, or none.
   * @param raw without its empty line
   * @throws CallDeniedError, CallHookFailedError
   */
  pass(raw: string): Soon<string> {
    const data = dataOf(raw);
    const { texts } = this;
    // Keeps the comment without its text, because it keeps the connection alive.
    if (data === undefined) return texts === undefined ? `${raw}\n\n` : ':\n\n';
    if (data === DONE) return after(this.rest(), (rest) => `${rest}${texts === undefined ? raw : `data: ${DONE}`}\n\n`);
    const event = objectIn(data);
    if (event === undefined) return this.unread(raw, 'an event that is not a JSON object');
    if (texts === undefined) return this.unchanged(raw, event);
    const names = this.readsTools ? toolNamesIn(event) : [];
    return names.length === 0 ? this.passTexts(raw, event, texts) : this.passTools(names, () => this.passTexts(raw, event, texts));
  }

  private async passTools(names: readonly ToolName[], next: () => Soon<string>): Promise<string> {
    for (const name of names) for (const hook of this.call.with('onToolName')) await guardToolName(hook, this.call, name);
    return next();
  }

  private passTexts(raw: string, event: OwnFields, texts: StreamTexts): Soon<string> {
    let found: FoundTexts;
    try {
      found = this.readTexts(texts, event, !PLAIN.test(raw));
    } catch (error) {
      if (error instanceof UnreadableText) return this.unread(raw, error.message);
      throw error;
    }
    const { slots, before, isOnlyText } = found;
    if (this.guard.openParts + slots.filter(({ isLast }) => !isLast).length > MOST_PARTS) {
      this.texts = undefined;
      return this.unread(raw, `a stream with more than ${MOST_PARTS} concurrent texts`);
    }
    if (slots.length === 0 && !found.isChanged) return this.unchanged(raw, event);
    return after(this.fill(slots, 0, { isChanged: found.isChanged, hasText: false }), ({ isChanged, hasText }) => {
      this.hasPassedText ||= hasText;
      const isLeftOut = isOnlyText && !hasText && slots.some(({ text }) => text !== '');
      if (!isLeftOut && !isChanged && before.every(({ length }) => length === 0)) return this.unchanged(raw, event);
      const events = isLeftOut ? before.flat() : [...before.flat(), event];
      const { sequence_number: number } = event;
      const written = events.map((each, at) => this.write(numbered(each, number, this.shift + at), nameOf(raw, each)));
      this.shift += events.length - 1;
      this.sequence = number;
      return written.join('');
    });
  }

  private readTexts(texts: StreamTexts, event: OwnFields, isChanged: boolean): FoundTexts {
    const known = texts.read(event);
    const claimed = [...known.slots.flatMap(({ at }) => at ?? []), ...(known.repeated ?? [])];
    const others = this.others.read(event, claimed);
    return {
      slots: [...known.slots, ...others.slots],
      isOnlyText: known.isOnlyText,
      isChanged: known.isChanged || others.isChanged || isChanged,
      before: [known.before, others.before],
    };
  }

  /** The texts that a stream without an end has left, as events. */
  rest(): Soon<string> {
    const rest = this.texts === undefined ? [] : [...this.texts.rest(), ...this.others.rest()];
    const next = (at: number, written: string): Soon<string> => {
      if (at === rest.length) return written;
      const { event, slot } = rest[at];
      return after(this.fill([slot], 0, { isChanged: false, hasText: false }), ({ hasText }) => {
        if (!hasText) return next(at + 1, written);
        this.shift++;
        const name = typeof event.type === 'string' ? event.type : undefined;
        return next(at + 1, written + this.write(numbered(event, this.sequence, this.shift), name));
      });
    };
    return next(0, '');
  }

  private fill(slots: readonly TextSlot[], first: number, filled: Filled): Soon<Filled> {
    let { isChanged, hasText } = filled;
    for (let at = first; at < slots.length; at++) {
      const slot = slots[at];
      const put = (text: string): Filled => {
        this.put(slot, text);
        return { isChanged: isChanged || text !== slot.text, hasText: hasText || text !== '' };
      };
      const text = this.guard.next(slot);
      if (text instanceof Promise) return text.then((passed) => this.fill(slots, at + 1, put(passed)));
      ({ isChanged, hasText } = put(text));
    }
    return { isChanged, hasText };
  }

  private put(slot: TextSlot, text: string): void {
    try {
      slot.put(text);
    } catch (error) {
      this.refuse(error instanceof UnreadableText ? error.message : 'a text in an unexpected field');
    }
  }

  /** The same bytes, unless events before it were added or left out. */
  private unchanged(raw: string, event: OwnFields): string {
    this.sequence = event.sequence_number;
    if (this.shift !== 0 && typeof this.sequence === 'number')
      return this.write(numbered(event, this.sequence, this.shift), nameOf(raw, event));
    this.observe(event);
    return `${raw}\n\n`;
  }

  private write(event: OwnFields, name: string | undefined): string {
    const written = eventOf(event, name);
    this.observe(event);
    return written;
  }

  private observe(event: OwnFields): void {
    if (!this.isObserved) return;
    frozen(event);
    this.call.observe('onEvent', (hook) => hook.onEvent?.(this.call.view, event));
  }

  /** @throws CallHookFailedError if a hook that has to read it fails closed */
  private unread(raw: string, reason: string): string {
    this.refuse(reason);
    return `${raw}\n\n`;
  }

  /** @throws CallHookFailedError unless all hooks that guard texts fail open */
  private refuse(reason: string): void {
    for (const hook of this.call.with('onText')) hook.unguarded('onText', new HookFault(`cannot read ${reason}`), undefined);
  }
}

/** The texts of an event, of its format and others. */
interface FoundTexts extends Omit<EventTexts, 'before' | 'repeated'> {
  readonly before: readonly (readonly OwnFields[])[];
}

interface Filled {
  readonly isChanged: boolean;
  readonly hasText: boolean;
}

function numbered(event: OwnFields, number: unknown, shift: number): OwnFields {
  if (typeof number === 'number' && event.sequence_number !== undefined) event.sequence_number = number + shift;
  return event;
}

function after<T, R>(value: Soon<T>, next: (value: T) => Soon<R>): Soon<R> {
  return value instanceof Promise ? value.then(next) : next(value);
}

/** An event that was added has the name of its own type. */
function nameOf(raw: string, { type }: OwnFields): string | undefined {
  const [, name] = EVENT_NAME.exec(raw) ?? [];
  const given = typeof type === 'string' ? type : name?.trim();
  return name === undefined || !PLAIN_NAME.test(given ?? '') ? undefined : given;
}
