import { between, pick, seeded } from '../harness/random.js';
import type { Random } from '../harness/random.js';

/** Texts of one piece: a naive merge takes quadratic time. */
const makers: Record<string, (random: Random) => string> = {
  'one letter': () => 'a',
  'random letters': (random) => String.fromCharCode(between(random, 97, 122)),
  spaces: () => ' ',
  newlines: () => '\n',
  quotes: () => "'",
  'combining marks': () => '\u0301',
  Han: (random) => String.fromCodePoint(between(random, 0x4e00, 0x9fa5)),
  emoji: (random) => pick(random, [...'😀🎉🔥🚀🧠🤖🍕']),
};

export const HOSTILE_KINDS: readonly string[] = Object.keys(makers);

/** A text of one of the kinds, of at most `bytes` UTF-8 bytes. */
export function hostileText(kind: string, bytes: number): string {
  const make = makers[kind];
  const random = seeded(bytes);
  const width = Buffer.byteLength(make(random));
  return Buffer.from(Array.from({ length: Math.floor(bytes / width) }, () => make(random)).join('')).toString();
}
