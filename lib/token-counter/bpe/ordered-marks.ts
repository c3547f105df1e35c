/** Shorter runs are ordered by `normalize` itself. */
const LONG_RUN = /\p{M}{64,}/gu;
/** The mark of the highest class: what it changes its place with has a class. */
const LAST = '\u0345';

/** A combining class; there are some fifty. `normalize` tells which of two marks has the higher. */
interface MarkClass {
  readonly example: string;
  rank: number;
}

/** The lowest first. */
const classes: MarkClass[] = [];
const classOfMark = new Map<string, MarkClass | undefined>();
/** Single marks of a character, decomposed. */
const decomposed = new Map<string, readonly string[]>();

/**
 * Puts long runs of combining marks into canonical order, so that `normalize` finds them in it:
 * its own insertion sort takes a minute for 600 KB of marks of alternating classes.
 */
export function withOrderedMarks(text: string): string {
  return text.replace(LONG_RUN, ordered);
}

function ordered(run: string): string {
  const marks = Array.from(run).flatMap(marksOf);
  const found = marks.map(classOf);
  const parts: string[] = [];
  let byRank: string[][] = [];
  for (let at = 0; at <= marks.length; at++) {
    const own = found[at];
    if (own !== undefined) {
      (byRank[own.rank] ??= []).push(marks[at]);
      continue;
    }
    // A mark without a class stays where it is, and the others on their side of it.
    byRank.forEach((same) => parts.push(same.join('')));
    byRank = [];
    if (at < marks.length) parts.push(marks[at]);
  }
  return parts.join('');
}

function marksOf(character: string): readonly string[] {
  let marks = decomposed.get(character);
  if (marks === undefined) decomposed.set(character, (marks = Array.from(character.normalize('NFD'))));
  return marks;
}

/** `undefined` for a mark that never changes places. */
function classOf(mark: string): MarkClass | undefined {
  if (!classOfMark.has(mark)) classOfMark.set(mark, findClass(mark));
  return classOfMark.get(mark);
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
