import { ASCII_LETTER, deepseekClasses, EAST_ASIAN, NO_CLASS, SYMBOL } from './character-sets.js';
import { classBitAt, LETTER_CLASSES, LINE_END, NUMBER, skipRun, SPACE, widthAt, widthBefore } from './character-classes.js';
import { classRuns, type LongRuns } from './class-blocks.js';
import { lastLineEnd, numberEnd, type PieceEnd } from './pretokenizer.js';

const WORD = LETTER_CLASSES | ASCII_LETTER;
const BLANK = 0x20;

/**
 * DeepSeek's three passes as one: numbers of up to three; runs of Han and kana; then ASCII
 * punctuation with ASCII letters, words with marks, punctuation, white space. What the first two
 * take ends the text for the third; what none takes is a piece as long as it goes on.
 */
export const deepseekPieceEnd: PieceEnd = Object.assign(
  (text: string, at: number): number => {
    const classes = deepseekClasses();
    const bit = classBitAt(text, at, classes);
    if (bit & NUMBER) return numberEnd(text, at, classes, 3);
    if (bit & EAST_ASIAN) return skipRun(text, at, EAST_ASIAN, classes);
    if (bit & WORD) return skipRun(text, at, WORD, classes);
    const after = at + widthAt(text, at);
    if (bit & SYMBOL && text.charCodeAt(at) < 0x80) {
      const wordEnd = skipRun(text, after, ASCII_LETTER, classes);
      if (wordEnd > after) return wordEnd;
    }
    if ((bit & (SYMBOL | LINE_END)) === 0) {
      const wordEnd = skipRun(text, after, WORD, classes);
      if (wordEnd > after) return wordEnd;
    }
    const start = text.charCodeAt(at) === BLANK ? after : at;
    const symbolsEnd = skipRun(text, start, SYMBOL, classes);
    if (symbolsEnd > start) return skipRun(text, symbolsEnd, LINE_END, classes);
    return bit & SPACE ? spacesEnd(text, at, classes) : othersEnd(text, at, classes);
  },
  { longRuns: (): LongRuns => classRuns(deepseekClasses(), [WORD, EAST_ASIAN, SYMBOL | LINE_END, SPACE, NO_CLASS]) },
);

/** `\s*[\r\n]+|\s+(?!\S)|\s+` */
function spacesEnd(text: string, at: number, classes: Uint8Array): number {
  const end = skipRun(text, at, SPACE, classes);
  const linesEnd = lastLineEnd(text, { from: at, end }, classes);
  if (linesEnd > at) return linesEnd;
  const endsPart = end >= text.length || (classBitAt(text, end, classes) & (NUMBER | EAST_ASIAN)) !== 0;
  return end - at > 1 && !endsPart ? end - 1 : end;
}

/** The end of characters of no pattern; the last of them is part of a word behind it. */
function othersEnd(text: string, at: number, classes: Uint8Array): number {
  const end = skipRun(text, at, NO_CLASS, classes);
  return classBitAt(text, end, classes) & WORD ? end - widthBefore(text, end) : end;
}
