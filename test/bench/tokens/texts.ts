import { between, pick, pickByRank, seeded } from '../harness/random.js';
import type { Random } from '../harness/random.js';
import { chinese, emoji, english, japanese, others } from './words.js';

export const TEXT_KINDS = ['prose', 'code', 'json', 'cjk', 'emoji', 'multilingual', 'mixed'] as const;
export type TextKind = (typeof TEXT_KINDS)[number];

/** Texts of one kind and size, in blocks of which each is one unit of work. */
export interface TextPool {
  readonly blocks: readonly (readonly string[])[];
  /** Mean length of a block in UTF-8 bytes. */
  readonly bytesPerBlock: number;
}

/** Distinct texts of `bytes` UTF-8 bytes, the same on every machine: 8 blocks of at most 64 KB. */
export function textPool(kind: TextKind, bytes: number): TextPool {
  const perBlock = Math.max(1, Math.min(512, Math.floor(65_536 / bytes)));
  const blockCount = bytes > 131_072 ? 2 : 8;
  const random = seeded(bytes * 31 + TEXT_KINDS.indexOf(kind));
  const blocks = Array.from({ length: blockCount }, () => Array.from({ length: perBlock }, () => makeText(kind, bytes, random)));
  return poolOf(blocks);
}

/** One text again and again: what a system prompt is. */
export function hotPool(kind: TextKind, bytes: number): TextPool {
  const text = makeText(kind, bytes, seeded(bytes));
  return poolOf([new Array<string>(Math.max(1, Math.floor(65_536 / bytes))).fill(text)]);
}

export function poolOf(blocks: readonly (readonly string[])[]): TextPool {
  const total = blocks.flat().reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  return { blocks, bytesPerBlock: total / blocks.length };
}

/** Code and JSON begin alike: short texts are cut from somewhere within, or they would repeat. */
const FURTHEST_START = 300;

/** A text of `bytes` UTF-8 bytes, or a few fewer where a character would be cut. */
export function makeText(kind: TextKind, bytes: number, random: Random): string {
  const start = kind === 'code' || kind === 'json' ? between(random, 0, FURTHEST_START) : 0;
  const parts: string[] = [];
  for (let length = 0; length < start + bytes;) {
    const part = makers[kind](random);
    parts.push(part);
    length += Buffer.byteLength(part);
  }
  return flatten(Buffer.from(parts.join('')), start, bytes);
}

/**
 * Cuts at characters and flattens: V8 stores a concatenated string as a tree until its first read.
 */
function flatten(buffer: Buffer, from: number, bytes: number): string {
  let [start, end] = [from, Math.min(from + bytes, buffer.length)];
  while ((buffer[start] & 0xc0) === 0x80) start++;
  while (end < buffer.length && (buffer[end] & 0xc0) === 0x80) end--;
  return buffer.toString('utf8', start, end);
}

const makers: Record<TextKind, (random: Random) => string> = {
  prose: (random) => `${sentence(random)}${random() < 0.15 ? '\n\n' : ' '}`,
  code: codeLines,
  json: (random) => `${JSON.stringify(record(random), null, random() < 0.5 ? 2 : 0)},\n`,
  cjk: (random) => (random() < 0.5 ? unspaced(random, chinese, 0x4e00, 0x9fa5) : unspaced(random, japanese, 0x30a1, 0x30fa)),
  emoji: (random) => `${pick(random, emoji)}${random() < 0.35 ? ` ${pickByRank(random, english)} ` : ''}`,
  multilingual: (random) => foreign(random),
  mixed: (random) => Array.from({ length: 4 }, () => makers[pick(random, TEXT_KINDS.slice(0, 6))](random)).join('\n'),
};

function word(random: Random): string {
  if (random() < 0.012) return invented(random);
  if (random() < 0.02) return String(between(random, 1, 4000));
  return pickByRank(random, english);
}

