import type { TextEdit } from './guardrail.js';

import { JsonWindow } from './json-strings.js';

/** How much of a stream a guardrail judges at a time. */
export interface WindowSizes {
  /** New characters before it is asked again; `Infinity`: at the end. */
  readonly windowChars: number;
  /** Characters that are held back, unless the guardrail says how many. */
  readonly overlapChars: number;
  readonly heldBack: ((text: string) => number) | undefined;
}

/** The text that a guardrail judges: context that was released, and what is held. */
export interface Window {
  readonly text: string;
  readonly json: JsonWindow | undefined;
  /** Characters of `text` that were released. */
  readonly context: number;
  readonly isLast: boolean;
}

/** Characters that a finding can hold back before it is released with its edits. */
const MOST_EXTENDED = 64 * 1024;
/** Characters of context even without an overlap: boundaries of words depend on it. */
const LEAST_CONTEXT = 64;

/**
 * The text of one part of a stream on its way through one guardrail:
 *
 *     released …│ context │ held, judged │ new │
 *               └─────────── window ───────────┘
 *
 * A window begins with context, so that a border inside a word does not look like the beginning of
 * one. After the verdict everything is released but what can be the beginning of something longer.
 */
export class TextWindows {
  /** The last text that was released, as it came. */
  private context = '';
  /** Text that was not released yet. */
  private held = '';
  /** Characters of `held` that the guardrail has seen. */
  private judged = 0;
  /** Whether the context begins inside a string of JSON. */
  private isInString = false;

  /** @param isJson whether the text is JSON, whose strings the guardrail reads unescaped */
  constructor(
    private readonly sizes: WindowSizes,
    private readonly isJson: boolean,
  ) {}

  /** Text that is held back. */
  get rest(): string {
    return this.held;
  }

  /** Takes new text. @returns the window to judge; `undefined`: more text has to arrive first */
  take(text: string, isLast: boolean): Window | undefined {
    this.held += text;
    if (this.held === '') return undefined;
    if (!isLast && (text === '' || this.held.length - this.judged < this.sizes.windowChars)) return undefined;
    const all = this.context + this.held;
    const json = this.isJson ? new JsonWindow(all, this.isInString) : undefined;
    return { text: json?.text ?? all, json, context: json?.characterAt(this.context.length) ?? this.context.length, isLast };
  }

  /**
   * Applies a verdict. @returns the text to release
   * @param found edits of the window's text, ascending
   */
  judge({ text, json, isLast }: Window, found: readonly TextEdit[]): string {
    const { held, sizes, context } = this;
    const edits = (json === undefined ? found : json.edits(found, isLast)).flatMap(({ start, end, replacement }) =>
      end > context.length ? [{ start: Math.max(0, start - context.length), end: end - context.length, replacement }] : [],
    );
    this.judged = held.length;
    if (isLast) return this.release(held.length, edits);
    const kept = sizes.heldBack === undefined ? sizes.overlapChars : sizes.heldBack(text);
    const from = json === undefined ? context.length + held.length - kept : json.offsetOf(text.length - kept);
    const wanted = Math.max(0, from - context.length);
    let border = wanted;
    const isOpen = border === held.length && sizes.heldBack === undefined;
    // A finding that reaches the border may go on: it is judged again with what follows.
    for (const { start, end } of edits) if (start < border && (end > border || (isOpen && end === border))) border = start;
    if (wanted - border > MOST_EXTENDED) border = Math.max(wanted, ...edits.flatMap(({ start, end }) => (start < wanted ? [end] : [])));
    else if (json === undefined) border = wholeCharacters(held, border);
    return this.release(
      border,
      edits.filter(({ start }) => start < border),
    );
  }

  private release(border: number, edits: readonly TextEdit[]): string {
    const { sizes, held } = this;
    const passed = held.slice(0, border);
    this.held = held.slice(border);
    this.judged -= border;
    const released = this.context + passed;
    const replacedTo = edits.length === 0 ? 0 : this.context.length + edits[edits.length - 1].end;
    // What was replaced is not found again.
    const cut = Math.max(replacedTo, released.length - Math.max(sizes.overlapChars, LEAST_CONTEXT));
    if (!this.isJson) this.context = cut <= 0 ? released : released.slice(wholeCharacters(released, cut));
    else {
      const json = new JsonWindow(released, this.isInString);
      const at = json.characterAt(Math.max(0, cut));
      this.isInString = json.isInStringAt(at);
      this.context = released.slice(json.offsetOf(at));
    }
    return edited(passed, edits);
  }
}

/** A pair of surrogates is not divided. */
function wholeCharacters(text: string, border: number): number {
  const code = border > 0 && border < text.length ? text.charCodeAt(border - 1) : 0;
  return code >= 0xd800 && code <= 0xdbff ? border - 1 : border;
}

/** The text with its edits. */
export function edited(text: string, edits: readonly TextEdit[]): string {
  let written = '';
  let at = 0;
  for (const { start, end, replacement } of edits) {
    if (start < at) continue;
    written += text.slice(at, start) + replacement;
    at = end;
  }
  return at === 0 && written === '' ? text : written + text.slice(at);
}

/** Characters of a part that two texts have in common. */
const ANCHOR = 16;

/**
 * Edits that turn one text into another. They end where a part begins that occurs once in both
 * texts: what occurs elsewhere, too, can be a coincidence.
 */
export function editsBetween(before: string, after: string): readonly TextEdit[] {
  if (before === after) return [];
  const most = Math.min(before.length, after.length);
  let rest = 0;
  while (rest < most && before[before.length - 1 - rest] === after[after.length - 1 - rest]) rest++;
  const [beforeEnd, afterEnd] = [before.length - rest, after.length - rest];
  const [ofBefore, ofAfter] = [anchorsOf(before), anchorsOf(after)];
  const edits: TextEdit[] = [];
  for (let at = 0, to = 0; at < beforeEnd || to < afterEnd;) {
    if (at < beforeEnd && to < afterEnd && before[at] === after[to]) {
      at++;
      to++;
      continue;
    }
    let [nextAt, nextTo] = [beforeEnd, afterEnd];
    for (let each = to; each + ANCHOR <= afterEnd; each++) {
      const anchor = after.slice(each, each + ANCHOR);
      const found = ofAfter.get(anchor) === each ? (ofBefore.get(anchor) ?? REPEATED) : REPEATED;
      if (found < at) continue;
      [nextAt, nextTo] = [found, each];
      break;
    }
    edits.push({ start: at, end: nextAt, replacement: after.slice(to, nextTo) });
    [at, to] = [nextAt, nextTo];
  }
  return edits;
}

const REPEATED = -1;

/** Where each part of a text is; `REPEATED` if it occurs more than once. */
function anchorsOf(text: string): ReadonlyMap<string, number> {
  const places = new Map<string, number>();
  for (let at = 0; at + ANCHOR <= text.length; at++) {
    const anchor = text.slice(at, at + ANCHOR);
    places.set(anchor, places.has(anchor) ? REPEATED : at);
  }
  return places;
}
