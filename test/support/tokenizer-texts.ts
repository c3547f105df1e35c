import { randomText, seededRandom } from './random-text.js';

/** What the tokenizers' own rules look for: added tokens, U+2581, what composes, runs. */
const EXTRA = [
  '<think>',
  '</think>',
  '<|im_start|>',
  '<tool_call>',
  '<start_of_turn>',
  '<unused7>',
  '<table>',
  '<｜User｜>',
  '<｜tool▁calls▁begin｜>',
  '\n\n\n',
  '\t\t\t',
  '▁',
  '▁▁',
  '>▁</',
  '> </',
  '가',
  '한',
  'Å',
  'ﬁ',
  '①',
  '〇',
  '⺀',
  '々',
  '゛',
  '・',
  'ー',
  'ï¼',
  '\n*\n*\n*',
  // Tokens of Llama 3 that merges do not make.
  ' nhiều',
  ' việc',
  'ektedir',
  ' jeho',
  'しない',
  ' '.repeat(40),
  ' '.repeat(200),
  '='.repeat(300),
  '-'.repeat(260),
];

/** Random texts without lone surrogates, the same everywhere. */
export function tokenizerTexts(count: number): string[] {
  const random = seededRandom(7);
  return Array.from({ length: count }, () => Buffer.from(randomText(random, 24, EXTRA)).toString());
}

/** FNV-1a over 32-bit ids, in base 36. */
export function hashOfIds(ids: ArrayLike<number>): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < ids.length; i++) {
    for (let shift = 0; shift < 32; shift += 8) hash = Math.imul(hash ^ ((ids[i] >>> shift) & 0xff), 0x01000193);
  }
  return (hash >>> 0).toString(36);
}
