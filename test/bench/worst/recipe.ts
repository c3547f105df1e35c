import { between, pick, seeded } from '../harness/random.js';
import type { Random } from '../harness/random.js';

/** How a text is made: its parts one after the other, or in an order that a seed decides. */
export interface Recipe {
  readonly parts: readonly string[];
  readonly order: 'cycle' | 'random';
}

/**
 * A text of at least `bytes` UTF-8 bytes, by less than one part more. A random text depends on the
 * seed.
 */
export function textOf({ parts, order }: Recipe, bytes: number, seed: number): string {
  const lengths = parts.map((part) => Buffer.byteLength(part));
  if (order === 'cycle') return parts.join('').repeat(Math.ceil(bytes / lengths.reduce((sum, length) => sum + length)));
  const random = seeded(seed);
  let text = '';
  for (let left = bytes; left > 0;) {
    const index = between(random, 0, parts.length - 1);
    text += parts[index];
    left -= lengths[index];
  }
  return text;
}

const MOST_SHOWN = 60;

/** For a table: escaped, cut where it is long. */
export function described({ parts, order }: Recipe): string {
  const shown = parts.length === 1 ? JSON.stringify(parts[0]) : JSON.stringify(parts);
  const escaped = shown.replace(/[^ -~]/gu, (char) => `\\u{${(char.codePointAt(0) as number).toString(16)}}`).replaceAll('`', '\\u{60}');
  return `${order} \`${escaped.length > MOST_SHOWN ? `${escaped.slice(0, MOST_SHOWN)}…` : escaped}\``;
}

const LETTERS = 'abcdefghijklmnopqrstuvwxyz';
const PUNCTUATION = [...'!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~ \t\n\r'];
/**
 * Runs of code points of each script and kind that tokenizers distinguish; U+D800: lone surrogates.
 */
const KINDS = [
  0xa0, 0x100, 0x300, 0x391, 0x430, 0x5d0, 0x620, 0x905, 0xe01, 0x10d0, 0x1200, 0x200b, 0x2010, 0x2500, 0x3041, 0x4e00, 0xac00, 0xd800,
  0xe000, 0xfe00, 0x1f300, 0x1f3fb, 0x1d400, 0x20000, 0xe0061,
];
const KIND_SIZE = 30;
/** Lengths around those where pieces are treated in another way. */
const WORD_LENGTHS = [1, 2, 4, 8, 12, 15, 16, 30, 31, 63, 64, 100, 128, 129, 255, 256, 312, 313, 400, 1000];

/**
 * Always tried: characters, pairs and random triples of punctuation, random texts of all alphabets.
 */
export function knownRecipes(): (() => Recipe)[] {
  const random = seeded(1);
  const repeated = (part: string) => (): Recipe => ({ parts: [part], order: 'cycle' });
  const alphabets = KINDS.map((first) => Array.from({ length: KIND_SIZE }, (_, at) => String.fromCodePoint(first + at)));
  const single = alphabets.flatMap((alphabet) => [alphabet[0], alphabet[7]]);
  const [lower, upper, digits] = [[...LETTERS], [...LETTERS.toUpperCase()], [...'0123456789']];
  const letters = [...lower, ...upper];
  alphabets.push(lower, upper, letters, digits, PUNCTUATION, [...'0123456789abcdef'], [...letters, ...digits, '+', '/'], [...'ab']);
  alphabets.push([...lower, ...digits, ...PUNCTUATION], [...letters, ...digits, ...PUNCTUATION]);
  const triples = Array.from({ length: 500 }, () => Array.from({ length: 3 }, () => pick(random, PUNCTUATION)).join(''));
  return [
    ...Array.from({ length: 128 }, (_, code) => repeated(String.fromCharCode(code))),
    ...single.map(repeated),
    ...PUNCTUATION.flatMap((first) => PUNCTUATION.map((second) => repeated(first + second))),
    ...triples.map(repeated),
    ...alphabets.flatMap((parts) => [
      (): Recipe => ({ parts, order: 'random' }),
      ...WORD_LENGTHS.map((length) => (): Recipe => ({ parts: words(parts, length, random), order: 'random' })),
    ]),
  ];
}

/** Different words, so many that no cache knows them all. */
function words(alphabet: readonly string[], length: number, random: Random): string[] {
  const count = Math.max(4, Math.min(2_000, Math.floor(60_000 / length)));
  return Array.from(
    { length: count },
    () => `${Array.from({ length }, () => pick(random, alphabet)).join('')}${pick(random, [' ', '\n', ''])}`,
  );
}

/** One of the `recipes`, changed, or two of them mixed. */
export function mutated(recipes: readonly Recipe[], tokens: readonly string[], random: Random): Recipe {
  const { parts, order } = pick(random, recipes);
  const at = between(random, 0, parts.length - 1);
  const changed = [...parts];
  switch (between(random, 0, 6)) {
    case 0:
      changed[at] = changed[at].repeat(between(random, 2, 70)).slice(0, 2_000);
      break;
    case 1:
      changed[at] += pick(random, PUNCTUATION);
      break;
    case 2:
      changed.splice(at, 0, pick(random, tokens));
      break;
    case 3:
      changed[at] = changed[at].slice(0, Math.ceil(changed[at].length / 2)) || 'a';
      break;
    case 4:
      changed.push(...pick(random, recipes).parts.slice(0, 50));
      break;
    case 5:
      if (changed.length > 1) changed.splice(at, 1);
      break;
    default:
      return { parts, order: order === 'cycle' ? 'random' : 'cycle' };
  }
  return { parts: changed.slice(0, 4_000), order };
}
