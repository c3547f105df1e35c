import { TEXT_PLACES } from '../../answer/text-places.js';
import type { TextKind } from '../call-hook.js';
import { withoutTexts } from './other-texts.js';
import {
  indexIn,
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

/** A text of a message or a delta: its place, and how a delta without it gets it. */
interface Place {
  readonly name: string;
  readonly kind: TextKind;
  readonly text: string;
  readonly at: TextPlace;
  readonly isJson?: boolean;
  readonly put: (text: string) => void;
  readonly add: (delta: OwnFields, text: string) => void;
}

const { fields: FIELDS, thinking: THINKING, calls: CALLS } = TEXT_PLACES.chat;

/** OpenAI's chat, with LiteLLM's fields for thinking. */
export const CHAT_TEXTS: TextFormat = {
  whole: (answer) =>
    ownList(answer.choices).flatMap((choice) =>
      placesOf(ownFields(choice.message)).map(({ name, add: _, ...place }) => ({
        ...place,
        part: `${indexIn(choice.index)}:${name}`,
        choice: indexIn(choice.index),
        isLast: true,
      })),
    ),
  stream: () => new ChatTexts(),
};

class ChatTexts implements StreamTexts {
  /** Parts by choice and name. */
  private readonly open = new Map<number, Map<string, Place>>();
  private event: OwnFields = {};

  read(event: OwnFields): EventTexts {
    const { choices, usage } = event;
    this.event = event;
    const list = ownList(choices);
    const read = list.map((choice) => this.readChoice(choice));
    return {
      slots: read.flatMap(({ slots }) => slots),
      isOnlyText: list.length > 0 && (usage ?? undefined) === undefined && read.every(({ isOnlyText }) => isOnlyText),
      isChanged: false,
      before: [],
    };
  }

  rest(): readonly { readonly event: OwnFields; readonly slot: TextSlot }[] {
    return [...this.open].flatMap(([index, parts]) =>
      [...parts.values()].map((place) => {
        const delta: OwnFields = {};
        const event = { ...withoutTexts(this.event), choices: [{ index, delta, finish_reason: null }] };
        return { event, slot: endOf(place, index, delta) };
      }),
    );
  }

  private readChoice(choice: OwnFields): { slots: TextSlot[]; isOnlyText: boolean } {
    const index = indexIn(choice.index);
    if (placesOf(ownFields(choice.message)).some(({ text }) => text !== '')) throw new UnreadableText('a chunk with a whole message');
    const delta = ownFields(choice.delta);
    const places = placesOf(delta);
    const isFinished = typeof choice.finish_reason === 'string';
    let parts = this.open.get(index);
    if (parts === undefined) this.open.set(index, (parts = new Map<string, Place>()));
    for (const place of places) parts.set(place.name, place);
    const slots: TextSlot[] = places.map(({ name, add: _, ...place }, at) => {
      const isLast = isFinished && places.findLastIndex((each) => each.name === name) === at;
      return { ...place, part: `${index}:${name}`, choice: index, isLast };
    });
    if (isFinished) {
      this.open.delete(index);
      choice.delta = delta;
      const silent = [...parts.values()].filter(({ name }) => !places.some((each) => each.name === name));
      slots.push(...silent.map((place) => endOf(place, index, delta)));
    }
    const isOnlyText = !isFinished && Object.keys(delta).length > 0 && Object.keys(delta).every((field) => Object.hasOwn(FIELDS, field));
    return { slots, isOnlyText };
  }
}

function endOf({ name, kind, isJson, add }: Place, index: number, delta: OwnFields): TextSlot {
  return { part: `${index}:${name}`, kind, isJson, choice: index, text: '', isLast: true, put: (text) => text !== '' && add(delta, text) };
}

/** The texts of a message, or of a delta. */
function placesOf(message: OwnFields): Place[] {
  if ((message.audio ?? undefined) !== undefined) throw new UnreadableText('audio');
  return [
    ...Object.entries(FIELDS).flatMap(([field, kind]) => fieldPlaces(message, field, kind)),
    ...thinkingPlaces(message),
    ...callPlaces(message),
  ];
}

function fieldPlaces(message: OwnFields, field: string, kind: TextKind): Place[] {
  const value = message[field] ?? '';
  const add = (delta: OwnFields, text: string): void => void (delta[field] = text);
  if (typeof value === 'string') {
    return value === ''
      ? []
      : [{ name: field, kind, text: value, at: { holder: message, field }, put: (text) => void (message[field] = text), add }];
  }
  if (!Array.isArray(value)) throw new UnreadableText(`${field} that is not text`);
  return ownList(value).flatMap((part) =>
    typeof part.text === 'string'
      ? [{ name: field, kind, text: part.text, at: { holder: part, field: 'text' }, put: (text: string) => void (part.text = text), add }]
      : [],
  );
}

function thinkingPlaces(message: OwnFields): Place[] {
  const add = (delta: OwnFields, text: string): void => void (delta.thinking_blocks = [{ type: 'thinking', thinking: text }]);
  return ownList(message.thinking_blocks).flatMap((block) => {
    const text = block[THINKING];
    if (typeof text !== 'string') return [];
    const put = (given: string): void => void (block[THINKING] = given);
    return [{ name: 'thinking_blocks', kind: 'reasoning', text, at: { holder: block, field: THINKING }, put, add }];
  });
}

function callPlaces(message: OwnFields): Place[] {
  const calls = ownList(message.tool_calls).flatMap((call, at) => {
    const index = typeof call.index === 'number' ? call.index : at;
    return Object.entries(CALLS).flatMap(([inner, field]) =>
      argumentPlaces(call, inner, field, (added) => [{ index, ...added }], `tool_calls.${index}`),
    );
  });
  return [...calls, ...argumentPlaces(message, 'function_call', CALLS.function)];
}

function argumentPlaces(
  holder: OwnFields,
  inner: string,
  field: string,
  listed?: (added: OwnFields) => readonly OwnFields[],
  name: string = inner,
): Place[] {
  const fields = ownFields(holder[inner]);
  const text = fields[field];
  if (typeof text !== 'string' || text === '') return [];
  const add = (delta: OwnFields, given: string): void => {
    const added = { [inner]: { [field]: given } };
    if (listed === undefined) Object.assign(delta, added);
    else delta.tool_calls = [...ownList(delta.tool_calls), ...listed(added)];
  };
  return [
    {
      name,
      kind: 'arguments',
      text,
      at: { holder: fields, field },
      isJson: field === CALLS.function,
      put: (given) => void (fields[field] = given),
      add,
    },
  ];
}
