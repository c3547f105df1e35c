import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

export const ENCODINGS = ['cl100k_base', 'o200k_base'] as const;
export type BenchEncoding = (typeof ENCODINGS)[number];

/** A way to count tokens, ready to be called. */
export interface Counter {
  /** Tokens of ordinary text. Packages that count only off the main thread return a promise. */
  count(text: string): number | Promise<number>;
  encode?(text: string): ArrayLike<number>;
}

/** A package, or one of our engines, as the bench knows it. */
export interface Contender {
  readonly name: string;
  readonly version: string;
  /** How it is made, for the list under the table. */
  readonly kind: 'ours' | 'JavaScript' | 'WebAssembly' | 'native' | 'native, asynchronous';
  readonly encodings: readonly BenchEncoding[];
  open(encoding: BenchEncoding): Counter;
}

/** Contenders that can be measured on this machine, and why the others cannot. */
export interface Available {
  readonly installed: Contender[];
  readonly missing: { name: string; reason: string }[];
}

/** The reference that every count is compared with, and the unit of the ratios. */
export const REFERENCE = 'tiktoken';

export const ROOT = join(__dirname, '..', '..', '..');
export const BENCH = join(ROOT, 'test', 'bench');
/** Opens what test/bench has installed. */
const peer = createRequire(join(BENCH, 'package.json'));
/**
 * The reference is a dependency of the package itself, so it is installed even without the peers.
 */
const own = createRequire(join(ROOT, 'package.json'));

const both = ENCODINGS;
const onlyCl100k = ['cl100k_base'] as const;

interface PeerDefinition {
  readonly name: string;
  readonly package?: string;
  readonly kind: Contender['kind'];
  readonly encodings: readonly BenchEncoding[];
  open(encoding: BenchEncoding): Counter;
}

const definitions: readonly PeerDefinition[] = [
  {
    name: REFERENCE,
    kind: 'WebAssembly',
    encodings: both,
    open(encoding) {
      const tokenizer = own('tiktoken').get_encoding(encoding);
      return { count: (text) => tokenizer.encode_ordinary(text).length, encode: (text) => tokenizer.encode_ordinary(text) };
    },
  },
  {
    name: 'gpt-tokenizer',
    kind: 'JavaScript',
    encodings: both,
    open(encoding) {
      const { countTokens, encode } = peer(`gpt-tokenizer/encoding/${encoding}`);
      return { count: (text) => countTokens(text), encode: (text) => encode(text) };
    },
  },
  {
    name: 'ai-tokenizer',
    kind: 'JavaScript',
    encodings: both,
    open(encoding) {
      const { Tokenizer } = peer('ai-tokenizer');
      const tokenizer = new Tokenizer(peer(`ai-tokenizer/encoding/${encoding}`));
      return { count: (text) => tokenizer.count(text), encode: (text) => tokenizer.encode(text) };
    },
  },
  {
    name: '@microsoft/tiktokenizer',
    kind: 'JavaScript',
    encodings: both,
    open(encoding) {
      const { createTokenizer, getRegexByEncoder, getSpecialTokensByEncoder } = peer('@microsoft/tiktokenizer');
      const tokenizer = createTokenizer(rankFile(encoding), getSpecialTokensByEncoder(encoding), getRegexByEncoder(encoding));
      return { count: (text) => tokenizer.encode(text).length, encode: (text) => tokenizer.encode(text) };
    },
  },
  {
    name: 'js-tiktoken',
    kind: 'JavaScript',
    encodings: both,
    open(encoding) {
      const { Tiktoken } = peer('js-tiktoken/lite');
      const tokenizer = new Tiktoken(peer(`js-tiktoken/ranks/${encoding}`));
      return { count: (text) => tokenizer.encode(text, [], []).length, encode: (text) => tokenizer.encode(text, [], []) };
    },
  },
  {
    name: 'kitoken',
    kind: 'WebAssembly',
    encodings: both,
    open(encoding) {
      const { Kitoken } = peer('kitoken/node');
      const tokenizer = Kitoken.from_tiktoken(readFileSync(rankFile(encoding)));
      return { count: (text) => tokenizer.encode(text, false).length, encode: (text) => tokenizer.encode(text, false) };
    },
  },
  {
    name: 'tiktoken-node',
    kind: 'native',
    encodings: onlyCl100k,
    open(encoding) {
      const tokenizer = peer('tiktoken-node').getEncoding(encoding);
      return { count: (text) => tokenizer.encode(text).length, encode: (text) => tokenizer.encode(text) };
    },
  },
  {
    name: 'tiktoken-rs-node',
    package: 'tiktoken-rs-node-linux-x64-gnu',
    kind: 'native',
    encodings: both,
    open(encoding) {
      const tokenizer = peer('tiktoken-rs-node-linux-x64-gnu').getEncoding(encoding);
      return { count: (text) => tokenizer.encode(text).length, encode: (text) => tokenizer.encode(text) };
    },
  },
  {
    name: '@anysphere/tiktoken-node',
    kind: 'native, asynchronous',
    encodings: both,
    open(encoding) {
      const { getTokenizer, SupportedEncoding } = peer('@anysphere/tiktoken-node');
      const [tokenizer, id] = [getTokenizer(), encoding === 'cl100k_base' ? SupportedEncoding.Cl100k : SupportedEncoding.O200k];
      return { count: (text) => tokenizer.exactNumTokensNoSpecialTokens(text, id) };
    },
  },
];

/** The packages that are installed in test/bench, and why the others are not there. */
export function peers(): Available {
  const { installed, missing }: Available = { installed: [], missing: [] };
  for (const definition of definitions) {
    const folder = join(definition.name === REFERENCE ? ROOT : BENCH, 'node_modules', definition.package ?? definition.name);
    if (!existsSync(folder)) missing.push({ name: definition.name, reason: 'not installed' });
    else installed.push({ ...definition, version: (own(join(folder, 'package.json')) as { version: string }).version });
  }
  return { installed, missing };
}

/** The rank file that two packages need: a line per token, base64 and rank. Written once. */
export function rankFile(encoding: BenchEncoding): string {
  const folder = join(BENCH, 'node_modules', '.cache');
  const file = join(folder, `${encoding}.tiktoken`);
  if (existsSync(file)) return file;
  const { bpe_ranks } = own(`tiktoken/encoders/${encoding}.json`) as { bpe_ranks: string };
  const lines = bpe_ranks.split('\n').flatMap((line) => {
    const [, first, ...tokens] = line.split(' ');
    return tokens.map((token, i) => `${token} ${Number(first) + i}`);
  });
  mkdirSync(folder, { recursive: true });
  writeFileSync(file, `${lines.join('\n')}\n`);
  return file;
}
