import { TEXT_PLACES } from '../../answer/text-places.js';
import type { TextKind } from '../call-hook.js';
import { withoutTexts } from './other-texts.js';
import {
  indexIn,
  NO_TEXTS,
  ownFields,
  ownList,
  UnreadableText,
  type EventTexts,
  type OwnFields,
  type StreamTexts,
  type TextFormat,
  type TextPlace,
  type TextSlot,
} from './text-format.js';

/** A text of an output item. */
interface ItemText {
  readonly at: TextPlace;
  readonly part: string;
  readonly kind: TextKind;
  readonly isJson: boolean;
  readonly text: string;
  readonly put: (text: string) => void;
}

const { whole: WHOLE_FIELDS, delta: DELTA } = TEXT_PLACES.responses;
type FieldAndEvents = readonly [field: string, events: string];
const OF_ITEMS: Readonly<Record<string, FieldAndEvents>> = TEXT_PLACES.responses.items;
const OUTPUT_TEXT: FieldAndEvents = ['text', 'response.output_text'];
const OF_PARTS: Readonly<Record<string, FieldAndEvents>> = TEXT_PLACES.responses.parts;

/** OpenAI's Responses. */
export const RESPONSE_TEXTS: TextFormat = {
  whole: (answer) =>
    ownList(answer.output).flatMap((item, at) => itemTexts(item, at).map((text) => ({ ...text, choice: 0, isLast: true }))),
  stream: (maxChars) => new ResponseTexts(maxChars),
};

/**
 * Guards streams of Responses, whose events repeat whole texts when a part, an item and the
 * response are done.
 */
class ResponseTexts implements StreamTexts {
  /** Text of each part that the client has received. */
  private readonly released = new Map<string, string>();
  private readonly open = new Map<string, OwnFields>();
  private chars = 0;

  constructor(private readonly maxChars: number) {}

  read(event: OwnFields): EventTexts {
    const type = String(event.type);
    const index = indexIn(event.output_index);
    if (type.endsWith('.delta')) return this.delta(event, type.slice(0, -'.delta'.length));
    if (type === 'response.output_item.added') return cleared(itemTexts(ownFields(event.item), index));
    if (type === 'response.output_item.done') return this.repeated(itemTexts(ownFields(event.item), index));
    if (/^response\.(?:content|reasoning_summary)_part\.(?:added|done)$/.test(type)) {
      const texts = partTexts(ownFields(event.part), placeOf(event), type.includes('summary'));
      return type.endsWith('.added') ? cleared(texts) : this.repeated(texts);
    }
    if (type.endsWith('.done')) return this.done(event, type.slice(0, -'.done'.length));
    const output = ownList(ownFields(event.response).output);
    return output.length === 0 ? NO_TEXTS : this.repeated(output.flatMap(itemTexts));
  }

  rest(): readonly { readonly event: OwnFields; readonly slot: TextSlot }[] {
    return [...this.open].map(([part, last]) => {
      const event: OwnFields = { ...withoutTexts(last), [DELTA]: '' };
      return { event, slot: this.slot(part, '', true, (text) => void (event[DELTA] = text)) };
    });
  }

  private delta(event: OwnFields, base: string): EventTexts {
    if (base === 'response.audio') throw new UnreadableText('audio');
    const delta = event[DELTA];
    if (typeof delta !== 'string') return NO_TEXTS;
    const part = `${placeOf(event)}:${base}`;
    this.open.set(part, event);
    const slot = this.slot(part, delta, false, (text) => void (event[DELTA] = text));
    return { slots: [{ ...slot, at: { holder: event, field: DELTA } }], isOnlyText: true, isChanged: false, before: [] };
  }

