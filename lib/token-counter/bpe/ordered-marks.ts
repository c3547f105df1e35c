/** UTF-16 units. Shorter runs are ordered by `normalize` itself. */
const LONG_RUN = 64;
/** No mark is below. */
const FIRST_MARK = 0x300;
/** The mark of the highest class: what it changes its place with has a class. */
const LAST = '\u0345';

/** A combining class; there are some fifty. `normalize` tells which of two marks has the higher. */
interface MarkClass {
  readonly example: string;
  rank: number;
}

/** The lowest first. */
const classes: MarkClass[] = [];
/** By code point; `undefined` for a mark that never changes places. */
const classOfMark = new Map<number, MarkClass | undefined>();
const decomposesByPoint = new Map<number, boolean>();
/** By code point: 0 not known yet, 1 no mark, 2 a mark. */
let known: Uint8Array | undefined;
/** Units that become text in one call. */
const UNITS_AT_ONCE = 8_192;

/**
 * Puts long runs of combining marks into canonical order, so that `normalize` finds them in it:
 * its own insertion sort takes a minute for 600 KB of marks of alternating classes.
 */
export function withOrderedMarks(text: string): string {
  const parts: string[] = [];
  let copied = 0;
  let start = 0;
  // Not by an expression: a run of megabytes overflows its stack.
  for (let at = 0; at <= text.length;) {
    const point = at < text.length ? pointAt(text, at) : 0;
    const end = at + unitsOf(point);
    if (!isMark(point)) {
      if (at - start >= LONG_RUN) {
        parts.push(text.slice(copied, start), ordered(text.slice(start, at)));
        copied = at;
      }
      start = end;
    }
    at = end;
  }
  return copied === 0 ? text : parts.join('') + text.slice(copied);
}

/** Sorts by counting, and in units: a prompt may be megabytes of marks. */
function ordered(run: string): string {
  const marks = decomposed(run);
  // A class that is found later may raise the rank of an earlier one.
  for (let at = 0; at < marks.length; at += unitsOf(pointAt(marks, at))) classOf(pointAt(marks, at));
  const units = new Uint16Array(marks.length);
  let from = 0;
  for (let at = 0; at <= marks.length;) {
    const isOver = at === marks.length;
    if (!isOver && classOf(pointAt(marks, at)) !== undefined) {
      at += unitsOf(pointAt(marks, at));
      continue;
    }
    // A mark without a class stays where it is, and the others on their side of it.
    orderPart(marks, { from, to: at }, units);
    if (isOver) break;
    const length = unitsOf(pointAt(marks, at));
    for (let i = 0; i < length; i++, at++) units[at] = marks.charCodeAt(at);
    from = at;
  }
  const parts: string[] = [];
  for (let at = 0; at < units.length; at += UNITS_AT_ONCE) parts.push(String.fromCharCode(...units.subarray(at, at + UNITS_AT_ONCE)));
  return parts.join('');
}

/** Writes marks that all have a class to the same place in `units`, those of low classes first. */
function orderPart(marks: string, { from, to }: { readonly from: number; readonly to: number }, units: Uint16Array): void {
  const rankAt = (at: number): number => (classOf(pointAt(marks, at)) as MarkClass).rank;
  const next = new Uint32Array(classes.length + 1);
  for (let at = from; at < to; at += unitsOf(pointAt(marks, at))) next[rankAt(at) + 1] += unitsOf(pointAt(marks, at));
  next[0] = from;
  for (let rank = 1; rank < next.length; rank++) next[rank] += next[rank - 1];
  for (let at = from; at < to;) {
    const rank = rankAt(at);
    const end = at + unitsOf(pointAt(marks, at));
    while (at < end) units[next[rank]++] = marks.charCodeAt(at++);
  }
}

/** Replaces each mark that decomposes; there are some sixty. */
function decomposed(run: string): string {
  for (let at = 0; at < run.length; at += unitsOf(pointAt(run, at)))
    if (decomposes(pointAt(run, at))) return run.replace(/\p{M}/gu, (mark) => mark.normalize('NFD'));
  return run;
}

function decomposes(point: number): boolean {
  let answer = decomposesByPoint.get(point);
  if (answer === undefined) {
    const mark = String.fromCodePoint(point);
    decomposesByPoint.set(point, (answer = mark.normalize('NFD') !== mark));
  }
  return answer;
}

function isMark(point: number): boolean {
  if (point < FIRST_MARK) return false;
  known ??= new Uint8Array(0x11_0000);
  if (known[point] === 0) known[point] = /^\p{M}$/u.test(String.fromCodePoint(point)) ? 2 : 1;
  return known[point] === 2;
}

function pointAt(text: string, at: number): number {
  return text.codePointAt(at) as number;
}

function unitsOf(point: number): number {
  return point > 0xffff ? 2 : 1;
}

/** Whether what is before a character may change its place: it is a mark, or starts with one. */
export function mayBeReordered(character: string): boolean {
  return classOf(pointAt(character.normalize('NFKD'), 0)) !== undefined;
}

function classOf(point: number): MarkClass | undefined {
  let found = classOfMark.get(point);
  if (found === undefined && !classOfMark.has(point)) classOfMark.set(point, (found = findClass(String.fromCodePoint(point))));
  return found;
}

function findClass(mark: string): MarkClass | undefined {
  if (mark !== LAST && !isHigher(LAST, mark)) return undefined;
  const above = classes.findIndex(({ example }) => !isHigher(mark, example));
  const place = above < 0 ? classes.length : above;
  const known = classes.at(place);
  if (known !== undefined && !isHigher(known.example, mark)) return known;
  const made = { example: mark, rank: 0 };
  classes.splice(place, 0, made);
  classes.forEach((each, rank) => (each.rank = rank));
  return made;
}

/** Whether the class of `one` is higher than that of `other`: then they change places. */
function isHigher(one: string, other: string): boolean {
  return `x${one}${other}`.normalize('NFD') !== `x${one}${other}`;
}
