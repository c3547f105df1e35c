import { isLater, normalize } from './normalize.js';

/** Unicode's normalization forms that tokenizers use. */
export type Form = 'NFC' | 'NFKC';

/** The mark of the highest class: what it changes its place with has a class. */
const LAST = '\u0345';
/** No mark is below. */
const FIRST_MARK = 0x300;
/** Marks of each class behind a character that may compose with it: more than any takes. */
const COMPOSING = 16;
/** Marks that are looked at in a step: well below a millisecond. */
const MARKS_PER_STEP = 1 << 13;
/** Units that become text in one call. */
const UNITS_AT_ONCE = 1 << 13;

/** A combining class; there are some fifty. `normalize` tells which of two marks has the higher. */
interface MarkClass {
  readonly example: string;
}

/** The lowest first. */
const classes: MarkClass[] = [];
const MARK = /^\p{M}/u;
const UNKNOWN = 0;
const NO_MARK = 1;

/** What is known of the characters that start with a mark in a normalization form. */
class Marks {
  /** By code point: `UNKNOWN`, `NO_MARK`, or 2 and more for an index of `found`. */
  private kinds: Uint8Array | undefined;
  private readonly found: (MarkClass | undefined)[] = [undefined, undefined];
  private readonly decomposedMarks = new Map<number, string>();

  constructor(private readonly form: 'NFD' | 'NFKD') {}

  /** Whether what is before a character may change its place: it is a mark, or starts with one. */
  isMark(point: number): boolean {
    return point >= FIRST_MARK && this.kindOf(point) > NO_MARK;
  }

  /** The class of a mark that does not decompose; of another, that of its first one. */
  classOf(point: number): MarkClass {
    return this.found[this.kindOf(point)] as MarkClass;
  }

  /** What a mark decomposes to, if it does; there are some sixty. */
  decomposed(point: number): string | undefined {
    this.kindOf(point);
    return this.decomposedMarks.size === 0 ? undefined : this.decomposedMarks.get(point);
  }

  private kindOf(point: number): number {
    this.kinds ??= new Uint8Array(0x11_0000);
    if (this.kinds[point] === UNKNOWN) this.kinds[point] = this.findKind(point);
    return this.kinds[point];
  }

  private findKind(point: number): number {
    if (isLater(point)) return NO_MARK;
    const character = String.fromCodePoint(point);
    const decomposed = character.normalize(this.form);
    const found = MARK.test(decomposed) ? findClass(String.fromCodePoint(pointAt(decomposed, 0))) : undefined;
    if (found === undefined) return NO_MARK;
    if (decomposed !== character) this.decomposedMarks.set(point, decomposed);
    const known = this.found.indexOf(found);
    return known > 0 ? known : this.found.push(found) - 1;
  }
}

const canonical = new Marks('NFD');
const compatible = new Marks('NFKD');

export function marksOf(form: Form): Marks {
  return form === 'NFC' ? canonical : compatible;
}

/** A run of marks. */
interface Run {
  readonly start: number;
  /** What is before it and may compose with it. */
  readonly head: string;
  readonly form: Form;
}

/**
 * Normalizes a long run of marks and what is before it, in steps, and adds the parts of the result
 * to `parts`. Returns the end of the run. `normalize` would take a minute for 600 KB of marks of
 * alternating classes, because it sorts them by insertion.
 */
export function* normalizingMarks(text: string, { start, head, form }: Run, parts: string[]): Generator<undefined, number> {
  const marks = marksOf(form);
  const byClass = new Map<MarkClass, MarkList>();
  let left = MARKS_PER_STEP;
  const add = (point: number): void => {
    const found = marks.classOf(point);
    let list = byClass.get(found);
    if (list === undefined) byClass.set(found, (list = new MarkList()));
    list.add(point);
  };
  let end = start;
  while (end < text.length) {
    const point = pointAt(text, end);
    if (!marks.isMark(point)) break;
    const decomposed = marks.decomposed(point);
    if (decomposed === undefined) add(point);
    else for (const mark of decomposed) add(pointAt(mark, 0));
    end += unitsOf(point);
    if (--left > 0) continue;
    left = MARKS_PER_STEP;
    yield undefined;
  }
  const first = normalize(head + Array.from(byClass.values(), (list) => list.first).join(''), form);
  let kept = first.length;
  while (kept > 0 && marks.isMark(pointBefore(first, kept))) kept -= unitsOf(pointBefore(first, kept));
  parts.push(first.slice(0, kept));
  while (kept < first.length) {
    const found = marks.classOf(pointAt(first, kept));
    const from = kept;
    while (kept < first.length && marks.classOf(pointAt(first, kept)) === found) kept += unitsOf(pointAt(first, kept));
    parts.push(first.slice(from, kept));
    // A mark that has not composed keeps all others of its class behind it from that.
    yield* byClass.get(found)?.rest(parts) ?? [];
  }
  return end;
}

/** Marks of one class, in their order. */
class MarkList {
  /** Those that may compose with what is before them. */
  first = '';
  private count = 0;
  private readonly full: Uint16Array[] = [];
  private units = new Uint16Array(64);
  private used = 0;

  add(point: number): void {
    if (this.count < COMPOSING) {
      this.count++;
      this.first += String.fromCodePoint(point);
      return;
    }
    if (this.used + 2 > this.units.length) this.grow();
    if (point > 0xffff) {
      this.units[this.used++] = 0xd800 + ((point - 0x10000) >> 10);
      this.units[this.used++] = 0xdc00 + (point & 0x3ff);
    } else this.units[this.used++] = point;
  }

  /** Adds those behind the first, in steps. */
  *rest(parts: string[]): Generator<undefined, void> {
    for (const units of [...this.full, this.units.subarray(0, this.used)]) {
      parts.push(String.fromCharCode(...units));
      yield undefined;
    }
  }

  private grow(): void {
    if (this.units.length === UNITS_AT_ONCE) {
      this.full.push(this.units.subarray(0, this.used));
      this.units = new Uint16Array(UNITS_AT_ONCE);
      this.used = 0;
      return;
    }
    const units = new Uint16Array(this.units.length * 2);
    units.set(this.units);
    this.units = units;
  }
}

function pointAt(text: string, at: number): number {
  return text.codePointAt(at) as number;
}

function pointBefore(text: string, at: number): number {
  const point = at > 1 ? pointAt(text, at - 2) : 0;
  return point > 0xffff ? point : text.charCodeAt(at - 1);
}

function unitsOf(point: number): number {
  return point > 0xffff ? 2 : 1;
}

function findClass(mark: string): MarkClass | undefined {
  if (mark !== LAST && !isHigher(LAST, mark)) return undefined;
  const above = classes.findIndex(({ example }) => !isHigher(mark, example));
  const place = above < 0 ? classes.length : above;
  const known = classes.at(place);
  if (known !== undefined && !isHigher(known.example, mark)) return known;
  const made = { example: mark };
  classes.splice(place, 0, made);
  return made;
}

/** Whether the class of `one` is higher than that of `other`: then they change places. */
function isHigher(one: string, other: string): boolean {
  return `x${one}${other}`.normalize('NFD') !== `x${one}${other}`;
}