  private done(event: OwnFields, base: string): EventTexts {
    const field = WHOLE_FIELDS.find((name) => typeof event[name] === 'string');
    const part = `${placeOf(event)}:${base}`;
    const last = this.open.get(part);
    this.open.delete(part);
    const at = { holder: event, field: field ?? 'text' };
    if (last === undefined) {
      if (field === undefined) return NO_TEXTS;
      const slot = this.slot(part, event[field] as string, true, (text) => void (event[field] = text));
      return { ...NO_TEXTS, slots: [{ ...slot, at }] };
    }
    const before: OwnFields[] = [];
    const slot = this.slot(part, '', true, (text) => {
      if (text !== '') before.push({ ...withoutTexts(last), [DELTA]: text });
      if (field !== undefined) event[field] = this.released.get(part) ?? '';
    });
    return { slots: [slot], isOnlyText: false, isChanged: true, repeated: field === undefined ? [] : [at], before };
  }

  /** Texts that the client has got already; others are guarded like new ones. */
  private repeated(texts: readonly ItemText[]): EventTexts {
    const slots: TextSlot[] = [];
    for (const { part, text, at, put } of texts) {
      const released = this.released.get(part);
      if (released === undefined) slots.push({ ...this.slot(part, text, true, put), at });
      else put(released);
    }
    return { slots, isOnlyText: false, isChanged: texts.length > 0, repeated: texts.map(({ at }) => at), before: [] };
  }

  private slot(part: string, text: string, isLast: boolean, put: (text: string) => void): TextSlot {
    const kept = (given: string): void => {
      this.chars += given.length;
      if (this.chars > this.maxChars) throw new UnreadableText(`more than ${this.maxChars} characters`);
      this.released.set(part, (this.released.get(part) ?? '') + given);
      put(given);
    };
    return { part, kind: kindOf(part), isJson: isJson(part), choice: 0, text, isLast, put: kept };
  }
}

function placeOf({ output_index: output, content_index: content, summary_index: summary }: OwnFields): string {
  return `${indexIn(output)}:${typeof summary === 'number' ? `s${summary}` : typeof content === 'number' ? content : ''}`;
}

/** An item that begins has no text: its deltas bring it. */
function cleared(texts: readonly ItemText[]): EventTexts {
  for (const { put } of texts) put('');
  return { ...NO_TEXTS, isChanged: texts.length > 0 };
}

function itemTexts(item: OwnFields, at: number): ItemText[] {
  const type = String(item.type);
  const own = Object.hasOwn(OF_ITEMS, type) ? OF_ITEMS[type] : undefined;
  const ofItem = own === undefined ? [] : textIn(item, own[0], `${at}::${own[1]}`);
  const ofContent = ownList(item.content).flatMap((part, index) => partTexts(part, `${at}:${index}`, false));
  const ofSummary = ownList(item.summary).flatMap((part, index) => partTexts(part, `${at}:s${index}`, true));
  return [...ofItem, ...ofContent, ...ofSummary];
}

function partTexts(part: OwnFields, place: string, isSummary: boolean): ItemText[] {
  const { type } = part;
  if (type === 'output_audio') throw new UnreadableText('audio');
  if (isSummary && type !== 'refusal') return textIn(part, 'text', `${place}:response.reasoning_summary_text`);
  const [field, events] = Object.hasOwn(OF_PARTS, String(type)) ? OF_PARTS[String(type)] : OUTPUT_TEXT;
  return textIn(part, field, `${place}:${events}`);
}

function textIn(fields: OwnFields, name: string, part: string): ItemText[] {
  const text = fields[name];
  if (typeof text !== 'string' || text === '') return [];
  const put = (given: string): void => {
    if (given !== text) fields[name] = given;
  };
  return [{ part, kind: kindOf(part), isJson: isJson(part), text, at: { holder: fields, field: name }, put }];
}

function kindOf(part: string): TextKind {
  if (part.endsWith('refusal')) return 'refusal';
  if (part.includes('reasoning')) return 'reasoning';
  if (/output_text$|transcript$/.test(part)) return 'content';
  return /_(?:arguments|input|code)$/.test(part) ? 'arguments' : 'other';
}

function isJson(part: string): boolean {
  return part.endsWith('_arguments');
}