function sentence(random: Random): string {
  const words = Array.from({ length: between(random, 5, 22) }, () => word(random));
  for (let i = 1; i < words.length - 1; i++) {
    if (random() < 0.08) words[i] += ',';
    else if (random() < 0.02) words[i] = capital(invented(random));
    else if (random() < 0.01) words[i] = `"${words[i]}"`;
    else if (random() < 0.01) words[i] += "'s";
  }
  return `${capital(words.join(' '))}${pick(random, ['.', '.', '.', '.', '?', '!', ':'])}`;
}

/** A word that no vocabulary has: a name, a brand, a typing error. */
function invented(random: Random): string {
  return Array.from(
    { length: between(random, 2, 4) },
    () => pick(random, [...'bdfgklmnprstvz']) + pick(random, ['a', 'e', 'i', 'o', 'u', 'ai', 'or', 'en']),
  ).join('');
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function identifier(random: Random): string {
  const parts = Array.from({ length: between(random, 1, 3) }, () => pickByRank(random, english));
  return random() < 0.25 ? parts.join('_') : parts.map((part, i) => (i === 0 ? part : capital(part))).join('');
}

function codeLines(random: Random): string {
  const indent = '  '.repeat(between(random, 0, 4));
  const id = (): string => identifier(random);
  const shapes: (() => string)[] = [
    () => `const ${id()} = await this.${id()}.${id()}(${id()}, { ${id()}: ${between(random, 0, 65536)}, ${id()} });`,
    () => `if (${id()}[${id()}] !== ${id()}.length - 1 && !${id()}) {\n${indent}  return ${id()};\n${indent}}`,
    () => `// ${sentence(random)}`,
    () => `export function ${id()}(${id()}: string, ${id()} = ${between(random, 0, 9)}): Map<string, ${capital(id())}> {`,
    () => `for (let i = 0; i < ${id()}.length; i++) ${id()} += ${id()}[i] ?? '${id()}';`,
    () => `throw new ${capital(id())}Error(\`${sentence(random)} \${${id()}}\`);`,
    () => `import { ${capital(id())}, ${id()} } from './${id()}/${id()}.js';`,
    () => `#define ${id().toUpperCase()} 0x${between(random, 0, 0xffffff).toString(16)}u`,
    () => '}',
    () => '',
  ];
  return `${indent}${pick(random, shapes)()}\n`;
}

function record(random: Random): Record<string, unknown> {
  const hex = (digits: number): string => Array.from({ length: digits }, () => between(random, 0, 15).toString(16)).join('');
  return {
    id: `${hex(8)}-${hex(4)}-4${hex(3)}-a${hex(3)}-${hex(12)}`,
    created: new Date(1.7e12 + random() * 6e10).toISOString(),
    [identifier(random)]: random() < 0.5 ? sentence(random) : identifier(random),
    [identifier(random)]: Array.from({ length: between(random, 0, 5) }, () => Number(random().toFixed(between(random, 0, 12)))),
    role: pick(random, ['user', 'assistant', 'system', 'tool']),
    usage: { prompt_tokens: between(random, 0, 9000), completion_tokens: between(random, 0, 900), cached: random() < 0.5, error: null },
    url: `https://${invented(random)}.example/${identifier(random)}?q=${identifier(random)}&page=${between(random, 1, 99)}`,
  };
}

function unspaced(random: Random, words: readonly string[], low: number, high: number): string {
  const parts = Array.from({ length: between(random, 6, 18) }, () =>
    random() < 0.04
      ? String.fromCodePoint(between(random, low, high))
      : random() < 0.02
        ? String(between(random, 1, 2030))
        : pickByRank(random, words),
  );
  return `${parts.join('')}${pick(random, ['。', '。', ',', '、', '!', '。\n'])}`;
}

function foreign(random: Random): string {
  const at = between(random, 0, others.length + 2);
  if (at === others.length) return unspaced(random, chinese, 0x4e00, 0x9fa5);
  if (at === others.length + 1) return unspaced(random, japanese, 0x30a1, 0x30fa);
  if (at === others.length + 2) return `${sentence(random)} `;
  const words = others[at];
  return `${Array.from({ length: between(random, 5, 16) }, () => pickByRank(random, words)).join(' ')}${pick(random, ['. ', '. ', ', ', '? ', '.\n'])}`;
}
