import { isPunctuation, skipWhile } from './character-sets.js';
import { characterClasses, classBitAt, LETTER_CLASSES, LOWER, NUMBER, SPACE, UPPER, widthAt } from './character-classes.js';
import { isLineEnd, numberEnd, skipLineEnds, type PieceEnd } from './pretokenizer.js';

/**
 * DeepSeek's three passes as one: numbers of up to three; runs of Han and kana; then ASCII
 * punctuation with ASCII letters, words with marks, punctuation, white space. What the first two
 * take ends the text for the third; what none takes is a piece as long as it goes on.
 */
export const deepseekPieceEnd: PieceEnd = (text, at) => {
  const classes = characterClasses();
  if (classBitAt(text, at, classes) & NUMBER) return numberEnd(text, at, classes, 3);
  const eastAsianEnd = skipWhile(text, at, isEastAsian);
  if (eastAsianEnd > at) return eastAsianEnd;
  const end = thirdPassEnd(text, at, classes);
  if (end > at) return end;
  for (let next = at + widthAt(text, at); ; next += widthAt(text, next))
    if (endsPart(text, next, classes) || thirdPassEnd(text, next, classes) > next) return next;
};

function isEastAsian(point: number): boolean {
  return (point >= 0x4e00 && point <= 0x9fa5) || (point >= 0x3040 && point <= 0x30ff);
}

/** Whether the part that the third pass splits ends at `at`. */
function endsPart(text: string, at: number, classes: Uint8Array): boolean {
  return at >= text.length || (classBitAt(text, at, classes) & NUMBER) !== 0 || isEastAsian(text.codePointAt(at) as number);
}

/** The end of the third pass's match, or `at`. */
function thirdPassEnd(text: string, at: number, classes: Uint8Array): number {
  const isWord = (point: number): boolean => ((LETTER_CLASSES >> classes[point]) & 1) !== 0 && !isEastAsian(point);
  const isSymbol = (point: number): boolean => classes[point] === 0 && isPunctuation(point) && !isEastAsian(point);
  const first = text.codePointAt(at) as number;
  const after = at + widthAt(text, at);
  if (first < 0x80 && isSymbol(first)) {
    const wordEnd = skipWhile(text, after, isAsciiLetter);
    if (wordEnd > after) return wordEnd;
  }
  if (isWord(first)) return skipWhile(text, after, isWord);
  if (!isSymbol(first) && !isLineEnd(first)) {
    const wordEnd = skipWhile(text, after, isWord);
    if (wordEnd > after) return wordEnd;
  }
  const start = first === 0x20 ? after : at;
  const symbolsEnd = skipWhile(text, start, isSymbol);
  if (symbolsEnd > start) return skipLineEnds(text, symbolsEnd, false);
  return spacesEnd(text, at, classes);
}

function isAsciiLetter(point: number): boolean {
  return point < 0x80 && ((UPPER | LOWER) & (1 << characterClasses()[point])) !== 0;
}

/** `\s*[\r\n]+|\s+(?!\S)|\s+`, or `at`. */
function spacesEnd(text: string, at: number, classes: Uint8Array): number {
  const end = skipWhile(text, at, (point) => ((SPACE >> classes[point]) & 1) !== 0);
  for (let last = end - 1; last >= at; last--) if (isLineEnd(text.charCodeAt(last))) return last + 1;
  return end - at > 1 && !endsPart(text, end, classes) ? end - 1 : end;
}
