import type { TextKind } from '../call-hook.js';

/** JSON that belongs to the reader, which changes it in place. */
export type OwnFields = Record<string, unknown>;

/** Location of a text. */
export interface TextPlace {
  readonly holder: object;
  readonly field: string;
}

/** A text in an answer, or the part that an event of a stream adds. */
export interface TextSlot {
  /** The part of the answer it belongs to. Parts begin and end by themselves. */
  readonly part: string;
  readonly kind: TextKind;
  /** The answer among several (`n`), from 0. */
  readonly choice: number;
  /** May be empty where the part only ends. */
  readonly text: string;
  /** Whether the part ends with it. */
  readonly isLast: boolean;
  /** Whether it is, or continues, a text of JSON. */
  readonly isJson?: boolean;
  /** Absent if the answer, or the event, does not have it yet. */
  readonly at?: TextPlace;
  /** Puts another text in its place. */
  readonly put: (text: string) => void;
}

/** The texts of one event. */
export interface EventTexts {
  readonly slots: readonly TextSlot[];
  /** Whether the event says nothing without its texts. */
  readonly isOnlyText: boolean;
  /** Whether it was already changed as a repetition of another text. */
  readonly isChanged: boolean;
  /** Texts that hooks have checked, besides those of the slots. */
  readonly repeated?: readonly TextPlace[];
  /** Events to write before it, which `put` may add. */
  readonly before: OwnFields[];
}

/** Finds the texts of one stream. */
export interface StreamTexts {
  /** @throws UnreadableText for an event that may have texts in another form */
  read(event: OwnFields): EventTexts;
  /** The parts that a stream left open, each with an event to write if it gets a text. */
  rest(): readonly { readonly event: OwnFields; readonly slot: TextSlot }[];
}

/** Finds the texts that a model generated, in the answers of one API. */
export interface TextFormat {
  /** @throws UnreadableText for an answer that has texts in another form */
  whole(answer: OwnFields): readonly TextSlot[];
  /** @param maxChars that it may keep of the stream's texts */
  stream(maxChars: number): StreamTexts;
}

/** An answer contains text in a form that no hook can read. */
export class UnreadableText extends Error {}

export const NO_TEXTS: EventTexts = { slots: [], isOnlyText: false, isChanged: false, before: [] };

/** The object itself, to be changed; anything else counts as an empty one. */
export function ownFields(value: unknown): OwnFields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as OwnFields) : {};
}

/** The entries of a list that are objects; anything else has none. */
export function ownList(value: unknown): readonly OwnFields[] {
  return Array.isArray(value) ? value.filter((each): each is OwnFields => typeof each === 'object' && each !== null) : [];
}

export function indexIn(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}
