import { TEXT_PLACES } from '../../answer/text-places.js';
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
  type TextSlot,
} from './text-format.js';

const { text: TEXT, call: CALL, args: ARGS } = TEXT_PLACES.generateContent;
type Kind = 'content' | 'reasoning';

/** Google's `:generateContent`. Its calls are whole, also in a stream. */
export const CONTENT_TEXTS: TextFormat = {
  whole: (answer) =>
    ownList(answer.candidates).flatMap((candidate, at) => {
      const choice = choiceOf(candidate, at);
      return partsIn(candidate).flatMap((part, place) => [
        ...textSlots(part, choice, `${choice}:${place}`, true),
        ...callSlots(part, choice, `${choice}:${place}`),
      ]);
    }),
  stream: () => new ContentTexts(),
};

/** The texts of a candidate follow each other: its thoughts, and its answer. */
class ContentTexts implements StreamTexts {
  private readonly open = new Map<number, Set<Kind>>();
  private calls = 0;

  read(event: OwnFields): EventTexts {
    const candidates = ownList(event.candidates);
    if (candidates.length === 0) return NO_TEXTS;
    const read = candidates.map((candidate, at) => this.readCandidate(candidate, choiceOf(candidate, at)));
    return {
      slots: read.flatMap(({ slots }) => slots),
      isOnlyText: event.usageMetadata === undefined && read.every(({ isOnlyText }) => isOnlyText),
      isChanged: false,
      before: [],
    };
  }

  rest(): readonly { readonly event: OwnFields; readonly slot: TextSlot }[] {
    return [...this.open].flatMap(([choice, kinds]) =>
      [...kinds].map((kind) => {
        const part = newPart(kind);
        const event = { candidates: [{ content: { parts: [part], role: 'model' }, index: choice }] };
        return { event, slot: endOf(kind, choice, (text) => void (part[TEXT] = text)) };
      }),
    );
  }

  private readCandidate(candidate: OwnFields, choice: number): { slots: TextSlot[]; isOnlyText: boolean } {
    const parts = partsIn(candidate);
    const isFinished = typeof candidate.finishReason === 'string';
    let kinds = this.open.get(choice);
    if (kinds === undefined) this.open.set(choice, (kinds = new Set<Kind>()));
    const slots: TextSlot[] = [];
    for (const part of parts) {
      const [slot] = textSlots(part, choice, '', false);
      if (slot !== undefined) {
        kinds.add(slot.kind as Kind);
        slots.push({ ...slot, part: `${choice}:${slot.kind}` });
      }
      slots.push(...callSlots(part, choice, `${choice}:call:${this.calls}`));
      if (part[CALL] !== undefined) this.calls++;
    }
    if (isFinished) {
      this.open.delete(choice);
      for (const kind of kinds) slots.push(endOf(kind, choice, (text) => append(candidate, kind, text)));
    }
    const isOnlyText =
      !isFinished && parts.length > 0 && parts.every((part) => Object.keys(part).every((name) => name === TEXT || name === 'thought'));
    return { slots, isOnlyText };
  }
}

function choiceOf(candidate: OwnFields, at: number): number {
  return typeof candidate.index === 'number' ? candidate.index : indexIn(at);
}

function partsIn(candidate: OwnFields): readonly OwnFields[] {
  const { parts } = ownFields(candidate.content);
  if (parts !== undefined && !Array.isArray(parts)) throw new UnreadableText('parts that are not a list');
  const found = ownList(parts);
  if (found.some((part) => isSound(ownFields(part.inlineData)))) throw new UnreadableText('audio');
  return found;
}

function isSound({ mimeType }: OwnFields): boolean {
  return typeof mimeType === 'string' && mimeType.startsWith('audio/');
}

function textSlots(part: OwnFields, choice: number, name: string, isLast: boolean): TextSlot[] {
  const text = part[TEXT];
  if (text === undefined) return [];
  if (typeof text !== 'string') throw new UnreadableText('a text that is not a string');
  if (text === '') return [];
  const kind: Kind = part.thought === true ? 'reasoning' : 'content';
  const put = (given: string): void => void (part[TEXT] = given);
  return [{ part: name, kind, choice, text, isLast, at: { holder: part, field: TEXT }, put }];
}

function callSlots(part: OwnFields, choice: number, name: string): TextSlot[] {
  const call = ownFields(part[CALL]);
  if (call[ARGS] === undefined) return [];
  const text = JSON.stringify(call[ARGS]);
  if (text === '{}') return [];
  const put = (given: string): void => {
    if (given === text) return;
    try {
      call[ARGS] = JSON.parse(given) as unknown;
    } catch {
      throw new UnreadableText('arguments that are not JSON');
    }
  };
  return [{ part: `${name}:${ARGS}`, kind: 'arguments', choice, text, isLast: true, isJson: true, at: { holder: call, field: ARGS }, put }];
}

function newPart(kind: Kind): OwnFields {
  return kind === 'reasoning' ? { [TEXT]: '', thought: true } : { [TEXT]: '' };
}

function endOf(kind: Kind, choice: number, put: (text: string) => void): TextSlot {
  return { part: `${choice}:${kind}`, kind, choice, text: '', isLast: true, put: (text) => text !== '' && put(text) };
}

/** Adds the text that a hook has held back to the end of a candidate. */
function append(candidate: OwnFields, kind: Kind, text: string): void {
  const content = ownFields(candidate.content);
  const parts = ownList(content.parts);
  candidate.content = { role: 'model', ...content, parts: [...parts, { ...newPart(kind), [TEXT]: text }] };
}
